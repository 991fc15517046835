package gate

import (
	"maps"
	"sync"

	"usher/scanner"
)

// lateFor is how long an answer that came too late for its own scan decides the
// ticket's next ones: who was sent to a supervisor or told to wait tries again
// within it.
const lateFor = doubtFor

// searches are the calls to a Finder that run, one at most for a ticket, and the
// answers that came after their scans were decided.
type searches struct {
	mu      sync.Mutex // guards what follows
	stopped bool
	calls   map[string]*search
	answers map[string]*lateAnswer
	// full is how many answers there may be before the old ones go.
	full int
}

// lateAnswer is one that came at that moment.
type lateAnswer struct {
	finding
	at scanner.Stamp
	// used: a scan was decided with it.
	used bool
}

// put notes a call that is about to be made; false: none is to be made any more.
func (c *searches) put(key string, se *search) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]*search{}
	}
	c.calls[key] = se
	return !c.stopped
}

// running gives the ticket's call; nil: none runs.
func (c *searches) running(key string) *search {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[key]
}

func (c *searches) remove(key string, se *search) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[key] == se {
		delete(c.calls, key)
	}
}

// stop ends every call: none of them changes anything at the vendor, and one may
// take minutes.
func (c *searches) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for _, se := range c.calls {
		se.cancel()
	}
}

// keep keeps an answer that came now.
func (c *searches) keep(key string, f finding, now scanner.Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers, c.full = map[string]*lateAnswer{}, spentSlack
	}
	if len(c.answers) >= c.full {
		maps.DeleteFunc(c.answers, func(_ string, a *lateAnswer) bool { return !a.young(now) })
		c.full = 2*len(c.answers) + spentSlack
	}
	c.answers[key] = &lateAnswer{finding: f, at: now}
}

// late gives the answer that is kept for the ticket. It decides one scan without a
// question; once is for one that could ask. After that the vendor may know more, and
// it serves only where that does not answer.
func (c *searches) late(key string, at scanner.Stamp, once bool) (finding, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.answers[key]
	if a == nil || once && a.used {
		return finding{}, false
	}
	if !a.young(at) {
		delete(c.answers, key)
		return finding{}, false
	}
	a.used = true
	return a.finding, true
}

// forget drops what is kept for the ticket: a newer answer has come.
func (c *searches) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, key)
}

// young tells whether the answer still decides.
func (a *lateAnswer) young(now scanner.Stamp) bool {
	age, known := now.Since(a.at)
	return known && age <= lateFor
}
