package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"usher/scanner"
)

// errClosed is what a closed journal answers.
var errClosed = fmt.Errorf("%w: the journal is closed", scanner.ErrNotStored)

// request is one caller's part of a transaction.
type request struct {
	// apply validates first and writes after: an error of its own leaves
	// nothing behind and does not disturb the others. It may run a second time,
	// on a rescued store. Nil: only what rides along with any commit.
	apply func(*batch) error
	// ends: it ends or makes safe what is stored already, and may use the room
	// that is reserved for that.
	ends bool
	// notes is how many notes may ride along; zero: a few.
	notes int
	// marks is how many fresh marks move to the state tree.
	marks int
	// snapshot asks for the counts to be written, last for the end of life: no
	// number stays reserved.
	snapshot, last bool
	// retry: it is Run's, which tries an unwritable journal again.
	retry bool

	// lead is sent true when the request is done, false when its caller is to
	// commit what is queued.
	done chan bool
	err  error
}

// submit has the request committed and returns its error. Whoever finds nobody
// committing commits everything that is queued, its own included, and hands on
// to one of those that came meanwhile: no goroutine, no timer, and a lone
// caller waits for nothing but the disk.
//
// The context is looked at once: from then on the answer is the disk's.
func (j *Journal) submit(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan bool, 1)
	if err := j.repair.refuses(r); err != nil {
		return err
	}
	j.qmu.Lock()
	if j.closed {
		j.qmu.Unlock()
		return errClosed
	}
	if r.last {
		j.closed = true
	}
	j.queue = append(j.queue, r)
	lead := !j.leading
	j.leading = true
	j.qmu.Unlock()

	if !lead {
		if <-r.done {
			return r.err
		}
		// Those who were just served may have more: let them join.
		runtime.Gosched()
	}
	j.lead(r)
	return r.err
}

// lead commits the queue, which holds own, and gives up the lead.
func (j *Journal) lead(own *request) {
	j.qmu.Lock()
	reqs := j.queue
	j.queue = nil
	j.qmu.Unlock()

	j.commit(reqs)
	for _, r := range reqs {
		if r != own {
			r.done <- true
		}
	}

	j.qmu.Lock()
	defer j.qmu.Unlock()
	if len(j.queue) == 0 {
		j.leading = false
		return
	}
	j.queue[0].done <- false
}

// commit writes the requests in one transaction. Only the leader calls it.
func (j *Journal) commit(reqs []*request) {
	broken := j.db == nil || j.failure != nil
	err := j.ready()
	if err == nil {
		err = j.writeGrowing(reqs)
		if errors.Is(err, ErrDamaged) && j.failure == nil {
			// Found while reading: nothing was written, so the same requests can
			// be judged on what the rescue gives.
			if err = j.rescue(err); err == nil {
				err = j.writeGrowing(reqs)
			}
		}
	}
	full := err != nil && j.db != nil && j.failure == nil && errors.Is(err, bolterrors.ErrMaxSizeReached)
	j.repair.ended(broken, err, full)
	if full && len(reqs) > 1 {
		// One of them asks for too much: the others need not fail with it.
		for _, r := range reqs {
			j.commit([]*request{r})
		}
		return
	}
	j.mu.Lock()
	first := j.unwritable == nil
	if j.flying = 0; !full {
		j.unwritable = err
	}
	j.mu.Unlock()
	if err == nil {
		return
	}
	if full {
		err = fmt.Errorf("%w: %w", errFull, err)
	} else if first {
		j.wake()
	}
	j.log.Error("journal: not stored", "error", err)
	for _, r := range reqs {
		if r.err == nil || errors.Is(r.err, ErrDamaged) {
			r.err = fmt.Errorf("%w: %w", scanner.ErrNotStored, err)
		}
	}
}

