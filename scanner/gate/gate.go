// Package gate is the engine: the life of a scan from the framed code to the
// verdict a person acts on.
//
// Per scanner one scan is judged at a time, in the order read; per ticket one
// at a time across all scanners, so that two lanes reading the same code at the
// same moment admit it once. An admission is shown only after the journal has
// it on the disk; a refusal waits for no disk.
//
// # In doubt
//
// A call that may have reached the vendor and got no answer in time may be the
// entry that the vendor speaks of later. What is known of it is an attempt, on
// the disk before the call is made, or in memory where the disk refuses. One
// person at most is let in on it: by a green at once, whose entry is uploaded only
// after the call has ended and whose duplicate at the vendor is then our own; or,
// after a red or amber, by the next scan. A late answer goes to whoever was let in
// meanwhile (standing). TestInDoubt walks the interleavings, TestInDoubtByHand
// tells the ones that people ask about.
//
// # Look-ups
//
// A vendor that only looks tickets up (a Finder) changes nothing when asked, so
// nothing is ever in doubt about it. Its record is judged like a list's, what is
// admitted is on this disk alone, and from then on this device judges the ticket by
// itself. An answer that comes too late for its scan decides the next one (searches).
package gate

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/scanner"
)

// Manual is the scanner name of codes typed by hand.
const Manual = "manual"

// Config is what a gate judges by. It can be replaced while running; each scan
// is judged whole under one configuration.
type Config struct {
	Scope scanner.Scope
	// Lists is the scope of the ticket list; it may be wider than Scope.
	Lists  scanner.Scope
	Origin scanner.Origin
	Rule   scanner.Rule
	// Direction of scanners that have none of their own.
	Direction scanner.Direction
	// StaleAfter is how long a list is fresh after the last successful check of
	// its source; zero: for as long as this boot lasts.
	StaleAfter time.Duration
	// Venue is the zone in which times are told to people.
	Venue *time.Location
	// Validator asks the vendor for its verdict, Finder for what it knows of the
	// ticket; at most one of them. Both nil: this device decides by its list.
	Validator scanner.Validator
	Finder    scanner.Finder
	// Patience is how long a person may wait for the vendor, Timeout when a call
	// itself ends. Normal is how long an answer may take that is no sign of a bad
	// link; up to Patience it says nothing.
	Patience, Timeout, Normal time.Duration
	// InDoubt is what a holder gets whose own green light got lost: admit or
	// review.
	InDoubt scanner.Policy
	// Ready tells whether the device is signed in or registered, where the vendor
	// wants that; nil: it does not.
	Ready func() bool
	// Uploads tells whether the vendor takes what was admitted offline.
	Uploads bool
	// Sections gives the ids of the sections that the vendor lets this device admit
	// to, from memory, as they are at the scan; nil: any. It gives nil where they are
	// not known.
	Sections func() []string
	// Freeze gives what an upload needs of this device as it is at scan time; nil:
	// nothing.
	Freeze func() json.RawMessage
	// Undoer takes movements back at the vendor; nil: it cannot.
	Undoer scanner.Undoer
	// Window gives the configured event's check-in window; nil: none is known.
	Window func() (scanner.Window, bool)
	// Seen: what the vendor last told of a ticket stands in for a list, which it does
	// not give.
	Seen bool
}

// Deps are the rooms around the gate. All fields but Link and Ended are required.
type Deps struct {
	Clock   scanner.Clock
	Tickets scanner.Tickets
	Journal scanner.Journal
	// Link tells whether the vendor can be asked; nil only where no Config has a
	// Validator or Finder.
	Link scanner.Link
	// NewID gives ids that are unique over all devices.
	NewID func() string
	// Show is told every outcome once it may be shown. It must not wait.
	Show func(scanner.Outcome)
	// Ended is told when a movement's own call to the vendor has ended: it may be
	// uploaded. It must not wait; nil only where no Config has a Validator.
	Ended func()
	Log   *slog.Logger
}

