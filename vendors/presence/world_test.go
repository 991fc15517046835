package presence_test

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
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	key   = "k3y-of-the-venue&more"
	venue = presencesim.DemoVenue
	event = presencesim.DemoEvent
	mac   = "00:11:22:33:44:55"
)

func device() presence.Device {
	return presence.Device{Name: "handheld 7", GateName: "Gate 7", MAC: mac, Serial: "S-1234", Model: "Janam XT2"}
}

// gate is a client before a simulator.
type gate struct {
	sim       *presencesim.Sim
	server    *faults.Server
	transport *http.Transport
	log       *vendortest.Log
	memory    *vendortest.Memory
	file      string
	client    *presence.Client
	seen      *vendortest.Observations
	// time is the test's clock, where it has one.
	time *clock
}

func stage(o presencesim.Options) *presencesim.Sim {
	o.Key = key
	sim := presencesim.New(o)
	sim.AddEvent(presencesim.Event{ID: event})
	ticket := func(token, status string) presencesim.Ticket {
		return presencesim.Ticket{Token: token, Event: event, Place: "PIT1:3:4", Status: status}
	}
	sim.AddTickets(
		ticket("good00000001", ""), ticket("more00000002", ""), ticket("more00000003", ""), ticket("mark00000004", "MARK_RESTRICTION"),
		ticket("used00000005", "ALREADY_ENTERED"), ticket("sect00000006", "SECTION_RESTRICTION"), ticket("earl00000007", "TOO_EARLY"),
		ticket("late00000008", "END_RESTRICTION"), ticket("show00000009", "EVENT_RESTRICTION"),
	)
	return sim
}

type change func(raw map[string]any, deps *presence.Deps)

func newGate(t *testing.T, o presencesim.Options, ch change) *gate {
	t.Helper()
	g := &gate{sim: stage(o), transport: wire.NewTransport(), log: &vendortest.Log{}, memory: &vendortest.Memory{}, seen: &vendortest.Observations{}}
	server, err := faults.Listen("127.0.0.1:0", g.sim, presencesim.CallName)
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
func (g *gate) again(t *testing.T, ch change) *presence.Client {
	t.Helper()
	raw := map[string]any{
		"base_url": g.server.URL() + presencesim.Base, "api_key_file": g.file, "venue_id": venue, "upload_path": presencesim.UploadPath,
	}
	deps := presence.Deps{
		Version: "1.2.3", Device: device(), Memory: g.memory, Transport: g.transport, Observe: g.seen.Add,
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if ch != nil {
		ch(raw, &deps)
	}
	c, err := presence.NewClient(raw, deps)
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

func (g *gate) probe(t *testing.T) {
	t.Helper()
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) ask(t *testing.T, code scanner.Code, direction scanner.Direction) (scanner.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return g.client.Validate(ctx, scanner.Ask{Code: code, Direction: direction})
}

func (g *gate) set(t *testing.T, f faults.Fault) {
	t.Helper()
	if err := g.server.Set(f); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) clear(t *testing.T) {
	t.Helper()
	if err := g.server.Clear(); err != nil {
		t.Fatal(err)
	}
}

// entered is how often a ticket entered at the vendor.
func entered(sim *presencesim.Sim, code scanner.Code) int {
	in, _ := sim.Counts()
	return in[string(code)]
}

// movement is a code admitted offline a minute ago.
func movement(seq uint64, code scanner.Code, data []byte) scanner.Movement {
	return scanner.Movement{
		Seq: seq, Code: code, Direction: scanner.Entry, At: time.Now().Add(-time.Minute), Data: data, Origin: scanner.Origin{Gate: "Gate 7"},
	}
}

func TestContract(t *testing.T) {
	vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
		g := newGate(t, presencesim.Options{AnyTime: true}, nil)
		return &vendortest.World{
			Vendor: g.client.Vendor(), Server: g.server, Transport: g.transport,
			ValidateCall: "ticket/enter", UploadCall: "ticket/upload", SignInCall: "device/init",
			Codes: map[scanner.Reason]scanner.Code{
				scanner.OK: "good00000001", scanner.AlreadyEntered: "used00000005", scanner.NotFound: "nobody000000",
				scanner.Restricted: "mark00000004", scanner.WrongSection: "sect00000006", scanner.TooEarly: "earl00000007",
				scanner.TooLate: "late00000008", scanner.WrongEvent: "show00000009",
			},
			More:     []scanner.Code{"more00000002", "more00000003"},
			Movement: func(seq uint64, code scanner.Code) scanner.Movement { return movement(seq, code, g.client.Freeze()) },
			Recorded: func(code scanner.Code) int { return entered(g.sim, code) },
			Expire:   g.sim.ForgetDevices,
			Deny:     func() { g.sim.SetKey("another") },
			SignIns:  func() int { return g.sim.Calls("device/init") },
			Secrets:  []string{key, "apikey", "k3y-of", "more&", "%26more"},
			Log:      g.log.String,
		}
	}})
}

// clock is a clock of the test's own.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	boot string
	up   time.Duration
}

func (c *clock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: c.at, Boot: c.boot, Up: c.up}
}

func (c *clock) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.up = c.at.Add(d), c.up+d
}

func (c *clock) now() time.Time { return c.Now().Wall }

func newClock() *clock { return &clock{at: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC), boot: "a"} }
