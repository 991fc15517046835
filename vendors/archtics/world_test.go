package archtics_test

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
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	key   = "k3y-of-the-database&more"
	event = "EVENT01"
)

// gate is a client before a simulator.
type gate struct {
	sim       *archticssim.Sim
	server    *faults.Server
	transport *http.Transport
	log       *vendortest.Log
	memory    *vendortest.Memory
	file      string
	client    *archtics.Client
	seen      *vendortest.Observations
	clock     *clock
}

// start is when every story here begins.
var start = time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)

// newYork is a venue's zone that is not the device's.
func newYork(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

type change func(raw map[string]any, deps *archtics.Deps)

func newGate(t *testing.T, o archticssim.Options, ch change) *gate {
	t.Helper()
	g := &gate{
		transport: wire.NewTransport(), log: &vendortest.Log{}, memory: &vendortest.Memory{}, seen: &vendortest.Observations{},
		clock: &clock{at: start, boot: "a", up: time.Hour, trusted: true},
	}
	o.Key = key
	if o.Zone == nil {
		o.Zone = newYork(t)
	}
	if o.Now == nil {
		o.Now = g.clock.now
	}
	g.sim = archticssim.New(o)
	g.sim.AddTickets(
		archticssim.Ticket{Barcode: "good00000001", Event: event, Section: "101", Row: "A", Seat: 7, First: "Ada", Last: "Byron"},
		archticssim.Ticket{Barcode: "more00000002", Event: event, Section: "101", Row: "A", Seat: 8},
		archticssim.Ticket{Barcode: "void00000003", Event: event, Section: "101", Row: "A", Seat: 9, More: map[string]any{"barcode_status": "Voided"}},
		archticssim.Ticket{Barcode: "show00000004", Event: "EVENT02", Section: "101", Row: "3", Seat: 7},
	)
	server, err := faults.Listen("127.0.0.1:0", g.sim, archticssim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.transport.CloseIdleConnections)
	t.Cleanup(server.Close)
	g.server = server
	g.file = filepath.Join(t.TempDir(), "api_key")
	g.write(t, key)
	g.client = g.again(t, ch)
	t.Cleanup(func() { _ = g.client.SignOut(context.Background()) })
	return g
}

// again makes another client with the same memory, as after a restart.
func (g *gate) again(t *testing.T, ch change) *archtics.Client {
	t.Helper()
	raw := map[string]any{
		"base_url": g.server.URL(), "product": archticssim.Product, "api_key_file": g.file, "uid": archticssim.DemoUID, "dsn": archticssim.DemoDSN,
		"poll_every": "100ms", "poll_limit": "10s",
	}
	deps := archtics.Deps{
		Version: "1.2.3", Memory: g.memory, Transport: g.transport, Observe: g.seen.Add, Clock: g.clock, Zone: newYork(t),
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if ch != nil {
		ch(raw, &deps)
	}
	c, err := archtics.NewClient(raw, deps)
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

func (g *gate) find(t *testing.T, code scanner.Code) (scanner.Ticket, scanner.Found, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return g.client.Find(ctx, scanner.Ask{Code: code, Direction: scanner.Entry})
}

// listed finds a ticket that must be there.
func (g *gate) listed(t *testing.T, code scanner.Code) scanner.Ticket {
	t.Helper()
	got, found, err := g.find(t, code)
	if err != nil || found != scanner.Listed {
		t.Fatalf("%v, %v, %+v", found, err, got)
	}
	return got
}

func (g *gate) watch(t *testing.T) {
	t.Helper()
	if err := g.client.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) set(t *testing.T, f faults.Fault) {
	t.Helper()
	if err := g.server.Set(f); err != nil {
		t.Fatal(err)
	}
}

// scan is an entry at another gate.
func scan(seat int, at time.Time) archticssim.Scan {
	return archticssim.Scan{Event: event, Section: "101", Row: "A", Seat: seat, At: at, Gate: "North"}
}

// clock is a clock of the test's own.
type clock struct {
	mu      sync.Mutex // guards what follows
	at      time.Time
	boot    string
	up      time.Duration
	trusted bool
}

func (c *clock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: c.at, Boot: c.boot, Up: c.up}
}

func (c *clock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Instant{At: c.at.Add(s.Up - c.up), Trusted: c.trusted}
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.up = c.at.Add(d), c.up+d
}

func (c *clock) now() time.Time { return c.Now().Wall }
