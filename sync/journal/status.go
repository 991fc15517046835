package journal

import (
	"fmt"

	"usher/scanner"
)

// Status is what is known of the journal without the disk.
type Status struct {
	// Pending is the size of the outbox; Oldest and OldestTrue are its first
	// entry's raw stamp and its time as known at the scan, nil where it is empty.
	Pending    int
	Oldest     *scanner.Stamp
	OldestTrue *scanner.Instant
	// Parked and Conflicts wait for a person.
	Parked    int
	Conflicts int
	// Tallies are by event; noted records count once they are written.
	Tallies []Tally
	// Problems say in words what is wrong and what to do.
	Problems []string
	// Writable is false after a commit failed, until one has succeeded again, and
	// while there is no room for another admission.
	Writable bool
}

// Status answers from memory and never waits for the disk.
func (j *Journal) Status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Status{
		Pending:   len(j.index.pending),
		Parked:    len(j.index.parked),
		Conflicts: len(j.index.conflicts),
		Writable:  j.unwritable == nil && !j.lean,
	}
	if first, ok := j.index.oldest(); ok {
		s.Oldest, s.OldestTrue = &first.At, &first.True
	}
	for _, t := range j.index.counts() {
		s.Tallies = append(s.Tallies, t.Tally)
	}
	if j.unwritable != nil {
		s.Problems = append(s.Problems, fmt.Sprintf("journal cannot be written: %v; %s, scans without network stay amber meanwhile", j.unwritable, remedy(j.unwritable, j.opts.Dir)))
	}
	if j.noDoubt != nil {
		s.Problems = append(s.Problems, fmt.Sprintf("%s cannot be made: %v; %s: where a commit fails and usher dies after it, its scans may count as stored",
			doubtName, j.noDoubt, remedy(j.noDoubt, j.opts.Dir)))
	}
	if text := j.growProblem(); text != "" {
		s.Problems = append(s.Problems, text)
	}
	if j.dropped > 0 {
		s.Problems = append(s.Problems, fmt.Sprintf("%d refusals were not stored and miss in the history; no admission is among them", j.dropped))
	}
	for _, r := range j.rewritten {
		s.Problems = append(s.Problems, fmt.Sprintf("journal.db was written anew at %s: %s; find out who touches %s while usher runs",
			r.At.UTC().Format("15:04:05 MST"), r, j.opts.Dir))
	}
	for _, d := range j.damagedFiles {
		s.Problems = append(s.Problems, d.String())
	}
	if j.keyDiffers {
		s.Problems = append(s.Problems, "device key differs from the one the journal knew; names of earlier scans cannot be shown")
	}
	return s
}
