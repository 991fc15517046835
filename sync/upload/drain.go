package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/scanner"
)

const (
	// chunk is how many entries one transaction marks or settles: an admission
	// waits for no more.
	chunk = 200
	// repicks is how often a batch is made anew because a person was quicker.
	repicks = 5
)

// drain is one upload: calls without a pause between them.
type drain struct {
	*Uploader
	counts Counts
	// putOff are entries that the vendor does not want now; later says why.
	putOff map[uint64]struct{}
	later  string
	// busy: an entry was left out for its own call.
	busy bool
	// lone: the drain ended because a single entry failed.
	lone bool
}

// batch is what leaves in one call.
type batch struct {
	entries []scanner.Recorded
	moves   []scanner.Movement
}

func (b *batch) seqs() []uint64 {
	list := make([]uint64, len(b.entries))
	for i, e := range b.entries {
		list[i] = e.Seq
	}
	return list
}

// sendings are the entries with the times that the vendor will be told.
func (b *batch) sendings() []scanner.Sending {
	list := make([]scanner.Sending, len(b.entries))
	for i, e := range b.entries {
		list[i] = scanner.Sending{Seq: e.Seq, As: b.moves[i].At}
	}
	return list
}

// run sends batch after batch until there is none. An error is what calls for a
// pause.
func (d *drain) run(ctx context.Context) error {
	next, err := d.prepare(ctx, nil)
	var answered []scanner.Settlement
	for next != nil {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), d.settle(ctx, answered), d.takeBack(ctx, next))
		}
		sent := next
		var behind error
		done := make(chan struct{})
		go func() {
			defer close(done)
			next = nil
			if behind = d.settle(ctx, answered); behind == nil {
				next, behind = d.prepare(ctx, sent)
			}
		}()
		receipts, failure := d.call(ctx, sent)
		<-done

		if failure != nil {
			answered, err = d.failed(ctx, sent, failure)
			err = errors.Join(err, behind, d.settle(ctx, answered), d.takeBack(ctx, next))
			answered, next = nil, nil
		} else {
			answered = d.judge(sent, receipts)
			err = behind
		}
		if err == nil && next == nil {
			err = d.settle(ctx, answered)
			answered = nil
			if err == nil {
				next, err = d.prepare(ctx, nil)
			}
		}
		if err != nil {
			return errors.Join(err, d.settle(ctx, answered))
		}
	}
	return err
}

// call sends a batch once.
func (d *drain) call(ctx context.Context, b *batch) ([]scanner.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	return d.o.Vendor.Upload(ctx, b.moves)
}

// prepare picks the next batch and marks it; nil where nothing can go.
func (d *drain) prepare(ctx context.Context, flying *batch) (*batch, error) {
	for range repicks {
		b, err := d.pick(flying)
		if b == nil || err != nil {
			return nil, err
		}
		err = d.mark(ctx, b)
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, scanner.ErrChanged) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the outbox changes faster than it can be read: %w", scanner.ErrChanged)
}

// mark notes that entries are about to leave, all of them or none.
func (d *drain) mark(ctx context.Context, b *batch) error {
	seqs, list := b.seqs(), b.sendings()
	for i := 0; i < len(list); i += chunk {
		if err := d.o.Journal.Sent(ctx, list[i:min(i+chunk, len(list))]); err != nil {
			return errors.Join(err, d.settle(ctx, notSent(seqs[:i])))
		}
	}
	return nil
}

// takeBack undoes the mark of a batch that did not leave.
func (d *drain) takeBack(ctx context.Context, b *batch) error {
	if b == nil {
		return nil
	}
	return d.settle(ctx, notSent(b.seqs()))
}

func notSent(seqs []uint64) []scanner.Settlement {
	list := make([]scanner.Settlement, len(seqs))
	for i, seq := range seqs {
		list[i] = scanner.Settlement{Seq: seq, To: scanner.FatePending}
	}
	return list
}

// settle writes what is known of entries, also while the daemon stops: what the
// vendor has must not be asked of it again.
func (d *drain) settle(ctx context.Context, list []scanner.Settlement) error {
	for part := range slices.Chunk(list, chunk) {
		if err := d.o.Journal.Settle(context.WithoutCancel(ctx), part); err != nil {
			return err
		}
	}
	return nil
}

// judge reads the vendor's receipts. An entry without one, or with two that
// contradict each other, stays as it is: sent, and nothing known of it.
func (d *drain) judge(b *batch, receipts []scanner.Receipt) []scanner.Settlement {
	of := make(map[uint64]scanner.Receipt, len(receipts))
	for _, r := range receipts {
		if had, twice := of[r.Seq]; twice && had.Delivery != r.Delivery {
			r = scanner.Receipt{Seq: r.Seq}
		}
		of[r.Seq] = r
	}
	var list []scanner.Settlement
	before := d.counts
	taken := 0
	for i, e := range b.entries {
		r := of[e.Seq]
		if r.Delivery != scanner.Rejected && r.Delivery != scanner.Later {
			d.reported.note(e.Seq, b.moves[i].At)
			d.held.note(e.Seq, ticket(e.Code), b.moves[i].At)
		}
		s := scanner.Settlement{Seq: e.Seq, Detail: r.Detail, VendorAt: r.VendorAt}
		switch {
		case r.Delivery == scanner.Taken,
			r.Delivery == scanner.Duplicate && !r.Theirs && (e.Sent > 0 || e.InDoubt):
			s.To = scanner.FateTaken
			d.counts.Taken++
			taken++
		case r.Delivery == scanner.Duplicate:
			s.To = scanner.FateConflict
			d.counts.Taken++
			d.counts.Conflicts++
			taken++
		case r.Delivery == scanner.Rejected:
			s.To = scanner.FateParked
			if s.Detail == "" {
				s.Detail = "the vendor will not take it and gives no reason"
			}
			d.counts.Parked++
		default:
			d.putOff[e.Seq] = struct{}{}
			d.counts.Later++
			d.later = putOffText(r)
			if r.Delivery != scanner.Later {
				continue
			}
			s.To, s.Detail, s.VendorAt = scanner.FatePending, "", time.Time{}
		}
		list = append(list, s)
	}
	d.doubts.answered(b.seqs(), taken)
	if d.counts.Taken+d.counts.Parked > before.Taken+before.Parked {
		d.pauses.Reset()
	}
	d.tally(before)
	return list
}

// tally adds to the totals what was counted since before.
func (d *drain) tally(before Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.st.Totals
	t.Taken += d.counts.Taken - before.Taken
	t.Conflicts += d.counts.Conflicts - before.Conflicts
	t.Parked += d.counts.Parked - before.Parked
	t.Later += d.counts.Later - before.Later
}
