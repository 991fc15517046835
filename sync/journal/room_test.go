package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"usher/scanner"
)

// small is a journal whose storage ends soon.
type small struct {
	opts Options
	// fill leaves no room but what the journal has by then, release gives it back.
	fill, release func(*Journal)
}

// onSmallDisks runs the test on a real file system that is full, and on a journal
// that may not grow.
func onSmallDisks(t *testing.T, test func(*testing.T, small)) {
	t.Run("tmpfs", func(t *testing.T) { test(t, smallDisk(t, "48m")) })
	t.Run("MaxSize", func(t *testing.T) {
		s := small{opts: options(stateDir(t))}
		s.opts.MaxSize = 4 << 20
		s.fill = func(j *Journal) { bound(j, s.opts.MaxSize) }
		s.release = func(j *Journal) { bound(j, 0) }
		test(t, s)
	})
}

// bound changes how large a running journal may become.
func bound(j *Journal, size int64) {
	j.growing.Lock()
	defer j.growing.Unlock()
	j.opts.MaxSize = size
}

// smallDisk mounts a small file system.
func smallDisk(t *testing.T, size string) small {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("not shown here: a full disk; needs root and CAP_SYS_ADMIN to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { checkLeft(t, dir) })
	ballast := filepath.Join(dir, "ballast")
	return small{
		opts: options(dir),
		fill: func(*Journal) { fillDisk(t, ballast) },
		release: func(*Journal) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// fillDisk takes all the space there is.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}

// untilFull admits until the journal has no room, and gives what was stored: large
// records, since room for a thousand small ones takes long, and then small ones.
func untilFull(t *testing.T, j *Journal, from int, fate scanner.Fate) (stored []uint64) {
	t.Helper()
	j.db.db.NoSync = true
	detail := strings.Repeat("large ", 2000)
	for n := from; ; n++ {
		change := entryChange(t, j, j.opts.Clock.(*clock), n, fate)
		change.Record.Detail = detail
		seq, err := j.Commit(context.Background(), change)
		if errors.Is(err, scanner.ErrNotStored) {
			if !errors.Is(err, errFull) {
				t.Fatalf("not for want of room: %v", err)
			}
			if detail == "" {
				return stored
			}
			detail = ""
			continue
		} else if err != nil || n > from+20_000 {
			t.Fatalf("commit %d: %v", n, err)
		}
		stored = append(stored, seq)
	}
}

// TestReserve: on a full disk nothing new is stored, and everything that was can
// still be sent, taken, parked, requeued, acknowledged and confirmed; attempts
// close, marks move, vendors remember; also after a restart.
func TestReserve(t *testing.T) {
	t.Parallel()
	onSmallDisks(t, func(t *testing.T, disk small) {
		ctx := context.Background()
		j := open(t, disk.opts)
		var attempts []uint64
		for n := range 3 {
			id, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(n), At: j.opts.Clock.Now()})
			if err != nil {
				t.Fatal(err)
			}
			attempts = append(attempts, id)
		}
		// A queue for which the fixed part of the reserve is not enough.
		j.db.db.NoSync = true
		var stored []uint64
		for n := range 800 {
			stored = append(stored, admit(t, j, n, scanner.FatePending))
		}
		disk.fill(j)
		stored = append(stored, untilFull(t, j, 5000, scanner.FatePending)...)
		refused := func(when string) {
			t.Helper()
			if _, err := j.Commit(ctx, entryChange(t, j, j.opts.Clock.(*clock), 30_000, scanner.FatePending)); !errors.Is(err, scanner.ErrNotStored) {
				t.Errorf("%s a scan was stored: %v", when, err)
			}
			if _, err := j.Attempt(ctx, Attempt{Scope: scope, Code: code(30_000)}); !errors.Is(err, scanner.ErrNotStored) {
				t.Errorf("%s an attempt was stored: %v", when, err)
			}
			s := j.Status()
			if s.Writable || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "disk is full") || !strings.Contains(s.Problems[0], "stay amber") {
				t.Errorf("%s the status is %+v", when, s)
			}
		}
		refused("full:")
		closeAndCheck(t, j)
		j = open(t, disk.opts)
		disk.fill(j)
		refused("full, after a restart:")
		if got := j.Status().Pending; got != len(stored) {
			t.Fatalf("%d are pending, want %d", got, len(stored))
		}

		long := strings.Repeat("the vendor says no, at length. ", 8)
		for part := range slices.Chunk(stored, 100) {
			if err := j.Sent(ctx, sendings(part...)); err != nil {
				t.Fatal(err)
			}
			var list []scanner.Settlement
			for i, seq := range part {
				to := []scanner.Fate{scanner.FateParked, scanner.FateTaken, scanner.FateParked, scanner.FateConflict}[i%4]
				list = append(list, scanner.Settlement{Seq: seq, To: to, Detail: long})
			}
			if err := j.Settle(ctx, list); err != nil {
				t.Fatal(err)
			}
		}
		parked := j.parkedSeqs()
		if err := j.Requeue(ctx, parked[0], "ann"); err != nil {
			t.Error(err)
		}
		if err := j.Confirm(ctx, parked[0], time.Time{}); err != nil {
			t.Error(err)
		}
		for _, seq := range parked[1:20] {
			if err := j.Acknowledge(ctx, seq, "ann"); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(j.CloseAttempt(ctx, attempts[0]), j.AdmitAttempt(ctx, attempts[1]), j.snapshot(ctx), j.Memory("v").Save("k", []byte("v"))); err != nil {
			t.Error(err)
		}
		s := j.Status()
		if s.Pending != 0 || s.Parked != len(parked)-20 || s.Conflicts == 0 {
			t.Errorf("at last: %d pending, %d parked, %d conflicts", s.Pending, s.Parked, s.Conflicts)
		}
		if got := j.Attempts(scope, code(0)); len(got) != 0 {
			t.Errorf("attempts: %+v", got)
		}
		if got := j.Attempts(scope, code(1)); len(got) != 1 || !got[0].Admitted {
			t.Errorf("attempts: %+v", got)
		}
	})
}

// TestRoomReturns: work goes on by itself, with the next scan or without one.
func TestRoomReturns(t *testing.T) {
	onSmallDisks(t, func(t *testing.T, disk small) {
		j := open(t, disk.opts)
		disk.fill(j)
		stored := untilFull(t, j, 0, scanner.FatePending)
		disk.release(j)
		stored = append(stored, admit(t, j, 20_000, scanner.FatePending))
		if s := j.Status(); !s.Writable || len(s.Problems) != 0 {
			t.Errorf("with room again: %+v", s)
		}
		disk.fill(j)
		stored = append(stored, untilFull(t, j, 20_001, scanner.FatePending)...)
		closeAndCheck(t, j)
		synctest.Test(t, func(t *testing.T) {
			j := open(t, disk.opts)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- j.Run(ctx) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			if j.Status().Writable {
				t.Error("writable on a full disk")
			}
			disk.release(j)
			time.Sleep(retryAfter + time.Second)
			synctest.Wait()
			if s := j.Status(); !s.Writable || len(s.Problems) != 0 {
				t.Errorf("with room again and nobody scanning: %+v", s)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := seqsOf(history(t, j)); !cmp.Equal(got, stored) {
				t.Errorf("%d records, want %d", len(got), len(stored))
			}
		})
	})
}

// TestRunGrowsTheFile: no commit does while Run is there.
func TestRunGrowsTheFile(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, c *clock) {
		for n := range 2000 {
			if n%50 == 0 {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			before := j.db.limit.Load()
			j.db.db.NoSync = true
			admit(t, j, n, scanner.FatePending)
			if after := j.db.limit.Load(); after != before {
				t.Errorf("admission %d waited for the file to grow to %d", n, after)
			}
			info, err := os.Stat(j.path)
			if err != nil || info.Size() != before {
				t.Fatalf("the file has %d bytes, room was made for %d, %v", info.Size(), before, err)
			}
		}
		if s := j.Status(); !s.Writable || len(s.Problems) != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

// TestLargeTransaction: one that is larger than what is at hand is given more.
func TestLargeTransaction(t *testing.T) {
	j := open(t, options(stateDir(t)))
	if err := j.Memory("v").Save("large", make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		j.Note(refusal(j.opts.Clock.(*clock), n))
	}
	closeAndCheck(t, j)
	j = open(t, j.opts)
	if got := len(history(t, j)); got != 2000 {
		t.Errorf("%d notes are left", got)
	}
}

// TestWrittenRoom: a file system without fallocate has its room written, and
// nothing that is there is overwritten.
func TestWrittenRoom(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("pages"); err != nil {
		t.Fatal(err)
	}
	if err := writeZeros(f, 5, 200_000); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(f.Name())
	if err != nil || len(raw) != 200_000 || string(raw[:6]) != "pages\x00" {
		t.Errorf("%d bytes, %q, %v", len(raw), raw[:6], err)
	}
}
