package journal

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"usher/scanner"
)

// pruneChunk bounds a pruning transaction, so that an admission behind it waits
// for little.
const pruneChunk = 100

// afterEvent is how long a mark outlives the end of its event.
const afterEvent = 24 * time.Hour

// Sweep ends what has had its time: settled history older than Keep, marks
// whose event is over or that have not moved for ForgetAfter, and attempts
// nobody will use. Marks with a movement that is still open never end, and
// movements that no vendor takes are history only a person can delete. Times
// count where the clock is trusted; otherwise only what passed in this boot.
func (j *Journal) Sweep(ctx context.Context) error {
	if j.readOnly || j.opts.Clock == nil {
		return nil
	}
	j.forgetMoved(j.ages())
	// What is pruned must be in the tallies before.
	if err := j.snapshot(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context, ages) error{j.sweepMarks, j.sweepHistory, j.sweepAttempts} {
		if err := step(ctx, j.ages()); err != nil {
			return err
		}
	}
	return nil
}

// ages tells how long ago something certainly was.
type ages struct {
	clock scanner.Clock
	stamp scanner.Stamp
	// earliest is the earliest that the present can be; zero where unknown.
	earliest time.Time
	// keep and forget are how long history and marks are kept.
	keep, forget time.Duration
	used         func(scanner.Scope, scanner.Code) bool
}

func (j *Journal) ages() ages {
	clock := j.opts.Clock
	a := ages{clock: clock, stamp: clock.Now()}
	a.keep, a.forget = j.limits()
	a.used = j.opts.Used
	if now := clock.True(a.stamp); now.Trusted {
		a.earliest = now.Earliest
		if a.earliest.IsZero() {
			a.earliest = now.At
		}
	}
	return a
}

// since is the least time that has passed since the stamp; false where that
// cannot be told.
func (a ages) since(at scanner.Stamp) (time.Duration, bool) {
	if d, same := a.stamp.Since(at); same {
		return d, true
	}
	if a.earliest.IsZero() {
		return 0, false
	}
	then := a.clock.True(at)
	switch {
	case !then.Latest.IsZero():
		return a.earliest.Sub(then.Latest), true
	case then.Trusted:
		return a.earliest.Sub(then.At), true
	}
	return 0, false
}

// over tells whether the moment is certainly so long past.
func (a ages) over(moment time.Time, by time.Duration) bool {
	return !a.earliest.IsZero() && a.earliest.Sub(moment) >= by
}

// undoable is how long a mark stays though the list says the same: a person may
// still take the movement back.
const undoable = time.Hour

// ended tells whether a mark has had its time.
func (a ages) ended(e markEntry) bool {
	m := e.Mark
	switch {
	case m.Open > 0:
		return false
	case a.listed(e):
		return true
	case m == scanner.Mark{Rev: m.Rev}:
		// What a failed commit left of a ticket that had no mark.
		return true
	case !m.EventEnds.IsZero():
		return a.over(m.EventEnds, afterEvent)
	}
	d, known := a.since(m.LastAt)
	return known && d >= a.forget
}

// listed tells whether the list says all that the mark does: the ticket entered.
func (a ages) listed(e markEntry) bool {
	m := e.Mark
	if a.used == nil || !m.Entered || m.Exited || m.Inside || m.Conflict || m.Permit != "" {
		return false
	}
	d, known := a.since(m.LastAt)
	return known && d >= undoable && a.used(e.Scope, e.Code)
}

func (j *Journal) sweepMarks(ctx context.Context, a ages) error {
	var from []byte
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var old []markEntry
		var more []byte
		err := j.read(func(r reader) error {
			old, more = nil, nil
			c := r.tx.Bucket(bucketState).Cursor()
			key, raw := c.Seek(from)
			for n := 0; key != nil && n < readChunk; n++ {
				var m markEntry
				if err := decode(kindMark, key, raw, &m); err != nil {
					return err
				}
				if a.ended(m) {
					old = append(old, m)
				}
				key, raw = c.Next()
			}
			more = append(more, key...)
			return nil
		})
		if err != nil {
			return err
		}
		if err := j.removeMarks(ctx, old); err != nil || more == nil {
			return err
		}
		from = more
	}
}

