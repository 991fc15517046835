package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"usher/scanner"
)

// useUp takes the room of a journal that may not grow, the reserve included, but
// for so many bytes; zero: all.
func useUp(t *testing.T, j *Journal, leave int64) {
	t.Helper()
	bound(j, j.db.limit.Load())
	m := j.Memory("ballast")
	for _, size := range []int{40 << 10, 2 << 10, 64} {
		for n := 0; ; n++ {
			if leave > 0 && j.spare+j.reserve() < leave+2*int64(size) {
				break
			}
			err := m.Save(fmt.Sprint(size, n), make([]byte, size))
			if errors.Is(err, errFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBatchInParts: where the room is not enough to settle a batch at once, for its
// marks lie all over a large tree, it is settled in parts, and the vendor does not
// get it again and again.
func TestBatchInParts(t *testing.T) {
	ctx := t.Context()
	j := open(t, options(stateDir(t)))
	j.db.db.NoSync = true
	for n := range 1500 {
		admit(t, j, n, scanner.FateKept)
	}
	var stored []uint64
	for n := range 200 {
		stored = append(stored, admit(t, j, 5000+n, scanner.FatePending))
	}
	if err := j.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	useUp(t, j, 200<<10)
	if err := j.snapshot(ctx); err != nil {
		t.Errorf("nothing is to be counted: %v", err)
	}
	before := commits(j)
	if err := j.Sent(ctx, sendings(stored...)); err != nil {
		t.Fatalf("sent: %v", err)
	}
	list := make([]scanner.Settlement, 0, len(stored))
	for i, seq := range stored {
		list = append(list, scanner.Settlement{Seq: seq, To: []scanner.Fate{scanner.FateTaken, scanner.FateParked}[i%2]})
	}
	if err := j.Settle(ctx, list); err != nil {
		t.Fatalf("settle: %v", err)
	}
	if s := j.Status(); s.Pending != 0 || s.Parked != 100 {
		t.Errorf("%d pending, %d parked", s.Pending, s.Parked)
	}
	if got := commits(j) - before; got < 4 {
		t.Errorf("%d transactions: there was room for all at once, nothing is shown", got)
	}
	// The last of the reserve is not for marks.
	if !j.scarce() {
		t.Error("the reserve is not used up")
	}
}

// TestGivesWayWithoutAReserve: a full disk and a journal that an earlier version
// left without a reserve. Marks move one at a time and history goes in small parts;
// while there is no page for that either, Status says what a person must do.
func TestGivesWayWithoutAReserve(t *testing.T) {
	ctx := t.Context()
	j := open(t, options(stateDir(t)))
	j.db.db.NoSync = true
	const tickets = 500
	for n := range tickets {
		admit(t, j, n, scanner.FateConfirmed)
	}
	useUp(t, j, 120<<10)
	if !j.scarce() {
		t.Fatal("there is a reserve")
	}
	// Not one page more.
	commit := j.db.commit
	j.db.commit = func(*bbolt.Tx) error { return bolterrors.ErrMaxSizeReached }
	if gave, err := j.giveWay(ctx, 1<<40); gave || !errors.Is(err, errFull) {
		t.Errorf("without a page: gave %v, %v", gave, err)
	}
	if p := j.Status().Problems; !slices.ContainsFunc(p, func(s string) bool { return strings.Contains(s, "by hand") }) {
		t.Errorf("status: %q", p)
	}
	j.db.commit = commit
	gave, err := j.giveWay(ctx, j.room.tight)
	left := len(history(t, j))
	t.Logf("gave %v, %v, %d records are left", gave, err, left)
	if !gave || left > tickets-pruneChunk {
		t.Errorf("gave %v, %v, %d records are left", gave, err, left)
	}
	for n := range tickets {
		if !mark(t, j, n).Entered {
			t.Fatalf("the mark of ticket %d is gone", n)
		}
	}

	bound(j, 0)
	if err := j.keepRoom(ctx); err != nil {
		t.Error(err)
	}
	if s := j.Status(); !s.Writable || len(s.Problems) != 0 {
		t.Errorf("with room again: %+v", s)
	}
}

// TestAdmissionLetsLittleGiveWay: the rest is Run's.
func TestAdmissionLetsLittleGiveWay(t *testing.T) {
	j := open(t, options(stateDir(t)))
	j.giving.Lock()
	j.room.wait = 10 * time.Millisecond
	if err := j.admission(t.Context(), &request{apply: func(*batch) error {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.lean = true
		return errFull
	}}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	j.giving.Unlock()
}
