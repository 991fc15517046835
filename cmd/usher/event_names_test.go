package main

import (
	"log/slog"
	"testing"
	"time"

	"usher/cache"
	"usher/configs"
	"usher/scanner"
)

// knowing is a house whose vendor told these events, under that scope and gate.
func knowing(t *testing.T, scope scanner.Scope, block configs.Block, gate configs.Gate, events ...scanner.Event) *house {
	t.Helper()
	h := &house{events: cache.OpenEvents(t.TempDir(), slog.New(slog.DiscardHandler))}
	if err := h.events.Told(scope, cache.Told{At: evening, Events: events}); err != nil {
		t.Fatal(err)
	}
	cfg := &configs.Config{Gate: gate}
	cfg.Vendor.Block = block
	h.live.Store(&setup{cfg: cfg, vendor: scanner.Vendor{Scope: scope, Events: nobody{}}})
	return h
}

// nobody is a vendor that tells events when it is asked, which it never is.
type nobody struct{ scanner.EventLister }

// Where a vendor's tickets carry an id, the verdict has the words beside it.
func TestAnEventIsNamedByItsID(t *testing.T) {
	scope := scanner.Scope{Vendor: "ticketing", Account: "7", Event: "E1"}
	other := scanner.Scope{Vendor: "ticketing", Account: "8", Event: "E1"}
	h := knowing(t, scope, configs.Block{"event": "E1"}, configs.Gate{},
		scanner.Event{ID: "E1", IDs: map[string]string{"event": "E1"}, Name: "Hamlet", StartsAt: evening},
		scanner.Event{ID: "E2", IDs: map[string]string{"event": "E2", "code": "4711"}, Name: "Giselle", StartsAt: evening.Add(time.Hour)})
	for _, tt := range []struct {
		what          string
		scope         scanner.Scope
		event, ticket string
		name          string
		starts        time.Time
	}{
		{"the ticket's", scope, "E2", "E2", "Giselle", evening.Add(time.Hour)},
		{"by an id of another kind", scope, "4711", "4711", "", time.Time{}},
		{"the record's, of no ticket", scope, "E1", "", "Hamlet", evening},
		{"none at all: that of the gate", scope, "", "", "Hamlet", evening},
		{"an id that nobody told", scope, "E9", "E9", "", time.Time{}},
		{"in words already", scope, "Swan Lake: Nov 21 8:00PM", "Swan Lake: Nov 21 8:00PM", "Swan Lake: Nov 21 8:00PM", time.Time{}},
		{"of another account", other, "E2", "E2", "", time.Time{}},
		{"a scope in the vendor's own terms", scanner.Scope{Vendor: "ticketing", Account: "7", Event: "token 4f"}, "token 4f", "", "", time.Time{}},
	} {
		out := scanner.Outcome{Record: scanner.Record{Scope: tt.scope, Event: tt.event}}
		if tt.ticket != "" {
			out.Ticket = &scanner.TicketInfo{Event: tt.ticket}
		}
		e := h.eventOf(out)
		if e.EventName != tt.name || !e.EventStartsAt.Equal(tt.starts) {
			t.Errorf("%s: %q at %v, want %q at %v", tt.what, e.EventName, e.EventStartsAt, tt.name, tt.starts)
		}
		if tt.ticket != "" && e.Ticket.Event != tt.ticket {
			t.Errorf("%s: the id became %q", tt.what, e.Ticket.Event)
		}
	}
}

// A ticket of the list has the words beside its id, too.
func TestATicketsEventIsNamed(t *testing.T) {
	h := knowing(t, scanner.Scope{Vendor: "ticketing"}, nil, configs.Gate{}, scanner.Event{ID: "E2", Name: "Giselle"})
	for event, want := range map[string]string{"E2": "Giselle", "E3": "", "": "", "Swan Lake": ""} {
		if got := h.ticketOf(scanner.Ticket{Event: event}); got.EventName != want || got.Event != event {
			t.Errorf("%q: %+v", event, got)
		}
	}
	for _, tt := range [][3]string{{"Giselle", "E2", "Giselle (E2)"}, {"", "E2", "E2"}, {"Giselle", "", "Giselle"}, {"", "", ""}, {"E2", "E2", "E2"}} {
		if got := nameAndID(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%q: got %q", tt, got)
		}
	}
}

// The event that is scanned here has a name where it is one, or where all have the
// same; the newest answer of the vendor counts.
func TestTheConfiguredEventsName(t *testing.T) {
	play := func(id, series, name string) scanner.Event {
		return scanner.Event{ID: id, IDs: map[string]string{"production_id": series, "performance_id": id}, Name: name, StartsAt: evening}
	}
	scope := func(event string) scanner.Scope {
		return scanner.Scope{Vendor: "audienceview", Account: "284", Event: event}
	}
	events := []scanner.Event{play("1", "9", "Hamlet"), play("2", "9", "Hamlet"), play("3", "8", "Giselle"), play("4", "8", "Swan Lake")}
	for _, tt := range []struct {
		what  string
		event string
		block configs.Block
		gate  configs.Gate
		name  string
		at    bool
	}{
		{"one performance", "performance 1", configs.Block{"performance_id": 1}, configs.Gate{}, "Hamlet", true},
		{"a series of one name", "production 9", configs.Block{"production_id": 9}, configs.Gate{}, "Hamlet", false},
		{"a series of several", "production 8", configs.Block{"production_id": 8}, configs.Gate{}, "", false},
		{"any", "", configs.Block{"client_id": 284}, configs.Gate{}, "", false},
		{"one that was not told", "performance 5", configs.Block{"performance_id": 5}, configs.Gate{}, "", false},
		{"by gate.event", "", nil, configs.Gate{Event: "3"}, "Giselle", true},
	} {
		h := knowing(t, scope(tt.event), tt.block, tt.gate, events...)
		for range 2 { // worked out, and remembered
			name, starts := h.configuredEvent(h.live.Load())
			if name != tt.name || starts.IsZero() == tt.at {
				t.Errorf("%s: %q at %v", tt.what, name, starts)
			}
		}
	}
	h := knowing(t, scope("performance 1"), configs.Block{"performance_id": 1}, configs.Gate{}, events...)
	if name, _ := h.configuredEvent(h.live.Load()); name != "Hamlet" {
		t.Errorf("named %q", name)
	}
	if err := h.events.Told(scope(""), cache.Told{At: evening, Events: []scanner.Event{play("1", "9", "Hamlet, the musical")}}); err != nil {
		t.Fatal(err)
	}
	if name, _ := h.configuredEvent(h.live.Load()); name != "Hamlet, the musical" {
		t.Errorf("after the vendor told anew: %q", name)
	}
}

func TestReadable(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "49182": false, "E1": false, "3F005062B2B4E313": false, "KovZpZAFF17J": false, "12 34": false,
		"Hamlet": true, "Swan Lake": true, "Spamalot: Sep 18 4:00PM Tue": true, "Äöü": true,
	} {
		if got := readable(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