// removeMarks removes those that are still as they were judged.
func (j *Journal) removeMarks(ctx context.Context, old []markEntry) error {
	for len(old) > 0 {
		part := old[:min(pruneChunk, len(old))]
		old = old[len(part):]
		err := j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
			for i := range part {
				key := part[i].key()
				now, err := b.mark(part[i].Scope, part[i].Code, key)
				if err != nil {
					return err
				}
				if now.Mark.Rev != part[i].Mark.Rev || now.Ver != part[i].Ver {
					continue
				}
				if err := b.remove(bucketState, key); err != nil {
					return err
				}
				b.effect(func(ix *index) { delete(ix.marks, markHash(key)) })
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// settled tells the fates that are history and nothing else. A movement that is
// kept here because no vendor takes it has no other home: time does not delete
// it.
func settled(f scanner.Fate) bool {
	switch f {
	case scanner.FatePending, scanner.FateParked, scanner.FateKept:
		return false
	}
	return true
}

// sweepHistory prunes the log up to the newest record that is certainly too
// old. Records are in the order of their scans, so what lies before it is too,
// also where its own time cannot be told.
func (j *Journal) sweepHistory(ctx context.Context, a ages) error {
	var undecided []uint64
	next := uint64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var list []Entry
		var more uint64
		err := j.read(func(r reader) error {
			list, more = nil, 0
			c := r.tx.Bucket(bucketLog).Cursor()
			key, raw := c.Seek(seqKey(next))
			for ; key != nil && len(list) < readChunk; key, raw = c.Next() {
				e, err := j.entry(r, key, raw)
				if err != nil {
					return err
				}
				list, more = append(list, e), e.Seq+1
			}
			return nil
		})
		if err != nil {
			return err
		}
		var old []uint64
		young := len(list) == 0
		for _, e := range list {
			age, known := a.since(e.At)
			if young = known && age < a.keep; young {
				break
			}
			if settled(e.Fate) {
				undecided = append(undecided, e.Seq)
			}
			if known {
				old, undecided = append(old, undecided...), nil
			}
		}
		if err := j.prune(ctx, old, false); err != nil || young {
			return err
		}
		next = more
	}
}

// prune removes records that the tallies hold. An event's tally goes with its
// last record, unless it is to stay.
func (j *Journal) prune(ctx context.Context, seqs []uint64, tallied bool) error {
	for len(seqs) > 0 {
		chunk := seqs[:min(pruneChunk, len(seqs))]
		seqs = seqs[len(chunk):]
		err := inParts(chunk, func(part, _ []uint64) error {
			return j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
				var gone []uint64
				for _, seq := range part {
					pruned, err := b.pruneRecord(seq)
					if err != nil {
						return fatal(err)
					}
					if pruned {
						gone = append(gone, seq)
					}
				}
				return fatal(b.forget(gone, tallied))
			}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pruneRecord removes a record and its fate, unless it is open again.
func (b *batch) pruneRecord(seq uint64) (bool, error) {
	_, f, err := b.entry(seq)
	if isMissing(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if !settled(f.Fate) {
		return false, nil
	}
	if err := b.remove(bucketLog, seqKey(seq)); err != nil {
		return false, err
	}
	return true, b.remove(bucketFate, seqKey(seq))
}

func (j *Journal) sweepAttempts(ctx context.Context, a ages) error {
	old := j.oldAttempts(a)
	for len(old) > 0 {
		part := old[:min(pruneChunk, len(old))]
		old = old[len(part):]
		err := j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
			for _, id := range part {
				if err := b.removeAttempt(id); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// oldAttempts gives those that nobody will use.
func (j *Journal) oldAttempts(a ages) (old []uint64) {
	j.mu.Lock()
	open := slices.Concat(slices.Collect(maps.Values(j.index.attempts))...)
	j.mu.Unlock()
	open = slices.DeleteFunc(open, func(at Attempt) bool {
		age, known := a.since(at.At)
		if !known {
			// Of another boot: the wall clock decides, and one that went
			// backwards tells nothing worth keeping.
			age = a.stamp.Wall.Sub(at.At.Wall).Abs()
		}
		if age > max(attemptAge, a.forget) {
			old = append(old, at.ID)
			return true
		}
		return false
	})
	slices.SortFunc(open, func(x, y Attempt) int { return cmp.Compare(x.ID, y.ID) })
	for _, at := range open[:max(0, len(open)-maxAttempts)] {
		old = append(old, at.ID)
	}
	return old
}
