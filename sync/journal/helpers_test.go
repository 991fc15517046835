package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// clock is a device clock that tests set.
type clock struct {
	mu      sync.Mutex
	now     scanner.Stamp
	trusted bool
	// anchored boots have a known true time.
	anchored map[string]time.Time
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newClock() *clock {
	return &clock{
		now:      scanner.Stamp{Wall: noon, Boot: "boot-1", Up: time.Hour, Trusted: true},
		trusted:  true,
		anchored: map[string]time.Time{"boot-1": noon.Add(-time.Hour)},
	}
}

func (c *clock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	start, ok := c.anchored[s.Boot]
	if !ok {
		return scanner.Instant{At: s.Wall}
	}
	at := start.Add(s.Up)
	return scanner.Instant{At: at, Earliest: at.Add(-time.Second), Latest: at.Add(time.Second), Trusted: true}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall, c.now.Up = c.now.Wall.Add(d), c.now.Up+d
}

// reboot starts another boot; anchored: its true time is known.
func (c *clock) reboot(boot string, off time.Duration, anchored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = scanner.Stamp{Wall: c.now.Wall.Add(off), Boot: boot, Up: time.Minute}
	if anchored {
		c.anchored[boot] = c.now.Wall.Add(-time.Minute)
	}
}

// sealer is a reversible stand-in for the device key: what it makes is not what
// it was given, and another key cannot read it.
type sealer byte

func (s sealer) Seal(plain []byte) []byte {
	out := []byte{byte(s)}
	for _, b := range plain {
		out = append(out, b^byte(s))
	}
	return out
}

func (s sealer) Open(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != byte(s) {
		return nil, errors.New("another key")
	}
	out := make([]byte, 0, len(sealed))
	for _, b := range sealed[1:] {
		out = append(out, b^byte(s))
	}
	return out, nil
}

var scope = scanner.Scope{Vendor: "acme", Account: "7", Event: "show"}

// stateDir is a directory for a journal. Whatever the test leaves there is
// checked when it has ended, also what it did not close or opened itself.
func stateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { checkLeft(t, dir) })
	return dir
}

// checkLeft checks a journal that a test has left, if it left any.
func checkLeft(t testing.TB, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, fileName)); err == nil {
		checkFile(t, dir)
	}
}

func options(dir string) Options {
	return Options{
		Dir: dir, Clock: newClock(), Sealer: sealer(0x5a), KeyCheck: []byte("key-1"),
		Keep: 14 * 24 * time.Hour, ForgetAfter: 24 * time.Hour,
	}
}

// open opens a journal that is closed and checked when the test ends.
func open(t testing.TB, opts Options) *Journal {
	t.Helper()
	j, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAndCheck(t, j) })
	return j
}

// reopen opens a journal that the test closes itself; what it left is checked
// when the test ends.
func reopen(t testing.TB, opts Options) *Journal {
	t.Helper()
	t.Cleanup(func() { checkLeft(t, opts.Dir) })
	j, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeAndCheck(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	checkFile(t, j.opts.Dir)
}

// reporter is what a test and a rapid check have in common.
type reporter interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
}

// checked is the state in which each file was found good: who closes a journal, who
// opened it and who made its directory all check it, and once is enough.
var checked sync.Map

// checkFile proves the invariants of the file, unless it is as it was when it was
// found good: bbolt's own, every frame, every count, and an index that is the same
// however it is made.
func checkFile(t reporter, dir string) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	now, err := os.Stat(path)
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	if was, ok := checked.Load(path); ok && os.SameFile(was.(os.FileInfo), now) &&
		now.ModTime().Equal(was.(os.FileInfo).ModTime()) && now.Size() == was.(os.FileInfo).Size() {
		return
	}
	if isGood(t, dir) {
		checked.Store(path, now)
	}
}

func isGood(t reporter, dir string) (good bool) {
	t.Helper()
	good = true
	bad := func(format string, args ...any) {
		t.Helper()
		good = false
		t.Errorf(format, args...)
	}
	s, err := openStore(filepath.Join(dir, fileName), storeOptions{readOnly: true})
	if err != nil {
		bad("check: %v", err)
		return
	}
	defer s.close()
	err = s.view(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			bad("bbolt check: %v", err)
		}
		return nil
	})
	if err != nil {
		bad("check: %v", err)
	}
	if _, _, err := load(s, nil); err != nil {
		bad("load: %v", err)
	}
	found, err := salvagePath(filepath.Join(dir, fileName))
	if err != nil {
		bad("salvage: %v", err)
	} else if !found.allWhole() {
		bad("salvage read %v whole", found.whole)
	}
	return good
}

func code(n int) scanner.Code { return scanner.Code(fmt.Sprintf("TICKET-%04d", n)) }

// record is an entry's record as the engine would make it.
func record(c *clock, ticket int, fate scanner.Fate) scanner.Record {
	at := c.Now()
	return scanner.Record{
		ID: fmt.Sprintf("id-%d-%d", ticket, at.Up), Kind: scanner.KindScan, Scope: scope, Code: code(ticket), Direction: scanner.Entry,
		Origin: scanner.Origin{Device: "dev", Gate: "Gate 7"}, Scanner: "lane-1", At: at, True: c.True(at),
		Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Message: "Welcome",
		Ticket:   &scanner.TicketInfo{ID: "1", Name: "Ada Lovelace", Section: "A", Seat: "12", Event: "show"},
		TicketID: "1", Upload: json.RawMessage(`{"id":1}`), Fate: fate,
	}
}

func refusal(c *clock, ticket int) scanner.Record {
	rec := record(c, ticket, scanner.FateNone)
	rec.Verdict, rec.Reason = scanner.Refuse, scanner.NotFound
	return rec
}

// entry is what the engine commits for an admission made offline.
func entryChange(t testing.TB, j *Journal, c *clock, ticket int, fate scanner.Fate) scanner.Change {
	t.Helper()
	m, err := j.Mark(scope, code(ticket))
	if err != nil {
		t.Fatal(err)
	}
	rec := record(c, ticket, fate)
	before := m
	rec.Before = &before
	m.Entered, m.EnteredAt, m.LastAt, m.Last = true, rec.True.At, rec.At, scanner.SelfSeq
	if fate == scanner.FatePending || fate == scanner.FateParked {
		m.Open++
	}
	return scanner.Change{Record: rec, Mark: &m}
}

func admit(t testing.TB, j *Journal, ticket int, fate scanner.Fate) uint64 {
	t.Helper()
	seq, err := j.Commit(context.Background(), entryChange(t, j, j.opts.Clock.(*clock), ticket, fate))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func mark(t testing.TB, j *Journal, ticket int) scanner.Mark {
	t.Helper()
	m, err := j.Mark(scope, code(ticket))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func fateOf(t testing.TB, j *Journal, seq uint64) scanner.Fate {
	t.Helper()
	_, f, err := j.Record(seq)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func history(t testing.TB, j *Journal) []Entry {
	t.Helper()
	var list []Entry
	err := j.Each(context.Background(), func(e Entry) error {
		list = append(list, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// damagedAside lists the damaged journals of a directory.
func damagedAside(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, damagedPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func overwrite(t testing.TB, path string, at int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, at); err != nil {
		t.Fatal(err)
	}
}
