package upload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"usher/scanner"
	"usher/sync/journal"
	"usher/sync/upload"
)

var (
	scope   = scanner.Scope{Vendor: "acme", Account: "7", Event: "show"}
	foreign = scanner.Scope{Vendor: "acme", Account: "8", Event: "show"}
)

// handClock is a device clock: its wall is the test's, and each boot's true time
// is known or not.
type handClock struct {
	mu   sync.Mutex // guards what follows
	boot string
	up   time.Duration
	// off is how far this boot's wall clock is ahead of the true time.
	off time.Duration
	// true0 is the true time of each boot's start, where it is known.
	true0 map[string]time.Time
	// spread is the error of what is known.
	spread time.Duration
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newClock() *handClock {
	return &handClock{boot: "one", up: time.Hour, true0: map[string]time.Time{"one": noon.Add(-time.Hour)}}
}

func (c *handClock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: noon.Add(c.up - time.Hour + c.off), Boot: c.boot, Up: c.up}
}

func (c *handClock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	start, ok := c.true0[s.Boot]
	if !ok {
		return scanner.Instant{At: s.Wall}
	}
	at := start.Add(s.Up)
	return scanner.Instant{At: at, Earliest: at.Add(-c.spread), Latest: at.Add(c.spread), Trusted: true}
}

// learn and forget set what is known of a boot's start.
func (c *handClock) learn(boot string, start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.true0[boot] = start
}

func (c *handClock) forget(boot string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.true0, boot)
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up += d
}

// book makes a real journal the upload's own.
type book struct{ *journal.Journal }

func (b book) id(t *testing.T, seq uint64) string {
	t.Helper()
	rec, _, err := b.Record(seq)
	if err != nil {
		t.Fatal(err)
	}
	return rec.ID
}

func openBook(t testing.TB, dir string, clock scanner.Clock) book {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: dir, Clock: clock, Keep: 14 * 24 * time.Hour, ForgetAfter: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return book{j}
}

func code(n int) scanner.Code { return scanner.Code(fmt.Sprintf("TICKET-%04d", n)) }

// admit commits an offline admission.
func (b book) admit(t fataler, clock scanner.Clock, ticket int, change ...func(*scanner.Record)) uint64 {
	t.Helper()
	at := clock.Now()
	rec := scanner.Record{
		ID: fmt.Sprintf("id-%d-%d", ticket, at.Up), Kind: scanner.KindScan, Scope: scope, Code: code(ticket), Direction: scanner.Entry,
		Origin: scanner.Origin{Device: "dev", Gate: "Gate 7"}, Scanner: "lane-1", At: at, True: clock.True(at),
		Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Fate: scanner.FatePending,
		TicketID: "1", Upload: json.RawMessage(`{"id":1}`),
	}
	for _, c := range change {
		c(&rec)
	}
	m, err := b.Mark(rec.Scope, rec.Code)
	if err != nil {
		t.Fatal(err)
	}
	m.Entered, m.LastAt, m.Last, m.Open = true, at, scanner.SelfSeq, m.Open+1
	seq, err := b.Commit(context.Background(), scanner.Change{Record: rec, Mark: &m})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func (b book) wantFate(t fataler, seq uint64, want scanner.Fate) scanner.Recorded {
	t.Helper()
	e, err := b.Entry(seq)
	if err != nil {
		t.Fatal(err)
	}
	if e.Fate != want {
		t.Errorf("record %d is %q (%s), want %q", seq, e.Fate, e.Detail, want)
	}
	return e
}

// vendor is a scripted uploader that keeps what it was given.
type vendor struct {
	mu    sync.Mutex // guards what follows
	calls [][]scanner.Movement
	at    []time.Time
	// answer is what a call is answered with; nil: everything is taken.
	answer func(ctx context.Context, n int, batch []scanner.Movement) ([]scanner.Receipt, error)
	probes int
	// dead: probes fail.
	dead  bool
	limit int
	age   time.Duration
	group func(scanner.Movement) string
}

func (v *vendor) Group(m scanner.Movement) string {
	if v.group != nil {
		return v.group(m)
	}
	return m.Scope.Event
}

func (v *vendor) Limits() (int, time.Duration) { return v.limit, v.age }

func (v *vendor) Upload(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	v.mu.Lock()
	v.calls = append(v.calls, batch)
	v.at = append(v.at, time.Now())
	n, answer := len(v.calls), v.answer
	v.mu.Unlock()
	if answer == nil {
		return all(batch, scanner.Taken), nil
	}
	return answer(ctx, n, batch)
}

func (v *vendor) probe(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.probes++
	if v.dead {
		return errors.New("dead")
	}
	return nil
}

func (v *vendor) sent() [][]scanner.Movement {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

// codes gives the tickets of each call.
func (v *vendor) codes() [][]scanner.Code {
	var list [][]scanner.Code
	for _, call := range v.sent() {
		var codes []scanner.Code
		for _, m := range call {
			codes = append(codes, m.Code)
		}
		list = append(list, codes)
	}
	return list
}

func all(batch []scanner.Movement, d scanner.Delivery) []scanner.Receipt {
	var list []scanner.Receipt
	for _, m := range batch {
		list = append(list, scanner.Receipt{Seq: m.Seq, Delivery: d, Detail: string(d)})
	}
	return list
}

func trouble(kind scanner.Trouble, status int, maybe bool) *scanner.CallError {
	return &scanner.CallError{Op: "syncScans", Trouble: kind, Status: status, MaybeSent: maybe, Err: errors.New("because")}
}

func newUploader(b upload.Journal, v *vendor, clock scanner.Clock, change ...func(*upload.Options)) *upload.Uploader {
	o := upload.Options{
		Journal: b, Vendor: v, Probe: v.probe, Scope: scope, Clock: clock, RetryMin: time.Second, RetryMax: time.Minute,
	}
	for _, c := range change {
		c(&o)
	}
	return upload.New(o)
}
