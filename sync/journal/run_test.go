package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

// running runs the journal in a bubble of its own time until the test ends.
func running(t *testing.T, test func(t *testing.T, j *Journal, c *clock)) {
	t.Helper()
	opts := options(stateDir(t))
	synctest.Test(t, func(t *testing.T) {
		j := open(t, opts)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- j.Run(ctx) }()
		test(t, j, opts.Clock.(*clock))
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func waiting(j *Journal) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.notes)
}

func TestRunWritesANoteSoon(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, c *clock) {
		j.Note(refusal(c, 1))
		time.Sleep(flushAfter - time.Millisecond)
		synctest.Wait()
		if n := waiting(j); n != 1 {
			t.Errorf("%d notes wait: the first was not left to ride along", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := waiting(j); n != 0 {
			t.Errorf("%d notes wait after %v", n, flushAfter)
		}
	})
}

func TestRunRepairsWithoutAScan(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, c *clock) {
		// The file is gone, and something is in the way of a new one.
		move(t, j.path, j.path+".away")
		inTheWay := filepath.Join(filepath.Dir(j.path), newName)
		if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		ch := entryChange(t, j, c, 1, scanner.FatePending)
		if _, err := j.Commit(t.Context(), ch); !errors.Is(err, scanner.ErrNotStored) {
			t.Fatal(err)
		}
		if j.Status().Writable {
			t.Error("writable after a failed commit")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if j.Status().Writable {
			t.Error("writable without a file")
		}
		move(t, inTheWay, inTheWay+".away")
		time.Sleep(retryAfter + time.Second)
		synctest.Wait()
		if !j.Status().Writable {
			t.Error("nobody tried again")
		}
	})
}

func TestRunSweeps(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, c *clock) {
		admit(t, j, 1, scanner.FateConfirmed)
		c.advance(2 * day)
		time.Sleep(sweepEvery + time.Minute)
		synctest.Wait()
		if m := mark(t, j, 1); m.Rev != 0 {
			t.Errorf("mark is left: %+v", m)
		}
	})
}

// TestRunIsIdle: with nothing to do, nothing is written.
func TestRunIsIdle(t *testing.T) {
	running(t, func(t *testing.T, j *Journal, c *clock) {
		time.Sleep(time.Minute)
		synctest.Wait()
		before := commits(j)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if n := commits(j) - before; n > 1 {
			t.Errorf("%d transactions in six idle hours", n)
		}
	})
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
