package screen

import (
	"strconv"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// Speaker says events and states in one language, with times in the venue's zone.
type Speaker struct {
	Words Words
	// Zone is the venue's.
	Zone *time.Location
}

// why is the reason in plain words, without what to do.
func (s Speaker) why(e control.Event) string {
	w := s.Words
	switch e.Reason {
	case scanner.OK:
		switch {
		case e.Overridden && e.By != "":
			return fill(w.WhyAdmittedBy, "by", e.By)
		case e.Unverified:
			return w.WhyUnverified
		}
		return ""
	case scanner.Exited:
		if e.Overridden && e.By != "" {
			return fill(w.WhyLetOutBy, "by", e.By)
		}
		return w.WhyExited
	case scanner.AlreadyEntered:
		return s.whyEntered(e)
	case scanner.TooEarly:
		if e.OpensAt.IsZero() { // some vendors do not say
			return w.WhyNotOpen
		}
		return fill(w.WhyTooEarly, "time", s.clock(e.OpensAt.Time, e.At.Time))
	case scanner.TooLate:
		if e.ClosedAt.IsZero() {
			return w.WhyClosed
		}
		return fill(w.WhyTooLate, "time", s.clock(e.ClosedAt.Time, e.At.Time))
	case scanner.ClockDoubt:
		return joined(" ", w.WhyClock, s.window(e))
	case scanner.Restricted:
		if e.Detail != "" {
			return fill(w.WhyRestrictedDetail, "detail", e.Detail)
		}
		return w.WhyRestricted
	case scanner.DamagedRecord:
		return joined(" ", w.WhyDamaged, e.Detail)
	}
	if text := s.plainly(e.Reason); text != "" {
		return text
	}
	// Of a newer daemon.
	return fill(w.WhyUnknown, "reason", string(e.Reason))
}

func (s Speaker) plainly(r scanner.Reason) string {
	w := s.Words
	switch r {
	case scanner.NotFound:
		return w.WhyNotFound
	case scanner.Voided:
		return w.WhyVoided
	case scanner.Refunded:
		return w.WhyRefunded
	case scanner.WrongClient:
		return w.WhyWrongClient
	case scanner.WrongSeries:
		return w.WhyWrongSeries
	case scanner.WrongEvent:
		return w.WhyWrongEvent
	case scanner.WrongSection:
		return w.WhyWrongSection
	case scanner.ExitNotPermitted:
		return w.WhyExitNotPermitted
	case scanner.Unreadable:
		return w.WhyUnreadable
	case scanner.NoList:
		return w.WhyNoList
	case scanner.NotInList:
		return w.WhyNotInList
	case scanner.NotReady:
		return w.WhyNotReady
	case scanner.NotStored:
		return w.WhyNotStored
	}
	return ""
}

func (s Speaker) whyEntered(e control.Event) string {
	w := s.Words
	text := w.WhyAlreadyEntered
	gate, at := e.FirstEnteredGate, ""
	if !e.FirstEnteredAt.IsZero() {
		at = s.clock(e.FirstEnteredAt.Time, e.At.Time)
	}
	switch {
	case gate != "" && at != "":
		text = fill(w.WhyEnteredGateAt, "gate", gate, "time", at)
	case gate != "":
		text = fill(w.WhyEnteredGate, "gate", gate)
	case at != "":
		text = fill(w.WhyEnteredAt, "time", at)
	}
	if e.Conflict {
		text = joined(" ", text, w.WhyVendorHasAnother)
	}
	return text
}

func (s Speaker) window(e control.Event) string {
	w := s.Words
	from, until := "", ""
	if !e.OpensAt.IsZero() {
		from = s.clock(e.OpensAt.Time, e.At.Time)
	}
	if !e.ClosedAt.IsZero() {
		until = s.clock(e.ClosedAt.Time, e.At.Time)
	}
	switch {
	case from != "" && until != "":
		return fill(w.Window, "from", from, "until", until)
	case from != "":
		return fill(w.WindowFrom, "from", from)
	case until != "":
		return fill(w.WindowUntil, "until", until)
	}
	return ""
}

// advice is what to do now; "": let them pass.
func (s Speaker) advice(e control.Event) string {
	w := s.Words
	switch {
	case e.Verdict == scanner.Admit && passage(e.Kind):
		return ""
	case e.Verdict != scanner.Refuse:
		return w.DoSupervisor
	}
	switch e.Reason {
	case scanner.AlreadyEntered:
		return w.DoEntered
	case scanner.WrongClient, scanner.WrongSeries, scanner.WrongEvent:
		return w.DoOtherTicket
	case scanner.WrongSection:
		return w.DoOtherGate
	case scanner.TooEarly:
		return w.DoComeBack
	case scanner.Unreadable:
		return w.DoScanAgain
	case scanner.ExitNotPermitted:
		return w.DoSupervisor
	}
	return w.DoHelpDesk
}

// clock is a time of day in the venue's zone, with the date where it is another
// day than now.
func (s Speaker) clock(t, now time.Time) string {
	if t.IsZero() {
		return "?"
	}
	t, now = t.In(s.Zone), now.In(s.Zone)
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// status is what the list says of a ticket.
func (s Speaker) status(st scanner.Status) string {
	w := s.Words
	switch st {
	case scanner.StatusValid:
		return w.StatusValid
	case scanner.StatusUsed:
		return w.StatusUsed
	case scanner.StatusVoided:
		return w.StatusVoided
	case scanner.StatusRefunded:
		return w.StatusRefunded
	case scanner.StatusBlocked:
		return w.StatusBlocked
	case scanner.StatusTwice:
		return w.StatusTwice
	}
	return string(st)
}

// tooMany says that a search found more than it shows.
func (s Speaker) tooMany(n int) string { return fill(s.Words.TooManyFound, "n", strconv.Itoa(n)) }
