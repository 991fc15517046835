package journal

import (
	"context"
	"errors"
	"time"
)

const (
	// flushAfter is how long a note may wait for a commit to ride along with.
	flushAfter = 200 * time.Millisecond
	// retryAfter is how often an unwritable journal is tried without a scan.
	retryAfter = 5 * time.Second
	// snapshotEvery and snapshotRecords bound what opening must count again.
	snapshotEvery   = 10 * time.Minute
	snapshotRecords = 1000
	sweepEvery      = time.Hour
)

// Run writes notes soon, tries an unwritable journal again, keeps opening fast
// and sweeps every hour, until the context ends; then it writes what is noted.
// It returns nil. A disk that refuses is told in Status, not here.
func (j *Journal) Run(ctx context.Context) error {
	snapshots, sweeps := time.NewTicker(snapshotEvery), time.NewTicker(sweepEvery)
	defer snapshots.Stop()
	defer sweeps.Stop()
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
			err = j.flush(ctx)
		case <-j.retry():
			err = j.flush(ctx)
		case <-snapshots.C:
			err = errors.Join(j.findDamaged(), j.snapshot(ctx))
		case <-sweeps.C:
			err = j.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
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

// retry gives a channel that fires once when the journal cannot be written.
func (j *Journal) retry() <-chan time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwritable == nil {
		return nil
	}
	return time.After(retryAfter)
}

// flush writes every note there is.
func (j *Journal) flush(ctx context.Context) error {
	for {
		j.mu.Lock()
		left, behind := len(j.notes), j.next-min(j.next, j.upto) > snapshotRecords
		ok := j.unwritable == nil
		j.mu.Unlock()
		if left == 0 && ok && !behind {
			return nil
		}
		err := j.submit(ctx, &request{notes: snapshotRecords, snapshot: behind})
		if err != nil {
			return err
		}
	}
}

// snapshot writes what opening then need not count.
func (j *Journal) snapshot(ctx context.Context) error {
	j.mu.Lock()
	same := j.next-1 == j.upto && len(j.notes) == 0
	j.mu.Unlock()
	if same {
		return nil
	}
	return j.submit(ctx, &request{snapshot: true})
}
