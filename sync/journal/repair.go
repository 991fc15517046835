package journal

import (
	"fmt"
	"sync"
	"time"

	"usher/scanner"
)

// repairAfter is how long a journal that could not be repaired, or whose next
// commit failed too, is left to Run. Opening reads all of the file, and on a slow
// disk with a long queue that takes seconds: nobody at the gate waits for it twice.
const repairAfter = 2 * time.Second

// repair tells those who would wait for a repair that the last one was in vain.
type repair struct {
	mu sync.Mutex
	// failed is when the last repair ended in vain, why is what it ended with; nil:
	// the last one was good, or there was none.
	failed time.Time
	why    error
	// trying: another is under way, and no better hope than the last.
	trying bool
}

// refuses gives the error of a request that is not to wait.
func (p *repair) refuses(r *request) error {
	if r.retry || r.last {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil || !p.trying && time.Since(p.failed) >= repairAfter {
		return nil
	}
	return fmt.Errorf("%w: %w", scanner.ErrNotStored, p.why)
}

// begins notes that the store is about to be opened again.
func (p *repair) begins() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trying = true
}

// ended notes how a commit ended, and whether the store was to be repaired for it.
// A transaction that was too large says nothing of the repair.
func (p *repair) ended(broken bool, err error, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trying = false
	switch {
	case err == nil || full:
		p.why = nil
	case broken:
		p.failed, p.why = time.Now(), err
	}
}
