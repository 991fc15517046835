package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"usher/scanner"
)

func TestCommitIsThereAfterReopen(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	seq := admit(t, j, 1, scanner.FatePending)
	want, wantFate, err := j.Record(seq)
	if err != nil {
		t.Fatal(err)
	}
	wantMark := mark(t, j, 1)
	if wantMark.Rev != 1 || !wantMark.Entered || wantMark.Last != seq || wantMark.Open != 1 {
		t.Errorf("mark after an entry: %+v", wantMark)
	}
	if want.Ticket == nil || want.Ticket.Name != "Ada Lovelace" {
		t.Errorf("ticket after an entry: %+v", want.Ticket)
	}
	closeAndCheck(t, j)

	j = open(t, opts)
	got, fate, err := j.Record(seq)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || fate != wantFate {
		t.Errorf("record changed over a restart (fate %q):\n%s", fate, diff)
	}
	if diff := cmp.Diff(wantMark, mark(t, j, 1)); diff != "" {
		t.Errorf("mark changed over a restart:\n%s", diff)
	}
	s := j.Status()
	if s.Pending != 1 || s.Oldest == nil || s.Oldest.Up != time.Hour || !s.Writable || len(s.Problems) > 0 {
		t.Errorf("status after a restart: %+v", s)
	}
	if next := j.Note(refusal(newClock(), 2)); next != seq+1 {
		t.Errorf("after a clean close the next seq is %d, want %d", next, seq+1)
	}
	info, err := os.Stat(filepath.Join(opts.Dir, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestCommitRefusesWhatChanged(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	j := open(t, options(stateDir(t)))
	stale := entryChange(t, j, c, 1, scanner.FatePending)
	first := admit(t, j, 1, scanner.FatePending)
	before := len(history(t, j))

	fresh := func(edit func(*scanner.Change)) scanner.Change {
		ch := entryChange(t, j, c, 1, scanner.FatePending)
		edit(&ch)
		return ch
	}
	for name, tc := range map[string]struct {
		ch   scanner.Change
		want error
	}{
		"an old revision": {stale, scanner.ErrChanged},
		"another fate": {fresh(func(ch *scanner.Change) {
			ch.Fate = &scanner.FateChange{Seq: first, From: scanner.FateParked, To: scanner.FateWithdrawn}
		}), scanner.ErrChanged},
		"no such record": {fresh(func(ch *scanner.Change) {
			ch.Fate = &scanner.FateChange{Seq: 99, From: scanner.FatePending, To: scanner.FateWithdrawn}
		}), scanner.ErrChanged},
		"a spent attempt":   {fresh(func(ch *scanner.Change) { ch.SpendAttempt = 5 }), scanner.ErrChanged},
		"what is no record": {fresh(func(ch *scanner.Change) { ch.Record.Upload = []byte("{") }), nil},
	} {
		_, err := j.Commit(ctx, tc.ch)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if m := mark(t, j, 1); m.Rev != 1 || m.Open != 1 {
		t.Errorf("a refused commit changed the mark: %+v", m)
	}
	if got := len(history(t, j)); got != before {
		t.Errorf("refused commits left %d records", got-before)
	}
	if f := fateOf(t, j, first); f != scanner.FatePending {
		t.Errorf("a refused commit made the first entry %q", f)
	}
	if s := j.Status(); !s.Writable {
		t.Error("refused commits made the journal unwritable")
	}
}

func TestNotesAreReadableBeforeTheyAreWritten(t *testing.T) {
	c := newClock()
	opts := options(stateDir(t))
	j := open(t, opts)
	a := j.Note(refusal(c, 1))
	b := admit(t, j, 2, scanner.FatePending)
	d := j.Note(refusal(c, 3))
	if !(a < b && b < d) {
		t.Errorf("seqs %d %d %d are not in order", a, b, d)
	}
	for _, seq := range []uint64{a, b, d} {
		rec, _, err := j.Record(seq)
		if err != nil || rec.Seq != seq {
			t.Errorf("record %d: %+v, %v", seq, rec.Seq, err)
		}
	}
	scans, err := j.Scans(0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := seqsOf(scans); !cmp.Equal(got, []uint64{d, b, a}) {
		t.Errorf("scans are %v, want newest first", got)
	}
	if got := seqsOf(history(t, j)); !cmp.Equal(got, []uint64{a, b, d}) {
		t.Errorf("history is %v, want oldest first", got)
	}
	if scans, err = j.Scans(a, 1); err != nil || !cmp.Equal(seqsOf(scans), []uint64{d}) {
		t.Errorf("the newest after %d is %v, %v", a, seqsOf(scans), err)
	}
	closeAndCheck(t, j)

	j = open(t, opts)
	if got := seqsOf(history(t, j)); !cmp.Equal(got, []uint64{a, b, d}) {
		t.Errorf("history after a restart is %v", got)
	}
	if _, _, err := j.Record(77); !errors.Is(err, scanner.ErrUnknown) {
		t.Errorf("record 77: %v, want ErrUnknown", err)
	}
}

func seqsOf(list []Entry) []uint64 {
	var seqs []uint64
	for _, e := range list {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func TestNotesHoldAnything(t *testing.T) {
	j := open(t, options(stateDir(t)))
	rec := refusal(newClock(), 1)
	rec.Code = scanner.Code("\xff\xfe" + strings.Repeat("x", 1<<20))
	rec.Upload = []byte("{")
	seq := j.Note(rec)
	// What JSON cannot hold is dropped, and disturbs nobody else.
	never := refusal(newClock(), 1)
	never.FirstEnteredAt = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	j.Note(never)
	admit(t, j, 2, scanner.FatePending)
	if got := history(t, j); len(got) != 2 || got[0].Seq != seq {
		t.Errorf("a note nobody can read disturbed the log: %v", seqsOf(got))
	}
	if p := j.Status().Problems; len(p) != 1 || !strings.HasPrefix(p[0], "1 refusals were not stored") {
		t.Errorf("problems: %q", p)
	}
}

func TestNotesAreBounded(t *testing.T) {
	c := newClock()
	j := open(t, options(stateDir(t)))
	first := j.Note(refusal(c, 1))
	for range maxNotes {
		j.Note(refusal(c, 2))
	}
	if _, _, err := j.Record(first); !errors.Is(err, scanner.ErrUnknown) {
		t.Errorf("the oldest note: %v, want it dropped", err)
	}
	if p := j.Status().Problems; len(p) != 1 || !strings.HasPrefix(p[0], "1 refusals were not stored") {
		t.Errorf("problems: %q", p)
	}
}

func TestRunWritesNotesAndKeepsOpeningFast(t *testing.T) {
	c := newClock()
	opts := options(stateDir(t))
	j := open(t, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for range snapshotRecords + 10 {
		j.Note(refusal(c, 1))
	}
	eventually(t, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(j.notes) == 0 && j.upto > snapshotRecords
	})
	last := j.Note(refusal(c, 1))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	// What is noted is written when Run ends, not only when the journal closes.
	j.mu.Lock()
	left := len(j.notes)
	j.mu.Unlock()
	if left != 0 {
		t.Errorf("%d notes are left after Run", left)
	}
	if _, _, err := j.Record(last); err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("waited ten seconds in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRecent(t *testing.T) {
	c := newClock()
	opts := options(stateDir(t))
	j := open(t, opts)
	admit(t, j, 1, scanner.FatePending)
	c2 := j.opts.Clock.(*clock)
	c2.advance(time.Second)
	second := admit(t, j, 2, scanner.FatePending)
	other := entryChange(t, j, c2, 3, scanner.FatePending)
	other.Record.Scanner = "lane-2"
	third, err := j.Commit(context.Background(), other)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	j.Note(refusal(c, 4))
	check := func() {
		t.Helper()
		got, last := j.Recent()
		if len(got) != 2 || got["lane-1"].Seq != second || got["lane-2"].Seq != third || got["lane-2"].Ticket == nil {
			t.Errorf("recent admissions: %+v", got)
		}
		if last.Up != time.Hour+time.Minute {
			t.Errorf("newest stamp is %v", last.Up)
		}
	}
	check()
	closeAndCheck(t, j)
	j = open(t, opts)
	check()
}

func TestOpenSaysWhatToDo(t *testing.T) {
	t.Run("held by another", func(t *testing.T) {
		t.Parallel()
		j := open(t, options(stateDir(t)))
		_, err := Open(options(j.opts.Dir))
		if err == nil || !strings.Contains(err.Error(), "is usher running already") {
			t.Errorf("second open: %v", err)
		}
		_, err = OpenReadOnly(j.opts.Dir, nil)
		if err == nil || !strings.Contains(err.Error(), "is usher running already") {
			t.Errorf("second open, read-only: %v", err)
		}
	})
	t.Run("directory not writable", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(options(filepath.Join(file, "state")))
		if err == nil || !strings.Contains(err.Error(), "give it to the user usher runs as") {
			t.Errorf("open under a file: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		j := open(t, options(stateDir(t)))
		ch := entryChange(t, j, newClock(), 1, scanner.FatePending)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		if _, err := j.Commit(context.Background(), ch); !errors.Is(err, scanner.ErrNotStored) {
			t.Errorf("commit after close: %v, want ErrNotStored", err)
		}
		if _, err := j.Mark(scope, code(1)); err == nil {
			t.Error("mark after close gave no error")
		}
	})
}

func TestAnotherDeviceKey(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	seq := admit(t, j, 1, scanner.FatePending)
	closeAndCheck(t, j)

	opts.KeyCheck, opts.Sealer = []byte("key-2"), sealer(0x33)
	j = open(t, opts)
	if p := j.Status().Problems; len(p) != 1 || !strings.Contains(p[0], "device key differs") {
		t.Errorf("problems with another key: %q", p)
	}
	rec, _, err := j.Record(seq)
	if err != nil || rec.Ticket != nil || rec.Code != code(1) {
		t.Errorf("record under another key: %+v, %v", rec.Ticket, err)
	}
	if m := mark(t, j, 1); !m.Entered {
		t.Error("the mark depends on the device key")
	}
	closeAndCheck(t, j)

	j = open(t, opts)
	if p := j.Status().Problems; len(p) != 0 {
		t.Errorf("problems once the key is known: %q", p)
	}
}

func TestNothingSealedLiesInTheClear(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	admit(t, j, 1, scanner.FatePending)
	closeAndCheck(t, j)
	raw, err := os.ReadFile(filepath.Join(opts.Dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "Lovelace") {
		t.Error("a name lies in the file unsealed")
	}
	if !strings.Contains(string(raw), string(code(1))) {
		t.Error("this test would not find a name")
	}
}

func TestReadOnly(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	admit(t, j, 1, scanner.FatePending)
	j.Note(refusal(newClock(), 2))
	want := history(t, j)
	closeAndCheck(t, j)

	path := filepath.Join(opts.Dir, fileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o500, 0o700} {
		if err := os.Chmod(opts.Dir, mode); err != nil {
			t.Fatal(err)
		}
		ro, err := OpenReadOnly(opts.Dir, opts.Sealer)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, history(t, ro)); diff != "" {
			t.Errorf("read-only history differs:\n%s", diff)
		}
		if s := ro.Status(); s.Pending != 1 {
			t.Errorf("read-only status: %+v", s)
		}
		if err := ro.Close(); err != nil {
			t.Error(err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("reading changed the file (%v)", err)
	}
	if _, err := OpenReadOnly(t.TempDir(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read-only without a journal: %v", err)
	}
}

func TestOfTicketAndMemory(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	a := admit(t, j, 1, scanner.FatePending)
	admit(t, j, 11, scanner.FatePending)
	b := j.Note(refusal(newClock(), 1))
	list, err := j.OfTicket(context.Background(), scope, code(1))
	if err != nil || !cmp.Equal(seqsOf(list), []uint64{a, b}) {
		t.Errorf("of one ticket: %v, %v", seqsOf(list), err)
	}
	other := scope
	other.Account = "8"
	if list, err := j.OfTicket(context.Background(), other, code(1)); err != nil || len(list) != 0 {
		t.Errorf("another account's ticket: %v, %v", seqsOf(list), err)
	}

	m := j.Memory("acme")
	if err := m.Save("quota", []byte("12")); err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, j)
	j = open(t, opts)
	m = j.Memory("acme")
	n := j.Memory("presence")
	if got, err := m.Load("quota"); err != nil || string(got) != "12" {
		t.Errorf("memory: %q, %v", got, err)
	}
	if got, err := n.Load("quota"); err != nil || got != nil {
		t.Errorf("another vendor's memory: %q, %v", got, err)
	}
	if err := m.Save("quota", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Load("quota"); err != nil || got != nil {
		t.Errorf("removed memory: %q, %v", got, err)
	}
}

// TestSinceLeavesNothingOut: a note is readable at once, an admission with a
// lower seq only once it is on the disk; a follower must meet both.
func TestSinceLeavesNothingOut(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	c := opts.Clock.(*clock)
	j := open(t, opts)
	first := j.Note(refusal(c, 1))
	ch := entryChange(t, j, c, 2, scanner.FatePending)
	committing, release := make(chan struct{}), make(chan struct{})
	j.db.commit = func(tx *bbolt.Tx) error {
		close(committing)
		<-release
		return tx.Commit()
	}
	var second uint64
	done := make(chan error)
	go func() {
		var err error
		second, err = j.Commit(ctx, ch)
		done <- err
	}()
	<-committing
	third := j.Note(refusal(c, 3))
	got, err := j.Since(ctx, 0, 10)
	if err != nil || !cmp.Equal(seqsOf(got), []uint64{first}) {
		t.Errorf("while a commit flies: %v, %v", seqsOf(got), err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	j.db.commit = (*bbolt.Tx).Commit
	got, err = j.Since(ctx, first, 10)
	if err != nil || !cmp.Equal(seqsOf(got), []uint64{second, third}) {
		t.Errorf("after it: %v, %v, want %v", seqsOf(got), err, []uint64{second, third})
	}
	if got, err = j.Since(ctx, first, 1); err != nil || !cmp.Equal(seqsOf(got), []uint64{second}) {
		t.Errorf("one of them: %v, %v", seqsOf(got), err)
	}
}

// TestSnapshotWithACommit: counts that share a transaction with an admission
// know of it.
func TestSnapshotWithACommit(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	ch := entryChange(t, j, opts.Clock.(*clock), 1, scanner.FatePending)
	err := j.submit(context.Background(), &request{snapshot: true, apply: func(b *batch) error {
		_, err := b.change(ch, nil)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	j = open(t, opts)
	if m := mark(t, j, 1); !m.Entered {
		t.Errorf("mark: %+v", m)
	}
	if s := j.Status(); s.Pending != 1 || s.Tallies[0].Entries != 1 {
		t.Errorf("status: %+v", s)
	}
}
