package gate

import (
	"sync"
	"time"

	"usher/scanner"
)

// backlog is how many outcomes a follower may be behind before it is dropped: a
// screen that hangs must never delay a verdict.
const backlog = 256

// bus hands every outcome to every follower.
type bus struct {
	mu        sync.Mutex // guards followers; held for sends, which never wait
	followers map[chan scanner.Outcome]struct{}
}

// Follow gives the outcomes from now on. The channel is closed when the
// follower falls too far behind or calls stop.
func (g *Gate) Follow() (outcomes <-chan scanner.Outcome, stop func()) {
	b := &g.bus
	ch := make(chan scanner.Outcome, backlog)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.followers == nil {
		b.followers = map[chan scanner.Outcome]struct{}{}
	}
	b.followers[ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(ch)
	}
}

func (b *bus) publish(out scanner.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.followers {
		select {
		case ch <- out:
		default:
			b.drop(ch)
		}
	}
}

func (b *bus) drop(ch chan scanner.Outcome) {
	if _, ok := b.followers[ch]; ok {
		delete(b.followers, ch)
		close(ch)
	}
}

// Counts are the verdicts since start.
type Counts struct {
	Admit, Refuse, Review, Repeat, Offline uint64
	// Last is the newest outcome; nil before the first.
	Last *scanner.Outcome
	// Longest is the longest time from a reading to its verdict.
	Longest time.Duration
}

// Counts since start, from memory.
func (g *Gate) Counts() Counts {
	g.tally.mu.Lock()
	defer g.tally.mu.Unlock()
	return g.tally.counts
}

type tally struct {
	mu     sync.Mutex // guards counts
	counts Counts
}

func (t *tally) count(out scanner.Outcome) {
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
	c.Longest = max(c.Longest, out.Took)
}
