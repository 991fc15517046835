package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

func TestScansInFlightShareACommit(t *testing.T) {
	const lanes, each = 16, 20
	j := open(t, options(stateDir(t)))
	before := commits(j)
	var wg sync.WaitGroup
	seqs := make([][]uint64, lanes)
	for lane := range lanes {
		wg.Go(func() {
			for n := range each {
				seqs[lane] = append(seqs[lane], admit(t, j, lane*each+n, scanner.FatePending))
			}
		})
	}
	wg.Wait()
	if got := commits(j) - before; got > lanes*each/2 {
		t.Errorf("%d admissions took %d transactions", lanes*each, got)
	}
	seen := make(map[uint64]bool)
	for lane, list := range seqs {
		for i, seq := range list {
			if seen[seq] || i > 0 && seq <= list[i-1] {
				t.Errorf("lane %d: seq %d is not new or not in order", lane, seq)
			}
			seen[seq] = true
		}
	}
	if got := j.Status().Pending; got != lanes*each {
		t.Errorf("%d pending, want %d", got, lanes*each)
	}
}

func commits(j *Journal) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commits
}

// TestOneTicketAtManyGates: of many commits decided on one state, one wins, and
// the losers do not disturb the commits they share a transaction with.
func TestOneTicketAtManyGates(t *testing.T) {
	const lanes = 16
	c := newClock()
	j := open(t, options(stateDir(t)))
	var wg sync.WaitGroup
	errs := make([]error, lanes)
	for lane := range lanes {
		same := entryChange(t, j, c, 1, scanner.FatePending)
		own := entryChange(t, j, c, 100+lane, scanner.FatePending)
		wg.Go(func() {
			if _, err := j.Commit(context.Background(), own); err != nil {
				t.Errorf("lane %d: %v", lane, err)
			}
			_, errs[lane] = j.Commit(context.Background(), same)
		})
	}
	wg.Wait()
	won := 0
	for lane, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, scanner.ErrChanged):
			t.Errorf("lane %d: %v, want ErrChanged", lane, err)
		}
	}
	if won != 1 {
		t.Errorf("%d gates admitted the ticket", won)
	}
	if s := j.Status(); s.Pending != lanes+1 || s.Tallies[0].Entries != lanes+1 {
		t.Errorf("status: %+v", s)
	}
}

// liar commits and then reports a failure, as a disk does whose answer is lost.
func liar(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), errors.New("input/output error")) }

// broken refuses.
func broken(*bbolt.Tx) error { return errors.New("input/output error") }

func TestCommitError(t *testing.T) {
	for name, fault := range map[string]func(*bbolt.Tx) error{
		"written and not answered": liar,
		"not written":              broken,
		"panic":                    func(*bbolt.Tx) error { panic("page fault") },
		"written, then a panic": func(tx *bbolt.Tx) error {
			if err := tx.Commit(); err != nil {
				return err
			}
			panic("page fault")
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			opts := options(stateDir(t))
			c := opts.Clock.(*clock)
			j := open(t, opts)
			old := admit(t, j, 1, scanner.FatePending)
			oldMark := mark(t, j, 1)

			j.db.commit = fault
			again := entryChange(t, j, c, 1, scanner.FatePending)
			again.Fate = &scanner.FateChange{Seq: old, From: scanner.FatePending, To: scanner.FateWithdrawn}
			if _, err := j.Commit(ctx, again); !errors.Is(err, scanner.ErrNotStored) {
				t.Fatalf("commit: %v, want ErrNotStored", err)
			}
			good := func(when string) {
				t.Helper()
				if m := mark(t, j, 1); m.Last != oldMark.Last || m.Open != oldMark.Open {
					t.Errorf("%s: mark is %+v, want %+v", when, m, oldMark)
				}
				if f := fateOf(t, j, old); f != scanner.FatePending {
					t.Errorf("%s: the first entry is %q", when, f)
				}
				if list := history(t, j); len(list) != 1 {
					t.Errorf("%s: history holds %v", when, seqsOf(list))
				}
				if scans, err := j.Scans(0, 10); err != nil || len(scans) != 1 {
					t.Errorf("%s: scans hold %v, %v", when, seqsOf(scans), err)
				}
				if s := j.Status(); s.Pending != 1 || s.Tallies[0].Entries != 1 {
					t.Errorf("%s: status %+v", when, s)
				}
			}
			good("after the error")
			if s := j.Status(); s.Writable || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "cannot be written") {
				t.Errorf("status after the error: %+v", s)
			}

			// A new store is opened with the next commit, and what the failed one
			// left is put back first.
			if err := j.flush(ctx); err != nil {
				t.Fatal(err)
			}
			good("after the repair")
			if s := j.Status(); !s.Writable {
				t.Errorf("status after the repair: %+v", s)
			}
			next := admit(t, j, 2, scanner.FatePending)
			if next <= old+1 {
				t.Errorf("seq %d of the failed commit was given again", next)
			}
			closeAndCheck(t, j)
			j = open(t, opts)
			if list := history(t, j); len(list) != 2 {
				t.Errorf("after a restart: %v", seqsOf(list))
			}
			if m := mark(t, j, 1); m.Last != oldMark.Last || m.Open != 1 {
				t.Errorf("after a restart the mark is %+v, want %+v", m, oldMark)
			}
		})
	}
}

