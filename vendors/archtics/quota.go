package archtics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"usher/scanner"
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
	// attendance keeps double entries out.
	attendance
	// rest is all that has time.
	rest
)

const (
	minuteSpan = time.Minute
	daySpan    = 24 * time.Hour
	// unasked is how long nobody but a scan is to call where the vendor says "too
	// many" and not until when: another device may use the same key.
	unasked = 30 * time.Second
)

// quota counts every request of this device over the last minute and the last day,
// on the boot-time clock, and over restarts. It errs on the side of counting too
// much: each minute counts as a whole until it is a day old, and what a killed
// daemon had set aside counts as used.
//
// It is safe for concurrent use.
type quota struct {
	minute, day int
	clock       scanner.Clock
	book        *book
	log         *slog.Logger

	mu sync.Mutex // guards what follows; never held across I/O
	// recent are the requests of the last minute, oldest first, by uptime.
	recent []time.Duration
	// minutes are those of the last day, by the minute of uptime they were made in.
	minutes []bucket
	// before are those made before this boot, used all of the last day.
	before []past
	used   int
	// spared is until when only scans may call, by the vendor's word.
	spared time.Duration
}

// bucket is the requests of one minute.
type bucket struct {
	at int64 // uptime in minutes
	n  int
}

// past is requests of a former boot. at is when they were over; zero: nobody knows,
// but it was before this boot.
type past struct {
	at time.Time
	n  int
}

func newQuota(cfg Config, clock scanner.Clock, memory scanner.Memory, log *slog.Logger) *quota {
	q := &quota{minute: cfg.CallsPerMinute, day: cfg.CallsPerDay, clock: clock, log: log}
	q.book = &book{quota: q, memory: memory, block: max(2, cfg.CallsPerMinute/8), turn: make(chan struct{}, 1)}
	return q
}

// kept is what an urgency leaves of each limit to those above it.
func (q *quota) kept(u urgency) (minute, day int) {
	switch u {
	case probing:
		return q.minute / 4, 0 // what is left of a day is no use to a link that is off
	case attendance:
		return q.minute / 8, q.day / 20
	case rest:
		return q.minute / 4, q.day / 10
	}
	return 0, 0
}

// take uses one request of the quota, or tells why there is none and when to come
// back: not for the first single request that is free again, with which nobody could
// do much.
func (q *quota) take(ctx context.Context, u urgency, op string) error {
	for {
		if err := q.book.ready(ctx); err != nil {
			return &scanner.CallError{
				Op: op, Trouble: scanner.Throttled, RetryAfter: time.Second,
				Err: fmt.Errorf("quota: the count of calls is not on the disk yet: %w", err),
			}
		}
		if done, err := q.try(u, op); done {
			return err
		}
	}
}

// try is take where a request is set aside; it is done unless others were quicker.
func (q *quota) try(u urgency, op string) (done bool, err error) {
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now, truth)
	if u != scans && now.Up < q.spared {
		return true, throttled(op, q.spared-now.Up, "quota: Ticketmaster wants fewer calls")
	}
	minute, day := q.kept(u)
	switch {
	case len(q.recent)+minute >= q.minute:
		return true, throttled(op, q.minuteBack(now, max(minute, q.useful())), u.over(q.minute, "minute"))
	case q.used+day >= q.day:
		return true, throttled(op, q.dayBack(now, truth, max(day, q.useful())), u.over(q.day, "day"))
	case q.book.none():
		return false, nil
	}
	q.count(now)
	q.book.spend()
	return true, nil
}

// useful is how many requests must be free before it is worth to come back.
func (q *quota) useful() int { return max(q.minute/4, 1) }

// over says that a limit is reached.
func (u urgency) over(limit int, span string) string {
	if u <= probing {
		return fmt.Sprintf("quota: %d calls a %s are used up", limit, span)
	}
	return fmt.Sprintf("quota: what is left of %d calls a %s is kept for scans", limit, span)
}

func throttled(op string, after time.Duration, text string) error {
	return &scanner.CallError{Op: op, Trouble: scanner.Throttled, RetryAfter: after, Err: errors.New(text)}
}

// count adds one request; the mutex is held.
func (q *quota) count(now scanner.Stamp) {
	q.recent = append(q.recent, now.Up)
	q.used++
	at := int64(now.Up / minuteSpan)
	if last := len(q.minutes) - 1; last >= 0 && q.minutes[last].at >= at {
		q.minutes[last].n++
		return
	}
	q.minutes = append(q.minutes, bucket{at, 1})
}

// give gives the newest request back: it never reached anybody.
func (q *quota) give() {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.minutes) - 1
	if len(q.recent) == 0 || last < 0 {
		return
	}
	q.recent = q.recent[:len(q.recent)-1]
	q.used--
	if q.minutes[last].n--; q.minutes[last].n == 0 {
		q.minutes = q.minutes[:last]
	}
}

// forget drops what is too old to count; the mutex is held.
func (q *quota) forget(now scanner.Stamp, truth scanner.Instant) {
	i := 0
	for i < len(q.recent) && now.Up-q.recent[i] >= minuteSpan {
		i++
	}
	q.recent = append(q.recent[:0], q.recent[i:]...)
	i = 0
	for i < len(q.minutes) && q.minutes[i].left(now) <= 0 {
		q.used -= q.minutes[i].n
		i++
	}
	q.minutes = append(q.minutes[:0], q.minutes[i:]...)
	still := q.before[:0]
	for _, p := range q.before {
		if p.left(now, truth) > 0 {
			still = append(still, p)
		} else {
			q.used -= p.n
		}
	}
	q.before = still
}

// left is for how long a minute still counts.
func (b bucket) left(now scanner.Stamp) time.Duration {
	return time.Duration(b.at+1)*minuteSpan + daySpan - now.Up
}

// left is for how long requests of a former boot still count: by the true time where
// both are known, else a day from this boot on.
func (p past) left(now scanner.Stamp, truth scanner.Instant) time.Duration {
	age := now.Up
	if !p.at.IsZero() && truth.Trusted {
		age = max(age, truth.At.Sub(p.at))
	}
	return daySpan - age
}

// minuteBack is when so many requests a minute are free; the mutex is held.
func (q *quota) minuteBack(now scanner.Stamp, want int) time.Duration {
	want = min(want+1, q.minute)
	over := len(q.recent) + want - q.minute
	if over <= 0 {
		return 0
	}
	return max(q.recent[over-1]+minuteSpan-now.Up, time.Millisecond)
}

// dayBack is when so many requests a day are free; the mutex is held.
func (q *quota) dayBack(now scanner.Stamp, truth scanner.Instant, want int) time.Duration {
	over := q.used + min(want+1, q.day) - q.day
	var back time.Duration
	for _, p := range q.before {
		if over <= 0 {
			return back
		}
		over, back = over-p.n, max(back, p.left(now, truth))
	}
	for _, b := range q.minutes {
		if over <= 0 {
			return back
		}
		over, back = over-b.n, max(back, b.left(now))
	}
	return back
}

// refused heeds a 429: it gives for how long nobody but a scan is to call.
func (q *quota) refused(after time.Duration) time.Duration {
	if after <= 0 {
		after = unasked
	}
	now := q.clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spared = max(q.spared, now.Up+after)
	return after
}

// problem says that the day's quota is nearly gone; empty: it is not.
func (q *quota) problem() string {
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now, truth)
	if q.used < q.day*9/10 {
		return ""
	}
	return fmt.Sprintf("quota: %d of %d calls a day are used: ask Ticketmaster for more, or let fewer devices use the API key", q.used, q.day)
}
