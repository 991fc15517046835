package gate

import (
	"testing"
	"time"

	"usher/scanner"
)

// TestWhatIsSpentIsForgottenInTheEnd: while the disk refuses, no attempt leaves
// this set by being closed.
func TestWhatIsSpentIsForgottenInTheEnd(t *testing.T) {
	const days, perDay = 20, 3 * spentSlack
	at := func(i uint64) scanner.Stamp {
		return scanner.Stamp{Boot: "one", Up: time.Duration(i) * (spentFor / perDay)}
	}
	var s spent
	for i := range uint64(days * perDay) {
		s.add(at(i), i+1, unsavedID|i)
	}
	if len(s.ids) > 4*perDay {
		t.Errorf("%d ids after %d days of %d", len(s.ids), days, perDay)
	}
	const now = days * perDay
	open := s.without(func() []scanner.Attempt {
		return []scanner.Attempt{{ID: now}, {ID: now - perDay/2}, {ID: now + 1}}
	})
	if len(open) != 1 || open[0].ID != now+1 {
		t.Errorf("open: %+v, want the one that was never spent", open)
	}
}
