package gate

import (
	"sync"

	"usher/scanner"
)

// Counts are the verdicts since start.
type Counts struct {
	Admit, Refuse, Review, Repeat, Offline int
	// Last is the newest outcome of a scan; nil before the first.
	Last *scanner.Outcome
}

// Counts since start, from memory.
func (g *Gate) Counts() Counts {
	g.tally.mu.Lock()
	defer g.tally.mu.Unlock()
	return g.tally.counts
}

// show hands an outcome to everything that shows it, after it may be shown.
func (g *Gate) show(out scanner.Outcome) {
	g.tally.count(out)
	g.Show(out)
}

type tally struct {
	mu     sync.Mutex // guards counts
	counts Counts
}

func (t *tally) count(out scanner.Outcome) {
	if out.Kind == scanner.KindUndo {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.counts
	c.Last = &out
	if out.Repeat {
		c.Repeat++
		return
	}
	switch out.Verdict {
	case scanner.Admit:
		c.Admit++
	case scanner.Refuse:
		c.Refuse++
	case scanner.Review:
		c.Review++
	}
	if out.Mode == scanner.Offline {
		c.Offline++
	}
}
