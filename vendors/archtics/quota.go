package archtics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/scanner"
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
	// recent are the requests of the last minute, oldest first.
	recent []request
	// minutes are those of the last day, by the minute of uptime they were made in.
	minutes []bucket
	// before are those made before this boot, used all of the last day.
	before []past
	// used are those of the last day, watched those of them for the attendance; looked
	// are all for the attendance that this process has made.
	used, watched, looked int
	// spared is until when only scans may call, by the vendor's word.
	spared time.Duration
	// waste is why the attendance takes more calls than it must, in words; empty: it
	// does not.
	waste string
}

// request is one that was taken from the quota at an uptime; watch: for the
// attendance.
type request struct {
	up    time.Duration
	watch bool
}

// bucket is the requests of one minute, watched those of them for the attendance.
type bucket struct {
	at         int64 // uptime in minutes
	n, watched int
}

// past is requests of a former boot. at is when they were over; zero: nobody knows,
// but it was before this boot.
type past struct {
	at         time.Time
	n, watched int
}

func newQuota(cfg Config, clock scanner.Clock, memory scanner.Memory, log *slog.Logger) *quota {
	q := &quota{minute: cfg.CallsPerMinute, day: cfg.CallsPerDay, clock: clock, log: log}
	q.book = &book{quota: q, memory: memory, block: max(2, cfg.CallsPerMinute/8), turn: make(chan struct{}, 1)}
	return q
}

// take uses one request of the quota, or tells why there is none and when to come
// back: not for the first single request that is free again, with which nobody could
// do much.
func (q *quota) take(ctx context.Context, u urgency, op string) (request, error) {
	for {
		if err := q.book.ready(ctx); err != nil {
			return request{}, &scanner.CallError{
				Op: op, Trouble: scanner.Throttled, RetryAfter: time.Second,
				Err: fmt.Errorf("quota: the count of calls is not on the disk yet: %w", err),
			}
		}
		if r, done, err := q.try(u, op); done {
			return r, err
		}
	}
}

// try is take where a request is set aside; it is done unless others were quicker.
func (q *quota) try(u urgency, op string) (r request, done bool, err error) {
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now, truth)
	if u != scans && now.Up < q.spared {
		return r, true, throttled(op, q.spared-now.Up, "quota: Ticketmaster wants fewer calls")
	}
	minute, day := q.kept(u)
	r = request{now.Up, u == attendance}
	switch {
	case len(q.recent)+minute >= q.minute:
		return r, true, throttled(op, q.minuteBack(now, max(minute, q.useful()), false), u.over(q.minute, "minute"))
	case q.used+day >= q.day:
		return r, true, throttled(op, q.dayBack(now, truth, max(day, q.useful()), false), u.over(q.day, "day"))
	case r.watch && q.recently(true) >= share(q.minute):
		return r, true, throttled(op, q.minuteBack(now, share(q.minute)/4, true), fmt.Sprintf("quota: half of %d calls a minute is kept for scans", q.minute))
	case r.watch && q.watched >= share(q.day):
		return r, true, throttled(op, q.dayBack(now, truth, leastCost, true), fmt.Sprintf("quota: half of %d calls a day is kept for scans", q.day))
	case q.book.none():
		return r, false, nil
	}
	q.count(r)
	q.book.spend()
	return r, true, nil
}

func throttled(op string, after time.Duration, text string) error {
	return &scanner.CallError{Op: op, Trouble: scanner.Throttled, RetryAfter: after, Err: errors.New(text)}
}

// count adds one request; the mutex is held.
func (q *quota) count(r request) {
	q.recent = append(q.recent, r)
	at := int64(r.up / minuteSpan)
	if last := len(q.minutes) - 1; last < 0 || q.minutes[last].at < at {
		q.minutes = append(q.minutes, bucket{at: at})
	}
	q.change(&q.minutes[len(q.minutes)-1], r, 1)
}

