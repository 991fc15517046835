package journal

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

// TestNobodyWaitsForAVainRepair: after a repair that did not help a scan is refused
// at once, and the file is not read again for it; Run tries, and so does a scan
// after a while.
func TestNobodyWaitsForAVainRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		j := open(t, options(stateDir(t)))
		admit(t, j, 1, scanner.FatePending)
		j.db.commit = broken
		ch := entryChange(t, j, j.opts.Clock.(*clock), 2, scanner.FatePending)
		scan := func() error {
			_, err := j.Commit(ctx, ch)
			return err
		}
		if err := scan(); !errors.Is(err, scanner.ErrNotStored) {
			t.Fatalf("the first: %v", err)
		}
		// The file cannot be opened either: it is repaired in vain.
		aside := j.path + ".aside"
		if err := errors.Join(os.Rename(j.path, aside), os.Symlink(j.path, j.path)); err != nil {
			t.Fatal(err)
		}
		opened := func() bool { return j.db == nil }
		if err := scan(); !errors.Is(err, scanner.ErrNotStored) || !opened() {
			t.Fatalf("the second: %v, repaired: %v", err, opened())
		}
		if err := errors.Join(os.Remove(j.path), os.Rename(aside, j.path)); err != nil {
			t.Fatal(err)
		}
		if err := scan(); !errors.Is(err, scanner.ErrNotStored) || !opened() {
			t.Errorf("the third did not return at once: %v", err)
		}
		if err := j.Settle(ctx, nil); !errors.Is(err, scanner.ErrNotStored) {
			t.Errorf("a settlement: %v", err)
		}
		time.Sleep(repairAfter)
		if err := scan(); err != nil {
			t.Errorf("after a while: %v", err)
		}
	})
}

// TestRunTriesAVainRepair: Run does not wait for repairAfter; what fails after a
// repair counts as one in vain.
func TestRunTriesAVainRepair(t *testing.T) {
	ctx := context.Background()
	j := open(t, options(stateDir(t)))
	admit(t, j, 1, scanner.FatePending)
	j.db.commit = broken
	scan := func(n int) error {
		_, err := j.Commit(ctx, entryChange(t, j, j.opts.Clock.(*clock), n, scanner.FatePending))
		return err
	}
	if err := scan(2); !errors.Is(err, scanner.ErrNotStored) {
		t.Fatal(err)
	}
	j.repair.ended(true, errIO, false)
	if err := scan(2); !errors.Is(err, errIO) {
		t.Errorf("behind a vain repair: %v", err)
	}
	if err := j.flush(ctx); err != nil {
		t.Errorf("Run's: %v", err)
	}
	if err := scan(2); err != nil {
		t.Errorf("after Run's: %v", err)
	}
}

// TestTooMuchAlone: a request that asks for more room than there is does not take
// those with it that share its transaction.
func TestTooMuchAlone(t *testing.T) {
	j := open(t, options(stateDir(t)))
	bound(j, j.db.limit.Load())
	large := func(b *batch) error { return fatal(b.putQuiet(bucketMemory, []byte("large"), make([]byte, 8<<20))) }
	ch := entryChange(t, j, j.opts.Clock.(*clock), 1, scanner.FatePending)
	small := func(b *batch) error {
		_, err := b.change(ch, nil)
		return err
	}
	reqs := []*request{{ends: true, apply: large}, {ends: true, apply: small}}
	j.commit(reqs)
	if !errors.Is(reqs[0].err, errFull) || reqs[1].err != nil {
		t.Errorf("%v; %v", reqs[0].err, reqs[1].err)
	}
	if got := len(history(t, j)); got != 1 {
		t.Errorf("%d records", got)
	}
	if !j.Status().Writable {
		t.Error("not writable")
	}
}
