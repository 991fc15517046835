package link_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/link"
)

const patience = 1500 * time.Millisecond

// bubbleClock tells the time of the test's bubble.
type bubbleClock struct{}

// began is when every bubble's time begins.
var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (bubbleClock) Now() scanner.Stamp {
	return scanner.Stamp{Wall: time.Now().UTC(), Boot: "boot", Up: time.Since(began), Trusted: true}
}

func (bubbleClock) True(s scanner.Stamp) scanner.Instant {
	return scanner.Instant{At: s.Wall, Trusted: true}
}

// vendor answers probes as it is told to: after a while, with an error or none.
type vendor struct {
	mu    sync.Mutex // guards what follows
	takes time.Duration
	err   error
	asked []time.Time
	told  []link.Status
}

func (v *vendor) probe(ctx context.Context) error {
	v.mu.Lock()
	v.asked = append(v.asked, time.Now())
	takes, err := v.takes, v.err
	v.mu.Unlock()
	select {
	case <-time.After(takes):
		return err
	case <-ctx.Done():
		return &scanner.CallError{Op: "probe", Trouble: scanner.Silent, MaybeSent: true, Err: ctx.Err()}
	}
}

func (v *vendor) is(takes time.Duration, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.takes, v.err = takes, err
}

// probes gives when probes started since the last call.
func (v *vendor) probes() []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.asked
	v.asked = nil
	return list
}

func trouble(kind scanner.Trouble) error {
	return &scanner.CallError{Op: "validateTicket", Trouble: kind, Err: errors.New("because")}
}

// bubble runs a link beside the test until the test ends.
func bubble(t *testing.T, v *vendor, fn func(t *testing.T, l *link.Link), change ...func(*link.Options)) {
	synctest.Test(t, func(t *testing.T) {
		o := link.Options{
			Probe: v.probe, Patience: patience, Timeout: 3 * time.Second, Min: time.Second, Max: 30 * time.Second, Clock: bubbleClock{},
			Changed: func(st link.Status) {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.told = append(v.told, st)
			},
		}
		for _, c := range change {
			c(&o)
		}
		l := link.New(o)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		fn(t, l)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantOnline(t *testing.T, l *link.Link, want bool) {
	t.Helper()
	if st := l.Status(); st.Online != want || st.Online != (st.Reason == "") || l.Online() != want {
		t.Fatalf("status %+v, want online %v", st, want)
	}
}

func TestStartsOfflineAndProbesAtOnce(t *testing.T) {
	v := &vendor{takes: 100 * time.Millisecond}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		wantOnline(t, l, false)
		settle(99 * time.Millisecond)
		wantOnline(t, l, false)
		settle(time.Millisecond)
		wantOnline(t, l, true)
		if len(v.told) != 1 || !v.told[0].Online {
			t.Errorf("told %+v, want one return", v.told)
		}
		if n := len(v.probes()); n != 1 {
			t.Errorf("%d probes, want 1", n)
		}
	})
}

func TestIdleOnlineAsksNothing(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		wantOnline(t, l, true)
		v.probes()
		l.Kick()
		settle(24 * time.Hour)
		if n := len(v.probes()); n != 0 {
			t.Errorf("%d probes while online", n)
		}
	})
}

func TestOneFailureMakesItOffline(t *testing.T) {
	for name, err := range map[string]error{
		"patience ran out": nil,
		"unreachable":      trouble(scanner.Unreachable),
		"silent":           trouble(scanner.Silent),
		"nonsense":         trouble(scanner.Nonsense),
		"failing":          trouble(scanner.Failing),
		"no call error":    errors.New("something else"),
	} {
		t.Run(name, func(t *testing.T) {
			v := &vendor{}
			bubble(t, v, func(t *testing.T, l *link.Link) {
				v.is(0, trouble(scanner.Unreachable))
				v.probes()
				gone := time.Now()
				l.Failed(err)
				wantOnline(t, l, false)
				synctest.Wait()
				if p := v.probes(); len(p) != 1 || p[0] != gone {
					t.Errorf("probes at %v, want one at once", p)
				}
				v.is(0, nil)
				settle(1500 * time.Millisecond)
				wantOnline(t, l, true)
				if since := l.Status().Since.Wall; since.Sub(gone) < time.Second {
					t.Errorf("back after %v, sooner than the shortest pause", since.Sub(gone))
				}
			})
		})
	}
}

