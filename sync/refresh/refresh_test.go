package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"usher/cache"
	"usher/cache/manifest"
	"usher/cache/seal"
	"usher/scanner"
	"usher/sync/refresh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = scanner.Scope{Vendor: "manifest", Event: "gala"}

// store is the real ticket store, as refresh wants it.
type store struct {
	*cache.Store
	builds atomic.Int64
}

func (s *store) Build(ctx context.Context, meta *refresh.Meta, feed func(func(scanner.Ticket, string) error) error, progress func(int)) error {
	s.builds.Add(1)
	return s.Store.Build(ctx, (*cache.Meta)(meta), feed, progress)
}

func (s *store) Amend(ctx context.Context, cursor []byte, meta *refresh.Meta, feed func(func(scanner.Ticket, string) error) error, progress func(int)) error {
	return s.Store.Amend(ctx, cursor, (*cache.Meta)(meta), feed, progress)
}

// ticking is a clock of which every look is a second later.
type ticking struct{ n atomic.Int64 }

func (c *ticking) Now() scanner.Stamp {
	up := time.Duration(c.n.Add(1)) * time.Second
	return scanner.Stamp{Wall: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).Add(up), Boot: "boot", Up: up}
}

func (c *ticking) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// site is a device with a state directory and a place for its manifest.
type site struct {
	t     *testing.T
	state string
	path  string
	doubt time.Duration
	store *store
	*refresh.Refresher
	stop func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, state: t.TempDir(), path: filepath.Join(t.TempDir(), "list.csv")}
	s.boot(s.path)
	t.Cleanup(func() { s.halt() })
	return s
}

// boot opens the store and makes a refresher, as a start of the daemon does.
func (s *site) boot(manifestPath string) {
	s.t.Helper()
	key, err := seal.New([]byte("0123456789abcdefghijklmnopqrstuv"))
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	opened, err := cache.Open(cache.Options{Dir: s.state, Key: key, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = &store{Store: opened}
	s.Refresher = refresh.New(refresh.Options{
		Manifest: manifestPath, Scope: scope, Store: s.store, Read: manifest.Read, Clock: &ticking{}, Log: log,
		Quiet: 100 * time.Millisecond, Poll: 150 * time.Millisecond, Doubt: s.doubt,
	})
	s.stop = func() {}
}

func (s *site) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
}

func (s *site) halt() {
	s.t.Helper()
	s.stop()
	s.stop = func() {}
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *site) reboot() {
	s.t.Helper()
	s.halt()
	s.boot(s.path)
}

// list is a manifest of n tickets.
func list(n int) string {
	var b strings.Builder
	b.WriteString("code,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%08d,Anna\n", i)
	}
	return b.String()
}

// put replaces the manifest as one should: under another name, then renamed.
func (s *site) put(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path+".part", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path+".part", s.path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) count() int { return s.store.List(scope).Count }

