package upload

import (
	"cmp"
	"slices"
	"time"

	"usher/scanner"
)

// mostHeld bounds what is remembered of what the vendor has: an event's scans at
// one device.
const mostHeld = 8192

// held remembers what times the vendor has of each ticket, in the order of the
// scans, for an older movement that is requeued. A restart forgets it.
type held []heldTime

type heldTime struct {
	seq    uint64
	ticket scanner.Code
	at     time.Time
}

// note adds an entry that the vendor may have.
func (l *held) note(seq uint64, ticket scanner.Code, at time.Time) {
	*l = slices.Insert(*l, l.search(seq), heldTime{seq, ticket, at})
	if len(*l) > mostHeld {
		*l = slices.Delete(*l, 0, 1)
	}
}

// after is the earliest time that the vendor has of the ticket's scans after an
// entry, and whether there is one.
func (l *held) after(seq uint64, ticket scanner.Code) (first time.Time, ok bool) {
	for _, t := range (*l)[l.search(seq):] {
		if t.seq > seq && t.ticket == ticket && (!ok || t.at.Before(first)) {
			first, ok = t.at, true
		}
	}
	return first, ok
}

// search is where the entry belongs.
func (l *held) search(seq uint64) int {
	i, _ := slices.BinarySearchFunc(*l, seq, func(t heldTime, seq uint64) int { return cmp.Compare(t.seq, seq) })
	return i
}
