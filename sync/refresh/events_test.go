package refresh_test

import (
	"bytes"
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

// teller is a vendor that tells events, or fails.
type teller struct {
	asked chan [2]time.Time
	err   error
	mu    sync.Mutex // guards err
	tells []scanner.Event
	// slow: an answer waits for hangs.
	slow  bool
	hangs chan struct{}
}

func (v *teller) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	v.asked <- [2]time.Time{from, to}
	if v.slow {
		select {
		case <-v.hangs:
		case <-ctx.Done():
			return nil, &scanner.CallError{Op: "events", Trouble: scanner.Silent, Err: ctx.Err()}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tells, v.err
}

func (v *teller) fails(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// shelf is a store of events.
type shelf struct {
	told []refresh.Told
	err  error
}

func (s *shelf) Told(_ scanner.Scope, t refresh.Told) error {
	s.told = append(s.told, t)
	return s.err
}

// telling runs events for test in a bubble; it ends them.
func telling(t *testing.T, v *teller, s *shelf, test func(t *testing.T, e *refresh.Events, online *atomic.Bool)) string {
	t.Helper()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		v.asked, v.hangs = make(chan [2]time.Time, 100), make(chan struct{})
		online := new(atomic.Bool)
		online.Store(true)
		events := refresh.NewEvents(refresh.EventOptions{
			Lister: v, Scope: scope, Store: s, Clock: bubble{}, Online: online.Load, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- events.Run(ctx) }()
		test(t, events, online)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return log.String()
}

// count empties what was asked.
func (v *teller) count() int {
	n := 0
	for len(v.asked) > 0 {
		<-v.asked
		n++
	}
	return n
}

func TestEventsAreAskedForEveryHalfHour(t *testing.T) {
	v, s := &teller{tells: []scanner.Event{{ID: "1"}}}, &shelf{}
	telling(t, v, s, func(t *testing.T, e *refresh.Events, _ *atomic.Bool) {
		began := time.Now()
		asked := <-v.asked
		if from, to := began.Sub(asked[0]), asked[1].Sub(began); from != 24*time.Hour || to != 8*24*time.Hour {
			t.Errorf("asked from %v before to %v after", from, to)
		}
		for range 10 {
			last := time.Now()
			<-v.asked
			if wait := time.Since(last); wait < 27*time.Minute || wait > 33*time.Minute {
				t.Errorf("asked again after %v", wait)
			}
		}
		synctest.Wait()
		if len(s.told) != 11 || s.told[0].Events[0].ID != "1" || s.told[0].Partial || !s.told[0].At.Equal(began) || s.told[0].From != asked[0] || s.told[0].To != asked[1] {
			t.Errorf("%d answers stored, the first %+v", len(s.told), s.told[0])
		}
	})
}

func TestEventsWaitForTheLink(t *testing.T) {
	v, s := &teller{}, &shelf{}
	telling(t, v, s, func(t *testing.T, e *refresh.Events, online *atomic.Bool) {
		<-v.asked
		online.Store(false)
		time.Sleep(24 * time.Hour)
		if n := v.count(); n != 0 {
			t.Errorf("asked %d times without a link", n)
		}
		online.Store(true)
		e.Kick()
		synctest.Wait()
		if n := v.count(); n != 1 {
			t.Errorf("asked %d times when the link came back", n)
		}
		for range 20 { // a link that comes and goes
			time.Sleep(10 * time.Second)
			e.Kick()
		}
		synctest.Wait()
		if n := v.count(); n != 0 {
			t.Errorf("asked %d times though the answer is new", n)
		}
		time.Sleep(3 * time.Minute)
		e.Kick()
		synctest.Wait()
		if n := v.count(); n != 1 {
			t.Errorf("asked %d times after more than 5 minutes", n)
		}
	})
}

func TestEventsBackOff(t *testing.T) {
	v, s := &teller{err: &scanner.CallError{Op: "calendar", Trouble: scanner.Failing, Err: errors.New("down")}}, &shelf{}
	log := telling(t, v, s, func(t *testing.T, e *refresh.Events, _ *atomic.Bool) {
		<-v.asked
		last := time.Now()
		for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800} {
			<-v.asked
			if got := time.Since(last); got < want*time.Second*9/10 || got > want*time.Second*11/10 {
				t.Errorf("asked again after %v, want about %d s", got, want)
			}
			last = time.Now()
		}
		synctest.Wait()
		if len(s.told) != 0 {
			t.Errorf("stored %+v", s.told)
		}
		// The vendor asks to be left alone, also by the link's return.
		synctest.Wait()
		v.fails(&scanner.CallError{Op: "calendar", Trouble: scanner.Throttled, RetryAfter: time.Hour, Err: errors.New("slow down")})
		<-v.asked
		synctest.Wait()
		v.fails(nil)
		last = time.Now()
		e.Kick()
		<-v.asked
		if got := time.Since(last); got < 54*time.Minute {
			t.Errorf("asked again after %v, though it asked for an hour", got)
		}
	})
	if n := strings.Count(log, "down"); n != 2 { // "down" and "slow down"
		t.Errorf("logged %d times:\n%s", n, log)
	}
}

// Half an answer is stored as such, and asked for anew soon.
func TestHalfAnAnswerIsStoredAsSuch(t *testing.T) {
	v := &teller{tells: []scanner.Event{{ID: "1"}}, err: &scanner.CallError{Op: "filterOptions", Trouble: scanner.Failing, Err: errors.New("down")}}
	s := &shelf{err: errors.New("disk full")}
	log := telling(t, v, s, func(t *testing.T, e *refresh.Events, _ *atomic.Bool) {
		<-v.asked
		last := time.Now()
		<-v.asked
		if got := time.Since(last); got > 6*time.Second {
			t.Errorf("asked again after %v", got)
		}
		synctest.Wait()
		if len(s.told) != 2 || !s.told[0].Partial || len(s.told[0].Events) != 1 {
			t.Errorf("stored %+v", s.told)
		}
	})
	if !strings.Contains(log, "disk full") {
		t.Errorf("log:\n%s", log)
	}
}

// A person's question waits no longer than it says, whoever asks meanwhile, and its
// answer is stored too.
func TestAPersonsQuestionForEvents(t *testing.T) {
	v, s := &teller{tells: []scanner.Event{{ID: "1"}}, slow: true}, &shelf{}
	telling(t, v, s, func(t *testing.T, e *refresh.Events, _ *atomic.Bool) {
		<-v.asked
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := e.Ask(ctx, began, began.Add(time.Hour))
		if time.Since(began) != 10*time.Second || err == nil || scanner.CallErrorOf(err).Trouble != scanner.Silent {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		close(v.hangs)
		synctest.Wait()
		got, err := e.Ask(t.Context(), began, began.Add(time.Hour))
		if err != nil || len(got) != 1 || len(s.told) != 2 || !s.told[1].To.Equal(began.Add(time.Hour)) {
			t.Errorf("%v, %v, stored %+v", got, err, s.told)
		}
	})
}