func (s *site) wait(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: never; %d tickets, %+v", what, s.count(), s.Status())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// looked waits until the source was found unchanged anew.
func (s *site) looked() {
	s.t.Helper()
	before := s.store.List(scope).Checked
	s.wait("looked at again", func() bool { return s.store.List(scope).Checked != before })
}

func TestAManifestIsLoadedAndFollowed(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("found at the start", func() bool { return s.count() == 3 })
	s.put(list(4))
	s.wait("renamed over", func() bool { return s.count() == 4 })
	if err := os.WriteFile(s.path, []byte(list(5)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.wait("truncated and written", func() bool { return s.count() == 5 })
	info := s.store.List(scope)
	if !info.Complete || info.Checked.Boot != "boot" || info.GeneratedAt.IsZero() {
		t.Errorf("%+v", info)
	}
	s.wait("at rest", func() bool { // a moment after the list was swapped in
		return s.Status() == refresh.Status{}
	})
}

func TestAnUnchangedManifestWritesNothingAndIsFresh(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	before, err := os.Stat(filepath.Join(s.state, "tickets.db"))
	if err != nil {
		t.Fatal(err)
	}
	s.looked() // by itself
	if err := os.Chtimes(s.path, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.looked() // touched
	s.put(list(3))
	s.looked() // copied again
	s.looked()
	if err := s.Now(t.Context()); err != nil {
		t.Error(err)
	}
	if builds := s.store.builds.Load(); builds != 1 {
		t.Errorf("%d builds", builds)
	}
	s.reboot()
	checked := s.store.List(scope).Checked
	s.run()
	s.wait("fresh after the restart", func() bool { return s.store.List(scope).Checked != checked })
	s.looked()
	after, err := os.Stat(filepath.Join(s.state, "tickets.db"))
	if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() || s.store.builds.Load() != 0 {
		t.Errorf("the list was written anew: %v", err)
	}
}

// TestAHaltingCopyIsNotLoadedInTheMiddle: its pauses, at the ends of lines, are
// longer than a file must be quiet, and at the last one everything but a few
// tickets is there.
func TestAHaltingCopyIsNotLoadedInTheMiddle(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	rows := strings.SplitAfter(list(60), "\n")
	file, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := 0; i < len(rows); i += 20 {
		if _, err := file.WriteString(strings.Join(rows[i:min(i+20, len(rows))], "")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond) // the halting copy itself
		if n := s.count(); n != 3 {
			t.Fatalf("%d tickets were loaded from the middle of a copy", n)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	s.wait("the whole", func() bool { return s.count() == 60 })
}

// TestAWriterThatNeverClosesIsTold.
func TestAWriterThatNeverClosesIsTold(t *testing.T) {
	s := newSite(t)
	s.halt()
	s.doubt = 300 * time.Millisecond
	s.boot(s.path)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	file, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(list(4)); err != nil {
		t.Fatal(err)
	}
	s.wait("told", func() bool {
		return s.Status().Problem == "the new manifest is not closed by who writes it: waiting to see whether it is still being copied"
	})
	if s.count() != 3 {
		t.Errorf("%d tickets", s.count())
	}
	if err := s.Now(t.Context()); err != nil || s.count() != 4 {
		t.Errorf("a person's load: %d tickets, %v", s.count(), err)
	}
}

// TestHalfACopyIsWaitedWith: a copy that broke off is closed like a whole one.
func TestHalfACopyIsWaitedWith(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{list(4), "the new manifest has 4 tickets instead of 9: waiting to see whether it is still being copied"},
		{list(7) + "00000007,Be", "the new manifest ends in the middle of a line: waiting to see whether it is still being copied"},
	} {
		s := newSite(t)
		s.put(list(9))
		s.run()
		s.wait("loaded", func() bool { return s.count() == 9 })
		s.put(c.text)
		s.wait(c.want, func() bool { return s.Status().Problem == c.want })
		s.put(list(10))
		s.wait("copied again, whole", func() bool { return s.count() == 10 && s.Status().Problem == "" })
		s.put(c.text)
		s.wait(c.want, func() bool { return strings.HasPrefix(s.Status().Problem, "the new manifest ") })
		if err := s.Now(t.Context()); err != nil || s.count() >= 9 || s.Status().Problem != "" {
			t.Errorf("a person's load: %d tickets, %v, %+v", s.count(), err, s.Status())
		}
		s.halt()
		s.doubt = 500 * time.Millisecond
		s.boot(s.path)
		s.put(list(9))
		s.run()
		s.wait("loaded", func() bool { return s.count() == 9 })
		s.put(c.text)
		s.wait("waited with", func() bool { return s.Status().Problem == c.want })
		s.wait("really shorter", func() bool { return s.count() < 9 && s.Status().Problem == "" })
	}
}

// TestAnImportBlocksNobody: while one drips in, everybody else is told at once, and
// what the watcher had to do then it does afterwards.
func TestAnImportBlocksNobody(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	body, sender := io.Pipe()
	imported := make(chan error, 1)
	go func() { imported <- s.Import(context.Background(), "usb.csv", body) }()
	if _, err := io.WriteString(sender, list(30_000)); err != nil {
		t.Fatal(err)
	}
	s.wait("progress", func() bool { return s.Status() == refresh.Status{Running: true, Progress: 20_000} })
	s.put(list(4))
	if err := s.Now(t.Context()); !errors.Is(err, refresh.ErrBusy) {
		t.Errorf("Now: %v", err)
	}
	if err := s.Import(t.Context(), "other.csv", strings.NewReader(list(5))); !errors.Is(err, refresh.ErrBusy) {
		t.Errorf("Import: %v", err)
	}
	if err := sender.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-imported; err != nil {
		t.Fatal(err)
	}
	if err := s.Now(t.Context()); err != nil || s.count() != 4 || s.Status() != (refresh.Status{}) {
		t.Errorf("afterwards: %d tickets, %v, %+v", s.count(), err, s.Status())
	}
}

// slow gives one byte at a time.
type slow struct{ text string }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(9 * time.Second)
	n := copy(p[:1], s.text)
	s.text = s.text[n:]
	return n, nil
}

func TestAnImportThatDripsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		begun := time.Now()
		err := s.Import(t.Context(), "usb.csv", &slow{list(1000)})
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "the list came too slowly") || took > time.Minute || s.count() != 0 {
			t.Errorf("after %s: %v, %d tickets", took, err, s.count())
		}
		s.halt()
	})
}