func TestBackoffIsJitteredBoundedAndEndless(t *testing.T) {
	v := &vendor{err: trouble(scanner.Unreachable)}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(6 * time.Hour)
		p := v.probes()
		distinct := map[time.Duration]bool{}
		for i := range p[1:] {
			gap := p[i+1].Sub(p[i])
			if gap < time.Second || gap > 30*time.Second {
				t.Fatalf("pause %d is %v", i, gap)
			}
			if i == 0 && gap > 1500*time.Millisecond {
				t.Errorf("first pause %v", gap)
			}
			if i > 10 && gap < 20*time.Second {
				t.Errorf("pause %d is only %v", i, gap)
			}
			distinct[gap] = true
		}
		if len(distinct) < len(p)/2 {
			t.Errorf("%d different pauses among %d: no jitter", len(distinct), len(p))
		}
		if next := time.Until(l.Status().NextProbeAt.Wall); next <= 0 || next > 30*time.Second {
			t.Errorf("next probe in %v", next)
		}
		v.is(time.Second, nil)
		settle(32 * time.Second)
		wantOnline(t, l, true)
	})
}

func TestPatienceDecides(t *testing.T) {
	v := &vendor{takes: 2 * time.Second}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(10 * time.Minute)
		wantOnline(t, l, false)
		if st := l.Status(); !st.Reachable || !strings.Contains(st.Reason, "too slowly: 2s") {
			t.Errorf("status %+v", st)
		}
		v.is(time.Hour, nil)
		settle(time.Minute)
		if st := l.Status(); st.Reachable || !strings.Contains(st.Reason, "does not answer") {
			t.Errorf("status %+v", st)
		}
		if told := v.told; len(told) != 2 || !told[0].Reachable || told[1].Reachable {
			t.Errorf("told %+v, want reachable and then not", told)
		}
		v.is(patience, nil)
		settle(35 * time.Second)
		wantOnline(t, l, true)
	})
}

// A vendor whose probe answers and whose scans do not must not make every scan
// wait.
func TestBackoffResetsAfterThreeAnsweredScans(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		away := func() time.Duration {
			t.Helper()
			wantOnline(t, l, true)
			gone := time.Now()
			l.Failed(nil)
			for !l.Online() {
				settle(10 * time.Millisecond)
			}
			return time.Since(gone)
		}
		if first := away(); first > 20*time.Millisecond {
			t.Errorf("first return after %v, want at once", first)
		}
		var last time.Duration
		for range 8 {
			l.Answered()
			l.Answered()
			last = away()
		}
		if last < 20*time.Second {
			t.Errorf("eighth return after %v, want some 30 s", last)
		}
		for range 3 {
			l.Answered()
		}
		if first := away(); first > 20*time.Millisecond {
			t.Errorf("return after three answers took %v, want at once", first)
		}
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		v.probes()
		began := time.Now()
		l.Failed(&scanner.CallError{Trouble: scanner.Throttled, Status: 429, RetryAfter: 5 * time.Minute, Err: errors.New("quota")})
		wantOnline(t, l, false)
		st := l.Status()
		if !strings.Contains(st.Reason, began.Add(5*time.Minute).UTC().Format(time.RFC3339)) || st.NextProbeAt.Wall.Sub(began) != 5*time.Minute {
			t.Errorf("status %+v does not say when", st)
		}
		for range 10 {
			l.Failed(trouble(scanner.Silent))
			settle(29 * time.Second)
		}
		if p := v.probes(); len(p) != 0 {
			t.Errorf("probed %v after the vendor asked for five minutes", p[0].Sub(began))
		}
		settle(11 * time.Second)
		wantOnline(t, l, true)
		if p := v.probes(); len(p) != 1 || p[0].Sub(began) != 5*time.Minute {
			t.Errorf("probes %v", p)
		}
	})
}

// The second of two scans in flight tells what the first did not.
func TestRetryAfterOfAnotherScan(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		v.is(0, trouble(scanner.Unreachable))
		l.Failed(nil)
		synctest.Wait()
		l.Failed(&scanner.CallError{Trouble: scanner.Throttled, RetryAfter: 5 * time.Minute, Err: errors.New("quota")})
		v.probes()
		settle(4 * time.Minute)
		if n := len(v.probes()); n > 0 {
			t.Errorf("%d probes after the vendor asked for five minutes", n)
		}
	})
}

