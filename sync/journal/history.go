package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"usher/scanner"
)

// readChunk is how many records one read transaction gives: none is held while
// a caller does anything.
const readChunk = 256

// Recent gives the newest admission of each scanner name, and the newest stamp
// of any record.
func (j *Journal) Recent() (map[string]scanner.Record, scanner.Stamp) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.index.admissions), j.newest
}

// Scans gives the newest records with a seq above after, newest first, at most
// limit; noted ones included.
func (j *Journal) Scans(after uint64, limit int) ([]Entry, error) {
	list := j.notesAfter(after)
	below := ^uint64(0)
	for want := limit; want > 0; {
		var chunk []Entry
		err := j.read(func(r reader) error {
			var err error
			chunk, err = j.backward(r, below, after, min(readChunk, want))
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(chunk) == 0 {
			break
		}
		list = append(list, chunk...)
		want -= len(chunk)
		below = chunk[len(chunk)-1].Seq
	}
	// A note may have been written between the two.
	slices.SortStableFunc(list, func(a, b Entry) int { return cmp.Compare(b.Seq, a.Seq) })
	list = slices.CompactFunc(list, func(a, b Entry) bool { return a.Seq == b.Seq })
	return list[:min(max(limit, 0), len(list))], nil
}

// notesAfter gives the notes that are not written yet, oldest first.
func (j *Journal) notesAfter(after uint64) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.notesSince(after)
}

// notesSince is notesAfter for those who hold mu.
func (j *Journal) notesSince(after uint64) []Entry {
	var list []Entry
	for _, rec := range j.notes {
		if rec.Seq > after {
			list = append(list, written(rec))
		}
	}
	return list
}

// backward reads up to n records with a seq below one and above the other,
// newest first.
func (j *Journal) backward(r reader, below, above uint64, n int) ([]Entry, error) {
	var list []Entry
	c := r.tx.Bucket(bucketLog).Cursor()
	key, raw := c.Seek(seqKey(below))
	if key == nil {
		key, raw = c.Last()
	}
	for ; key != nil && keySeq(key) > above && len(list) < n; key, raw = c.Prev() {
		if _, unconfirmed := r.over.old(bucketLog, key); unconfirmed || keySeq(key) >= below {
			continue
		}
		e, err := j.entry(r, key, raw)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Each gives the whole history to fn, oldest first; an error of fn ends it and
// is returned. No transaction is open while fn runs, so fn may be slow. A
// journal opened read-only gives every record that can be read and then an
// error wrapping [ErrDamaged] that says what is wrong.
func (j *Journal) Each(ctx context.Context, fn func(Entry) error) error {
	return j.each(ctx, nil, fn)
}

// OfTicket gives every record of a ticket, oldest first.
func (j *Journal) OfTicket(ctx context.Context, scope scanner.Scope, code scanner.Code) ([]Entry, error) {
	quoted, err := json.Marshal(code)
	if err != nil {
		return nil, err
	}
	// Most records are told apart without decoding them.
	maybe := func(raw []byte) bool { return bytes.Contains(raw, quoted) }
	var list []Entry
	err = j.each(ctx, maybe, func(e Entry) error {
		if e.Scope == scope && e.Code == code {
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

// each walks the log forwards in chunks, and then what is only noted.
func (j *Journal) each(ctx context.Context, want func(raw []byte) bool, fn func(Entry) error) error {
	if j.rest != nil {
		return j.eachRest(ctx, 0, fn)
	}
	w := forward{j: j, want: want}
	var noted []Entry
	for !w.done {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Taken first: what is written meanwhile is met in the log or here.
		noted = j.notesAfter(0)
		if err := j.read(w.chunk); err != nil {
			if j.readOnly && errors.Is(err, ErrDamaged) {
				if err = j.openRest(err); err == nil {
					return j.eachRest(ctx, w.next, fn)
				}
			}
			return err
		}
		w.next, w.unreadable = w.resume, w.unreadable+w.bad
		for _, e := range w.list {
			if err := fn(e); err != nil {
				return err
			}
		}
	}
	for _, e := range noted {
		if w.seen(e.Seq) {
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	if w.unreadable > 0 {
		return damaged("%d records cannot be read", w.unreadable)
	}
	return nil
}

// forward is a walk through the log. Its fields with a meaning across chunks
// change only between them: a chunk may be read twice.
type forward struct {
	j    *Journal
	want func(raw []byte) bool
	// next is the first seq of the coming chunk.
	next       uint64
	unreadable int

	list   []Entry
	resume uint64
	bad    int
	done   bool
}

// seen tells whether a note was already met in the log.
func (w *forward) seen(seq uint64) bool {
	_, found := slices.BinarySearchFunc(w.list, seq, func(e Entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return found
}

func (w *forward) chunk(r reader) error {
	w.list, w.bad, w.resume = nil, 0, w.next
	c := r.tx.Bucket(bucketLog).Cursor()
	key, raw := c.Seek(seqKey(w.next))
	for n := 0; key != nil && n < readChunk; n++ {
		w.resume = keySeq(key) + 1
		if _, unconfirmed := r.over.old(bucketLog, key); !unconfirmed && (w.want == nil || w.want(raw)) {
			e, err := w.j.entry(r, key, raw)
			switch {
			case err == nil:
				w.list = append(w.list, e)
			case w.j.readOnly:
				w.bad++
			default:
				return err
			}
		}
		key, raw = c.Next()
	}
	w.done = key == nil
	return nil
}

// Outbox gives the oldest pending entries, at most limit.
func (j *Journal) Outbox(limit int) ([]Entry, error) { return j.Pending(nil, 0, limit) }

// Pending gives the pending entries of the scopes that mine accepts (nil: all)
// with a seq above after, oldest first, at most limit.
func (j *Journal) Pending(mine func(scanner.Scope) bool, after uint64, limit int) ([]Entry, error) {
	j.mu.Lock()
	var seqs []uint64
	from, _ := slices.BinarySearch(j.index.pending, after+1)
	for _, seq := range j.index.pending[from:] {
		if len(seqs) >= limit {
			break
		}
		if mine == nil || mine(j.index.owed[seq].Scope) {
			seqs = append(seqs, seq)
		}
	}
	j.mu.Unlock()
	return j.entries(seqs, scanner.FatePending)
}

// Parked gives every parked movement, oldest first.
func (j *Journal) Parked() ([]Entry, error) { return j.entries(j.parkedSeqs(), scanner.FateParked) }

// Conflicts gives every conflict that no person has acknowledged, oldest first.
func (j *Journal) Conflicts() ([]Entry, error) {
	j.mu.Lock()
	seqs := slices.Sorted(maps.Keys(j.index.conflicts))
	j.mu.Unlock()
	return j.entries(seqs, scanner.FateConflict)
}

func (j *Journal) parkedSeqs() []uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.index.parked))
}

// isOpen tells whether the record is pending or parked, which are never pruned.
func (j *Journal) isOpen(seq uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, pending := j.index.owed[seq]
	_, parked := j.index.parked[seq]
	return pending || parked
}

// entries reads the given records in chunks, leaving out those whose fate is
// another meanwhile.
func (j *Journal) entries(seqs []uint64, fate scanner.Fate) ([]Entry, error) {
	list := make([]Entry, 0, len(seqs))
	for part := range slices.Chunk(seqs, readChunk) {
		var got []Entry
		err := j.read(func(r reader) error {
			got = got[:0]
			for _, seq := range part {
				key := seqKey(seq)
				raw := r.get(bucketLog, key)
				if raw == nil && j.isOpen(seq) {
					return damaged("record %d is lost", seq)
				} else if raw == nil {
					continue
				}
				e, err := j.entry(r, key, raw)
				if err != nil {
					return err
				}
				if e.Fate == fate {
					got = append(got, e)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		list = append(list, got...)
	}
	return list, nil
}
