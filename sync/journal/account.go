package journal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/scanner"
)

// rescued tells of a damaged file that was moved aside: what a person at the
// telephone asks.
type rescued struct {
	File  string    `json:"file"`
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
	// Carried says what the new file holds of the old one, Lost what it does not.
	Carried string `json:"carried"`
	Lost    string `json:"lost,omitempty"`
	// Unproven: marks may be lost. Until the file is moved away, tickets without a
	// mark are for a supervisor where the vendor does not answer.
	Unproven bool `json:"unproven,omitempty"`
}

// mostGaps is how many ranges of missing numbers are named.
const mostGaps = 12

// account notes what is missing, before anything is taken back or made anew.
func (f *salvaged) account() {
	f.lost, f.unproven = f.missing()
}

// missing says in words what is known to be lost, or not known to be there. A
// record counts as there where as many were found as the log's own count says.
func (f *salvaged) missing() (lost string, unproven bool) {
	var list []string
	had, known := f.had[string(bucketLog)]
	logProven := known && uint64(len(f.log)) >= had
	switch {
	case logProven:
	case known:
		list = append(list, fmt.Sprintf("%d of %d records are missing, among the numbers %s", had-uint64(len(f.log)), had, f.gaps()))
	default:
		list = append(list, "how many records are missing cannot be told: not there are the numbers "+f.gaps())
	}
	marks, known := f.had[string(bucketState)]
	marksProven := logProven && known && uint64(len(f.marks)) >= marks
	if logProven && !marksProven {
		list = append(list, "marks may be missing of which the record was no longer kept")
	}
	if !f.whole[string(bucketFate)] {
		list = append(list, "whether an entry left for the vendor may be forgotten: it is sent again")
	}
	if !f.whole[string(bucketAttempts)] {
		list = append(list, "calls without an answer may be forgotten")
	}
	if !f.whole[string(bucketMemory)] {
		list = append(list, "what the vendor's sign-in remembered may be older")
	}
	return strings.Join(list, "; "), !marksProven
}

// gaps are the numbers below the next one that no record was found for. Some of
// them were never used.
func (f *salvaged) gaps() string {
	var ranges []string
	more := 0
	name := func(from, to uint64) {
		switch {
		case len(ranges) == mostGaps:
			more++
		case from == to:
			ranges = append(ranges, fmt.Sprint(from))
		default:
			ranges = append(ranges, fmt.Sprintf("%d-%d", from, to))
		}
	}
	next := uint64(1)
	if f.oldest > 0 {
		next = f.oldest
	}
	for _, seq := range slices.Sorted(maps.Keys(f.log)) {
		if seq > next {
			name(next, seq-1)
		}
		next = max(next, seq+1)
	}
	if more > 0 {
		ranges = append(ranges, fmt.Sprintf("%d more ranges", more))
	}
	return strings.Join(append(ranges, fmt.Sprintf("%d and above", next)), ", ") + " (some of these were never used)"
}

// carried says in words what was found.
func (f *salvaged) carried() string {
	fates := make(map[scanner.Fate]int)
	for seq := range f.log {
		fates[f.fate(seq)]++
	}
	text := fmt.Sprintf("%s (%d not uploaded, %d parked, %d conflicts), %s, %s, %s",
		amount(len(f.log), "record"), fates[scanner.FatePending], fates[scanner.FateParked], fates[scanner.FateConflict],
		amount(len(f.marks), "mark"), amount(len(f.attempts), "open call"), amount(len(f.memory), "vendor value"))
	if f.mended > 0 {
		text += fmt.Sprintf("; %s mended, of which one byte was wrong", amount(f.mended, "record"))
	}
	return text
}

func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// String is what a person should know of the rescue.
func (r *rescued) String() string {
	lost := "; nothing is missing"
	if r.Lost != "" {
		lost = "; " + r.Lost
	}
	return fmt.Sprintf("%s; carried over: %s%s", r.Cause, r.Carried, lost)
}
