package journal

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
)

// TestHistoryGivesWay: on a full disk settled history goes, oldest first, and no
// scan meets the end of the room; what is owed, parked or kept stays, and so do
// marks and tallies. With Run, which sees it coming, and without.
func TestHistoryGivesWay(t *testing.T) {
	t.Parallel()
	onSmallDisks(t, func(t *testing.T, disk small) { historyGivesWay(t, disk, disk.opts.MaxSize == 0) })
}

func historyGivesWay(t *testing.T, disk small, run bool) {
	if !run {
		giveHistory(t, disk, false, func() {})
		return
	}
	synctest.Test(t, func(t *testing.T) {
		giveHistory(t, disk, true, func() {
			time.Sleep(time.Second)
			synctest.Wait()
		})
	})
}

// giveHistory lets scans come in for long, with a rest between some.
func giveHistory(t *testing.T, disk small, run bool, rest func()) {
	j := open(t, disk.opts)
	j.db.db.NoSync = true
	if run {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- j.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
	}
	if !run {
		// There is no Run to do the rest.
		j.room.wait = time.Minute
	}
	c := j.opts.Clock.(*clock)
	var open []uint64
	for n, fate := range []scanner.Fate{scanner.FatePending, scanner.FateParked, scanner.FateKept} {
		open = append(open, admit(t, j, 90_000+n, fate))
	}
	var all []uint64
	entered := 3
	next := 0
	more := func(n int) {
		for range n {
			next++
			c.advance(time.Second)
			if next%5 == 0 {
				all = append(all, j.Note(refusal(c, next)))
				continue
			}
			all = append(all, admit(t, j, next, scanner.FateConfirmed))
			entered++
		}
	}
	more(map[bool]int{true: 1000, false: 1500}[run])
	rest()
	disk.fill(j)
	waited := 0
	for range 60 {
		before := gone(j)
		more(20)
		if gone(j) != before {
			waited++
		}
		rest()
	}
	if run && waited > 0 {
		t.Errorf("%d times a scan waited for history to give way", waited)
	}
	if !run && waited == 0 {
		t.Error("no scan met the end of the room: nothing is shown")
	}

	s := j.Status()
	if !s.Writable || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "history is shortened to what came after 2026-11-21") ||
		!strings.Contains(s.Problems[0], "free space in "+j.opts.Dir) {
		t.Errorf("status: %v %q", s.Writable, s.Problems)
	}
	if got := s.Tallies[0].Entries; got != entered {
		t.Errorf("%d entries are counted, %d were made", got, entered)
	}
	left := seqsOf(history(t, j))
	given := len(open) + len(all) - len(left)
	if given < 500 || len(left) < len(open)+newestKept {
		t.Errorf("%d of %d records are gone", given, len(all))
	}
	if want := append(open, all[given:]...); !cmp.Equal(left, want) {
		t.Errorf("what is left is not what is open and the newest: %d records, first %v", len(left), left[:5])
	}
	for n := 1; n <= next; n++ {
		if got := mark(t, j, n).Entered; got != (n%5 != 0) {
			t.Fatalf("ticket %d entered: %v", n, got)
		}
	}
	// With room again the sentence goes.
	disk.release(j)
	if err := j.keepRoom(t.Context()); err != nil {
		t.Error(err)
	}
	if s := j.Status(); !s.Writable || len(s.Problems) != 0 {
		t.Errorf("with room again: %q", s.Problems)
	}
	// And the counts hold over a crash.
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, disk.opts)
	if got := again.Status().Tallies[0].Entries; got != entered {
		t.Errorf("after a crash %d entries are counted, %d were made", got, entered)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// gone is how many records gave way.
func gone(j *Journal) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.given.records
}

// TestGivenWithItsMark: a record whose mark only the log tells is not given before
// the mark is in its tree.
func TestGivenWithItsMark(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	j.db.db.NoSync = true
	const tickets = 300
	for n := range tickets {
		admit(t, j, n, scanner.FateConfirmed)
	}
	if err := j.submit(t.Context(), &request{ends: true, snapshot: true}); err != nil {
		t.Fatal(err)
	}
	j.room.newest = 2
	bound(j, j.db.limit.Load())
	if gave, err := j.giveWay(t.Context(), j.spare+1); !gave || err != nil {
		t.Fatalf("gave %v, %v", gave, err)
	}
	if left := len(history(t, j)); left == tickets || left < tickets/2 {
		t.Fatalf("%d records are left: not one chunk gave way", left)
	}
	if err := j.closeStore(); err != nil {
		t.Fatal(err)
	}
	j = open(t, opts)
	for n := range tickets {
		if !mark(t, j, n).Entered {
			t.Fatalf("after a crash the mark of ticket %d is lost", n)
		}
	}
}

// TestNothingToGive: a queue that no vendor took yet is no history, however long
// it is looked at.
func TestNothingToGive(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	j.db.db.NoSync = true
	const kept = 1500
	j.room.looked = 300
	for n := range kept {
		admit(t, j, n, scanner.FateKept)
	}
	bound(j, j.db.limit.Load())
	gave, err := j.giveWay(t.Context(), 1<<40)
	for range 15 {
		if gave || err != nil {
			t.Fatalf("gave %v, %v", gave, err)
		}
		gave, err = j.giveWay(t.Context(), 1<<40)
	}
	if !j.given.look.done {
		t.Error("it is looked for again and again")
	}
	if got := len(history(t, j)); got != kept {
		t.Errorf("%d records are left", got)
	}
	// What is settled later is found, behind all that is not.
	for n := range newestKept + 10 {
		j.Note(refusal(j.opts.Clock.(*clock), n))
	}
	for range 15 {
		if _, err = j.giveWay(t.Context(), 1<<40); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(history(t, j)); got > kept+newestKept {
		t.Errorf("%d records are left: refusals behind a long queue were not found", got)
	}
}
