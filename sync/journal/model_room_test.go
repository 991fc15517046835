package journal

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"usher/scanner"
)

// full has no room for anything but what ends things.
func (m *model) full(t *rapid.T) {
	whole, size := m.j.room, m.j.opts.MaxSize
	m.j.room.tight, m.j.room.newest, m.j.opts.MaxSize = 1<<40, 1<<40, m.j.db.limit.Load()
	n := rapid.IntRange(0, 5).Draw(t, "ticket")
	if _, err := m.j.Commit(context.Background(), m.change(n, scanner.Entry, scanner.FatePending)); !errors.Is(err, errFull) || !errors.Is(err, scanner.ErrNotStored) {
		t.Fatalf("commit without room: %v", err)
	}
	if _, err := m.j.Attempt(context.Background(), Attempt{Scope: scope, Code: code(n)}); !errors.Is(err, scanner.ErrNotStored) {
		t.Fatalf("attempt without room: %v", err)
	}
	m.settle(t)
	m.requeue(t)
	m.acknowledge(t)
	m.late(t)
	m.check(t)
	m.j.room, m.j.opts.MaxSize = whole, size
}

// giveWay prunes whatever is settled, but for the newest.
func (m *model) giveWay(t *rapid.T) {
	const newest = 3
	whole, size := m.j.room, m.j.opts.MaxSize
	m.j.room.newest, m.j.opts.MaxSize = newest, m.j.db.limit.Load()
	if _, err := m.j.giveWay(context.Background(), 1<<40); err != nil {
		t.Fatal(err)
	}
	m.j.room, m.j.opts.MaxSize = whole, size
	m.j.mu.Lock()
	next := m.j.next
	m.j.mu.Unlock()
	m.prune(func(rec scanner.Record) bool { return rec.Seq+newest <= next })
}

// prune drops from the model what is settled and matches.
func (m *model) prune(old func(scanner.Record) bool) (last uint64) {
	m.log = slices.DeleteFunc(m.log, func(rec scanner.Record) bool {
		gone := settled(m.fates[rec.Seq]) && old(rec)
		if gone {
			last = max(last, rec.Seq)
			delete(m.fates, rec.Seq)
		}
		return gone
	})
	return last
}

// sweep lets time pass and ends what has had its time.
func (m *model) sweep(t *rapid.T) {
	hours := rapid.SampledFrom([]int{0, 1, 25, 7 * 24, 13 * 24}).Draw(t, "hours")
	m.clock.advance(time.Duration(hours) * time.Hour)
	if err := m.j.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	now := m.clock.Now()
	aged := func(at scanner.Stamp, by time.Duration) bool { d, _ := now.Since(at); return d >= by }
	pruned := m.prune(func(rec scanner.Record) bool { return aged(rec.At, m.opts.Keep) })
	if len(m.counted) > 0 && pruned >= slices.Max(m.counted) {
		m.tally = Tally{Event: scope.Event}
		m.counted = nil
	}
	maps.DeleteFunc(m.marks, func(_ int, mark scanner.Mark) bool {
		return mark.Open == 0 && (mark == scanner.Mark{Rev: mark.Rev} || aged(mark.LastAt, m.opts.ForgetAfter))
	})
	maps.DeleteFunc(m.tried, func(_ uint64, at attempted) bool { return aged(at.at, m.opts.ForgetAfter+1) })
}
