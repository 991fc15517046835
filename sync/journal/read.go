package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// Entry is a line of the log with what became of it.
type Entry = scanner.Recorded

// read runs fn on the confirmed state. Damage that it meets is rescued first,
// and fn runs again.
func (j *Journal) read(fn func(reader) error) error {
	const rescues = 2
	for try := 0; ; try++ {
		s, err := j.readOnce(fn)
		if !errors.Is(err, ErrDamaged) || j.readOnly || try == rescues {
			return err
		}
		cause := err
		// The leader finds the damage as its own, unless another reader was
		// quicker.
		err = j.submit(context.Background(), &request{ends: true, apply: func(b *batch) error {
			if b.j.db == s {
				return cause
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
}

func (j *Journal) readOnce(fn func(reader) error) (*store, error) {
	j.dbmu.RLock()
	defer j.dbmu.RUnlock()
	if j.db == nil {
		return nil, fmt.Errorf("%s is not open", j.path)
	}
	return j.db, j.db.view(func(tx *bbolt.Tx) error {
		// Loaded after the transaction began: whoever sees new pages sees what
		// they replace.
		return fn(reader{tx: tx, over: j.unconfirmed.Load()})
	})
}

// Mark gives the ticket's gate state, as the notes that wait for the disk leave
// it; unproven where a damage may have taken one. Errors: ErrDamaged where it is
// there and cannot be read.
func (j *Journal) Mark(scope scanner.Scope, code scanner.Code) (scanner.Mark, error) {
	key := markKey(scope, code)
	// Looked at first: what is stored meanwhile is found below.
	moved := j.movedOf(key)
	m, found, inTree := j.fresh(key)
	if !found {
		stored, err := j.storedMark(scope, code, key, inTree)
		if err != nil {
			return stored, err
		}
		m.Mark = stored
	}
	present, _ := over(m.Mark, moved)
	if tellsNothing(present) {
		j.mu.Lock()
		defer j.mu.Unlock()
		present.Unproven = j.unproven
	}
	return present, nil
}

// tellsNothing: the ticket is as one without a mark, since a movement was taken
// back, or its commit. Where marks may be lost that proves nothing of what was
// before it.
func tellsNothing(m scanner.Mark) bool {
	return m == scanner.Mark{Rev: m.Rev, Last: m.Last, Undone: m.Undone, LastAt: m.LastAt, EventEnds: m.EventEnds}
}

// storedMark gives a mark that is not fresh; inTree: the state tree must hold it.
func (j *Journal) storedMark(scope scanner.Scope, code scanner.Code, key []byte, inTree bool) (scanner.Mark, error) {
	if m, ok := j.interimMark(key); ok {
		return m, nil
	}
	var m markEntry
	var found bool
	err := j.read(func(r reader) error {
		m = markEntry{}
		raw := r.get(bucketState, key)
		if found = raw != nil; !found {
			return nil
		}
		return decode(kindMark, key, raw, &m)
	})
	if err != nil || found || !inTree {
		return m.Mark, err
	}
	// It was there a moment ago: swept meanwhile, or lost. The leader knows.
	err = j.submit(context.Background(), &request{ends: true, apply: func(b *batch) error {
		var err error
		m, err = b.mark(scope, code, key)
		return err
	}})
	return m.Mark, err
}

// Record gives a record and its present fate, noted ones included. Errors:
// ErrUnknown.
func (j *Journal) Record(seq uint64) (scanner.Record, scanner.Fate, error) {
	e, err := j.Entry(seq)
	return e.Record, e.Fate, err
}

// Entry is Record with all that is known of the fate.
func (j *Journal) Entry(seq uint64) (Entry, error) {
	if rec, ok := j.note(seq); ok {
		return written(rec), nil
	}
	var e Entry
	err := j.read(func(r reader) error {
		raw := r.get(bucketLog, seqKey(seq))
		if raw == nil {
			return unknown(seq)
		}
		var err error
		e, err = j.entry(r, seqKey(seq), raw)
		return err
	})
	return e, err
}

func (j *Journal) note(seq uint64) (scanner.Record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i, ok := slices.BinarySearchFunc(j.notes, seq, func(r scanner.Record, seq uint64) int {
		return cmp.Compare(r.Seq, seq)
	})
	if !ok {
		return scanner.Record{}, false
	}
	return j.notes[i], true
}

// entry puts a record and its fate together.
func (j *Journal) entry(r reader, key, raw []byte) (Entry, error) {
	var rec logEntry
	if err := decode(kindLog, key, raw, &rec); err != nil {
		return Entry{}, err
	}
	e := written(unseal(&rec, j.opts.Sealer))
	if raw := r.get(bucketFate, key); raw != nil {
		var f fateEntry
		if err := decode(kindFate, key, raw, &f); err != nil {
			return e, err
		}
		f.tell(&e)
	}
	return e, nil
}

// written is the entry as its record was written, whatever became of it since.
func written(rec scanner.Record) Entry {
	return Entry{Record: rec, Fate: rec.Fate, VendorAt: rec.VendorAt}
}

// tell says what became of the entry.
func (f *fateEntry) tell(e *Entry) {
	e.InDoubt = e.InDoubt && !f.Doubtless
	if !f.VendorAt.IsZero() {
		e.VendorAt = f.VendorAt
	}
	e.Fate, e.Sent, e.SentAs, e.Detail, e.FateAt, e.FateBy = f.Fate, f.Sent, f.SentAs, f.Detail, f.At, f.By
}
