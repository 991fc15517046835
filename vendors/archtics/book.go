package archtics

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// quotaKey is where Memory keeps the count of requests.
const quotaKey = "quota"

// book keeps the count over restarts. A block of requests is set aside on the disk
// before any of it is used, and the next one while it still lasts, so that no scan
// waits for the disk and a killed daemon has never used more than was written.
type book struct {
	quota  *quota
	memory interface {
		Load(key string) ([]byte, error)
		Save(key string, value []byte) error
	}
	// block is how many requests are set aside at once.
	block int
	// turn is held by the one write under way.
	turn chan struct{}
	load sync.Once

	// What follows is guarded by the quota's mutex.

	// aside is how much of the block is left, since how much was used since the
	// count on the disk was taken.
	aside, since int
	// broken: the disk has refused the last write, so nothing can be set aside.
	broken bool
}

// page is what is written.
type page struct {
	Boot string `json:"boot"`
	// Up is the uptime of the writing, Zero the true time of the boot in Unix seconds;
	// 0: nobody knows it.
	Up   time.Duration `json:"up_ns"`
	Zero int64         `json:"zero,omitempty"`
	// Minutes are pairs: minutes of uptime since the pair before, requests in them.
	Minutes []int64 `json:"minutes,omitempty"`
	// Before are pairs as well: minutes of true time since 1970 (0: unknown), requests.
	Before []int64 `json:"before,omitempty"`
	// Watched are how many requests of each pair of Minutes and then of Before were for
	// the attendance.
	Watched []int64 `json:"watched,omitempty"`
	// Aside counts as used by whoever reads it; Recent are those of the last minute that
	// were made before this boot. For what they were nobody knows: they count as the
	// attendance's as well.
	Aside  int `json:"aside,omitempty"`
	Recent int `json:"recent,omitempty"`
}

// ready returns once a request is set aside, which it mostly is already.
func (b *book) ready(ctx context.Context) error {
	if b.memory == nil {
		return nil
	}
	b.load.Do(b.read)
	for {
		if !b.short() {
			return nil
		}
		select {
		case b.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.short() {
			b.write(b.block)
		}
		<-b.turn
	}
}

func (b *book) short() bool {
	b.quota.mu.Lock()
	defer b.quota.mu.Unlock()
	return b.none()
}

// none tells that no request is set aside, where one must be. The quota's mutex is
// held.
func (b *book) none() bool { return b.memory != nil && !b.broken && b.aside <= 0 }

// spend uses one of those set aside, and has the next block written in time. The
// quota's mutex is held.
func (b *book) spend() {
	b.since++
	b.aside--
	if b.memory == nil || b.aside > b.block/2 {
		return
	}
	select {
	case b.turn <- struct{}{}:
		go func() {
			b.write(b.block)
			<-b.turn
		}()
	default:
	}
}

// write puts the count on the disk, with so many requests set aside. The turn is
// held.
func (b *book) write(aside int) {
	q := b.quota
	now := q.clock.Now()
	truth := q.clock.True(now)
	q.mu.Lock()
	q.forget(now, truth)
	p := page{Boot: now.Boot, Up: now.Up, Aside: aside}
	if truth.Trusted {
		p.Zero = truth.At.Add(-now.Up).Unix()
	}
	for _, r := range q.recent {
		if r.up == 0 {
			p.Recent++
		}
	}
	last := int64(0)
	for _, m := range q.minutes {
		p.Minutes = append(p.Minutes, m.at-last, int64(m.n))
		p.Watched = append(p.Watched, int64(m.watched))
		last = m.at
	}
	for _, one := range q.before {
		at := int64(0)
		if !one.at.IsZero() {
			at = one.at.Unix()/60 + 1
		}
		p.Before = append(p.Before, at, int64(one.n))
		p.Watched = append(p.Watched, int64(one.watched))
	}
	b.since = 0
	q.mu.Unlock()
	raw, err := json.Marshal(p)
	if err == nil {
		err = b.memory.Save(quotaKey, raw)
	}
	q.mu.Lock()
	b.aside = aside - b.since
	told := b.broken
	b.broken = err != nil
	q.mu.Unlock()
	if err != nil && !told {
		q.log.Warn("the count of calls cannot be kept: after a restart Ticketmaster may be asked too often", "err", err)
	}
}

// close writes the count as it is.
func (b *book) close(ctx context.Context) error {
	if b.memory == nil {
		return nil
	}
	b.load.Do(b.read)
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("the count of calls was not written: %w", ctx.Err())
	}
	b.write(0)
	<-b.turn
	return nil
}

