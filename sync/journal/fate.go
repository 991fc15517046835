package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid" // ids that are unique over all devices

	"usher/scanner"
)

// settleChunk is how many fates one transaction changes where there is no limit
// from outside: an admission behind it waits for no more.
const settleChunk = 200

// inParts has the list written in one transaction, and where the room does not
// allow that in ever smaller ones: each change is a few pages, until the next
// transaction may use those it left again. rest begins with part.
func inParts[T any](list []T, write func(part, rest []T) error) error {
	for size := len(list); ; {
		part := list[:min(size, len(list))]
		switch err := write(part, list); {
		case errors.Is(err, errFull) && len(part) > 1:
			size = len(part) / 2
		case err != nil || len(part) == len(list):
			return err
		default:
			list = list[len(part):]
		}
	}
}

// Sent marks entries before their batch leaves, each with the time that the
// vendor is told: after a crash both are known. Errors: ErrChanged where one of
// them is no longer pending: nothing was written, read the outbox again. On a full
// disk that, or ErrNotStored, may come after some were marked, which are then taken
// for sent.
func (j *Journal) Sent(ctx context.Context, list []scanner.Sending) error {
	return inParts(list, func(part, rest []scanner.Sending) error { return j.sent(ctx, part, rest) })
}

// sent marks a part of what is to leave, if all the rest may.
func (j *Journal) sent(ctx context.Context, part, list []scanner.Sending) error {
	return j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
		recs := make([]logEntry, len(list))
		fates := make([]fateEntry, len(list))
		for i, s := range list {
			var err error
			if recs[i], fates[i], err = b.entry(s.Seq); err != nil {
				return err
			}
			if fates[i].Fate != scanner.FatePending {
				return fmt.Errorf("record %d is %q: %w", s.Seq, fates[i].Fate, scanner.ErrChanged)
			}
		}
		now := b.j.now()
		for i, s := range part {
			fates[i].Sent++
			fates[i].SentAs, fates[i].At = s.As, now
			if err := b.putFate(&recs[i].Record, fates[i]); err != nil {
				return fatal(err)
			}
		}
		return nil
	}})
}

// Settle ends pending entries. What is no longer pending is left as it is: a
// person was quicker; what is kept can only be confirmed. Taken, confirmed, conflict, undone, withdrawn and
// acknowledged lower the mark's Open; a parked movement stays open; an entry's
// conflict marks the ticket.
func (j *Journal) Settle(ctx context.Context, list []scanner.Settlement) error {
	for _, s := range list {
		if s.To == scanner.FateNone || s.To == scanner.FateKept {
			return fmt.Errorf("settle record %d as %q: %w", s.Seq, s.To, scanner.ErrNotPossible)
		}
	}
	return inParts(list, func(part, _ []scanner.Settlement) error {
		return j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
			for _, s := range part {
				if err := b.settle(s); err != nil {
					return fatal(err)
				}
			}
			return nil
		}})
	})
}

func (b *batch) settle(s scanner.Settlement) error {
	rec, f, err := b.entry(s.Seq)
	if isMissing(err) {
		return nil
	} else if err != nil {
		return err
	}
	if f.Fate == scanner.FateKept && s.To == scanner.FateConfirmed {
		return b.arrived(&rec, f, s.VendorAt)
	}
	if f.Fate != scanner.FatePending {
		return nil
	}
	if s.To == scanner.FatePending || s.To == scanner.FateParked {
		if f.Sent = max(0, f.Sent-1); f.Sent == 0 {
			f.SentAs = time.Time{}
		}
	}
	f.Fate, f.At, f.Detail, f.By, f.VendorAt = s.To, b.j.now(), s.Detail, "", s.VendorAt
	return b.turn(&rec, f)
}

// arrived ends a movement that was to be kept here and that its own call brought
// to the vendor: where no later one is kept, the vendor may judge the ticket again.
func (b *batch) arrived(rec *logEntry, f fateEntry, vendorAt time.Time) error {
	f.Fate, f.At, f.VendorAt = scanner.FateConfirmed, b.j.now(), vendorAt
	if err := b.putFate(&rec.Record, f); err != nil {
		return fatal(err)
	}
	key := markKey(rec.Scope, rec.Code)
	m, err := b.mark(rec.Scope, rec.Code, key)
	if err != nil || !m.Mark.Kept || m.Mark.Last != rec.Seq || m.Mark.Undone {
		return fatal(err)
	}
	m.Mark.Kept = rec.Before != nil && rec.Before.Kept
	return fatal(b.putMark(key, m))
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
	// An exit that the vendor had already tells of no other entry.
	conflict := f.Fate == scanner.FateConflict && rec.Direction != scanner.Exit
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

// Confirm ends a pending movement, or one that is kept here, that the vendor turned
// out to hold by the scan's own call, since vendorAt by the vendor's clock (zero: it
// does not say).
func (j *Journal) Confirm(ctx context.Context, seq uint64, vendorAt time.Time) error {
	return j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: scanner.FateConfirmed, VendorAt: vendorAt}})
}