// TestAListPutOverTheManifestsIsNoticed: an import that was begun before a reload
// ends after it, for the scope of before.
func TestAListPutOverTheManifestsIsNoticed(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	other := scanner.Scope{Vendor: "manifest", Event: "matinee"}
	for _, old := range []scanner.Scope{other, scope} {
		before := refresh.New(refresh.Options{
			Scope: old, Store: s.store, Read: manifest.Read, Clock: &ticking{}, Log: slog.New(slog.DiscardHandler),
		})
		if err := before.Import(t.Context(), "usb.csv", strings.NewReader("code\n")); err == nil {
			t.Fatal("an empty list")
		}
		builds := s.store.builds.Load()
		if old == scope { // of a reload that changed the manifest's path
			meta := refresh.Meta{Scope: old, Complete: true, Source: `{"kind":"import","manifest":"another"}`}
			feed := func(add func(scanner.Ticket, string) error) error {
				return add(scanner.Ticket{Code: "1", Status: "valid"}, "usb.csv:1")
			}
			if err := s.store.Build(t.Context(), &meta, feed, nil); err != nil {
				t.Fatal(err)
			}
		} else if err := before.Import(t.Context(), "usb.csv", strings.NewReader(list(1))); err != nil {
			t.Fatal(err)
		}
		s.wait("the manifest's again", func() bool { return s.count() == 3 && s.store.builds.Load() > builds+1 })
	}
}

func TestAFileThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	reads := 0
	r := refresh.New(refresh.Options{
		Manifest: s.path, Scope: scope, Store: s.store, Clock: &ticking{}, Log: slog.New(slog.DiscardHandler), Quiet: time.Millisecond,
		Read: func(ctx context.Context, name string, in io.Reader, add func(scanner.Ticket, int) error) error {
			if reads++; reads == 1 {
				defer s.put(list(7)) // after the last byte was read
			}
			return manifest.Read(ctx, name, in, add)
		},
	})
	if err := r.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.count() != 7 || reads != 2 {
		t.Errorf("%d tickets after %d reads", s.count(), reads)
	}
}

func TestAFaultyManifestChangesNothing(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	for _, c := range []struct{ text, want string }{
		{"code,status\n12345678,x\n", "list.csv:2: code …78: unknown status"},
		{list(5) + "00000001,Berta\n", "list.csv:7: code …01 is already at list.csv:3"},
		{"", "list.csv:1: no tickets in the file"},
	} {
		s.put(c.text)
		s.wait(c.want, func() bool { return strings.Contains(s.Status().Problem, c.want) })
		checked := s.store.List(scope).Checked
		if err := s.Now(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Now: %v", err)
		}
		if s.count() != 3 || s.store.List(scope).Checked != checked {
			t.Errorf("%s: %d tickets, checked %v", c.want, s.count(), s.store.List(scope).Checked)
		}
	}
	s.put(list(4))
	s.wait("repaired", func() bool { return s.count() == 4 && s.Status().Problem == "" })
}

func TestAMissingManifestLeavesTheListAlone(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	s.run()
	s.wait("loaded", func() bool { return s.count() == 3 })
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	s.wait("missed", func() bool { return strings.Contains(s.Status().Problem, "is not there; copy it there") })
	checked := s.store.List(scope).Checked
	if err := s.Now(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Now: %v", err)
	}
	if s.count() != 3 || s.store.List(scope).Checked != checked {
		t.Error("a missing manifest counts as fresh, or took the list away")
	}
	s.put(list(3))
	s.wait("back", func() bool { return s.Status().Problem == "" && s.store.List(scope).Checked != checked })
	if s.store.builds.Load() != 1 {
		t.Error("the same list was built again")
	}
}

