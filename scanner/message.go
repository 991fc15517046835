package scanner

import (
	"fmt"
	"time"
)

// Message is the decision in plain words for the person at the gate, times in
// the venue's zone. now is the time of the scan: a time on another day is given
// with its date.
func (d Decision) Message(now time.Time, venue *time.Location) string {
	at := func(t time.Time) string { return clockText(t, now, venue) }
	switch d.Reason {
	case OK:
		if d.Unverified {
			return "Admitted without a list that knows this ticket"
		}
		return "Admitted"
	case Exited:
		return "Exit recorded"
	case AlreadyEntered:
		text := "Already entered"
		if d.FirstEnteredGate != "" {
			text += " at " + d.FirstEnteredGate
		}
		if !d.FirstEnteredAt.IsZero() {
			text += ", " + at(d.FirstEnteredAt)
		}
		if d.Conflict {
			text += " (the vendor has another entry)"
		}
		return text
	case TooEarly:
		if d.OpensAt.IsZero() {
			return "Too early"
		}
		return "Too early: entry opens " + at(d.OpensAt)
	case TooLate:
		if d.ClosedAt.IsZero() {
			return "Too late"
		}
		return "Too late: entry closed " + at(d.ClosedAt)
	case ClockDoubt:
		return "This device cannot tell the time: compare the ticket's window" + windowText(d, at)
	case Restricted:
		if d.Detail != "" {
			return "Restricted: " + d.Detail
		}
		return "Restricted"
	case DamagedRecord:
		if d.Detail != "" {
			return d.Detail + ": ask a supervisor"
		}
	}
	if text, ok := plainMessages[d.Reason]; ok {
		return text
	}
	return string(d.Reason)
}

var plainMessages = map[Reason]string{
	NotFound:         "Not a ticket for this list",
	Voided:           "Ticket was cancelled",
	Refunded:         "Ticket was refunded",
	WrongClient:      "Ticket of another organiser",
	WrongSeries:      "Ticket for another series",
	WrongEvent:       "Ticket for another event",
	WrongSection:     "Ticket for another section: send to its gate",
	ExitNotPermitted: "Exit not permitted: it is not inside, as far as this gate knows",
	Unreadable:       "Cannot be read: clean the code and scan again",
	NoList:           "No ticket list on this device: ask a supervisor",
	NotInList:        "Not in this device's list, which may be old: ask a supervisor",
	NotReady:         "This device is not signed in: ask a supervisor",
	DamagedRecord:    "The record of this ticket cannot be read: ask a supervisor",
	NotStored:        "This device cannot store the scan: ask a supervisor",
}

func windowText(d Decision, at func(time.Time) string) string {
	switch {
	case !d.OpensAt.IsZero() && !d.ClosedAt.IsZero():
		return fmt.Sprintf(" (%s to %s)", at(d.OpensAt), at(d.ClosedAt))
	case !d.OpensAt.IsZero():
		return fmt.Sprintf(" (from %s)", at(d.OpensAt))
	case !d.ClosedAt.IsZero():
		return fmt.Sprintf(" (until %s)", at(d.ClosedAt))
	}
	return ""
}

func clockText(t, now time.Time, venue *time.Location) string {
	if venue == nil {
		venue = time.UTC
	}
	t, now = t.In(venue), now.In(venue)
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}
