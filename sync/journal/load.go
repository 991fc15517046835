package journal

import (
	"strings"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// recentTail is how many records are read backwards for the newest admission of
// each scanner: the repeat rule asks for the last seconds before a death.
const recentTail = 256

// loaded is what a store tells besides its index.
type loaded struct {
	next    uint64
	upto    uint64
	attempt uint64
	newest  scanner.Stamp
	rescues []rescued
	// scrubbed is the last failed commit that was taken back.
	scrubbed uint64
}

// loader builds an index from one read transaction, and proves on the way
// whatever a wrong verdict could come from.
type loader struct {
	tx     *bbolt.Tx
	sealer scanner.Sealer
	ix     *index
	out    loaded
	snap   snapshot
	fates  map[uint64]hint
}

// load reads a store's index. Of the log it reads only what may be unresolved
// or is not yet counted.
func load(s *store, sealer scanner.Sealer) (*index, loaded, error) {
	var l *loader
	err := s.view(func(tx *bbolt.Tx) error {
		l = &loader{tx: tx, sealer: sealer, ix: newIndex(), fates: make(map[uint64]hint)}
		for _, step := range []func() error{l.meta, l.marks, l.fatesAll, l.attempts, l.memory, l.tail, l.recent} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, loaded{}, err
	}
	return l.ix, l.out, nil
}

func (l *loader) meta() error {
	in := l.tx.Bucket(bucketMeta)
	if raw := in.Get(keySnapshot); raw != nil {
		if err := decode(kindSnapshot, keySnapshot, raw, &l.snap); err != nil {
			return err
		}
	}
	for _, t := range l.snap.Tallies {
		l.ix.tallies[t.Event] = &t
	}
	l.out.upto = l.snap.Upto
	if raw := in.Get(keySeqs); raw != nil {
		var s seqs
		if err := decode(kindSeq, keySeqs, raw, &s); err != nil {
			return err
		}
		l.out.next, l.out.scrubbed = s.Reserved, s.Scrubbed
	}
	var n uint64
	err := in.ForEach(func(k, v []byte) error {
		n++
		if !strings.HasPrefix(string(k), rescuePrefix) {
			return nil
		}
		var r rescued
		err := decode(kindRescue, k, v, &r)
		l.out.rescues = append(l.out.rescues, r)
		return err
	})
	if err == nil && n != in.Sequence() {
		return damaged("%s holds %d records of %d", bucketMeta, n, in.Sequence())
	}
	return err
}

// each verifies every frame of a bucket, and that none is missing.
func (l *loader) each(name []byte, k kind, fn func(key, raw []byte, h hint) error) error {
	in := l.tx.Bucket(name)
	var n uint64
	err := in.ForEach(func(key, raw []byte) error {
		n++
		h, err := verify(k, key, raw)
		if err != nil {
			return err
		}
		return fn(key, raw, h)
	})
	if err == nil && n != in.Sequence() {
		return damaged("%s holds %d records of %d", name, n, in.Sequence())
	}
	return err
}

func (l *loader) marks() error {
	return l.each(bucketState, kindMark, func(key, _ []byte, _ hint) error {
		l.ix.marks[markHash(key)] = struct{}{}
		return nil
	})
}

func (l *loader) fatesAll() error {
	return l.each(bucketFate, kindFate, func(key, _ []byte, h hint) error {
		l.fates[keySeq(key)] = h
		if h != hintPending && h != hintParked && h != hintConflict {
			return nil
		}
		return l.settle(key, h)
	})
}

// settle notes a record whose fate is open, or waits for a person.
func (l *loader) settle(key []byte, h hint) error {
	var o owed
	err := l.record(key, &o)
	l.ix.settle(keySeq(key), o, h)
	return err
}

// record reads a record of the log, or a part of it.
func (l *loader) record(key []byte, v any) error {
	raw := l.tx.Bucket(bucketLog).Get(key)
	if raw == nil {
		return damaged("record %d is lost", keySeq(key))
	}
	return decode(kindLog, key, raw, v)
}

func (l *loader) attempts() error {
	return l.each(bucketAttempts, kindAttempt, func(key, raw []byte, _ hint) error {
		var a Attempt
		if err := decode(kindAttempt, key, raw, &a); err != nil {
			return err
		}
		l.ix.addAttempt(a)
		l.out.attempt = max(l.out.attempt, a.ID)
		return nil
	})
}

func (l *loader) memory() error {
	return l.each(bucketMemory, kindMemory, func(_, _ []byte, _ hint) error { return nil })
}

// tail reads the log from the watermark: what has no fate record yet, and what
// the tallies do not hold.
func (l *loader) tail() error {
	in := l.tx.Bucket(bucketLog)
	n := l.snap.Below
	c := in.Cursor()
	for key, raw := c.Seek(seqKey(l.snap.Watermark)); key != nil; key, raw = c.Next() {
		n++
		seq := keySeq(key)
		h, err := verify(kindLog, key, raw)
		if err != nil {
			return err
		}
		l.out.next = max(l.out.next, seq+1)
		if _, settled := l.fates[seq]; !settled && h == hintPending {
			if err := l.settle(key, hintPending); err != nil {
				return err
			}
		}
		if seq <= min(l.snap.Upto, l.snap.Marked) {
			continue
		}
		var rec logEntry
		if err := l.record(key, &rec); err != nil {
			return err
		}
		if seq > l.snap.Upto {
			l.ix.add(countOf(&rec.Record, l.undone))
		}
		if seq > l.snap.Marked {
			if err := l.fresh(&rec); err != nil {
				return err
			}
		}
	}
	if n != in.Sequence() {
		return damaged("the log holds %d records of %d", n, in.Sequence())
	}
	return nil
}

// fresh takes a mark from the record that made it, unless the state tree holds
// a newer one.
func (l *loader) fresh(rec *logEntry) error {
	if rec.After == nil {
		return nil
	}
	m := markEntry{Scope: rec.Scope, Code: rec.Code, Ver: rec.markVer(), Mark: *rec.After}
	key := m.key()
	if raw := l.tx.Bucket(bucketState).Get(key); raw != nil {
		var stored markEntry
		if err := decode(kindMark, key, raw, &stored); err != nil {
			return err
		}
		if !m.newer(&stored) {
			return nil
		}
	} else if _, lost := l.ix.marks[markHash(key)]; lost {
		return damaged("mark %x is lost", key)
	}
	l.ix.fresh[string(key)] = m
	return nil
}

func (l *loader) undone(seq uint64) (scanner.Direction, bool) {
	var rec struct {
		Direction scanner.Direction `json:"direction"`
	}
	err := l.record(seqKey(seq), &rec)
	return rec.Direction, err == nil
}

// recent reads the end of the log backwards.
func (l *loader) recent() error {
	c := l.tx.Bucket(bucketLog).Cursor()
	key, raw := c.Last()
	for i := 0; key != nil && i < recentTail; i++ {
		var rec logEntry
		if err := decode(kindLog, key, raw, &rec); err != nil {
			return err
		}
		if i == 0 {
			l.out.newest = rec.At
		}
		// New records go where the branches say: they must lead here.
		if l.tx.Bucket(bucketLog).Get(key) == nil {
			return damaged("record %d is lost", rec.Seq)
		}
		l.ix.recent(unseal(&rec, l.sealer))
		key, raw = c.Prev()
	}
	return nil
}