func TestTheDirectoryMayComeLater(t *testing.T) {
	s := newSite(t)
	s.halt()
	dir := filepath.Join(filepath.Dir(s.path), "usb", "lists")
	s.path = filepath.Join(dir, "list.csv")
	s.boot(s.path)
	s.run()
	s.wait("missed", func() bool { return strings.Contains(s.Status().Problem, "is not there") })
	for n := 3; n < 5; n++ {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.put(list(n))
		s.wait("there", func() bool { return s.count() == n })
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
		s.wait("gone", func() bool { return strings.Contains(s.Status().Problem, "is not there") })
	}
}

func TestADirectoryIsNoManifest(t *testing.T) {
	s := newSite(t)
	if err := os.Mkdir(s.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Now(t.Context()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("%v", err)
	}
}

func TestAnImportStaysUntilTheManifestSaysSomethingNew(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	if err := s.Now(t.Context()); err != nil || s.count() != 3 {
		t.Fatalf("%d, %v", s.count(), err)
	}
	if err := s.Import(t.Context(), "/media/usb/other.jsonl", strings.NewReader(`{"code":"1"}`)); err != nil || s.count() != 1 {
		t.Fatalf("%d, %v", s.count(), err)
	}
	if err := s.Now(t.Context()); err != nil || s.count() != 1 {
		t.Errorf("the older manifest came back: %d, %v", s.count(), err)
	}
	s.reboot()
	s.run()
	s.looked()
	s.looked()
	if s.count() != 1 {
		t.Errorf("after a restart the older manifest came back: %d", s.count())
	}
	if err := os.Remove(s.path); err != nil { // say, the stick is taken out
		t.Fatal(err)
	}
	s.wait("missed", func() bool { return s.Status().Problem != "" })
	if err := s.Import(t.Context(), "again.csv", strings.NewReader(list(2))); err != nil || s.count() != 2 {
		t.Fatalf("%d, %v", s.count(), err)
	}
	s.put(list(3)) // and put in again
	s.wait("back", func() bool { return s.Status().Problem == "" })
	s.looked()
	if s.count() != 2 {
		t.Errorf("the older manifest came back with its stick: %d", s.count())
	}
	s.put(list(4))
	s.wait("a new manifest", func() bool { return s.count() == 4 })
}

func TestAnImportWithoutAManifest(t *testing.T) {
	s := newSite(t)
	s.halt()
	s.boot("")
	s.run()
	if err := s.Now(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Import(t.Context(), "list.csv", strings.NewReader(list(3))); err != nil || s.count() != 3 {
		t.Fatalf("%d, %v", s.count(), err)
	}
	cut := io.MultiReader(strings.NewReader(list(2)), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := s.Import(t.Context(), "list.csv", cut); !errors.Is(err, io.ErrUnexpectedEOF) || s.count() != 3 {
		t.Errorf("cut off: %d, %v", s.count(), err)
	}
	if err := s.Import(t.Context(), "dir/bad.csv", strings.NewReader("code\n\x01\n")); err == nil || !strings.Contains(err.Error(), " bad.csv:2: code") || s.count() != 3 {
		t.Errorf("faulty: %d, %v", s.count(), err)
	}
	if files, _ := filepath.Glob(filepath.Join(s.state, "*")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// TestARestartIsFreshAtOnce: neither a quiet second nor a look now and then must
// pass before a list of the same content counts as fresh again.
func TestARestartIsFreshAtOnce(t *testing.T) {
	s := newSite(t)
	s.put(list(3))
	if err := s.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.reboot()
	later := &ticking{}
	later.n.Store(100)
	s.Refresher = refresh.New(refresh.Options{
		Manifest: s.path, Scope: scope, Store: s.store, Read: manifest.Read, Clock: later, Log: slog.New(slog.DiscardHandler),
		Quiet: time.Hour, Poll: time.Hour,
	})
	before := s.store.List(scope).Checked
	s.run()
	s.wait("fresh", func() bool { return s.store.List(scope).Checked != before })
}
