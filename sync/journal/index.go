package journal

import (
	"encoding/binary"
	"maps"
	"slices"

	"usher/scanner"
)

// owed is what status and upload know of a pending entry without the disk: the
// part of its record that opening reads.
type owed struct {
	Scope scanner.Scope   `json:"scope"`
	At    scanner.Stamp   `json:"at"`
	True  scanner.Instant `json:"true"`
}

func owedOf(rec *scanner.Record) owed { return owed{Scope: rec.Scope, At: rec.At, True: rec.True} }

// index is what is known without the disk. Journal.mu guards it.
type index struct {
	// pending is the outbox in seq order.
	pending   []uint64
	owed      map[uint64]owed
	parked    map[uint64]struct{}
	conflicts map[uint64]struct{}
	// marks holds a hash of every key of the state tree: a look-up that misses
	// one of them has met a damaged tree.
	marks map[uint64]struct{}
	// fresh are the marks that the log tells and the state tree does not yet.
	fresh map[string]markEntry
	// attempts are the open ones of each ticket, attemptOf the ticket of each.
	attempts  map[string][]Attempt
	attemptOf map[uint64]string
	tallies   map[string]*tally
	// admissions is the newest of each scanner.
	admissions map[string]scanner.Record
}

func newIndex() *index {
	return &index{
		owed:       make(map[uint64]owed),
		parked:     make(map[uint64]struct{}),
		conflicts:  make(map[uint64]struct{}),
		marks:      make(map[uint64]struct{}),
		fresh:      make(map[string]markEntry),
		attempts:   make(map[string][]Attempt),
		attemptOf:  make(map[uint64]string),
		tallies:    make(map[string]*tally),
		admissions: make(map[string]scanner.Record),
	}
}

func markHash(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

// fresh gives a mark that is not in the state tree yet, and whether the tree
// must hold one.
func (j *Journal) fresh(key []byte) (m markEntry, ok, inTree bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, ok = j.index.fresh[string(key)]
	_, inTree = j.index.marks[markHash(key)]
	return m, ok, inTree
}

// settle puts the record where its present fate belongs.
func (ix *index) settle(seq uint64, o owed, h hint) {
	delete(ix.parked, seq)
	delete(ix.conflicts, seq)
	at, was := slices.BinarySearch(ix.pending, seq)
	switch {
	case h == hintPending && !was:
		ix.pending = slices.Insert(ix.pending, at, seq)
		ix.owed[seq] = o
	case h != hintPending && was:
		ix.pending = slices.Delete(ix.pending, at, at+1)
		delete(ix.owed, seq)
	}
	switch h {
	case hintParked:
		ix.parked[seq] = struct{}{}
	case hintConflict:
		ix.conflicts[seq] = struct{}{}
	}
}

// forget drops what a pruned record left. An event's tally goes with its last
// record, unless it is to stay.
func (ix *index) forget(seq uint64, tallied bool) {
	delete(ix.conflicts, seq)
	if tallied {
		return
	}
	maps.DeleteFunc(ix.tallies, func(_ string, t *tally) bool { return t.Last <= seq })
}

// recent keeps the newest admission of each scanner.
func (ix *index) recent(rec scanner.Record) {
	if rec.Movement() && ix.admissions[rec.Scanner].Seq < rec.Seq {
		ix.admissions[rec.Scanner] = rec
	}
}

// oldest is the first entry of the outbox.
func (ix *index) oldest() (owed, bool) {
	if len(ix.pending) == 0 {
		return owed{}, false
	}
	return ix.owed[ix.pending[0]], true
}
