package journal

import (
	"bytes"
	"slices"
)

// snapshot reads the stored one; zero where there is none.
func (b *batch) snapshot() (snapshot, error) {
	var snap snapshot
	raw := b.get(bucketMeta, keySnapshot)
	if raw == nil {
		return snap, nil
	}
	err := decode(kindSnapshot, keySnapshot, raw, &snap)
	return snap, err
}

// writeSnapshot persists what opening then need not count. The batch holds
// every record up to upto.
func (b *batch) writeSnapshot(upto uint64) error {
	old, err := b.snapshot()
	if err != nil {
		return err
	}
	// The tallies as this batch will leave them.
	sum := newIndex()
	snap := snapshot{Upto: upto, Marked: upto}
	b.j.mu.Lock()
	for key, m := range b.j.index.fresh {
		if own, ok := b.marks[key]; !ok || !own.inTree {
			snap.Marked = min(snap.Marked, m.Ver-2)
		}
	}
	for _, own := range b.marks {
		if !own.inTree {
			snap.Marked = min(snap.Marked, own.Ver-2)
		}
	}
	snap.Watermark = min(snap.Upto, snap.Marked) + 1
	for event, t := range b.j.index.tallies {
		kept := *t
		sum.tallies[event] = &kept
	}
	if pending := b.j.index.pending; len(pending) > 0 {
		snap.Watermark = min(snap.Watermark, pending[0])
	}
	b.j.mu.Unlock()
	for _, c := range b.counted {
		sum.add(c)
		// Whatever this batch adds may be pending.
		snap.Watermark = min(snap.Watermark, c.seq)
	}
	snap.Tallies = sum.counts()
	snap.Below = b.below(old, snap.Watermark)
	b.effect(func(*index) { b.j.upto = upto })
	return b.encode(bucketMeta, kindSnapshot, hintNone, keySnapshot, snap)
}

// below counts the log's records under a watermark from what was counted under
// an earlier one: the log never gains a record under a watermark.
func (b *batch) below(old snapshot, watermark uint64) uint64 {
	lo, hi := seqKey(min(old.Watermark, watermark)), seqKey(max(old.Watermark, watermark))
	var between uint64
	c := b.tx.Bucket(bucketLog).Cursor()
	for k, _ := c.Seek(lo); k != nil && bytes.Compare(k, hi) < 0; k, _ = c.Next() {
		between++
	}
	if watermark < old.Watermark {
		return old.Below - between
	}
	return old.Below + between
}

// forget keeps the snapshot true when records it counts are pruned.
func (b *batch) forget(seqs []uint64, tallied bool) error {
	if len(seqs) == 0 {
		return nil
	}
	snap, err := b.snapshot()
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if seq < snap.Watermark {
			snap.Below--
		}
		if !tallied {
			snap.Tallies = slices.DeleteFunc(snap.Tallies, func(t tally) bool { return t.Last <= seq })
		}
	}
	b.effect(func(ix *index) {
		for _, seq := range seqs {
			ix.forget(seq, tallied)
		}
	})
	return b.encode(bucketMeta, kindSnapshot, hintNone, keySnapshot, snap)
}
