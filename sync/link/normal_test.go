package link_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/link"
)

var errQuota = errors.New("the 80 calls of a minute are used up")

func normal(d time.Duration) func(*link.Options) {
	return func(o *link.Options) { o.Normal = d }
}

// TestAProbeMayTakeWhatIsNormal for the vendor, or as long as a scan waits.
func TestAProbeMayTakeWhatIsNormal(t *testing.T) {
	for _, tt := range []struct {
		takes, normal time.Duration
		online        bool
	}{
		{1900 * time.Millisecond, 2 * time.Second, true},
		{2 * time.Second, 2 * time.Second, true},
		{2100 * time.Millisecond, 2 * time.Second, false},
		{1400 * time.Millisecond, time.Second, true},
		{1600 * time.Millisecond, time.Second, false},
		{4 * time.Second, 5 * time.Second, true}, // longer than the probe's own end
	} {
		v := &vendor{takes: tt.takes}
		bubble(t, v, func(t *testing.T, l *link.Link) {
			settle(5 * time.Minute)
			wantOnline(t, l, tt.online)
			if st := l.Status(); !tt.online && (!st.Reachable || !strings.Contains(st.Reason, "too slowly: "+tt.takes.String())) {
				t.Errorf("%+v: status %+v", tt, st)
			}
		}, normal(tt.normal))
	}
}

// TestNormalAnswersDoNotFlap: an hour of answers that nobody waits for, and that the
// vendor's document calls normal.
func TestNormalAnswersDoNotFlap(t *testing.T) {
	v := &vendor{takes: 1900 * time.Millisecond}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		settle(2 * time.Second)
		v.probes()
		for range 1800 {
			settle(2 * time.Second)
			l.Answered()
			wantOnline(t, l, true)
		}
		if n := len(v.probes()); n != 0 || len(v.told) != 1 {
			t.Errorf("%d probes, told %+v", n, v.told)
		}
	}, normal(2500*time.Millisecond))
}

// TestAQuotaSaysWhatAndWhen: the words name the quota and the moment it returns, and
// so does the next probe.
func TestAQuotaSaysWhatAndWhen(t *testing.T) {
	v := &vendor{}
	bubble(t, v, func(t *testing.T, l *link.Link) {
		synctest.Wait()
		l.Failed(&scanner.CallError{Op: "verify_barcode", Trouble: scanner.Throttled, RetryAfter: 40 * time.Second, Err: errQuota})
		st := l.Status()
		returns := time.Now().Add(40 * time.Second)
		if st.Online || !st.NextProbeAt.Wall.Equal(returns) || !strings.Contains(st.Reason, errQuota.Error()) || !strings.Contains(st.Reason, returns.UTC().Format(time.RFC3339)) {
			t.Errorf("status %+v, want %v", st, returns)
		}
		settle(39 * time.Second)
		wantOnline(t, l, false)
		settle(2 * time.Second)
		wantOnline(t, l, true)
	}, normal(2500*time.Millisecond))
}
