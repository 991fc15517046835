package link_test

import (
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/link"
)

// evening scans every interval for an hour while fails says which of the calls
// that are made fail; a failed one costs the scan its patience. It tells how often
// the link went, and how many scans were made and how many had to wait.
func evening(t *testing.T, interval time.Duration, answer time.Duration, fails func(call int) bool) (went, scans, waited int) {
	t.Helper()
	v := &vendor{takes: 50 * time.Millisecond}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(time.Second)
		wantOnline(t, l, true)
		began := time.Now()
		for call := 0; time.Since(began) < time.Hour; scans++ {
			time.Sleep(interval)
			if !l.Online() {
				continue
			}
			if call++; fails(call) {
				time.Sleep(patience)
				waited++
				l.Failed(nil)
			} else {
				time.Sleep(answer)
				l.Answered()
			}
			synctest.Wait()
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, st := range v.told {
			if !st.Online {
				went++
			}
		}
		v.told = nil
	})
	return went, scans, waited
}

// TestDoesNotFlap counts, for networks of all kinds, how often the link goes in
// an hour of a scan every two seconds.
func TestDoesNotFlap(t *testing.T) {
	every := func(n int) func(int) bool { return func(call int) bool { return call%n == 0 } }
	for _, tt := range []struct {
		name   string
		answer time.Duration
		fails  func(int) bool
		most   int
	}{
		{"good", 50 * time.Millisecond, func(int) bool { return false }, 0},
		{"slow, but in time", 1200 * time.Millisecond, func(int) bool { return false }, 0},
		// The probes answer and the scans do not: once per longest pause.
		{"no call answers", 50 * time.Millisecond, func(int) bool { return true }, 3600/20 + 10},
		{"every other call fails", 50 * time.Millisecond, every(2), 3600/20 + 10},
		{"every third call fails", 50 * time.Millisecond, every(3), 3600/20 + 10},
		{"two of three calls fail", 50 * time.Millisecond, func(call int) bool { return call%3 != 0 }, 3600/20 + 10},
		// Three answers in a row are a network that works: each loss costs one scan
		// its patience, and the link is back within a probe.
		{"every fifth call fails", 50 * time.Millisecond, every(5), 3600/(5*2) + 10},
		{"one call in a hundred fails", 50 * time.Millisecond, every(100), 3600/(100*2) + 2},
	} {
		went, scans, waited := evening(t, 2*time.Second, tt.answer, tt.fails)
		t.Logf("%s: the link went %d times, %d of %d scans waited for nothing", tt.name, went, waited, scans)
		if went > tt.most || went != waited {
			t.Errorf("%s: the link went %d times, want at most %d; %d scans waited", tt.name, went, tt.most, waited)
		}
	}
}

// Answers that come while the link is away, late ones of scans long judged, are
// no proof that it works, and two do not add to one of the time before.
func TestOnlyScansInARowSettle(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		l.Failed(nil) // spends the probe that comes at once
		synctest.Wait()
		wantOnline(t, l, true)
		for range 5 {
			l.Answered()
			l.Answered()
			v.is(0, trouble(scanner.Unreachable))
			l.Failed(nil)
			l.Answered()
			l.Answered()
			l.Answered()
			synctest.Wait()
			wantOnline(t, l, false)
			v.is(0, nil)
			settle(40 * time.Second)
			wantOnline(t, l, true)
		}
		gone := time.Now()
		v.probes()
		l.Failed(nil)
		synctest.Wait()
		wantOnline(t, l, false)
		settle(40 * time.Second)
		if p := v.probes(); len(p) == 0 || p[0].Sub(gone) < 10*time.Second {
			t.Errorf("probed at %v after %v: the pause began anew without three scans in a row", p, gone)
		}
	})
}
