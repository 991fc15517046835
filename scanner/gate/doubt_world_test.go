package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
	"usher/sync/upload"
)

// bubbleClock is the device's clock in a synctest bubble, right to the second.
type bubbleClock struct{ began time.Time }

func (c bubbleClock) Now() scanner.Stamp {
	now := time.Now()
	return scanner.Stamp{Wall: now, Boot: "first", Up: time.Hour + now.Sub(c.began), Trusted: true}
}

func (c bubbleClock) True(s scanner.Stamp) scanner.Instant {
	return scanner.Instant{At: s.Wall, Earliest: s.Wall, Latest: s.Wall, Trusted: true}
}

// lamp is a link that the test switches and no call does.
type lamp struct{ on atomic.Bool }

func (l *lamp) Online() bool { return l.on.Load() }
func (*lamp) Answered()      {}
func (*lamp) Failed(error)   {}

// fullness is how much a disk refuses of a ticket.
type fullness int

const (
	room fullness = iota
	// noCommit: the attempt was stored, and nothing after it.
	noCommit
	// noRoom: nothing is stored.
	noRoom
)

// tight is the real journal on a disk that refuses some tickets for a while.
type tight struct {
	*journal.Journal
	until time.Time

	mu   sync.Mutex // guards what follows
	full map[scanner.Code]fullness
	of   map[uint64]scanner.Code
}

