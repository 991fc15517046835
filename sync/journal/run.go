package journal

import (
	"context"
	"errors"
	"math"
	"time"
)

const (
	// flushAfter is how long a note may wait for a commit to ride along with.
	flushAfter = 200 * time.Millisecond
	// retryAfter is how often an unwritable journal is tried without a scan.
	retryAfter = 5 * time.Second
	// lookAside is how often it is seen that a damaged file was moved away.
	lookAside = 5 * time.Second
	// snapshotEvery and snapshotRecords bound what opening must count again.
	snapshotEvery   = 10 * time.Minute
	snapshotRecords = 1000
	sweepEvery      = time.Hour
	// marksPerCommit bounds a checkpoint's transaction: each mark is a page of
	// its own, and an admission may be waiting behind.
	marksPerCommit = 32
	// marksAtLast is for a closing journal, behind which nobody waits.
	marksAtLast = 1000
)

// Run writes notes soon, keeps room in the file, tries an unwritable journal
// again, keeps opening fast and sweeps every hour, until the context ends; then it writes what is noted.
// It returns nil. A disk that refuses is told in Status, not here.
func (j *Journal) Run(ctx context.Context) error {
	snapshots, sweeps := time.NewTicker(snapshotEvery), time.NewTicker(sweepEvery)
	defer snapshots.Stop()
	defer sweeps.Stop()
	told := ""
	for {
		var err error
		select {
		case <-ctx.Done():
			if err := j.flush(context.WithoutCancel(ctx)); err != nil {
				j.log.Error("journal: last flush", "error", err)
			}
			return nil
		case <-j.noted:
			wait(ctx, flushAfter)
			err = errors.Join(j.flush(ctx), j.keepRoom(ctx))
		case <-j.retry():
			err = errors.Join(j.flush(ctx), j.keepRoom(ctx))
		case <-j.aside():
			err = j.findDamaged()
		case <-snapshots.C:
			err = errors.Join(j.findDamaged(), j.snapshot(ctx))
		case <-sweeps.C:
			err = j.Sweep(ctx)
		}
		// Once, however often it is tried: Status says it all the while.
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && told != err.Error():
			told = err.Error()
			j.log.Warn("journal: upkeep", "error", err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// retry gives a channel that fires once when the journal cannot be written or
// cannot grow.
func (j *Journal) retry() <-chan time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwritable == nil && j.full == nil && !j.lean {
		return nil
	}
	return time.After(retryAfter)
}

// aside gives a channel that fires once where a damaged file lies aside: somebody
// may have moved it away.
func (j *Journal) aside() <-chan time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.damagedFiles) == 0 {
		return nil
	}
	return time.After(lookAside)
}

// flush writes every note there is, and, once enough has gathered, what opening
// would have to read again.
func (j *Journal) flush(ctx context.Context) error {
	for {
		j.mu.Lock()
		notes, ok := len(j.notes), j.unwritable == nil
		behind := j.next-min(j.next, j.upto) > snapshotRecords
		j.mu.Unlock()
		switch {
		case notes > 0 || !ok:
			if err := j.submit(ctx, &request{notes: snapshotRecords, retry: true}); err != nil {
				return err
			}
		case behind && !j.scarce():
			return j.snapshot(ctx)
		default:
			return nil
		}
	}
}

// snapshot moves the fresh marks to the state tree, a few at a time, and then
// writes what opening need not count. The last part of the reserve is not for that.
func (j *Journal) snapshot(ctx context.Context) error {
	if j.scarce() && !j.isCovered() {
		return j.refused()
	}
	return j.cover(ctx, marksPerCommit, math.MaxInt)
}

// isCovered tells that opening would have nothing to count.
func (j *Journal) isCovered() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next-1 == j.upto && len(j.notes) == 0 && len(j.index.fresh) == 0
}

// cover moves the oldest fresh marks, so many at a time and altogether, and writes
// the counts, also where not all of the marks could move.
func (j *Journal) cover(ctx context.Context, each, most int) error {
	if j.isCovered() {
		return nil
	}
	moved := j.moveMarksBy(ctx, each, most)
	if moved != nil && !errors.Is(moved, errFull) {
		return moved
	}
	return errors.Join(moved, j.submit(ctx, &request{ends: true, snapshot: true}))
}

// moveMarks moves the marks that are fresh now to the state tree, so many in
// each transaction, unless only the last part of the reserve is left for it.
func (j *Journal) moveMarks(ctx context.Context, each int) error {
	if j.scarce() {
		return j.refused()
	}
	return j.moveMarksBy(ctx, each, math.MaxInt)
}

// moveMarksBy moves fewer at a time where there is not the room.
func (j *Journal) moveMarksBy(ctx context.Context, each, most int) error {
	j.mu.Lock()
	fresh := min(most, len(j.index.fresh))
	j.mu.Unlock()
	for fresh > 0 {
		switch err := j.submit(ctx, &request{ends: true, marks: each}); {
		case errors.Is(err, errFull) && each > 1:
			each /= 2
		case err != nil:
			return err
		default:
			fresh -= each
		}
	}
	return nil
}
