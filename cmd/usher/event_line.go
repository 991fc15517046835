package main

import (
	"fmt"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// eventLine is an event on one line: when, what, who, why.
func eventLine(e control.Event, now time.Time, zone *time.Location, colour bool) string {
	return joined("  ",
		clockTime(e.At.Time, now, zone),
		eventWord(e, colour),
		clean(e.Code),
		clean(seatText(e.Ticket)),
		clean(eventWhy(e)),
		clean(eventWords(e.EventName, e.EventStartsAt.Time, now, zone)),
		clean(marksText(e)),
		clean(e.Scanner),
		fmt.Sprintf("#%d", e.Seq),
	)
}

// eventWord is what happened, in a word.
func eventWord(e control.Event, colour bool) string {
	switch e.Kind {
	case scanner.KindUndo:
		return "UNDONE"
	case scanner.KindConflict:
		return "CONFLICT"
	case scanner.KindRequeue:
		return "REQUEUED"
	case scanner.KindAcknowledge:
		return "ACKNOWLEDGED"
	}
	return verdictWord(e.Verdict, e.Repeat, colour)
}

// seatText is who sits where.
func seatText(t *scanner.TicketInfo) string {
	if t == nil {
		return ""
	}
	return joined(", ", labelled("section", t.Section), labelled("seat", t.Seat), t.Name)
}

// eventWhy is the reason in words.
func eventWhy(e control.Event) string {
	if e.Repeat {
		return fmt.Sprintf("same ticket, %s ago", age(time.Duration(e.AgoMS)*time.Millisecond))
	}
	if e.Message != "" {
		return e.Message
	}
	return string(e.Reason)
}

// marksText names what is not usual about an event.
func marksText(e control.Event) string {
	mark := func(is bool, name string) string {
		if is {
			return name
		}
		return ""
	}
	text := joined(", ",
		mark(e.Mode == scanner.Offline, "offline"),
		mark(e.Direction == scanner.Exit, "exit"),
		mark(e.Late, "late"),
		mark(e.InDoubt, "in doubt"),
		mark(e.Conflict, "conflict"),
		mark(e.Overridden, "overridden"),
		mark(e.Unverified, "unverified"),
		mark(e.Queued, "queued"),
		labelled("by", e.By),
	)
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
