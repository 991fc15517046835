package scanner

import (
	"slices"
	"strings"
	"time"
)

// GateKind is the kind of gate a device stands at.
type GateKind string

// The two kinds of gate.
const (
	// External is the way into the venue: one entry per ticket.
	External GateKind = "external"
	// Internal is a door within the venue: a bar, a lounge, a stand.
	Internal GateKind = "internal"
)

// Policy is a site's answer to what a device cannot know.
type Policy string

// The policies.
const (
	PolicyRefuse Policy = "refuse"
	PolicyReview Policy = "review"
	PolicyAdmit  Policy = "admit"
)

// Rule is the gate rule and the filters of a device, from its configuration.
type Rule struct {
	Kind GateKind
	// Reentry lets a ticket that left by an external exit enter again.
	Reentry bool
	// ExitRequired refuses an internal entry without an exit since the last one.
	ExitRequired bool
	// ExitUnknown answers an exit whose entry this device cannot know of.
	ExitUnknown Policy
	// Unknown answers a code that no usable list holds.
	Unknown Policy
	// Event, Series and Client are what the gate admits to; empty: any. A record
	// that names none is taken to belong to the list it came with.
	Event, Series, Client string
	// Sections the gate admits to; empty: any. A record without a section is
	// none of them.
	Sections []string
	// SectionIDs are the vendor's ids of the sections that it lets this device admit
	// to; nil: any; empty: none. Of a record without such an id nothing is known, and
	// it is not refused for it.
	SectionIDs []string
	// SectionsUnknown: the vendor limits this device to sections, and never told which.
	// No record with a section's id gets a green then.
	SectionsUnknown bool
}

// ListState is what the list is worth at the moment of a decision.
type ListState struct {
	Loaded, Complete, Fresh bool
}

// authoritative tells whether a code's absence proves anything.
func (l ListState) authoritative() bool { return l.Loaded && l.Complete && l.Fresh }

// Facts is all that an offline decision rests on.
type Facts struct {
	Direction Direction
	// At is the scan's true time as well as is known.
	At    Instant
	Stamp Stamp
	// Gate is the name that later refusals will give for this entry.
	Gate   string
	Rule   Rule
	Found  Found
	Ticket Ticket
	List   ListState
	// Window is the configured event's, for tickets that have none of their own.
	Window Window
	// Ready is false where the vendor needs a registration or sign-in that this
	// device does not have.
	Ready bool
	Mark  Mark
}

// Decision is the verdict on the facts and, for an admission, the ticket's next
// mark.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	// Conflict: refused because a vendor already refused what was admitted here.
	Conflict bool
	// Unverified: admitted by policy, without a list that knows the ticket.
	Unverified bool
	// FirstEnteredAt and FirstEnteredGate tell of the entry behind
	// AlreadyEntered, where known.
	FirstEnteredAt   time.Time
	FirstEnteredGate string
	// OpensAt and ClosedAt are the edges behind TooEarly and TooLate.
	OpensAt, ClosedAt time.Time
	// Detail is the list's own words behind Restricted, or what else than its
	// record is behind DamagedRecord.
	Detail string
	// Next is the ticket's mark after an admission; nil otherwise. Its upkeep
	// fields (Open, Kept) are the engine's to set.
	Next *Mark
}

// Decide judges a scan from what this device knows. It is pure: the same facts
// give the same decision. The order of checks is fixed: readable record,
// conflict, voided or refunded, client, series, event, section, window (entries
// only), block, gate rule, sections nobody told yet; a missing code is judged by the
// list's worth.
func Decide(f Facts) Decision {
	if f.Found == Listed {
		f.Ticket = f.Window.Over(f.Ticket)
	}
	if f.Found == Damaged {
		d := because(DamagedRecord)
		d.Detail = f.Ticket.Detail
		return d
	}
	if f.Mark.Conflict && f.Direction == Entry && f.Mark.Permit != Entry {
		d := f.alreadyEntered()
		d.Conflict = true
		return d
	}
	if f.Found == Missing {
		return f.decideMissing()
	}
	if f.Ticket.Status == StatusTwice {
		d := because(DamagedRecord)
		d.Detail = "The vendor lists this ticket twice, and not the same"
		return d
	}
	if d, refused := f.checkRecord(); refused {
		return d
	}
	d := f.decideByRule()
	if d.Verdict == Admit && f.Rule.SectionsUnknown && f.Ticket.SectionID != "" {
		return because(NotReady)
	}
	return d
}

func because(r Reason) Decision { return Decision{Verdict: r.Verdict(), Reason: r} }

// byPolicy answers what this device cannot know; refused and reviewed are the
// reasons those two policies give.
func (f Facts) byPolicy(p Policy, refused, reviewed Reason) Decision {
	switch p {
	case PolicyAdmit:
		d := f.admit()
		d.Unverified = true
		return d
	case PolicyReview:
		return Decision{Verdict: Review, Reason: reviewed}
	}
	return because(refused)
}

// decideMissing judges a code that the list does not hold. What this device
// itself saw of the ticket comes before the list's silence.
func (f Facts) decideMissing() Decision {
	proven := f.List.authoritative()
	if f.Mark.Permit == f.Direction || f.Mark.Entered && (f.Direction == Exit || !proven || !f.Mark.Exited) {
		return f.decideByRule()
	}
	switch {
	case f.Rule.Unknown == PolicyAdmit:
		// Whatever ticket it is, outside the event's window it is none that enters now.
		f.Ticket = f.Window.Over(Ticket{Status: StatusValid})
		if d, refused := f.checkRecord(); refused {
			return d
		}
		d := f.decideByRule()
		d.Unverified = d.Verdict == Admit
		return d
	case proven:
		return f.byPolicy(f.Rule.Unknown, NotFound, NotInList)
	case f.List.Loaded:
		return because(NotInList)
	case !f.Ready:
		return because(NotReady)
	}
	return because(NoList)
}

