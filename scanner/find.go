package scanner

import (
	"context"
	"time"
)

// Finder is a vendor that can be asked about a ticket and redeems none: its
// answer is a record like a list's, this device decides on it, and what it admits
// is on this disk alone.
type Finder interface {
	// Find asks once, as the scan's own call. Listed comes with the ticket, Missing
	// says that the vendor does not know the code, Damaged that it answered and what
	// it said of the ticket cannot be understood: a supervisor decides, and is told the
	// ticket's Detail. An error is a [CallError]: no definite answer; as nothing was
	// changed at the vendor, it is never in doubt.
	Find(ctx context.Context, ask Ask) (Ticket, Found, error)
}

// Watcher learns from the vendor what was scanned elsewhere, for a Finder to heed,
// or how the event's Window stands.
type Watcher interface {
	// Watch fetches what is new since the last time, once. An error is a [CallError],
	// never in doubt; what was fetched before it is kept.
	Watch(ctx context.Context) error
	// Every is the pause between two times.
	Every() time.Duration
}
