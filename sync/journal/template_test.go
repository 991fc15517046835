package journal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"usher/scanner"
)

// tickets are enough for trees with branches; what a damaged copy costs grows with
// their square where every place is tried.
const tickets = 40

// template is a closed journal with a bit of everything, and what it says.
type template struct {
	raw     []byte
	records map[uint64]Entry
	marks   map[int]scanner.Mark
}

func makeTemplate(t *testing.T) template {
	t.Helper()
	ctx := context.Background()
	opts := options(stateDir(t))
	j := open(t, opts)
	var list []scanner.Settlement
	for n := range tickets {
		seq := admit(t, j, n, scanner.FatePending)
		j.Note(refusal(opts.Clock.(*clock), n))
		switch n % 5 {
		case 0:
			list = append(list, scanner.Settlement{Seq: seq, To: scanner.FateTaken})
		case 1:
			list = append(list, scanner.Settlement{Seq: seq, To: scanner.FateParked, Detail: "no such ticket"})
		case 2:
			list = append(list, scanner.Settlement{Seq: seq, To: scanner.FateConflict})
		}
		if n == tickets/2 {
			// Half of it is in the trees, half only in the log's tail.
			if err := j.Settle(ctx, list); err != nil {
				t.Fatal(err)
			}
			list = nil
			if err := j.snapshot(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Settle(ctx, list); err != nil {
		t.Fatal(err)
	}
	if err := j.Memory("acme").Save("quota", []byte("17")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(1), At: opts.Clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := j.flush(ctx); err != nil {
		t.Fatal(err)
	}
	tm := template{records: make(map[uint64]Entry), marks: make(map[int]scanner.Mark)}
	for _, e := range history(t, j) {
		tm.records[e.Seq] = e
	}
	for n := range tickets {
		tm.marks[n] = mark(t, j, n)
	}
	// As a crash leaves it: not closed.
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(opts.Dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	tm.raw = raw[:used(t, opts.Dir)]
	t.Cleanup(func() { open(t, opts) })
	return tm
}

// used is how much of the file holds pages.
func used(t *testing.T, dir string) int64 {
	t.Helper()
	s, err := openStore(filepath.Join(dir, fileName), storeOptions{readOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var size int64
	if err := s.view(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	return size
}

// write puts a damaged copy of the template into a new directory.
func (tm template) write(t *testing.T, harm func(raw []byte) []byte) Options {
	t.Helper()
	// Not checked when the test ends unless it opens the journal: one that only
	// reads leaves the damage where it is.
	opts := options(t.TempDir())
	if err := os.WriteFile(filepath.Join(opts.Dir, fileName), harm(bytes.Clone(tm.raw)), 0o600); err != nil {
		t.Fatal(err)
	}
	return opts
}

// compare tells how many records and marks are lost, and fails where any is
// there and wrong, or a mark is lost and the ticket would be admitted again.
func (tm template) compare(t *testing.T, j *Journal) (lostRecords, lostMarks int) {
	t.Helper()
	got := make(map[uint64]Entry)
	for _, e := range history(t, j) {
		got[e.Seq] = e
	}
	for seq, want := range tm.records {
		e, ok := got[seq]
		if !ok {
			lostRecords++
			continue
		}
		if !reflect.DeepEqual(want.Record, e.Record) {
			t.Errorf("record %d differs:\n%s", seq, cmp.Diff(want.Record, e.Record))
		}
	}
	for seq := range got {
		if _, ok := tm.records[seq]; !ok {
			t.Errorf("record %d was never there", seq)
		}
	}
	for n, want := range tm.marks {
		m := mark(t, j, n)
		if m.Rev == 0 {
			if lostMarks++; !m.Unproven {
				t.Errorf("mark %d is lost in silence", n)
			}
			continue
		}
		if m.Entered != want.Entered || m.Last != want.Last {
			t.Errorf("mark %d is %+v, want %+v", n, m, want)
		}
	}
	return lostRecords, lostMarks
}
