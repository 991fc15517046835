package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"usher/cache"
	"usher/cmd/internal/control"
	"usher/configs"
	"usher/scanner"
	"usher/sync/refresh"
)

// tellTime is how long the vendor may take to tell a person its events.
const tellTime = 20 * time.Second

// eventStore is the store of events as the room that asks for them sees it.
type eventStore struct{ *cache.Events }

func (s eventStore) Told(scope scanner.Scope, told refresh.Told) error {
	return s.Events.Told(scope, cache.Told(told))
}

// venueZone is the venue's time zone; the device's, where a faulty name has not
// been refused yet.
func venueZone(cfg *configs.Config) *time.Location {
	zone, err := cfg.Gate.Location()
	if err != nil {
		return time.Local
	}
	return zone
}

// VendorEvents says what can be scanned.
func (h *house) VendorEvents(ctx context.Context, of control.Period) (control.VendorEvents, error) {
	live := h.live.Load()
	out := control.VendorEvents{Vendor: live.cfg.Vendor.Name, Timezone: live.cfg.Gate.Timezone}
	now := h.clock.True(h.clock.Now()).At
	from, to, err := of.Between(now, live.gate.Venue)
	if err != nil {
		return out, err
	}
	out.From, out.To = control.At(from), control.At(to)
	if h.parley.events == nil {
		out.Note = cmp.Or(live.vendor.EventsNote, "A manifest lists tickets, not events: what its event column names can be put into gate.event.")
		return out, nil
	}
	patience := tellTime
	if !h.parley.link.Reachable() {
		patience = live.cfg.Online.Timeout // it most likely does not answer a person either
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := h.parley.events.Ask(asking, from, to)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	out.ToldAt = control.At(now)
	if err != nil {
		events = h.recall(&out, err, now)
	}
	if !out.ToldAt.IsZero() {
		out.AgeS = control.Seconds(max(0, now.Sub(out.ToldAt.Time)))
	}
	for _, e := range events {
		out.Events = append(out.Events, control.VendorEventOf(e, scannedHere(e, live.cfg)))
	}
	return out, nil
}

// recall gives what was told before, for a vendor that could not be asked now, or
// not for everything, and says so.
func (h *house) recall(out *control.VendorEvents, why error, now time.Time) []scanner.Event {
	list := h.events.List(h.live.Load().vendor.Scope)
	out.Cached, out.ToldAt = true, control.At(list.At)
	out.Note = fmt.Sprintf("%s could not be asked for everything (%v)", out.Vendor, why)
	switch {
	case !list.At.IsZero():
		out.Note += fmt.Sprintf("; shown is what it told %s ago.", age(now.Sub(list.At)))
	case len(list.All) == 0:
		out.Note += ", and told nothing before."
	default:
		out.Note += "."
	}
	var events []scanner.Event
	for _, e := range list.All {
		if e.During(out.From.Time, out.To.Time) {
			e.OpenNow = false // that was then
			events = append(events, e)
		}
	}
	return events
}

// scannedHere tells whether the configuration is for that event: each id of the
// event that the vendor's block names is its own, and so are gate.event and
// gate.series. A key such as event or events, by which the event has no id, is about
// the event's own.
func scannedHere(e scanner.Event, cfg *configs.Config) bool {
	named := false
	for key, wanted := range cfg.Vendor.Block {
		id, has := e.IDs[key]
		if !has && (key == "event" || key == "events") {
			id, has = e.ID, true
		}
		switch {
		case !has || unset(wanted):
		case !holds(wanted, id):
			return false
		default:
			named = true
		}
	}
	for _, want := range []struct{ id, name string }{{cfg.Gate.Event, e.Name}, {cfg.Gate.Series, e.Series}} {
		switch {
		case want.id == "":
		case want.id != want.name && want.id != e.ID && !oneOf(e.IDs, want.id):
			return false
		default:
			named = true
		}
	}
	return named
}

func oneOf(ids map[string]string, id string) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// unset tells a value that restricts nothing.
func unset(value any) bool {
	list, ok := value.([]any)
	return value == nil || ok && len(list) == 0 || fmt.Sprint(value) == "" || fmt.Sprint(value) == "0"
}

// holds compares a value of the configuration, or one of a list, with an id.
func holds(value any, id string) bool {
	if list, ok := value.([]any); ok {
		for _, one := range list {
			if fmt.Sprint(one) == id {
				return true
			}
		}
		return false
	}
	return fmt.Sprint(value) == id
}
