package journal

import (
	"context"
	"errors"
	"fmt"

	"usher/scanner"
)

// settleChunk is how many fates one transaction changes where there is no limit
// from outside: an admission behind it waits for no more.
const settleChunk = 200

// Settlement is the end of one upload item.
type Settlement struct {
	Seq uint64
	// To is the new fate: taken, confirmed, conflict, parked, undone,
	// acknowledged. FatePending means that the vendor definitely did not take
	// it: it stays, and its latest sending does not count. That of a parked one
	// does not either.
	To scanner.Fate
	// Detail is the vendor's own words, as plain text.
	Detail string
}

// Sent marks entries before their batch leaves. Errors: ErrChanged where one of
// them is no longer pending: nothing was written, read the outbox again.
func (j *Journal) Sent(ctx context.Context, seqs []uint64) error {
	return j.submit(ctx, &request{apply: func(b *batch) error {
		recs := make([]logEntry, len(seqs))
		fates := make([]fateEntry, len(seqs))
		for i, seq := range seqs {
			var err error
			if recs[i], fates[i], err = b.entry(seq); err != nil {
				return err
			}
			if fates[i].Fate != scanner.FatePending {
				return fmt.Errorf("record %d is %q: %w", seq, fates[i].Fate, scanner.ErrChanged)
			}
		}
		for i := range seqs {
			fates[i].Sent++
			if err := b.putFate(&recs[i].Record, fates[i]); err != nil {
				return fatal(err)
			}
		}
		return nil
	}})
}

// Settle ends pending entries. What is no longer pending is left as it is: a
// person was quicker. Taken, confirmed, conflict, undone, withdrawn and
// acknowledged lower the mark's Open; a parked movement stays open; a conflict
// marks the ticket.
func (j *Journal) Settle(ctx context.Context, list []Settlement) error {
	for _, s := range list {
		if s.To == scanner.FateNone || s.To == scanner.FateKept {
			return fmt.Errorf("settle record %d as %q: %w", s.Seq, s.To, scanner.ErrNotPossible)
		}
	}
	return j.submit(ctx, &request{apply: func(b *batch) error {
		for _, s := range list {
			if err := b.settle(s); err != nil {
				return fatal(err)
			}
		}
		return nil
	}})
}

func (b *batch) settle(s Settlement) error {
	rec, f, err := b.entry(s.Seq)
	if isMissing(err) {
		return nil
	} else if err != nil {
		return err
	}
	if f.Fate != scanner.FatePending {
		return nil
	}
	if s.To == scanner.FatePending || s.To == scanner.FateParked {
		f.Sent = max(0, f.Sent-1)
	}
	f.Fate, f.At, f.Detail, f.By = s.To, b.j.now(), s.Detail, ""
	return b.turn(&rec, f)
}

// turn writes the fate and what it means for the ticket's mark.
func (b *batch) turn(rec *logEntry, f fateEntry) error {
	if err := b.putFate(&rec.Record, f); err != nil {
		return fatal(err)
	}
	open := f.Fate == scanner.FatePending || f.Fate == scanner.FateParked
	if open {
		return nil
	}
	key := markKey(rec.Scope, rec.Code)
	m, err := b.mark(rec.Scope, rec.Code, key)
	if err != nil {
		return fatal(err)
	}
	conflict := f.Fate == scanner.FateConflict
	if m.Mark.Rev == 0 && !conflict {
		return nil
	}
	m.Mark.Open = max(0, m.Mark.Open-1)
	m.Mark.Conflict = m.Mark.Conflict || conflict
	if err := b.putMark(key, m); err != nil {
		return fatal(err)
	}
	return nil
}

// entry reads a record and its present fate.
func (b *batch) entry(seq uint64) (logEntry, fateEntry, error) {
	rec, err := b.record(seq)
	if err != nil {
		return rec, fateEntry{}, err
	}
	f, err := b.fate(&rec.Record)
	return rec, f, err
}

// Confirm ends a pending entry that the vendor turned out to hold by the scan's
// own call.
func (j *Journal) Confirm(ctx context.Context, seq uint64) error {
	return j.Settle(ctx, []Settlement{{Seq: seq, To: scanner.FateConfirmed}})
}

// Requeue puts a parked movement back into the outbox, on behalf of a person.
// Errors: ErrUnknown, ErrNotPossible where it is not parked, ErrNotStored.
func (j *Journal) Requeue(ctx context.Context, seq uint64, by string) error {
	return j.submit(ctx, &request{apply: func(b *batch) error { return b.requeue(seq, by) }})
}

func (b *batch) requeue(seq uint64, by string) error {
	rec, f, err := b.entry(seq)
	if err != nil {
		return err
	}
	if f.Fate != scanner.FateParked {
		return fmt.Errorf("record %d is not parked: %w", seq, scanner.ErrNotPossible)
	}
	f.Fate, f.At, f.By = scanner.FatePending, b.j.now(), by
	return b.turn(&rec, f)
}

// RequeueAll puts every parked movement back and says how many. What a person
// settled meanwhile is left alone.
func (j *Journal) RequeueAll(ctx context.Context, by string) (int, error) {
	total := 0
	seqs := j.parkedSeqs()
	for len(seqs) > 0 {
		chunk := seqs[:min(settleChunk, len(seqs))]
		seqs = seqs[len(chunk):]
		done := 0
		err := j.submit(ctx, &request{apply: func(b *batch) error {
			done = 0
			for _, seq := range chunk {
				err := b.requeue(seq, by)
				if errors.Is(err, scanner.ErrNotPossible) || isMissing(err) {
					continue
				} else if err != nil {
					return fatal(err)
				}
				done++
			}
			return nil
		}})
		if err != nil {
			return total, err
		}
		total += done
	}
	return total, nil
}

// Acknowledge says that a person has seen what the vendor will not take, or a
// conflict: it no longer counts, and the vendor judges the ticket again. Errors:
// ErrUnknown, ErrNotPossible where it is neither, ErrNotStored.
func (j *Journal) Acknowledge(ctx context.Context, seq uint64, by string) error {
	return j.submit(ctx, &request{apply: func(b *batch) error {
		rec, f, err := b.entry(seq)
		if err != nil {
			return err
		}
		f.At, f.By = b.j.now(), by
		switch f.Fate {
		case scanner.FateParked:
			f.Fate = scanner.FateAcknowledged
			return b.turn(&rec, f)
		case scanner.FateConflict:
			// The vendor holds the movement: its fate stays what it is.
			return b.putFate(&rec.Record, f)
		}
		return fmt.Errorf("record %d is neither parked nor a conflict: %w", seq, scanner.ErrNotPossible)
	}})
}
