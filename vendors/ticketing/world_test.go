package ticketing_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
	"usher/vendors/wire"
)

const (
	key      = "1nt3gration-k3y-of-the-host"
	user     = "gate7@example.org"
	password = "s3cret horse & staple"
	token    = ticketingsim.DemoFront
	event    = ticketingsim.DemoEvent
	front    = ticketingsim.SectionFront
	back     = ticketingsim.SectionBack

	good     = scanner.Code("DAWIER-GOOD00000001")
	more2    = scanner.Code("DAWIER-MORE00000002")
	more3    = scanner.Code("DAWIER-MORE00000003")
	used     = scanner.Code("DAWIER-USED00000004")
	refunded = scanner.Code("DAWIER-REFU00000005")
	lawn     = scanner.Code("DAWIER-LAWN00000006")
	nobody   = scanner.Code("DAWIER-NOBO00000007")

	handheld = "7hx-9kq-2mp"
	redeemer = "Billy Butcher"
)

// gate is a client before a simulator.
type gate struct {
	sim       *ticketingsim.Sim
	server    *faults.Server
	transport *http.Transport
	log       *vendortest.Log
	memory    *vendortest.Memory
	dir       string
	client    *ticketing.Client
	seen      *vendortest.Observations
}

func stage(o ticketingsim.Options) *ticketingsim.Sim {
	o.Key, o.User, o.Password = key, user, password
	sim := ticketingsim.New(o)
	sim.AddSections(ticketingsim.Section{ID: front, Name: "Front Stage"}, ticketingsim.Section{ID: back, Name: "Back Lawn"})
	sim.AddToken(token, front)
	ticket := func(code scanner.Code, section, status string) ticketingsim.Ticket {
		return ticketingsim.Ticket{Serial: string(code), Section: section, Status: status, First: "Marvin", Last: "Milk"}
	}
	sim.AddTickets(
		ticket(good, front, ""), ticket(more2, front, ""), ticket(more3, front, ""), ticket(used, front, ""),
		ticket(refunded, front, "Refunded"), ticket(lawn, back, ""),
	)
	if err := sim.Admit(string(used), "Hughie", "another-device"); err != nil {
		panic(err)
	}
	return sim
}

type change func(raw map[string]any, deps *ticketing.Deps)

func newGate(t *testing.T, o ticketingsim.Options, changes ...change) *gate {
	t.Helper()
	g := &gate{sim: stage(o), transport: wire.NewTransport(), log: &vendortest.Log{}, memory: &vendortest.Memory{}, seen: &vendortest.Observations{}}
	server, err := faults.Listen("127.0.0.1:0", g.sim, ticketingsim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.transport.CloseIdleConnections)
	t.Cleanup(server.Close)
	g.server = server
	g.dir = t.TempDir()
	g.write(t, "api_key", key)
	g.write(t, "password", password)
	g.client = g.again(t, changes...)
	return g
}

// again makes another client with the same memory, as after a restart.
func (g *gate) again(t *testing.T, changes ...change) *ticketing.Client {
	t.Helper()
	raw := map[string]any{
		"base_url": g.server.URL() + ticketingsim.Base, "api_key_file": filepath.Join(g.dir, "api_key"), "admission_token": token, "event": event,
		"redeemer": redeemer,
	}
	deps := ticketing.Deps{
		Version: "1.2.3", Device: ticketing.Device{ID: handheld, Name: "handheld 7", GateName: "Gate 7"}, Memory: g.memory, Transport: g.transport,
		Observe: g.seen.Add, Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, ch := range changes {
		ch(raw, &deps)
	}
	c, err := ticketing.NewClient(raw, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bySession signs in with a user and password.
func (g *gate) bySession(raw map[string]any, _ *ticketing.Deps) {
	delete(raw, "api_key_file")
	raw["username"], raw["password_file"] = user, filepath.Join(g.dir, "password")
}

func (g *gate) write(t *testing.T, name, secret string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) probe(t *testing.T) {
	t.Helper()
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) ask(t *testing.T, code scanner.Code) (scanner.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return g.client.Validate(ctx, scanner.Ask{Code: code, Direction: scanner.Entry})
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

// movement is a code admitted offline a minute ago.
func (g *gate) movement(seq uint64, code scanner.Code) scanner.Movement {
	return scanner.Movement{
		Seq: seq, Code: code, Direction: scanner.Entry, At: time.Now().Add(-time.Minute), Data: g.client.Freeze(),
		Origin: scanner.Origin{Device: handheld, Name: "handheld 7", Gate: "Gate 7"},
	}
}

// world is the contract's, whose sign-ins are the simulator's call of that name.
func (g *gate) world(signIn string, deny func()) *vendortest.World {
	return &vendortest.World{
		Vendor: g.client.Vendor(), Server: g.server, Transport: g.transport,
		ValidateCall: "admit", UploadCall: "admit", ListCall: "list tickets", SignInCall: signIn,
		Codes: map[scanner.Reason]scanner.Code{
			scanner.OK: good, scanner.AlreadyEntered: used, scanner.NotFound: nobody,
		},
		More: []scanner.Code{more2, more3}, Bad: refunded,
		Movement: g.movement,
		Recorded: func(code scanner.Code) int { return g.sim.Admitted(string(code)) },
		Expire:   g.sim.ExpireKeys,
		Deny:     deny,
		SignIns:  func() int { return g.sim.Calls(signIn) },
		Listed:   6,
		Secrets:  []string{key, password, token, "X-API-Key", "s3cret", "1nt3gration"},
		Log:      g.log.String,
	}
}

func TestContract(t *testing.T) {
	vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
		g := newGate(t, ticketingsim.Options{})
		return g.world("exchange token", func() { g.sim.SetKey("another") })
	}})
}

// The same over a session instead of an integration key, with the other shape of
// errors, counts as text, empty pages as 404, and keys that change.
func TestContractOverASession(t *testing.T) {
	vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
		g := newGate(t, ticketingsim.Options{MessageErrors: true, TextNumbers: true, EmptyIs404: true, Rotate: true, MostRecords: 2})
		g.client = g.again(t, g.bySession)
		return g.world("start session", func() { g.sim.SetPassword("another") })
	}})
}
