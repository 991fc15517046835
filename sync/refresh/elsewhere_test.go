package refresh_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/refresh"
)

// lookout is a vendor that tells what other gates admitted.
type lookout struct {
	every, takes time.Duration

	mu    sync.Mutex // guards what follows
	err   error
	asked []time.Time
	both  bool
	busy  bool
}

func (v *lookout) Every() time.Duration { return v.every }

func (v *lookout) Watch(ctx context.Context) error {
	v.mu.Lock()
	v.asked = append(v.asked, time.Now())
	v.both, v.busy = v.both || v.busy, true
	err := v.err
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.busy = false
	}()
	select {
	case <-time.After(v.takes):
		return err
	case <-ctx.Done():
		return &scanner.CallError{Op: "attendance", Trouble: scanner.Silent, Err: ctx.Err()}
	}
}

func (v *lookout) says(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// calls gives when it was asked since the last call.
func (v *lookout) calls() []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.asked
	v.asked = nil
	return list
}

// watching runs Elsewhere beside the test, with the link up.
func watching(t *testing.T, v *lookout, fn func(t *testing.T, e *refresh.Elsewhere, up *atomic.Bool)) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		up.Store(true)
		e := refresh.NewElsewhere(refresh.ElsewhereOptions{Watcher: v, What: "entries at other gates", Clock: bubble{}, Online: up.Load, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		synctest.Wait()
		fn(t, e, &up)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func failing(trouble scanner.Trouble, rest time.Duration) error {
	return &scanner.CallError{Op: "attendance", Trouble: trouble, RetryAfter: rest, Err: errors.New("because")}
}

// TestAnotherGatesEntriesAreKnownWithinOneInterval, and not all devices ask at once.
func TestAnotherGatesEntriesAreKnownWithinOneInterval(t *testing.T) {
	v := &lookout{every: 3 * time.Minute}
	watching(t, v, func(t *testing.T, e *refresh.Elsewhere, _ *atomic.Bool) {
		pass(5 * time.Hour)
		asked := v.calls()
		gaps := map[time.Duration]bool{}
		for i, at := range asked[1:] {
			gap := at.Sub(asked[i])
			gaps[gap] = true
			if gap > v.every || gap < v.every*8/10 {
				t.Fatalf("a pause of %v", gap)
			}
		}
		if len(gaps) < len(asked)/2 {
			t.Errorf("%d different pauses among %d", len(gaps), len(asked))
		}
		if p := e.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
	})
}

// TestTheLinksReturnAsksWhatIsOverdue, and nothing is asked while it is away.
func TestTheLinksReturnAsksWhatIsOverdue(t *testing.T) {
	v := &lookout{every: 3 * time.Minute}
	watching(t, v, func(t *testing.T, e *refresh.Elsewhere, up *atomic.Bool) {
		if n := len(v.calls()); n != 1 {
			t.Fatalf("%d calls at the start, want 1", n)
		}
		up.Store(false)
		pass(2 * time.Minute)
		up.Store(true)
		e.Kick() // it was away for a moment: what is known is young yet
		synctest.Wait()
		up.Store(false)
		pass(time.Hour)
		if err := e.Now(t.Context()); err != nil {
			t.Errorf("asked for while the vendor is away: %v", err)
		}
		if asked := v.calls(); len(asked) != 0 {
			t.Fatalf("asked %v", asked)
		}
		up.Store(true)
		e.Kick()
		synctest.Wait()
		if n := len(v.calls()); n != 1 {
			t.Errorf("%d calls at the link's return, want 1", n)
		}
	})
}

func TestAFaultIsRetriedAndTold(t *testing.T) {
	v := &lookout{every: 3 * time.Minute, err: failing(scanner.Failing, 0)}
	watching(t, v, func(t *testing.T, e *refresh.Elsewhere, _ *atomic.Bool) {
		pass(2 * time.Hour)
		asked := v.calls()
		first, last := asked[1].Sub(asked[0]), asked[len(asked)-1].Sub(asked[len(asked)-2])
		if first < 2*time.Second || first > 8*time.Second || last < 90*time.Second || last > 270*time.Second {
			t.Errorf("pauses from %v to %v", first, last)
		}
		if p := e.Problem(); !strings.Contains(p, "not known: entries at other gates: attendance: failing") {
			t.Errorf("problem %q", p)
		}
		v.says(nil)
		pass(5 * time.Minute)
		if p := e.Problem(); p != "" {
			t.Errorf("answered, and the problem is %q", p)
		}
		v.says(failing(scanner.Failing, 0))
		pass(4 * time.Minute)
		if p := e.Problem(); !strings.Contains(p, "known as of 4m") && !strings.Contains(p, "known as of 5m") && !strings.Contains(p, "known as of 6m") {
			t.Errorf("problem %q does not say how old it is", p)
		}
	})
}

// TestAQuotaIsHeeded by the pause and by the link's return; that it waits for its
// turn is no problem yet.
func TestAQuotaIsHeeded(t *testing.T) {
	v := &lookout{every: 3 * time.Minute}
	watching(t, v, func(t *testing.T, e *refresh.Elsewhere, _ *atomic.Bool) {
		v.says(failing(scanner.Throttled, 20*time.Minute))
		pass(3 * time.Minute)
		v.calls()
		if p := e.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
		e.Kick()
		pass(10 * time.Minute)
		if asked := v.calls(); len(asked) != 0 {
			t.Errorf("asked %v in spite of twenty minutes", asked)
		}
		if p := e.Problem(); !strings.Contains(p, "known as of") {
			t.Errorf("problem %q", p)
		}
		v.says(nil)
		pass(11 * time.Minute)
		if n := len(v.calls()); n == 0 || e.Problem() != "" {
			t.Errorf("%d calls afterwards, problem %q", n, e.Problem())
		}
	})
}

// TestNowIsOneCallAtATime, and ends with its caller.
func TestNowIsOneCallAtATime(t *testing.T) {
	v := &lookout{every: time.Minute, takes: 30 * time.Second}
	watching(t, v, func(t *testing.T, e *refresh.Elsewhere, _ *atomic.Bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := e.Now(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		begun := time.Now()
		if err := e.Now(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != 50*time.Second || v.both {
			t.Errorf("took %v, two at a time %v", took, v.both)
		}
	})
}
