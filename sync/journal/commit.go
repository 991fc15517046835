package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"usher/scanner"
)

// maxNotes is how many notes wait for the disk. Beyond it the oldest are
// dropped and counted: refusals may be lost where a disk fails, admissions
// never.
const maxNotes = 10_000

// fatalError is a write that bbolt refused: the whole transaction is given up.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

func fatal(err error) error {
	if err == nil {
		return nil
	}
	return &fatalError{err}
}

// isFatal tells the errors that end a transaction from those of one request.
func isFatal(err error) bool {
	var f *fatalError
	return errors.Is(err, ErrDamaged) || errors.As(err, &f)
}

func unknown(seq uint64) error { return fmt.Errorf("record %d: %w", seq, scanner.ErrUnknown) }

// isMissing tells a record that is not there from one that cannot be read.
func isMissing(err error) bool { return errors.Is(err, scanner.ErrUnknown) }

// Commit writes the change in one transaction and returns its record's seq once
// that is on the disk. Errors: ErrChanged (nothing written), ErrNotPossible
// where a movement that may be at the vendor already is to be withdrawn,
// ErrNotStored (nothing green may stand on it). The context is looked at once,
// before anything is queued.
func (j *Journal) Commit(ctx context.Context, ch scanner.Change) (uint64, error) {
	sealed := j.seal(ch.Record.Ticket)
	var seq uint64
	err := j.admission(ctx, &request{apply: func(b *batch) error {
		var err error
		seq, err = b.change(ch, sealed)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// change validates everything before it writes anything.
func (b *batch) change(ch scanner.Change, sealed []byte) (uint64, error) {
	rec := logEntry{Record: ch.Record, Sealed: sealed}
	key := markKey(rec.Scope, rec.Code)
	if ch.Mark != nil {
		present, err := b.mark(rec.Scope, rec.Code, key)
		if err != nil {
			return 0, err
		}
		if present.Mark.Rev != ch.Mark.Rev {
			return 0, fmt.Errorf("mark at %d, expected %d: %w", present.Mark.Rev, ch.Mark.Rev, scanner.ErrChanged)
		}
	}
	if ch.SpendAttempt != 0 && b.get(bucketAttempts, seqKey(ch.SpendAttempt)) == nil {
		return 0, fmt.Errorf("attempt %d is spent: %w", ch.SpendAttempt, scanner.ErrChanged)
	}
	other, fate, err := b.fateChange(ch.Fate, ch.Mark, rec.By)
	if err != nil {
		return 0, err
	}

	rec.Seq = b.nextSeq()
	if ch.Mark != nil {
		after := *ch.Mark
		after.Rev++
		after.Unproven = false
		if after.Last == scanner.SelfSeq {
			after.Last = rec.Seq
		}
		rec.After = &after
	}
	if err := b.appendRecord(&rec); err != nil {
		return 0, err
	}
	if rec.After != nil {
		b.freshMark(key, &rec)
	}
	if ch.Fate != nil {
		if err := b.putFate(&other.Record, fate); err != nil {
			return 0, fatal(err)
		}
	}
	for _, id := range append([]uint64{ch.SpendAttempt}, ch.CloseAttempts...) {
		if err := b.removeAttempt(id); err != nil {
			return 0, err
		}
	}
	return rec.Seq, nil
}

// fateChange checks what the change, made on behalf of somebody, expects of
// another movement; mark is what the change makes of the ticket.
func (b *batch) fateChange(ch *scanner.FateChange, mark *scanner.Mark, by string) (logEntry, fateEntry, error) {
	if ch == nil {
		return logEntry{}, fateEntry{}, nil
	}
	rec, err := b.record(ch.Seq)
	if _, noted := b.j.note(ch.Seq); noted {
		return rec, fateEntry{}, fmt.Errorf("record %d waits for the disk itself: %w", ch.Seq, scanner.ErrNotStored)
	} else if errors.Is(err, scanner.ErrUnknown) {
		return rec, fateEntry{}, fmt.Errorf("%w: %w", err, scanner.ErrChanged)
	} else if err != nil {
		return rec, fateEntry{}, err
	}
	f, err := b.fate(&rec.Record)
	if err != nil {
		return rec, f, err
	}
	if f.Fate != ch.From {
		return rec, f, fmt.Errorf("record %d is %q, expected %q: %w", ch.Seq, f.Fate, ch.From, scanner.ErrChanged)
	}
	// Its holder would be refused by the vendor; a permit makes up for that, but not
	// for what would still be uploaded.
	permitted := ch.From != scanner.FatePending && mark != nil && mark.Permit == rec.Direction
	if ch.To == scanner.FateWithdrawn && f.Sent > 0 && !permitted {
		return rec, f, fmt.Errorf("record %d was sent and may be at the vendor: %w", ch.Seq, scanner.ErrNotPossible)
	}
	f.Fate, f.At, f.By = ch.To, b.j.now(), by
	return rec, f, nil
}

// appendRecord writes a new line of the log. An error of the encoding leaves
// nothing behind.
func (b *batch) appendRecord(rec *logEntry) error {
	key := seqKey(rec.Seq)
	first := fateEntry{Seq: rec.Seq, Fate: rec.Fate}
	raw, err := encode(kindLog, first.hint(), key, rec)
	if err != nil {
		return err
	}
	if err := b.put(bucketLog, key, raw); err != nil {
		return err
	}
	return b.appended(rec, first)
}

// appended keeps memory in step with a record that is about to be in the log.
func (b *batch) appended(rec *logEntry, first fateEntry) error {
	c := countOf(&rec.Record, b.undone)
	b.counted = append(b.counted, c)
	kept, h := rec.Record, first.hint()
	b.effect(func(ix *index) {
		b.j.newest = kept.At
		ix.add(c)
		ix.recent(kept)
		ix.settle(kept.Seq, owedOf(&kept), h)
	})
	if h == hintParked || h == hintConflict {
		// Opening finds these by their fate records alone.
		return fatal(b.putFate(&kept, first))
	}
	return nil
}

// undone gives the direction of the movement that an undo takes back.
func (b *batch) undone(seq uint64) (scanner.Direction, bool) {
	rec, err := b.record(seq)
	return rec.Direction, err == nil
}

// appendNote writes a note under the number it was given. It need not be put
// back when the commit fails: the note waits on.
func (b *batch) appendNote(rec *scanner.Record) error {
	entry := logEntry{Record: *rec, Sealed: b.j.seal(rec.Ticket)}
	key := markKey(rec.Scope, rec.Code)
	after, err := b.movedBy(rec, key)
	if err != nil {
		return err
	}
	entry.After = after
	first := fateEntry{Seq: rec.Seq, Fate: rec.Fate}
	raw, err := encode(kindLog, first.hint(), seqKey(rec.Seq), entry)
	if err != nil {
		// Left out, or it would keep everything else from being stored.
		b.j.log.Error("journal: a note that cannot be written is dropped", "seq", rec.Seq, "error", err)
		b.effect(func(*index) { b.j.dropped++ })
		return nil
	}
	if err := b.putQuiet(bucketLog, seqKey(rec.Seq), raw); err != nil {
		return err
	}
	if entry.After != nil {
		b.freshMark(key, &entry)
	}
	return b.appended(&entry, first)
}

// Note gives the record a seq at once and appends it with the next commit, or
// through Run within 200 ms. It serves records that owe the vendor nothing:
// refusals, reviews, and what the vendor confirmed while the disk refused. The
// seq is not given again, also not after a crash before the record reached the
// disk; only where the disk has refused a thousand of them in a row may a later
// life repeat some.
func (j *Journal) Note(rec scanner.Record) uint64 {
	rec = storable(rec)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.takeIn(rec)
}

// takeIn gives the record its number; mu is held.
func (j *Journal) takeIn(rec scanner.Record) uint64 {
	rec.Seq = j.next
	j.next++
	if len(j.notes) >= maxNotes {
		j.notes = j.notes[1:]
		j.dropped++
	}
	j.notes = append(j.notes, rec)
	j.newest = rec.At
	j.wake()
	return rec.Seq
}

// waiting is how many notes are not written yet.
func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.notes)
}

// wake tells Run that there is something to write, or that writing failed.
func (j *Journal) wake() {
	select {
	case j.noted <- struct{}{}:
	default:
	}
}

// storable makes sure that a note cannot fail for what is in it: refused codes
// may be anything.
func storable(rec scanner.Record) scanner.Record {
	if len(rec.Code) > scanner.MaxCode {
		rec.Code = rec.Code[:scanner.MaxCode]
	}
	rec.Code = scanner.Code(strings.ToValidUTF8(string(rec.Code), "\uFFFD"))
	if !json.Valid(rec.Upload) {
		rec.Upload = nil
	}
	return rec
}

// seal encrypts what a record shows of its ticket.
func (j *Journal) seal(info *scanner.TicketInfo) []byte {
	if info == nil || j.opts.Sealer == nil {
		return nil
	}
	plain, err := json.Marshal(info)
	if err != nil {
		return nil
	}
	return j.opts.Sealer.Seal(plain)
}

// unseal gives the record back what it shows of its ticket, where the key is
// the one it was sealed under.
func unseal(rec *logEntry, sealer scanner.Sealer) scanner.Record {
	if len(rec.Sealed) == 0 || sealer == nil {
		return rec.Record
	}
	plain, err := sealer.Open(rec.Sealed)
	if err != nil {
		return rec.Record
	}
	var info scanner.TicketInfo
	if json.Unmarshal(plain, &info) == nil {
		rec.Ticket = &info
	}
	return rec.Record
}