// Gate judges scans. Its methods are safe for concurrent use.
type Gate struct {
	Deps
	cfg   atomic.Pointer[Config]
	codes keyed
	tally tally
	// calls are those to the vendor and what follows from them.
	calls sync.WaitGroup
	// asking are calls that still run; running are the movements they hold back.
	asking  asking
	running set
	// spent are attempts that must not be used again, unsaved those that are on no
	// disk.
	spent   spent
	refused refused
	unsaved unsaved
	// searches are a Finder's calls and what came of the late ones.
	searches searches
	seen     seen

	mu    sync.Mutex // guards lanes
	lanes map[string]*lane
}

// New builds a gate. Admissions that the journal remembers from just before a
// restart are repeats for a while, so that a holder whose ticket was read as
// the device died is not refused by it.
func New(cfg Config, deps Deps) *Gate {
	g := &Gate{Deps: deps, lanes: map[string]*lane{}}
	g.cfg.Store(&cfg)
	g.recall(cfg.Scope, deps.Clock.Now())
	return g
}

// Configure replaces what the gate judges by, from the next scan on. Under
// another scope nothing read before is a repeat.
func (g *Gate) Configure(cfg Config) { g.cfg.Store(&cfg) }

// Judge gives the one verdict on a reading. It is false for an empty code,
// which is no scan. It returns when the verdict may be shown: an admission is on
// the disk.
func (g *Gate) Judge(ctx context.Context, r scanner.Reading) (scanner.Outcome, bool) {
	code := scanner.Clean(r.Raw)
	if code == "" {
		return scanner.Outcome{}, false
	}
	cfg := g.cfg.Load()
	if !r.Direction.Valid() {
		r.Direction = cfg.Direction
	}
	l := g.lane(r.Scanner)
	defer l.turn.take()()
	l.begin(g.Clock.Now())
	defer l.end()

	p := passage{code.Bare(), r.Direction}
	if out, ok := l.repeat(cfg.Scope, p, r.At); ok {
		g.show(out)
		return out, true
	}
	out := g.judge(ctx, cfg, code, r)
	l.remember(p, r.At, g.Clock.Now(), out)
	if out.Verdict == scanner.Admit {
		g.turned(p)
	}
	g.show(out)
	return out, true
}

func (g *Gate) judge(ctx context.Context, cfg *Config, code scanner.Code, r scanner.Reading) scanner.Outcome {
	if err := code.Check(); err != nil {
		s := g.look(cfg, r, presentable(code))
		return s.decline(scanner.Decision{Verdict: scanner.Refuse, Reason: scanner.Unreadable}, nil)
	}
	defer g.lock(cfg.Scope, code)()
	return g.look(cfg, r, code).verdict(ctx)
}

// lane is the scanner's own queue; it is made at its first scan.
func (g *Gate) lane(name string) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[name]
	if l == nil {
		l = &lane{turn: newTurn()}
		g.lanes[name] = l
	}
	return l
}

// Stuck is the longest time that a scan has been waiting for its verdict at
// this moment. It is what a watchdog asks: a scan path that lives ends every
// scan soon.
func (g *Gate) Stuck() time.Duration {
	now := g.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var longest time.Duration
	for _, l := range g.lanes {
		longest = max(longest, l.busyFor(now))
	}
	return longest
}

// lock holds the ticket: one scan of it at a time across all scanners. Codes that
// are alike but for a scanner's prefix are one ticket.
func (g *Gate) lock(scope scanner.Scope, code scanner.Code) (unlock func()) {
	return g.codes.lock(ticketKey(scope, code.Bare()))
}

// turn is held by one at a time; those who wait get it in the order they came, which
// a mutex does not promise.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn and returns its release.
func (t turn) take() func() {
	t <- struct{}{}
	return func() { <-t }
}

// keyed is a turn per key, for the tickets being judged.
type keyed struct {
	mu   sync.Mutex // guards held
	held map[string]*hold
}

type hold struct {
	turn
	users int
}

// lock waits for the key and returns its release.
func (k *keyed) lock(key string) func() {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*hold{}
	}
	h := k.held[key]
	if h == nil {
		h = &hold{turn: newTurn()}
		k.held[key] = h
	}
	h.users++
	k.mu.Unlock()
	release := h.take()
	return func() {
		release()
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(k.held, key)
		}
	}
}
