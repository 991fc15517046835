package scanner

// Verdict is what the person at the gate acts on.
type Verdict string

// The three verdicts.
const (
	Admit  Verdict = "admit"
	Refuse Verdict = "refuse"
	Review Verdict = "review"
)

// Mode tells who decided.
type Mode string

// The two modes.
const (
	Online  Mode = "online"
	Offline Mode = "offline"
)

// Reason is why. The list is closed: support tools rely on it.
type Reason string

// The reasons of an admission.
const (
	OK     Reason = "ok"
	Exited Reason = "exited"
)

// The reasons of a refusal.
const (
	AlreadyEntered   Reason = "already_entered"
	NotFound         Reason = "not_found"
	Voided           Reason = "voided"
	Refunded         Reason = "refunded"
	WrongClient      Reason = "wrong_client"
	WrongSeries      Reason = "wrong_series"
	WrongEvent       Reason = "wrong_event"
	WrongSection     Reason = "wrong_section"
	TooEarly         Reason = "too_early"
	TooLate          Reason = "too_late"
	ExitNotPermitted Reason = "exit_not_permitted"
	Restricted       Reason = "restricted"
	Unreadable       Reason = "unreadable"
)

// The reasons of a review.
const (
	NoList        Reason = "no_list"
	NotInList     Reason = "not_in_list"
	NotReady      Reason = "not_ready"
	ClockDoubt    Reason = "clock"
	DamagedRecord Reason = "damaged"
	NotStored     Reason = "not_stored"
)

// Verdict is the verdict that the reason stands for by itself. A site's policy
// (offline.unknown, gate.exit_unknown) may turn not_found, not_in_list and
// exit_not_permitted into a review.
func (r Reason) Verdict() Verdict {
	switch r {
	case OK, Exited:
		return Admit
	case NoList, NotInList, NotReady, ClockDoubt, DamagedRecord, NotStored:
		return Review
	}
	return Refuse
}

// Reasons lists every reason, for tables and tests that must know them all.
func Reasons() []Reason {
	return []Reason{
		OK, Exited,
		AlreadyEntered, NotFound, Voided, Refunded, WrongClient, WrongSeries, WrongEvent, WrongSection,
		TooEarly, TooLate, ExitNotPermitted, Restricted, Unreadable,
		NoList, NotInList, NotReady, ClockDoubt, DamagedRecord, NotStored,
	}
}
