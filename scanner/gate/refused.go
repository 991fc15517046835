package gate

import (
	"maps"
	"sync"

	"usher/scanner"
)

// refused are the tickets that the vendor has just called entered already, for sure.
// Whoever is refused so, tries again and is not answered, was not let in by that
// call: a copy must not get in by trying until the network fails. It ends with the
// daemon's life; an attempt keeps what was known when it was made.
type refused struct {
	mu sync.Mutex // guards what follows
	at map[string]scanner.Stamp
	// full is how many there may be before the old ones go.
	full int
}

func (r *refused) note(scope scanner.Scope, code scanner.Code, now scanner.Stamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at, r.full = map[string]scanner.Stamp{}, spentSlack
	}
	if len(r.at) >= r.full {
		maps.DeleteFunc(r.at, func(_ string, at scanner.Stamp) bool { return !recent(at, now) })
		r.full = 2*len(r.at) + spentSlack
	}
	r.at[ticketKey(scope, code)] = now
}

func (r *refused) lately(scope scanner.Scope, code scanner.Code, now scanner.Stamp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[ticketKey(scope, code)]
	return ok && recent(at, now)
}

// recent is as long as an open attempt explains an answer.
func recent(at, now scanner.Stamp) bool {
	age, known := now.Since(at)
	return known && age <= doubtFor
}
