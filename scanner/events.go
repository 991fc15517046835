package scanner

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Event is something that can be scanned, in words that every vendor shares. It
// never says how many tickets are left.
type Event struct {
	// ID is the vendor's own, as the configuration wants it; IDs are all that the
	// vendor has, by the configuration's key (such as performance_id), by which it is
	// told what is scanned here, or the vendor's own name for it.
	ID  string            `json:"id"`
	IDs map[string]string `json:"ids,omitempty"`
	// Name, Series and Venue are for people; Series is a production, season or
	// template.
	Name   string `json:"name,omitempty"`
	Series string `json:"series,omitempty"`
	Venue  string `json:"venue,omitempty"`
	// StartsAt and EndsAt are the event's own times, DoorsAt when its doors open, OpensAt
	// and ClosesAt the window in which its tickets are admitted; zero: not told.
	StartsAt time.Time `json:"starts_at,omitzero"`
	EndsAt   time.Time `json:"ends_at,omitzero"`
	DoorsAt  time.Time `json:"doors_at,omitzero"`
	OpensAt  time.Time `json:"opens_at,omitzero"`
	ClosesAt time.Time `json:"closes_at,omitzero"`
	// EntryTimes are the times for which its tickets are sold, in order, where they
	// are timed.
	EntryTimes []time.Time `json:"entry_times,omitempty"`
	// AllDay: only the day of StartsAt counts.
	AllDay bool `json:"all_day,omitempty"`
	// OpenNow: the vendor says that it can be scanned as it was asked.
	OpenNow  bool      `json:"open_now,omitempty"`
	Sections []Section `json:"sections,omitempty"`
	// State is empty where it takes place as planned, else the vendor's word in plain
	// text, such as "cancelled" or "sold out".
	State string `json:"state,omitempty"`
}

// Section is a part of the house as the vendor names it.
type Section struct {
	// ID is the vendor's own, Name for people.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// EventLister tells what can be scanned.
type EventLister interface {
	// Events gives the events that start between from and to, or are on between
	// them, soonest first. An error is a [CallError]; events that come with one are
	// what could be had all the same.
	Events(ctx context.Context, from, to time.Time) ([]Event, error)
}

// During tells whether the event starts at from or later and before to, or is on
// at some moment between them. One of which no time is known may be on at any.
func (e Event) During(from, to time.Time) bool {
	first, last := e.span()
	if first.IsZero() {
		return true
	}
	return first.Before(to) && (last.After(from) || !first.Before(from))
}

// span is the earliest and the latest moment that is known of the event; a day
// that counts as a whole ends after 24 hours.
func (e Event) span() (first, last time.Time) {
	first, last = e.StartsAt, e.StartsAt
	times := []time.Time{e.EndsAt, e.DoorsAt, e.OpensAt, e.ClosesAt}
	if e.AllDay && !e.StartsAt.IsZero() {
		times = append(times, e.StartsAt.Add(24*time.Hour))
	}
	for _, t := range append(times, e.EntryTimes...) {
		switch {
		case t.IsZero():
		case first.IsZero():
			first, last = t, t
		case t.Before(first):
			first = t
		case t.After(last):
			last = t
		}
	}
	return first, last
}

// SortEvents puts events in order: soonest first, then by name and id.
func SortEvents(events []Event) {
	at := func(e Event) time.Time {
		first, _ := e.span()
		return cmp.Or(e.StartsAt, first)
	}
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(at(a).Compare(at(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// Window is when the tickets of the configured event are admitted.
type Window struct {
	// Event is the vendor's id of it, Name what people call it: a manifest may tell
	// its tickets' event by either.
	Event, Name string
	// OpensAt and ClosesAt are inclusive; zero: open.
	OpensAt, ClosesAt time.Time
	// Blocked: its tickets are not to be scanned; Detail says why in plain text.
	Blocked bool
	Detail  string
}

// Over gives the ticket with the window of its event, where it has none of its
// own.
func (w Window) Over(t Ticket) Ticket {
	if elsewhere(w.Event, t.Event) && (w.Name == "" || elsewhere(w.Name, t.Event)) {
		return t
	}
	if t.ValidFrom.IsZero() && t.ValidUntil.IsZero() {
		t.ValidFrom, t.ValidUntil = w.OpensAt, w.ClosesAt
	}
	if w.Blocked && (t.Status == StatusValid || t.Status == StatusUsed) {
		t.Status, t.Detail = StatusBlocked, w.Detail
	}
	return t
}
