package acme_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	key    = "k3y-0f-the-venue"
	tenant = acmesim.DemoTenant
	show   = acmesim.DemoEvent
	// other is a show of another template, later the same one three hours on.
	other = "63d08b46c9092f6d5ed46391"
	later = acmesim.DemoLater
)

// gate is a client before a simulator.
type gate struct {
	sim       *acmesim.Sim
	server    *faults.Server
	transport *http.Transport
	log       *vendortest.Log
	memory    *vendortest.Memory
	seen      *vendortest.Observations
	file      string
	client    *acme.Client
}

// showTime is when the tests' show begins: an hour from the test's now.
func showTime(now time.Time) time.Time { return now.Add(time.Hour).Truncate(time.Minute) }

// stage is a tenant with a show that can be entered now, one too late, one too early
// and one of another template.
func stage(o acmesim.Options) *acmesim.Sim {
	o.Key = key
	if o.Now == nil {
		o.Now = time.Now
	}
	sim := acmesim.New(o)
	start := showTime(o.Now())
	window := acmesim.Minutes(90, 60)
	event := func(id, template string, start time.Time, w *acmesim.Window) acmesim.Event {
		return acmesim.Event{ID: id, Template: template, Name: "Planetarium", Start: start, End: start.Add(time.Hour), Window: w, Places: []string{"Dome"}}
	}
	sim.AddTemplates(
		acmesim.Template{ID: acmesim.DemoTemplate, Name: "Planetarium shows", Type: "Standard", Window: window},
		acmesim.Template{ID: "57113d507947cc39efb44250", Name: "Films", Type: "Private"},
	)
	sim.AddEvents(
		event(show, acmesim.DemoTemplate, start, window), event("early", acmesim.DemoTemplate, start.Add(3*time.Hour), window),
		event("late", acmesim.DemoTemplate, start.Add(-3*time.Hour), window), event(other, "57113d507947cc39efb44250", start, nil),
		event("blocked", acmesim.DemoTemplate, start, &acmesim.Window{BlockScan: true}),
	)
	ticket := func(code, event string) acmesim.Ticket {
		return acmesim.Ticket{Code: code, Event: event, Type: "Adult"}
	}
	sim.AddTickets(
		ticket("good00000001", show), ticket("more00000002", show), ticket("more00000003", show), ticket("used00000005", show),
		ticket("film00000006", other), ticket("earl00000007", "early"), ticket("late00000008", "late"), ticket("bloc00000009", "blocked"),
		acmesim.Ticket{Code: "card00000010", Event: show, Level: "Family", Card: "Ada Demo", Standing: "active"},
	)
	return sim
}

// told is what a site writes once it knows what the statuses mean.
func told() map[string]any {
	s := acmesim.MadeUp()
	return map[string]any{
		"tenant_id": tenant, "terminal_id": acmesim.DemoTerminal,
		"admit_statuses": []any{int(s.Admitted)},
		"refuse_statuses": map[string]any{
			"already_entered": int(s.AlreadyUsed), "too_early": []any{int(s.TooEarly)}, "too_late": []any{int(s.TooLate)},
			"wrong_event": []any{int(s.WrongEvent)}, "not_found": []any{int(s.NotFound)}, "restricted": []any{int(s.Blocked)},
		},
	}
}

type change func(raw map[string]any, deps *acme.Deps)

func newGate(t *testing.T, o acmesim.Options, ch change) *gate {
	t.Helper()
	g := &gate{sim: stage(o), transport: wire.NewTransport(), log: &vendortest.Log{}, memory: &vendortest.Memory{}, seen: &vendortest.Observations{}}
	server, err := faults.Listen("127.0.0.1:0", g.sim, acmesim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.transport.CloseIdleConnections)
	t.Cleanup(server.Close)
	g.server = server
	g.file = filepath.Join(t.TempDir(), "api_key")
	g.write(t, key)
	g.client = g.again(t, ch)
	return g
}

// again makes another client with the same memory, as after a restart.
func (g *gate) again(t *testing.T, ch change) *acme.Client {
	t.Helper()
	raw := told()
	raw["base_url"], raw["api_key_file"] = g.server.URL(), g.file
	deps := acme.Deps{
		Version: "1.2.3", Memory: g.memory, Transport: g.transport, Observe: g.seen.Add,
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if ch != nil {
		ch(raw, &deps)
	}
	c, err := acme.NewClient(raw, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (g *gate) write(t *testing.T, secret string) {
	t.Helper()
	if err := os.WriteFile(g.file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) ask(t *testing.T, code scanner.Code) scanner.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := g.client.Validate(ctx, scanner.Ask{Code: code, Direction: scanner.Entry})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (g *gate) set(t *testing.T, f faults.Fault) {
	t.Helper()
	if err := g.server.Set(f); err != nil {
		t.Fatal(err)
	}
}

// movement is a code admitted offline a minute ago.
func movement(seq uint64, code scanner.Code) scanner.Movement {
	return scanner.Movement{Seq: seq, Code: code, Direction: scanner.Entry, At: time.Now().Add(-time.Minute)}
}

func TestContract(t *testing.T) {
	for name, event := range map[string]string{"any event": "", "one event": show} {
		t.Run(name, func(t *testing.T) {
			vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
				g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) { raw["event_instance"] = event })
				codes := map[scanner.Reason]scanner.Code{scanner.OK: "good00000001", scanner.NotFound: "nobody000000"}
				probe := acmesim.Summaries
				if event == "" {
					codes[scanner.TooEarly], codes[scanner.TooLate], codes[scanner.Restricted] = "earl00000007", "late00000008", "bloc00000009"
				} else {
					codes[scanner.WrongEvent] = "film00000006"
					probe = acmesim.Instance
				}
				return &vendortest.World{
					Vendor: g.client.Vendor(), Server: g.server, Transport: g.transport, ValidateCall: acmesim.CheckIn, UploadCall: acmesim.CheckIn,
					Codes: codes, More: []scanner.Code{"more00000002", "more00000003"}, Bad: "nobody000000", Movement: movement,
					Recorded: func(code scanner.Code) int { return g.sim.Entered(string(code)) },
					Deny:     func() { g.sim.SetKey("another") },
					SignIns:  func() int { return g.sim.Calls(probe) },
					Secrets:  []string{key, "k3y-0f"},
					Log:      g.log.String,
				}
			}})
		})
	}
}

// clock is a clock of the test's own.
type clock struct {
	mu sync.Mutex
	at time.Time
	up time.Duration
}

func (c *clock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: c.at, Boot: "a", Up: c.up}
}

func (c *clock) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.up = c.at.Add(d), c.up+d
}

func (c *clock) now() time.Time { return c.Now().Wall }

func newClock(at time.Time) *clock { return &clock{at: at} }