func (j *tight) refuses(code scanner.Code) fullness {
	if time.Now().After(j.until) {
		return room
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.full[code]
}

func (j *tight) code(attempt uint64) scanner.Code {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.of[attempt]
}

func (j *tight) Commit(ctx context.Context, c scanner.Change) (uint64, error) {
	if j.refuses(c.Record.Code) > room {
		return 0, scanner.ErrNotStored
	}
	return j.Journal.Commit(ctx, c)
}

func (j *tight) Attempt(ctx context.Context, a scanner.Attempt) (uint64, error) {
	if j.refuses(a.Code) == noRoom {
		return 0, scanner.ErrNotStored
	}
	id, err := j.Journal.Attempt(ctx, a)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.of[id] = a.Code
	return id, err
}

func (j *tight) AdmitAttempt(ctx context.Context, id uint64) error {
	if j.refuses(j.code(id)) > room {
		return scanner.ErrNotStored
	}
	return j.Journal.AdmitAttempt(ctx, id)
}

func (j *tight) CloseAttempt(ctx context.Context, id uint64) error {
	if j.refuses(j.code(id)) > room {
		return scanner.ErrNotStored
	}
	return j.Journal.CloseAttempt(ctx, id)
}

// venue is a device at its gate, with its vendor, in a synctest bubble.
type venue struct {
	t       *testing.T
	dir     string
	key     *seal.Key
	clock   bubbleClock
	tickets *cache.Store
	till    *till
	link    *lamp
	cfg     gate.Config
	id      func() string
	full    map[scanner.Code]fullness
	began   time.Time

	mu      sync.Mutex // guards what follows
	journal *tight
	gate    *gate.Gate
	lives   []*tight
	shown   []scanner.Outcome
}

// openVenue opens a gate whose list holds the given tickets. It is called in a
// bubble.
func openVenue(t *testing.T, listed []scanner.Code, full map[scanner.Code]fullness, change func(*venue)) *venue {
	t.Helper()
	v := &venue{t: t, dir: t.TempDir(), clock: bubbleClock{time.Now()}, till: &till{}, link: &lamp{}, id: counter(), full: full}
	v.link.on.Store(true)
	v.cfg = gate.Config{
		Scope: scope, Lists: scope, Origin: scanner.Origin{Device: "D1", Gate: "Gate 7"},
		Rule:      scanner.Rule{Kind: scanner.External, Unknown: scanner.PolicyRefuse, ExitUnknown: scanner.PolicyRefuse},
		Direction: scanner.Entry, Venue: time.UTC,
		Validator: v.till, Patience: 1500 * time.Millisecond, Timeout: 3 * time.Second, InDoubt: scanner.PolicyAdmit, Uploads: true,
	}
	change(v)
	v.began = time.Now()
	key, _, err := seal.Load("", v.dir)
	if err != nil {
		t.Fatal(err)
	}
	v.key = key
	if v.tickets, err = cache.Open(cache.Options{Dir: v.dir, Key: key, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	feed := func(add func(scanner.Ticket, string) error) error {
		for _, code := range listed {
			if err := add(scanner.Ticket{Code: code, Status: scanner.StatusValid}, "row"); err != nil {
				return err
			}
		}
		return nil
	}
	if err := v.tickets.Build(t.Context(), &cache.Meta{Scope: scope, Complete: true, Checked: v.clock.Now()}, feed, nil); err != nil {
		t.Fatal(err)
	}
	v.start()
	return v
}

// start begins a life of the daemon.
func (v *venue) start() {
	v.t.Helper()
	log := slog.New(slog.DiscardHandler)
	j, err := journal.Open(journal.Options{Dir: v.dir, Clock: v.clock, Sealer: v.key, KeyCheck: v.key.Check(), Log: log})
	if err != nil {
		v.t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.journal = &tight{Journal: j, until: v.clock.began.Add(diskRefuses), full: v.full, of: map[uint64]scanner.Code{}}
	v.lives = append(v.lives, v.journal)
	v.gate = gate.New(v.cfg, gate.Deps{
		Clock: v.clock, Tickets: v.tickets, Journal: v.journal, Link: v.link, NewID: v.id, Show: v.show, Ended: func() {}, Log: log,
	})
}

// diskRefuses is how long a full disk stays full.
const diskRefuses = 4500 * time.Millisecond

func (v *venue) show(out scanner.Outcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown = append(v.shown, out)
}

// wait waits until so long after the night began.
func (v *venue) wait(at time.Duration) { time.Sleep(time.Until(v.began.Add(at))) }

func (v *venue) now() (*gate.Gate, *tight) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gate, v.journal
}

// die ends the daemon's life in the midst of whatever it does, and begins
// another.
func (v *venue) die() {
	v.t.Helper()
	_, j := v.now()
	if err := j.Close(); err != nil {
		v.t.Error(err)
	}
	v.start()
}

// scan judges a reading; took is how long the person waited.
func (v *venue) scan(lane string, code scanner.Code, direction ...scanner.Direction) (out scanner.Outcome, took time.Duration) {
	g, _ := v.now()
	r := scanner.Reading{Scanner: lane, Raw: string(code), At: v.clock.Now()}
	if len(direction) > 0 {
		r.Direction = direction[0]
	}
	begun := time.Now()
	out, _ = g.Judge(context.Background(), r)
	return out, time.Since(begun)
}

// upload is one upload of all that may go.
func (v *venue) upload() {
	v.t.Helper()
	g, j := v.now()
	u := upload.New(upload.Options{
		Journal: j.Journal, Vendor: v.till, Scope: scope, Clock: v.clock, Busy: g.Busy, Batch: 10_000,
		RetryMin: time.Second, RetryMax: time.Minute,
	})
	if _, err := u.Now(context.Background()); err != nil {
		v.t.Error(err)
	}
}

// close ends the world, once every call has ended.
func (v *venue) close() {
	v.t.Helper()
	g, _ := v.now()
	g.Drain()
	for _, j := range v.lives {
		if err := j.Close(); err != nil {
			v.t.Error(err)
		}
	}
	if err := v.tickets.Close(); err != nil {
		v.t.Error(err)
	}
}

// entry gives a record with what became of it.
func (v *venue) entry(seq uint64) scanner.Recorded {
	v.t.Helper()
	_, j := v.now()
	e, err := j.Entry(seq)
	if err != nil {
		v.t.Errorf("record %d: %v", seq, err)
	}
	return e
}

// told is a verdict in short, as a table writes it.
func told(out scanner.Outcome) string {
	if out.ID == "" {
		return "none"
	}
	s := fmt.Sprintf("%s/%s", out.Verdict, out.Reason)
	if out.Repeat {
		return s + " repeat"
	}
	s += " " + string(out.Mode)
	if out.Late {
		s += " late"
	}
	if out.InDoubt {
		s += " in-doubt"
	}
	return s
}