// read takes the count over that was kept.
func (b *book) read() {
	q := b.quota
	raw, err := b.memory.Load(quotaKey)
	var p page
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		q.log.Warn("the count of calls cannot be read: it begins anew", "err", err)
		return
	}
	now := q.clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lately(0, p.Recent, p.Recent)
	if p.Boot == now.Boot {
		b.same(p, now.Up)
	} else {
		b.former(p)
	}
	for i := 0; i+1 < len(p.Before); i += 2 {
		n := int(max(0, p.Before[i+1]))
		one := past{n: n, watched: p.watched(len(p.Minutes)/2+i/2, n)}
		if p.Before[i] > 0 {
			one.at = time.Unix(p.Before[i]*60, 0)
		}
		q.add(one)
	}
}

// watched is how many of the n requests of a pair were for the attendance.
func (p page) watched(pair, n int) int {
	if pair >= len(p.Watched) {
		return 0
	}
	return int(min(max(0, p.Watched[pair]), int64(n)))
}

// same takes over what was counted in this boot. The mutex is held.
func (b *book) same(p page, now time.Duration) {
	q := b.quota
	last := int64(0)
	for i := 0; i+1 < len(p.Minutes); i += 2 {
		last += p.Minutes[i]
		n := int(max(0, p.Minutes[i+1]))
		one := bucket{min(last, int64(now/minuteSpan)), n, p.watched(i/2, n)}
		q.minutes = append(q.minutes, one)
		q.used, q.watched = q.used+n, q.watched+one.watched
		q.lately(min(time.Duration(one.at+1)*minuteSpan, now), n, one.watched)
	}
	if p.Aside > 0 {
		q.minutes = append(q.minutes, bucket{int64(now / minuteSpan), p.Aside, p.Aside})
		q.used, q.watched = q.used+p.Aside, q.watched+p.Aside
		q.lately(now, p.Aside, p.Aside)
	}
}

// former takes over what was counted in another boot, all of which is older than
// this one. The mutex is held.
func (b *book) former(p page) {
	q := b.quota
	last := int64(0)
	for i := 0; i+1 < len(p.Minutes); i += 2 {
		last += p.Minutes[i]
		n := int(max(0, p.Minutes[i+1]))
		one := past{n: n, watched: p.watched(i/2, n)}
		end := time.Duration(last+1) * minuteSpan
		if p.Zero != 0 {
			one.at = time.Unix(p.Zero, 0).Add(end)
		}
		q.add(one)
		if p.Up-end < minuteSpan {
			q.lately(0, n, one.watched)
		}
	}
	if p.Aside > 0 {
		q.add(past{n: p.Aside, watched: p.Aside})
		q.lately(0, p.Aside, p.Aside)
	}
}

// add counts requests of a former boot. The mutex is held.
func (q *quota) add(p past) {
	q.before = append(q.before, p)
	q.used, q.watched = q.used+p.n, q.watched+p.watched
}

// lately counts requests among those of the last minute, no more of them than a
// minute can have. The mutex is held.
func (q *quota) lately(at time.Duration, n, watched int) {
	for i := range min(n, q.minute) {
		q.recent = append(q.recent, request{at, i < watched})
	}
}