// change adds a request to a minute, or takes it away; the mutex is held.
func (q *quota) change(b *bucket, r request, by int) {
	b.n, q.used = b.n+by, q.used+by
	if r.watch {
		b.watched, q.watched, q.looked = b.watched+by, q.watched+by, q.looked+by
	}
}

// give gives a request back that never reached anybody.
func (q *quota) give(r request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.recent, r); i >= 0 {
		q.recent = slices.Delete(q.recent, i, i+1)
	}
	// One that began before a change of the clock's minute may be in the one after.
	for i := range q.minutes {
		if b := &q.minutes[i]; b.at >= int64(r.up/minuteSpan) && b.n > 0 && (!r.watch || b.watched > 0) {
			q.change(b, r, -1)
			break
		}
	}
	q.minutes = slices.DeleteFunc(q.minutes, func(b bucket) bool { return b.n == 0 })
}

// recently is how many requests of the last minute were for the attendance, or not
// only; the mutex is held.
func (q *quota) recently(watch bool) int {
	n := 0
	for _, r := range q.recent {
		if r.watch || !watch {
			n++
		}
	}
	return n
}

// forget drops what is too old to count; the mutex is held.
func (q *quota) forget(now scanner.Stamp, truth scanner.Instant) {
	i := 0
	for i < len(q.recent) && now.Up-q.recent[i].up >= minuteSpan {
		i++
	}
	q.recent = append(q.recent[:0], q.recent[i:]...)
	i = 0
	for i < len(q.minutes) && q.minutes[i].left(now) <= 0 {
		q.used, q.watched = q.used-q.minutes[i].n, q.watched-q.minutes[i].watched
		i++
	}
	q.minutes = append(q.minutes[:0], q.minutes[i:]...)
	still := q.before[:0]
	for _, p := range q.before {
		if p.left(now, truth) > 0 {
			still = append(still, p)
		} else {
			q.used, q.watched = q.used-p.n, q.watched-p.watched
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

// minuteBack is when so many requests a minute are free; watch: of the attendance's
// share. The mutex is held.
func (q *quota) minuteBack(now scanner.Stamp, want int, watch bool) time.Duration {
	limit := q.minute
	if watch {
		limit = share(limit)
	}
	over := q.recently(watch) + min(want+1, limit) - limit
	for _, r := range q.recent {
		if watch && !r.watch {
			continue
		}
		if over--; over == 0 {
			return max(r.up+minuteSpan-now.Up, time.Millisecond)
		}
	}
	return 0
}

// dayBack is when so many requests a day are free, as minuteBack; the mutex is held.
func (q *quota) dayBack(now scanner.Stamp, truth scanner.Instant, want int, watch bool) time.Duration {
	used, limit := q.used, q.day
	if watch {
		used, limit = q.watched, share(q.day)
	}
	over := used + min(want+1, limit) - limit
	var back time.Duration
	free := func(n, watched int, left time.Duration) {
		if watch {
			n = watched
		}
		if over > 0 && n > 0 {
			over, back = over-n, max(back, left)
		}
	}
	for _, p := range q.before {
		free(p.n, p.watched, p.left(now, truth))
	}
	for _, b := range q.minutes {
		free(b.n, b.watched, b.left(now))
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

// wasted notes why the attendance takes more calls than it must, and tells whether
// that is new.
func (q *quota) wasted(why string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.waste
	q.waste = why
	return before != why
}

// problem says that the day's quota is nearly gone, or used for nothing; empty: it
// is not.
func (q *quota) problem() string {
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now, truth)
	var problems []string
	if q.used >= q.day*9/10 {
		problems = append(problems, fmt.Sprintf("quota: %d of %d calls a day are used: ask Ticketmaster for more, or let fewer devices use the API key", q.used, q.day))
	}
	if q.waste != "" {
		problems = append(problems, q.waste)
	}
	return strings.Join(problems, "; ")
}
