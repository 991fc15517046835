package clock

import (
	"runtime/debug"
	"slices"
	"time"
)

// CertificateTime is the moment at which a certificate must be valid: the true
// time where it is known, else what the wall clock shows. It is never before what
// is certainly past, the writing of this program and the newest moment that is
// remembered of earlier boots: a device that wakes in 1970 could otherwise never
// ask anybody for the time. That makes no certificate good that has run out by
// then.
func (c *Clock) CertificateTime() time.Time {
	now := c.Now()
	truth := c.True(now)
	at := truth.At
	if !truth.Trusted {
		at = slices.MaxFunc([]time.Time{now.Wall, truth.Earliest}, time.Time.Compare)
	}
	if at.Before(c.floor) {
		return c.floor
	}
	return at
}

// written is when the program was committed, where its build knows that.
func written(settings []debug.BuildSetting) time.Time {
	for _, s := range settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && at.After(unset) {
			return at.UTC()
		}
	}
	return unset
}
