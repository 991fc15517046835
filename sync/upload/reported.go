package upload

import (
	"cmp"
	"slices"
	"time"
)

// reported remembers what times the vendor has, as far as scans that are still here
// must not contradict them: in the order of the scans, each time later than those
// before it.
type reported []reportedTime

type reportedTime struct {
	seq uint64
	at  time.Time
}

// note adds an entry that the vendor may have.
func (l *reported) note(seq uint64, at time.Time) {
	i, _ := slices.BinarySearchFunc(*l, seq, func(t reportedTime, seq uint64) int { return cmp.Compare(t.seq, seq) })
	if i > 0 && !(*l)[i-1].at.Before(at) {
		return
	}
	if i < len(*l) && (*l)[i].seq == seq && !(*l)[i].at.Before(at) {
		return
	}
	end := i
	for end < len(*l) && !(*l)[end].at.After(at) {
		end++
	}
	*l = slices.Replace(*l, i, end, reportedTime{seq, at})
}

// before is the latest time that the vendor has of the scans before an entry.
func (l reported) before(seq uint64) time.Time {
	i, _ := slices.BinarySearchFunc(l, seq, func(t reportedTime, seq uint64) int { return cmp.Compare(t.seq, seq) })
	if i == 0 {
		return time.Time{}
	}
	return l[i-1].at
}

// forget drops what no entry from the given one on needs.
func (l *reported) forget(oldest uint64) {
	i, _ := slices.BinarySearchFunc(*l, oldest, func(t reportedTime, seq uint64) int { return cmp.Compare(t.seq, seq) })
	*l = slices.Delete(*l, 0, max(0, i-1))
}
