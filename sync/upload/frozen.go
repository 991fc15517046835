package upload

import (
	"time"

	"usher/scanner"
)

// frozen is the time that an entry left with before, while nobody knows what
// became of that: the vendor may hold it, and would count another time as another
// scan. It is given up only where a trusted clock now says that it lies in the
// vendor's future, which no vendor takes.
func (u *Uploader) frozen(e *scanner.Recorded) (time.Time, bool) {
	if e.Sent == 0 || e.SentAs.IsZero() {
		return time.Time{}, false
	}
	now := u.o.Clock.True(u.o.Clock.Now())
	latest := now.At
	if now.Latest.After(latest) {
		latest = now.Latest
	}
	if now.Trusted && e.SentAs.After(latest) {
		return time.Time{}, false
	}
	return e.SentAs, true
}