// ready makes the store fit for a commit after one that failed: closed, opened
// again, and rid of whatever the failed one left.
func (j *Journal) ready() error {
	if j.db != nil && j.failure == nil {
		return nil
	}
	j.repair.begins()
	if errors.Is(j.failure, ErrDamaged) {
		return j.rescue(j.failure)
	}
	if err := j.reopen(); errors.Is(err, ErrDamaged) {
		// Kept, so that a rescue that fails is tried again without opening again.
		j.failure = err
		return j.rescue(err)
	} else if err != nil {
		return err
	}
	if err := j.scrub(); err != nil {
		return err
	}
	if j.stale {
		if err := j.use(j.db); err != nil {
			return err
		}
		j.stale = false
	}
	j.failure = nil
	j.log.Info("journal: writable again")
	return nil
}

// reopen replaces the store by the same file, as the disk has it.
func (j *Journal) reopen() error {
	j.dbmu.Lock()
	defer j.dbmu.Unlock()
	if j.db != nil {
		if err := j.db.close(); err != nil {
			j.log.Warn("journal: close before opening again", "error", err)
		}
		j.db = nil
	}
	if err := forgetCache(j.path); err != nil {
		j.log.Warn("journal: drop cached pages", "error", err)
	}
	s, err := openStore(j.path, storeOptions{})
	if err != nil {
		return err
	}
	j.db = s
	return j.furnish(s)
}

// writeGrowing writes, and gives the file more room where a transaction is larger
// than what is always at hand.
func (j *Journal) writeGrowing(reqs []*request) error {
	err := j.write(reqs)
	for step := j.room.ahead; errors.Is(err, bolterrors.ErrMaxSizeReached) && step <= largestStep; step *= 2 {
		if j.grow(j.db, step) != nil {
			break
		}
		err = j.write(reqs)
	}
	return err
}

// write runs the requests in one transaction. An error means that nothing of
// any of them counts; j.failure is set where something may be on the disk.
func (j *Journal) write(reqs []*request) error {
	tx, err := j.db.begin(true)
	if err != nil {
		return err
	}
	b := &batch{j: j, tx: tx, over: newOverlay()}
	b.lean, b.notes = j.provide(j.db, tx, j.notesFor(reqs))
	if err := guard(func() error { return b.run(reqs) }); err != nil {
		return errors.Join(err, j.db.rollback(tx))
	}
	if !b.wrote {
		return j.db.rollback(tx)
	}
	// From here readers may meet pages that are not yet synced.
	j.unconfirmed.Store(b.over)
	err = guard(func() error { return j.db.commit(tx) })
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		// Before anything was written: what asks for less may still find room.
		j.unconfirmed.Store(nil)
		return errors.Join(err, j.db.rollback(tx))
	}
	if err != nil {
		j.failure = err
		j.noteDoubt(b.over)
		return errors.Join(err, j.db.rollback(tx))
	}
	j.unconfirmed.Store(nil)
	j.apply(b)
	return nil
}

// notesFor is how many notes the requests would have ride along.
func (j *Journal) notesFor(reqs []*request) int {
	n := 0
	for _, r := range reqs {
		if n = max(n, r.notes); r.snapshot {
			n = maxNotes
		}
	}
	return min(cmp.Or(n, ridingNotes), j.waiting())
}

// scrub puts back what the failed transaction changed, whether or not it shows:
// nothing green stood on it.
func (j *Journal) scrub() error {
	over := j.unconfirmed.Load()
	if over == nil {
		return nil
	}
	b := &batch{j: j, over: newOverlay()}
	err := j.db.update(func(tx *bbolt.Tx) error {
		b.tx = tx
		for _, c := range over.changes {
			if err := b.restore(c, over); err != nil {
				return err
			}
		}
		return b.writeSeqs(j.reservedNow())
	})
	if err != nil {
		return err
	}
	j.unconfirmed.Store(nil)
	j.apply(b)
	j.clearDoubt()
	return nil
}

func (j *Journal) reservedNow() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reserved
}

// apply makes memory follow a transaction that is on the disk.
func (j *Journal) apply(b *batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commits++
	for _, effect := range b.effects {
		effect(j.index)
	}
	if len(j.index.fresh) > snapshotRecords || j.spare < j.room.ahead/2 {
		j.wake()
	}
}
