package clock

import (
	"runtime/debug"
	"testing"
	"time"

	"usher/scanner"
)

func TestCertificateTime(t *testing.T) {
	remembered := scanner.Stamp{Wall: dawn, Boot: "earlier", Up: time.Hour}
	built := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		wall     time.Time
		ntp      bool
		remember bool
		// want, give or take 2 s
		want time.Time
	}{
		{name: "1970, nothing known", wall: time.Unix(60, 0), want: built},
		{name: "1970, an earlier boot", wall: time.Unix(60, 0), remember: true, want: dawn.Add(time.Minute)},
		{name: "stale, nothing known", wall: dawn.Add(-time.Hour), want: dawn.Add(-time.Hour)},
		{name: "stale, an earlier boot", wall: dawn.Add(-time.Hour), remember: true, want: dawn.Add(time.Minute)},
		{name: "behind nothing known", wall: dawn.Add(time.Hour), remember: true, want: dawn.Add(time.Hour)},
		{name: "known", wall: dawn.Add(time.Hour), ntp: true, remember: true, want: dawn.Add(time.Hour)},
	} {
		k := &fake{at: tt.wall, uptime: time.Minute, ntp: tt.ntp}
		c := On(Kernel, "boot", k)
		c.floor = built
		if tt.remember {
			c.Remember(remembered, around(dawn, time.Second))
		}
		if got := c.CertificateTime(); got.Sub(tt.want).Abs() > 2*time.Second {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if tt.ntp {
			k.ntp, k.at = false, time.Unix(60, 0)
			if got := c.CertificateTime(); got.Sub(tt.want).Abs() > 2*time.Second {
				t.Errorf("%s, then stepped to 1970: %v, want %v", tt.name, got, tt.want)
			}
		}
	}
}

func TestWritten(t *testing.T) {
	at := time.Date(2026, 10, 3, 9, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{"2026-10-03T09:00:00Z": at, "1970-01-01T00:00:00Z": unset, "soon": unset} {
		if got := written([]debug.BuildSetting{{Key: "GOARCH", Value: "arm"}, {Key: "vcs.time", Value: value}}); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", value, got, want)
		}
	}
}

// On a very slow link there is no better word, and its error is stated.
func TestAVerySlowAnswerIsAnAnchor(t *testing.T) {
	k := &fake{at: time.Unix(60, 0), uptime: time.Minute}
	c := On(Kernel, "boot", k)
	sent := c.Now()
	k.pass(28 * time.Second)
	c.Observe(dawn, sent, c.Now())
	truth := c.True(sent)
	if !truth.Trusted || truth.Earliest.After(dawn.Add(-28*time.Second)) || truth.Latest.Before(dawn) {
		t.Errorf("sent between 28 s before %v and then: %+v", dawn, truth)
	}
}
