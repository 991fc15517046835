package scanner_test

import (
	"testing"
	"time"

	"usher/scanner"
)

func TestTheEventsWindow(t *testing.T) {
	opens, closes := noon.Add(time.Hour), noon.Add(3*time.Hour)
	tonight := scanner.Window{Event: "E1", Name: "The Show", OpensAt: opens, ClosesAt: closes}
	blocked := scanner.Window{Blocked: true, Detail: "not scanned here"}
	with := func(w scanner.Window, edit ...func(*scanner.Facts)) scanner.Facts {
		return listed(append([]func(*scanner.Facts){func(f *scanner.Facts) { f.Window = w }}, edit...)...)
	}
	at := func(when time.Time) func(*scanner.Facts) { return func(f *scanner.Facts) { f.At = trusted(when) } }
	ticket := func(edit func(*scanner.Ticket)) func(*scanner.Facts) {
		return func(f *scanner.Facts) { edit(&f.Ticket) }
	}
	unknown := func(f *scanner.Facts) {
		f.Found, f.Ticket, f.Rule.Unknown = scanner.Missing, scanner.Ticket{}, scanner.PolicyAdmit
	}
	for name, tt := range map[string]struct {
		facts scanner.Facts
		want  scanner.Reason
	}{
		"before it":                      {with(tonight), scanner.TooEarly},
		"at its first moment":            {with(tonight, at(opens)), scanner.OK},
		"at its last moment":             {with(tonight, at(closes)), scanner.OK},
		"after it":                       {with(tonight, at(closes.Add(time.Minute))), scanner.TooLate},
		"an exit after it":               {with(tonight, at(closes.Add(time.Minute)), func(f *scanner.Facts) { f.Direction, f.Mark.Entered = scanner.Exit, true }), scanner.Exited},
		"the ticket's own window counts": {with(tonight, ticket(func(tk *scanner.Ticket) { tk.ValidUntil = closes })), scanner.OK},
		"another event's ticket":         {with(tonight, ticket(func(tk *scanner.Ticket) { tk.Event = "E2" })), scanner.OK},
		"this event's ticket by name":    {with(tonight, ticket(func(tk *scanner.Ticket) { tk.Event = "the show" })), scanner.TooEarly},
		"this event's ticket":            {with(tonight, ticket(func(tk *scanner.Ticket) { tk.Event = "e1" })), scanner.TooEarly},
		"voided comes first":             {with(tonight, ticket(func(tk *scanner.Ticket) { tk.Status = scanner.StatusVoided })), scanner.Voided},
		"blocked":                        {with(blocked), scanner.Restricted},
		"blocked, and used":              {with(blocked, ticket(func(tk *scanner.Ticket) { tk.Status = scanner.StatusUsed })), scanner.Restricted},
		"blocked, and voided":            {with(blocked, ticket(func(tk *scanner.Ticket) { tk.Status = scanner.StatusVoided })), scanner.Voided},
		"an unknown ticket before it":    {with(tonight, unknown), scanner.TooEarly},
		"an unknown ticket within it":    {with(tonight, unknown, at(opens)), scanner.OK},
		"an unknown ticket, blocked":     {with(blocked, unknown), scanner.Restricted},
		"a clock that cannot tell": {with(tonight, func(f *scanner.Facts) {
			f.At = scanner.Instant{At: opens, Earliest: opens.Add(-time.Hour), Latest: opens.Add(time.Hour)}
		}), scanner.ClockDoubt},
	} {
		d := scanner.Decide(tt.facts)
		if d.Reason != tt.want || d.Verdict != tt.want.Verdict() {
			t.Errorf("%s: got %s/%s, want %s", name, d.Verdict, d.Reason, tt.want)
		}
		switch d.Reason {
		case scanner.TooEarly:
			if !d.OpensAt.Equal(opens) {
				t.Errorf("%s: opens at %v", name, d.OpensAt)
			}
		case scanner.TooLate:
			if !d.ClosedAt.Equal(closes) {
				t.Errorf("%s: closed at %v", name, d.ClosedAt)
			}
		case scanner.Restricted:
			if d.Detail != "not scanned here" {
				t.Errorf("%s: says %q", name, d.Detail)
			}
		}
	}
	// The mark lives until the window has closed.
	if d := scanner.Decide(with(tonight, at(opens))); d.Next == nil || !d.Next.EventEnds.Equal(closes) {
		t.Errorf("the mark ends %+v", d.Next)
	}
	if m := with(tonight, at(opens)).Passed(); !m.EventEnds.Equal(closes) {
		t.Errorf("the mark of one whom the vendor admitted ends %v", m.EventEnds)
	}
}