func TestRetryAfterOfAProbe(t *testing.T) {
	v := &vendor{err: &scanner.CallError{Trouble: scanner.Throttled, RetryAfter: 10 * 365 * 24 * time.Hour, Err: errors.New("quota")}}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		v.is(0, nil)
		settle(24*time.Hour - time.Second)
		if n := len(v.probes()); n != 1 {
			t.Errorf("%d probes, want the first alone", n)
		}
		settle(2 * time.Second)
		wantOnline(t, l, true)
	})
}

// Only a quota lasts for hours: a maintenance page's guess does not.
func TestRetryAfterOfAnythingButAQuotaIsShort(t *testing.T) {
	for _, kind := range []scanner.Trouble{scanner.Failing, scanner.Silent, scanner.Nonsense, scanner.Denied, scanner.Malformed} {
		v := &vendor{err: &scanner.CallError{Trouble: kind, Status: 503, RetryAfter: 24 * time.Hour, Err: errors.New("maintenance")}}
		bubble(t, v, func(t *testing.T, l *link.Link) {
			v.is(0, nil)
			settle(5*time.Minute - time.Second)
			wantOnline(t, l, false)
			settle(time.Second)
			wantOnline(t, l, true)
		})
	}
}

// A person's word outweighs the vendor's wish, once.
func TestKickInSpiteOfRetryAfter(t *testing.T) {
	quota := &scanner.CallError{Trouble: scanner.Throttled, Status: 429, RetryAfter: time.Hour, Err: errors.New("quota")}
	v := &vendor{err: quota}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(10 * time.Minute)
		v.probes()
		l.Kick()
		settle(10 * time.Minute)
		if n := len(v.probes()); n != 1 {
			t.Errorf("%d probes after a kick, want 1", n)
		}
		v.is(0, nil)
		l.Kick()
		synctest.Wait()
		wantOnline(t, l, true)
	})
}

// A call that is denied by itself must not keep the gate offline: the probe tells
// at once. A quota is no such thing.
func TestDeniedIsProbedAtOnceAndThrottledIsNot(t *testing.T) {
	for kind, want := range map[scanner.Trouble]int{scanner.Throttled: 0, scanner.Denied: 1} {
		t.Run(string(kind), func(t *testing.T) {
			v := &vendor{}
			bubble(t, v, func(t *testing.T, l *link.Link) {
				v.probes()
				v.is(0, trouble(kind))
				l.Failed(trouble(kind))
				settle(700 * time.Millisecond)
				if n := len(v.probes()); n != want {
					t.Errorf("%d probes at once, want %d", n, want)
				}
				settle(10 * time.Minute)
				if n := len(v.probes()); n < 15 || n > 40 {
					t.Errorf("%d probes in ten minutes", n)
				}
			})
		})
	}
}

func TestMalformedCallsDoNotFlap(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		for range 10 {
			l.Failed(trouble(scanner.Malformed))
			l.Failed(trouble(scanner.Malformed))
			l.Answered()
		}
		wantOnline(t, l, true)
		v.is(0, trouble(scanner.Unreachable))
		for range 3 {
			l.Failed(trouble(scanner.Malformed))
		}
		wantOnline(t, l, false)
	})
}

func TestKick(t *testing.T) {
	v := &vendor{err: trouble(scanner.Unreachable)}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(5 * time.Minute)
		v.probes()
		v.is(0, nil)
		l.Kick()
		synctest.Wait()
		if l.Status().NextProbeAt.Wall.After(time.Now()) {
			// The last probe is younger than the shortest pause.
			settle(time.Second)
		}
		wantOnline(t, l, true)
	})
}

func TestKicksDoNotStorm(t *testing.T) {
	v := &vendor{err: trouble(scanner.Unreachable)}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		for range 1000 {
			l.Kick()
			settle(10 * time.Millisecond)
		}
		if n := len(v.probes()); n > 11 {
			t.Errorf("%d probes in ten seconds", n)
		}
	})
}

// A network that came up while a probe was dying is not left for a long pause.
func TestKickDuringAProbe(t *testing.T) {
	v := &vendor{takes: time.Hour}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(5 * time.Minute)
		v.probes()
		for len(v.probes()) == 0 {
			settle(100 * time.Millisecond)
		}
		v.is(0, nil)
		l.Kick()
		settle(3100 * time.Millisecond)
		wantOnline(t, l, true)
	})
}

func TestStopsInTheMiddleOfAProbe(t *testing.T) {
	v := &vendor{takes: time.Hour}
	bubble(t, v, func(t *testing.T, l *link.Link) { wantOnline(t, l, false) })
	if len(v.told) != 0 {
		t.Errorf("told %+v by the end of Run", v.told)
	}
}
