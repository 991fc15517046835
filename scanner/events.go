package scanner

import (
	"context"
	"time"
)

// Event is something that can be scanned, in words that every vendor shares. It
// never says how many tickets are left.
type Event struct {
	// ID is the vendor's own, as the configuration wants it; IDs are all that the
	// vendor has, by the configuration's key or the vendor's own name for it.
	ID  string
	IDs map[string]string
	// Name, Series and Venue are for people; Series is a production, season or
	// template.
	Name, Series, Venue string
	// StartsAt and EndsAt are the event's own times, DoorsAt when its doors open, OpensAt
	// and ClosesAt the window in which its tickets are admitted; zero: not told.
	StartsAt, EndsAt, DoorsAt, OpensAt, ClosesAt time.Time
	// AllDay: only the day of StartsAt counts.
	AllDay   bool
	Sections []Section
	// State is empty where it takes place as planned, else the vendor's word in plain
	// text, such as "cancelled" or "sold out".
	State string
}

// Section is a part of the house as the vendor names it.
type Section struct {
	// ID is the vendor's own, Name for people.
	ID, Name string
}

// EventLister tells what can be scanned.
type EventLister interface {
	// Events gives the events that start between from and to, or are on between
	// them, soonest first. An error is a [CallError].
	Events(ctx context.Context, from, to time.Time) ([]Event, error)
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
