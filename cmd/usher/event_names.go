package main

import (
	"cmp"
	"strings"
	"time"
	"unicode"

	"usher/cache"
	"usher/cmd/internal/control"
	"usher/scanner"
)

// eventOf is the outcome for the wire, its event in words.
func (h *house) eventOf(out scanner.Outcome) control.Event {
	e := control.EventOf(out)
	id := out.Event
	if out.Ticket != nil {
		id = cmp.Or(out.Ticket.Event, id)
	}
	name, starts := h.wordsOf(out.Scope, id)
	e.EventName, e.EventStartsAt = name, control.At(starts)
	return e
}

// eventsOf are records for the wire.
func (h *house) eventsOf(entries []scanner.Recorded) []control.Event {
	out := make([]control.Event, 0, len(entries))
	for _, e := range entries {
		out = append(out, h.eventOf(scanner.Outcome{Record: e.Record, Fate: e.Fate}))
	}
	return out
}

// ticketOf is the list's record for the wire, its event in words.
func (h *house) ticketOf(t scanner.Ticket) control.Ticket {
	out := control.TicketOf(t)
	if name, _ := h.wordsOf(h.live.Load().vendor.Scope, t.Event); name != t.Event && t.Event != "" {
		out.EventName = name
	}
	return out
}

// wordsOf names what a ticket or a record calls its event: by what the vendor told
// of that id, else by the event that is scanned here, else by the text itself where
// that is no id. It is from memory.
func (h *house) wordsOf(scope scanner.Scope, id string) (name string, starts time.Time) {
	if e, ok := h.events.List(scope).Find(id); ok && e.Name != "" {
		return e.Name, e.StartsAt
	}
	live := h.live.Load()
	if live != nil && live.vendor.Scope.Vendor == scope.Vendor && live.vendor.Scope.Account == scope.Account {
		if id == "" || id == live.vendor.Scope.Event || id == live.cfg.Gate.Event {
			if name, starts := h.configuredEvent(live); name != "" {
				return name, starts
			}
		}
	}
	// A vendor that tells events has ids for the scope's, which may look like words.
	if !readable(id) || id == scope.Event && live != nil && live.vendor.Events != nil {
		return "", time.Time{}
	}
	return id, time.Time{}
}

// readable tells a text for people from an id: it has letters, and a blank or no
// digit.
func readable(text string) bool {
	return strings.ContainsFunc(text, unicode.IsLetter) && (strings.Contains(text, " ") || !strings.ContainsFunc(text, unicode.IsDigit))
}

// configured is the event that a configuration is for, as far as was told of it.
type configured struct {
	live   *setup
	told   *cache.EventList
	name   string
	starts time.Time
}

// configuredEvent names the event that is scanned here; empty: any is, or nothing
// is known of it. Of several the name alone is given, where they share it.
func (h *house) configuredEvent(live *setup) (name string, starts time.Time) {
	if live.vendor.Scope.Event == "" && live.cfg.Gate.Event == "" {
		return "", time.Time{}
	}
	told := h.events.List(live.vendor.Scope)
	if c := h.configured.Load(); c != nil && c.live == live && c.told == told {
		return c.name, c.starts
	}
	c := &configured{live: live, told: told}
	n := 0
	for _, e := range told.All {
		if !scannedHere(e, live.cfg) {
			continue
		}
		if n++; n > 1 && e.Name != c.name {
			c.name, c.starts = "", time.Time{}
			break
		}
		c.name, c.starts = e.Name, e.StartsAt
	}
	if n > 1 {
		c.starts = time.Time{}
	}
	h.configured.Store(c)
	return c.name, c.starts
}