// checkRecord refuses what the list's record itself forbids.
func (f Facts) checkRecord() (Decision, bool) {
	t := f.Ticket
	switch t.Status {
	case StatusVoided:
		return because(Voided), true
	case StatusRefunded:
		return because(Refunded), true
	}
	if d, wrong := f.Elsewhere(); wrong {
		return d, true
	}
	if f.Direction == Entry {
		switch f.At.in(t.ValidFrom, t.ValidUntil) {
		case windowEarly:
			d := because(TooEarly)
			d.OpensAt = t.ValidFrom
			return d, true
		case windowLate:
			d := because(TooLate)
			d.ClosedAt = t.ValidUntil
			return d, true
		case windowUnknown:
			d := because(ClockDoubt)
			d.OpensAt, d.ClosedAt = t.ValidFrom, t.ValidUntil
			return d, true
		}
	}
	if t.Status == StatusBlocked || !t.Status.Known() {
		d := because(Restricted)
		d.Detail = t.Detail
		return d, true
	}
	return Decision{}, false
}

// Elsewhere refuses a listed ticket that this gate is not for. An online gate
// looks here before it asks: the vendor's yes would use up a ticket at a gate
// that does not let it in.
func (f Facts) Elsewhere() (Decision, bool) {
	t := f.Ticket
	switch {
	case f.Found != Listed || t.Status == StatusTwice:
		return Decision{}, false
	case elsewhere(f.Rule.Client, t.Client):
		return because(WrongClient), true
	case elsewhere(f.Rule.Series, t.Series):
		return because(WrongSeries), true
	case elsewhere(f.Rule.Event, t.Event), t.Status == StatusElsewhere:
		return because(WrongEvent), true
	case !f.Rule.admitsSection(t):
		return because(WrongSection), true
	}
	return Decision{}, false
}

func elsewhere(want, have string) bool {
	return want != "" && have != "" && !same(want, have)
}

func same(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

func (r Rule) admitsSection(t Ticket) bool {
	if r.SectionIDs != nil && t.SectionID != "" && !slices.Contains(r.SectionIDs, t.SectionID) {
		return false
	}
	return len(r.Sections) == 0 || slices.ContainsFunc(r.Sections, func(s string) bool { return same(s, t.Section) })
}

// decideByRule applies the gate rule to the ticket's state.
func (f Facts) decideByRule() Decision {
	m := f.Mark
	if m.Unproven {
		d := because(DamagedRecord)
		d.Detail = "An earlier entry may be lost, this device's store was damaged"
		return d
	}
	if m.Permit == f.Direction {
		return f.admit()
	}
	if f.Rule.Kind == Internal {
		return f.decideInternal()
	}
	listed := f.Found == Listed && f.Ticket.Status == StatusUsed
	entered := m.Entered || listed
	if f.Direction == Entry {
		if !entered || m.Exited && f.Rule.Reentry {
			return f.admit()
		}
		return f.alreadyEntered()
	}
	switch {
	case entered && !m.Exited:
		return f.admit()
	case m.Exited:
		return because(ExitNotPermitted)
	}
	return f.byPolicy(f.Rule.ExitUnknown, ExitNotPermitted, ExitNotPermitted)
}

func (f Facts) decideInternal() Decision {
	m := f.Mark
	switch {
	case f.Direction == Exit && m.Inside:
		return f.admit()
	case f.Direction == Exit:
		return because(ExitNotPermitted)
	case f.Rule.ExitRequired && m.Inside:
		// The mark tells of the entry into the venue, not of this one.
		return because(AlreadyEntered)
	}
	return f.admit()
}

func (f Facts) alreadyEntered() Decision {
	d := because(AlreadyEntered)
	if f.Mark.Entered {
		d.FirstEnteredAt, d.FirstEnteredGate = f.Mark.EnteredAt, f.Mark.EnteredGate
	} else {
		d.FirstEnteredAt, d.FirstEnteredGate = f.Ticket.UsedAt, f.Ticket.UsedGate
	}
	return d
}

func (f Facts) admit() Decision {
	d := because(OK)
	if f.Direction == Exit {
		d = because(Exited)
	}
	next := f.Passed()
	d.Next = &next
	return d
}

// Passed is the ticket's mark once the person has passed in the direction of
// the facts, whoever decided it.
func (f Facts) Passed() Mark {
	m := f.Mark
	m.Unproven = false
	first := !m.Entered
	switch {
	case f.Direction == Entry:
		if f.Rule.Kind == Internal {
			m.Inside = true
		} else {
			first = true
		}
		m.Entered, m.Exited = true, false
	case f.Rule.Kind == Internal:
		m.Inside = false
	default:
		m.Entered, m.Exited, m.Inside = true, true, false
	}
	if f.Direction == Entry && first {
		m.EnteredAt, m.EnteredGate = time.Time{}, f.Gate
		if f.At.Trusted {
			m.EnteredAt = f.At.At // a time nobody vouches for is not told to people later
		}
	}
	if m.Permit == f.Direction {
		m.Permit = ""
	}
	m.Last, m.Undone, m.LastAt = SelfSeq, false, f.Stamp
	// An end that is past already, as after a supervisor's admission, would end
	// the mark as soon as it is made.
	t := f.Window.Over(f.Ticket)
	if end := later(t.EventEnds, t.ValidUntil); end.After(f.At.At) {
		m.EventEnds = later(m.EventEnds, end)
	} else {
		m.EventEnds = time.Time{}
	}
	return m
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
