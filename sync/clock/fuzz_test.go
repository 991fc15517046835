package clock_test

import (
	"testing"
	"time"

	"usher/scanner"
	"usher/sync/clock"
)

// saved is a memory that gives what it was made of.
type saved []byte

func (s saved) Load(string) ([]byte, error) { return s, nil }
func (saved) Save(string, []byte) error     { return nil }

// Whatever earlier lives saved, the clock tells times: a trusted one lies within
// its own bounds, and the present is not moved by the past.
func FuzzAnchors(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, boot string, up int64) {
		c, err := clock.New(clock.Kernel)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Restore(saved(data))
		now := c.Now()
		if off := time.Since(now.Wall).Abs(); off > time.Minute {
			t.Errorf("now is %v away", off)
		}
		wall := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		for _, s := range []scanner.Stamp{now, {Wall: wall, Boot: boot, Up: time.Duration(up)}, {Wall: wall, Boot: now.Boot, Up: time.Duration(up)}, {}} {
			got := c.True(s)
			if got.Trusted && (got.Earliest.After(got.At) || got.Latest.Before(got.At)) {
				t.Errorf("%q: %+v is %+v", data, s, got)
			}
		}
		c.Remember(scanner.Stamp{Wall: wall, Boot: boot, Up: time.Duration(up), Trusted: true}, scanner.Instant{At: wall, Earliest: wall, Latest: wall, Trusted: true})
		_, _ = c.Offset()
	})
}
