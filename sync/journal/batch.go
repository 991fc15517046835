package journal

import (
	"cmp"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

const (
	// ridingNotes is how many notes an admission's commit takes along: nobody
	// waits at the gate for a backlog.
	ridingNotes = 64
	// leanNotes is how many notes a snapshot takes along where there is no room.
	leanNotes = 256
	// Numbers are reserved in blocks, well before the last is given out.
	reserveBlock  = 2000
	reserveMargin = 1000
)

// batch is one write transaction on its way.
type batch struct {
	j    *Journal
	tx   *bbolt.Tx
	over *overlay
	// wrote: there is something to commit.
	wrote bool
	// effects change what is known in memory, once the transaction is durable.
	effects []func(*index)
	// counted is what this batch adds to the tallies.
	counted []count
	// marks are the newest marks as this batch leaves them.
	marks map[string]batchMark
	// lean: there is room only for what may use the reserve.
	lean bool
	// notes is how many notes ride along at most.
	notes int
}

// batchMark is a mark that a batch changed; inTree says that it put it there.
type batchMark struct {
	markEntry
	inTree bool
}

// run applies the requests and then what rides along with them.
func (b *batch) run(reqs []*request) error {
	var marks int
	var snap, last bool
	scarce := b.j.scarce()
	for _, r := range reqs {
		marks = max(marks, r.marks)
		snap, last = snap || r.snapshot, last || r.last
		if r.err = nil; b.lean && !r.ends {
			r.err = b.j.refused()
			continue
		}
		if r.apply == nil {
			continue
		}
		if r.err = r.apply(b); isFatal(r.err) {
			return r.err
		}
	}
	if scarce && last {
		// The next opening reads from the log what stays.
		marks = 0
	}
	if err := b.checkpoint(marks); err != nil {
		return err
	}
	if b.lean {
		// Notes wait for room, but for the few that a snapshot may need.
		if b.notes = 0; snap && !(scarce && last) {
			b.notes = leanNotes
		}
	}
	// A snapshot counts no note that is not in the log.
	snap = snap && b.j.waiting() <= b.notes
	upto, err := b.writeNotes(b.notes)
	if err != nil {
		return err
	}
	if snap {
		if err := b.writeSnapshot(upto); err != nil {
			return err
		}
	}
	return b.reserve(last)
}

// writeNotes appends the oldest notes and gives the seq up to which every record
// is then in the log, where it took them all.
func (b *batch) writeNotes(limit int) (upto uint64, err error) {
	b.j.mu.Lock()
	notes := b.j.notes[:min(limit, len(b.j.notes))]
	upto = b.j.next - 1
	b.j.mu.Unlock()
	for i := range notes {
		if err := b.appendNote(&notes[i]); err != nil {
			return 0, err
		}
	}
	if len(notes) > 0 {
		written := notes[len(notes)-1].Seq
		b.effect(func(*index) {
			kept := slices.IndexFunc(b.j.notes, func(r scanner.Record) bool { return r.Seq > written })
			if kept < 0 {
				kept = len(b.j.notes)
			}
			b.j.notes = slices.Delete(b.j.notes, 0, kept)
		})
	}
	return upto, nil
}

// reserve writes the next block of numbers when few are left; the last commit
// of a life gives back what it did not use.
func (b *batch) reserve(last bool) error {
	b.j.mu.Lock()
	next, reserved := b.j.next, b.j.reserved
	b.j.mu.Unlock()
	switch {
	case last:
		reserved = next
	case reserved >= next+reserveMargin:
		return nil
	default:
		reserved = next + reserveBlock
	}
	return b.writeSeqs(reserved)
}

func (b *batch) writeSeqs(reserved uint64) error {
	raw, err := encode(kindSeq, hintNone, keySeqs, seqs{Reserved: reserved, Scrubbed: cmp.Or(b.j.doubtID, b.j.scrubbed)})
	if err != nil {
		return err
	}
	b.effect(func(*index) { b.j.reserved = reserved })
	// Never put back: a number too many in reserve does no harm.
	return b.putQuiet(bucketMeta, keySeqs, raw)
}

// nextSeq takes a number; one whose transaction fails is not used again.
func (b *batch) nextSeq() uint64 {
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	seq := b.j.next
	b.j.next++
	if b.j.flying == 0 {
		b.j.flying = seq
	}
	return seq
}

// ver orders the versions of a key over deletions.
func (b *batch) ver() uint64 {
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	return b.j.next
}

func (b *batch) effect(fn func(*index)) { b.effects = append(b.effects, fn) }

func (b *batch) bucket(name []byte) *bbolt.Bucket {
	bucket := b.tx.Bucket(name)
	if string(name) == string(bucketLog) {
		// Keys only ever come at the end: leave no room for others.
		bucket.FillPercent = 1
	}
	return bucket
}

// get reads what the transaction sees, the batch's own writes included. The
// value is valid until the next write.
func (b *batch) get(bucket, key []byte) []byte { return b.tx.Bucket(bucket).Get(key) }

// put writes and remembers what was there.
func (b *batch) put(bucket, key, val []byte) error {
	b.over.add(bucket, key, b.get(bucket, key), val)
	return b.putQuiet(bucket, key, val)
}

// putQuiet writes what need not be put back if the commit fails. The bucket's
// sequence counts its keys.
func (b *batch) putQuiet(bucket, key, val []byte) error {
	b.wrote = true
	in := b.bucket(bucket)
	if in.Get(key) == nil {
		if err := in.SetSequence(in.Sequence() + 1); err != nil {
			return fatal(err)
		}
	}
	return fatal(in.Put(key, val))
}

// remove deletes and remembers what was there.
func (b *batch) remove(bucket, key []byte) error {
	in := b.bucket(bucket)
	old := in.Get(key)
	if old == nil {
		return nil
	}
	b.wrote = true
	b.over.add(bucket, key, old, nil)
	if err := in.SetSequence(in.Sequence() - 1); err != nil {
		return fatal(err)
	}
	return fatal(in.Delete(key))
}

// encode frames v and puts it.
func (b *batch) encode(bucket []byte, k kind, h hint, key []byte, v any) error {
	raw, err := encode(k, h, key, v)
	if err != nil {
		return err
	}
	return b.put(bucket, key, raw)
}

// mark reads a ticket's mark; the zero entry where there is none. A mark that
// is known to exist and is not found is damage.
func (b *batch) mark(scope scanner.Scope, code scanner.Code, key []byte) (markEntry, error) {
	if own, ok := b.marks[string(key)]; ok {
		return own.markEntry, nil
	}
	fresh, ok, inTree := b.j.fresh(key)
	if ok {
		return fresh, nil
	}
	raw := b.get(bucketState, key)
	if raw == nil {
		if _, own := b.over.old(bucketState, key); !own && inTree {
			return markEntry{}, damaged("mark %x is lost", key)
		}
		return markEntry{Scope: scope, Code: code}, nil
	}
	var m markEntry
	err := decode(kindMark, key, raw, &m)
	return m, err
}

// freshMark is the next revision of a mark, told by the record that made it and
// by nothing else on the disk yet: an admission appends to the log and writes
// no other tree.
func (b *batch) freshMark(key []byte, rec *logEntry) {
	m := markEntry{Scope: rec.Scope, Code: rec.Code, Ver: rec.markVer(), Mark: *rec.After}
	b.keep(key, batchMark{markEntry: m})
	b.effect(func(ix *index) { ix.fresh[string(key)] = m })
}

func (b *batch) keep(key []byte, m batchMark) {
	if b.marks == nil {
		b.marks = make(map[string]batchMark)
	}
	b.marks[string(key)] = m
}

// putMark writes the next revision of a mark into the state tree.
func (b *batch) putMark(key []byte, m markEntry) error {
	m.Mark.Rev++
	m.Ver = b.ver()
	old := b.get(bucketState, key)
	if fresh, ok, _ := b.j.fresh(key); ok {
		// What the tree holds is older than what the log tells.
		var err error
		if old, err = encode(kindMark, hintNone, key, fresh); err != nil {
			return err
		}
	}
	raw, err := encode(kindMark, hintNone, key, m)
	if err != nil {
		return err
	}
	b.over.add(bucketState, key, old, raw)
	return b.storeMark(key, m, raw)
}

// storeMark puts a mark into the tree as it is.
func (b *batch) storeMark(key []byte, m markEntry, raw []byte) error {
	if err := b.putQuiet(bucketState, key, raw); err != nil {
		return err
	}
	b.keep(key, batchMark{markEntry: m, inTree: true})
	b.effect(func(ix *index) {
		ix.marks[markHash(key)] = struct{}{}
		delete(ix.fresh, string(key))
	})
	return nil
}

// checkpoint moves up to n fresh marks, the oldest, into the state tree.
func (b *batch) checkpoint(n int) error {
	if n == 0 {
		return nil
	}
	b.j.mu.Lock()
	fresh := slices.SortedFunc(maps.Values(b.j.index.fresh), func(x, y markEntry) int { return cmp.Compare(x.Ver, y.Ver) })
	b.j.mu.Unlock()
	for _, m := range fresh[:min(n, len(fresh))] {
		key := m.key()
		if _, own := b.marks[string(key)]; own {
			// Changed in this very batch.
			continue
		}
		raw, err := encode(kindMark, hintNone, key, m)
		if err != nil {
			return fatal(err)
		}
		// Not to be put back: what it says is confirmed already.
		if err := b.storeMark(key, m, raw); err != nil {
			return err
		}
	}
	return nil
}

// record reads a record of the log. Errors: ErrUnknown, ErrDamaged.
func (b *batch) record(seq uint64) (logEntry, error) {
	var rec logEntry
	raw := b.get(bucketLog, seqKey(seq))
	if raw == nil {
		return rec, unknown(seq)
	}
	err := decode(kindLog, seqKey(seq), raw, &rec)
	return rec, err
}

// fate reads what became of a record: its first fate where nothing did.
func (b *batch) fate(rec *scanner.Record) (fateEntry, error) {
	f := fateEntry{Seq: rec.Seq, Fate: rec.Fate}
	if raw := b.get(bucketFate, seqKey(rec.Seq)); raw != nil {
		if err := decode(kindFate, seqKey(rec.Seq), raw, &f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// putFate writes the next revision of a fate and keeps the index in step.
func (b *batch) putFate(rec *scanner.Record, f fateEntry) error {
	f.Rev++
	if err := b.encode(bucketFate, kindFate, f.hint(), seqKey(f.Seq), f); err != nil {
		return err
	}
	o := owedOf(rec)
	b.effect(func(ix *index) { ix.settle(f.Seq, o, f.hint()) })
	return nil
}

// restore puts back one change of a failed transaction, as a version newer than
// the one it undoes: a rescue finds stale pages too.
func (b *batch) restore(c change, failed *overlay) error {
	switch {
	case string(c.bucket) == string(bucketLog) && c.old == nil:
		void := fateEntry{Seq: keySeq(c.key), Void: true}
		if err := b.encode(bucketFate, kindFate, hintVoid, c.key, void); err != nil {
			return err
		}
		return b.remove(c.bucket, c.key)
	case string(c.bucket) == string(bucketState) && c.new != nil:
		return b.restoreMark(c)
	case string(c.bucket) == string(bucketFate) && c.new != nil:
		return b.restoreFate(c, failed)
	case c.old == nil:
		return b.remove(c.bucket, c.key)
	}
	return b.put(c.bucket, c.key, c.old)
}

func (b *batch) restoreMark(c change) error {
	var was, failed markEntry
	if err := decode(kindMark, c.key, c.new, &failed); err != nil {
		return err
	}
	if c.old != nil {
		if err := decode(kindMark, c.key, c.old, &was); err != nil {
			return err
		}
	}
	was.Scope, was.Code, was.Ver = failed.Scope, failed.Code, b.ver()
	was.Mark.Rev = failed.Mark.Rev + 1
	raw, err := encode(kindMark, hintNone, c.key, was)
	if err != nil {
		return err
	}
	return b.storeMark(c.key, was, raw)
}

func (b *batch) restoreFate(c change, over *overlay) error {
	var was, failed fateEntry
	if err := decode(kindFate, c.key, c.new, &failed); err != nil {
		return err
	}
	switch old, own := over.old(bucketLog, c.key); {
	case c.old != nil:
		if err := decode(kindFate, c.key, c.old, &was); err != nil {
			return err
		}
	case own && old == nil:
		// The fate of a record that is being taken back itself.
		was.Void = true
	default:
		rec, err := b.record(failed.Seq)
		if err != nil {
			return err
		}
		was.Fate = rec.Fate
	}
	was.Seq, was.Rev = failed.Seq, failed.Rev+1
	return b.encode(bucketFate, kindFate, was.hint(), c.key, was)
}