// NeverSent takes the doubt off a pending entry: no call for it has reached the
// vendor, so that a duplicate there is somebody else's. What is no longer pending
// is left as it is.
func (j *Journal) NeverSent(ctx context.Context, seq uint64) error {
	return j.submit(ctx, &request{apply: func(b *batch) error {
		rec, f, err := b.entry(seq)
		if isMissing(err) {
			return nil
		} else if err != nil {
			return err
		}
		if f.Fate != scanner.FatePending {
			return nil
		}
		f.Doubtless = true
		return fatal(b.putFate(&rec.Record, f))
	}})
}

// Requeue puts a parked movement back into the outbox, on behalf of a person,
// and writes into history who it was. Errors: ErrUnknown, ErrNotPossible where it
// is not parked, ErrNotStored.
func (j *Journal) Requeue(ctx context.Context, seq uint64, by string) error {
	return j.submit(ctx, &request{ends: true, apply: func(b *batch) error { return b.requeue(seq, by) }})
}

func (b *batch) requeue(seq uint64, by string) error {
	rec, f, err := b.entry(seq)
	if err != nil {
		return err
	}
	if f.Fate != scanner.FateParked {
		return fmt.Errorf("record %d is not parked: %w", seq, scanner.ErrNotPossible)
	}
	if err := b.witness(scanner.KindRequeue, &rec, by, "Requeued by "+by+": goes to the vendor again"); err != nil {
		return err
	}
	f.Fate, f.At, f.By = scanner.FatePending, b.j.now(), by
	return b.turn(&rec, f)
}

// witness writes into history what a person decided about a movement: its fate
// tells only the last of them. It comes before the change itself, so that an
// error leaves nothing behind.
func (b *batch) witness(kind scanner.Kind, of *logEntry, by, text string) error {
	rec := logEntry{Sealed: of.Sealed, Record: scanner.Record{
		Seq: b.nextSeq(), ID: uuid.NewString(), Kind: kind, Scope: of.Scope, Origin: of.Origin, Scanner: of.Scanner,
		Code: of.Code, Direction: of.Direction, Mode: scanner.Offline, Message: text, By: by, Of: of.Seq,
		TicketID: of.TicketID, Event: of.Event,
	}}
	if clock := b.j.opts.Clock; clock != nil {
		rec.At = clock.Now()
		rec.True = clock.True(rec.At)
	}
	return b.appendRecord(&rec)
}

// RequeueAll puts every parked movement back and says how many. What a person
// settled meanwhile is left alone.
func (j *Journal) RequeueAll(ctx context.Context, by string) (int, error) {
	total := 0
	seqs := j.parkedSeqs()
	for len(seqs) > 0 {
		chunk := seqs[:min(settleChunk, len(seqs))]
		seqs = seqs[len(chunk):]
		err := inParts(chunk, func(part, _ []uint64) error {
			done, err := j.requeueSome(ctx, part, by)
			total += done
			return err
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (j *Journal) requeueSome(ctx context.Context, seqs []uint64, by string) (done int, err error) {
	err = j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
		done = 0
		for _, seq := range seqs {
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
		return 0, err
	}
	return done, nil
}

// Acknowledge says that a person has seen what the vendor will not take, or a
// conflict: it no longer counts, and the vendor judges the ticket again. History
// says who. Errors: ErrUnknown, ErrNotPossible where it is neither, ErrNotStored.
func (j *Journal) Acknowledge(ctx context.Context, seq uint64, by string) error {
	return j.submit(ctx, &request{ends: true, apply: func(b *batch) error {
		rec, f, err := b.entry(seq)
		if err != nil {
			return err
		}
		f.At, f.By = b.j.now(), by
		switch f.Fate {
		case scanner.FateParked:
			err := b.witness(scanner.KindAcknowledge, &rec, by, "Acknowledged by "+by+": no longer owed to the vendor")
			if err != nil {
				return err
			}
			f.Fate = scanner.FateAcknowledged
			return b.turn(&rec, f)
		case scanner.FateConflict:
			err := b.witness(scanner.KindAcknowledge, &rec, by, "Acknowledged by "+by+": the conflict was looked at")
			if err != nil {
				return err
			}
			// The vendor holds the movement: its fate stays what it is.
			return fatal(b.putFate(&rec.Record, f))
		}
		return fmt.Errorf("record %d is neither parked nor a conflict: %w", seq, scanner.ErrNotPossible)
	}})
}
