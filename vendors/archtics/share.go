package archtics

import (
	"fmt"
	"time"
)

// urgency is how much a call matters: what matters less leaves a part of the quota
// to what matters more.
type urgency int

// The urgencies.
const (
	// scans are what the quota is for, and what a person asks for.
	scans urgency = iota
	// probing finds out whether scans can be asked again.
	probing
	// waiting is a scan that Archtics has been at work on for long.
	waiting
	// attendance keeps double entries out. It has no more than its share.
	attendance
	// rest is all that has time.
	rest
)

const (
	// busy is for how long people come in on a day; longestPace is the longest pause
	// that comes of it.
	busy, longestPace = 6 * time.Hour, 2 * time.Hour
)

// kept is what an urgency leaves of each limit to those above it.
func (q *quota) kept(u urgency) (minute, day int) {
	switch u {
	case probing:
		return q.minute / 4, 0 // what is left of a day is no use to a link that is off
	case waiting, attendance:
		return q.minute / 8, q.day / 20
	case rest:
		return q.minute / 4, q.day / 10
	}
	return 0, 0
}

// share is how much of a limit the attendance may have: the rest is for scans, also
// while it has many pages or no event is on.
func share(limit int) int { return max(limit/2, 1) }

// useful is how many requests must be free before it is worth to come back.
func (q *quota) useful() int { return max(q.minute/4, 1) }

// over says that a limit is reached.
func (u urgency) over(limit int, span string) string {
	if u <= probing {
		return fmt.Sprintf("quota: %d calls a %s are used up", limit, span)
	}
	return fmt.Sprintf("quota: what is left of %d calls a %s is kept for scans", limit, span)
}

// plan is the shortest pause between looks of the least cost where a device is on all
// day: three quarters of the attendance's share, so that some is left for looks with
// more pages once the doors are open.
func (c Config) plan() time.Duration {
	return leastCost * daySpan * 4 / 3 / time.Duration(share(c.CallsPerDay))
}

// pace is how long the attendance rests after a look that took so many requests:
// what is left of its share must last while doors are open.
func (q *quota) pace(requests int) time.Duration {
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now, truth)
	n := time.Duration(min(requests, 10_000)) // more would be longest as well
	return min(longestPace, max(n*minuteSpan/time.Duration(share(q.minute)), n*busy/time.Duration(max(share(q.day)-q.watched, 1))))
}

// looks is how many requests for the attendance this process has made.
func (q *quota) looks() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.looked
}
