package journal

import (
	"cmp"
	"maps"
	"slices"

	"usher/scanner"
)

// Tally counts what was scanned for one event: the record's own, or its scope's
// where the record names none.
type Tally struct {
	Event   string `json:"event"`
	Entries int    `json:"entries"`
	Exits   int    `json:"exits"`
	// Inside is entries less exits, undone ones not counted. It is negative
	// where people entered at other gates.
	Inside     int `json:"inside"`
	Refused    int `json:"refused"`
	Overridden int `json:"overridden"`
	Undone     int `json:"undone"`
}

// tally is a Tally with the seq of the last record in it.
type tally struct {
	Tally
	Last uint64 `json:"last"`
}

// count is what one record adds to its event's tally.
type count struct {
	Tally
	seq uint64
}

// countOf judges a record. The direction of what an undo takes back comes from
// the movement itself, where it is still at hand.
func countOf(rec *scanner.Record, undone func(seq uint64) (scanner.Direction, bool)) count {
	c := count{seq: rec.Seq, Tally: Tally{Event: cmp.Or(rec.Event, rec.Scope.Event)}}
	switch {
	case rec.Kind == scanner.KindUndo:
		c.Undone = 1
		way, ok := undone(rec.Of)
		if !ok {
			way = rec.Direction
		}
		if way == scanner.Exit {
			c.Inside = 1
		} else {
			c.Inside = -1
		}
	case rec.Movement() && rec.Direction == scanner.Exit:
		c.Exits, c.Inside = 1, -1
	case rec.Movement():
		c.Entries, c.Inside = 1, 1
	case rec.Verdict == scanner.Refuse:
		c.Refused = 1
	}
	if rec.Movement() && rec.Overridden {
		c.Overridden = 1
	}
	return c
}

// empty tells a record that counts nowhere: a review.
func (c count) empty() bool { return c.Tally == Tally{Event: c.Event} }

// add counts a record.
func (ix *index) add(c count) {
	if c.empty() {
		return
	}
	t := ix.tallies[c.Event]
	if t == nil {
		t = &tally{Tally: Tally{Event: c.Event}}
		ix.tallies[c.Event] = t
	}
	t.Entries += c.Entries
	t.Exits += c.Exits
	t.Inside += c.Inside
	t.Refused += c.Refused
	t.Overridden += c.Overridden
	t.Undone += c.Undone
	t.Last = max(t.Last, c.seq)
}

// counts lists the tallies by event.
func (ix *index) counts() []tally {
	list := make([]tally, 0, len(ix.tallies))
	for _, event := range slices.Sorted(maps.Keys(ix.tallies)) {
		list = append(list, *ix.tallies[event])
	}
	return list
}