// TestCommitErrorOfSettlements: marks and fates in their trees are put back too.
func TestCommitErrorOfSettlements(t *testing.T) {
	ctx := context.Background()
	opts := options(stateDir(t))
	j := open(t, opts)
	a, b := admit(t, j, 1, scanner.FatePending), admit(t, j, 2, scanner.FatePending)
	if err := j.Settle(ctx, []scanner.Settlement{{Seq: b, To: scanner.FateParked, Detail: "no"}}); err != nil {
		t.Fatal(err)
	}
	id, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(3), At: opts.Clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Memory("v").Save("k", []byte("old")); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"settle":  func() error { return j.Settle(ctx, []scanner.Settlement{{Seq: a, To: scanner.FateConflict}}) },
		"requeue": func() error { return j.Requeue(ctx, b, "ann") },
		"close":   func() error { return j.CloseAttempt(ctx, id) },
		"save":    func() error { return j.Memory("v").Save("k", []byte("new")) },
	} {
		j.db.commit = liar
		if err := call(); !errors.Is(err, scanner.ErrNotStored) {
			t.Fatalf("%s: %v, want ErrNotStored", name, err)
		}
		check := func(when string) {
			t.Helper()
			if f := fateOf(t, j, a); f != scanner.FatePending {
				t.Errorf("%s, %s: a is %q", name, when, f)
			}
			if f := fateOf(t, j, b); f != scanner.FateParked {
				t.Errorf("%s, %s: b is %q", name, when, f)
			}
			if m := mark(t, j, 1); m.Open != 1 || m.Conflict {
				t.Errorf("%s, %s: mark of a: %+v", name, when, m)
			}
			if got := j.Attempts(scope, code(3)); len(got) != 1 {
				t.Errorf("%s, %s: attempts: %+v", name, when, got)
			}
			if v, err := j.Memory("v").Load("k"); err != nil || string(v) != "old" {
				t.Errorf("%s, %s: memory: %q, %v", name, when, v, err)
			}
		}
		check("after the error")
		if err := j.flush(ctx); err != nil {
			t.Fatal(err)
		}
		check("after the repair")
	}
	closeAndCheck(t, j)
	j = open(t, opts)
	if s := j.Status(); s.Pending != 1 || s.Parked != 1 || s.Conflicts != 0 {
		t.Errorf("after a restart: %+v", s)
	}
	if got := j.Attempts(scope, code(3)); len(got) != 1 {
		t.Errorf("attempts after a restart: %+v", got)
	}
}

// TestNotesOutliveACommitError: they wait on and keep their numbers.
func TestNotesOutliveACommitError(t *testing.T) {
	for name, fault := range map[string]func(*bbolt.Tx) error{"liar": liar, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			seq := j.Note(refusal(newClock(), 1))
			j.db.commit = fault
			if err := j.flush(context.Background()); !errors.Is(err, scanner.ErrNotStored) {
				t.Fatalf("flush: %v", err)
			}
			if _, _, err := j.Record(seq); err != nil {
				t.Error(err)
			}
			if err := j.flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			closeAndCheck(t, j)
			j = open(t, opts)
			if got := seqsOf(history(t, j)); len(got) != 1 || got[0] != seq {
				t.Errorf("history: %v", got)
			}
			if s := j.Status(); s.Tallies[0].Refused != 1 {
				t.Errorf("tallies: %+v", s.Tallies)
			}
		})
	}
}
