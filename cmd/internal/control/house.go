package control

import (
	"context"
	"errors"
	"io"
	"strings"

	"usher/scanner"
)

// House is what the socket asks of the daemon. Its methods are called from many
// goroutines at once and end early when their context does.
//
// Errors: scanner.ErrUnknown becomes 404, scanner.ErrNotPossible and
// scanner.ErrChanged 409, scanner.ErrNotStored and [ErrUnavailable] 503,
// [ErrBadRequest] 400, [Faults] 422; anything else 500. Their texts are shown
// to a person as they are, and hold no whole code: they are logged too.
type House interface {
	// Status comes from memory: it waits for no disk, network or lock held
	// across either.
	Status() Status
	// Sync signs in, uploads, refreshes and looks at the manifest, now.
	Sync(context.Context, SyncRequest) (SyncResult, error)
	// Reload validates the configuration file and swaps it in. An invalid file
	// gives [Faults], and what ran goes on.
	Reload(context.Context) (Reloaded, error)
	// VendorEvents asks the vendor what can be scanned, and gives what it told before
	// where it cannot be asked.
	VendorEvents(context.Context, Period) (VendorEvents, error)
	// Export gives every record in history to yield, oldest first, and stops at
	// its first error. Yield may be slow: no transaction is held across it.
	Export(ctx context.Context, yield func(ExportRow) error) error

	Scans
	Tickets
	Queue
}

// Scans is the part of the house that judges and remembers.
type Scans interface {
	// Newest gives the newest events whose seq is above after, newest first.
	Newest(ctx context.Context, limit int, after uint64) ([]Event, error)
	// Since gives the oldest events whose seq is above after, oldest first. An
	// event that was published on the Feed is in every later answer, so that a
	// follower misses nothing.
	Since(ctx context.Context, limit int, after uint64) ([]Event, error)
	// Scan judges a code typed by hand; direction "" is the gate's own.
	Scan(ctx context.Context, code scanner.Code, direction scanner.Direction) (Event, error)
	// Admit is a supervisor's admission of a refused or reviewed scan.
	Admit(ctx context.Context, seq uint64, by string) (Event, error)
	// Undo takes back a movement whose person did not pass.
	Undo(ctx context.Context, seq uint64, by string) (Event, error)
}

// Tickets is the part of the house that knows the vendor's list.
type Tickets interface {
	// Ticket is all that is known of the code. A code that neither the list nor
	// the journal knows gives scanner.ErrUnknown.
	Ticket(context.Context, scanner.Code) (TicketView, error)
	// Find searches by name, order or seat.
	Find(ctx context.Context, text string, limit int) ([]Ticket, error)
	// Import loads a manifest. Name is the file's, for messages. A reader that
	// fails (the client went away) changes nothing.
	Import(ctx context.Context, name string, manifest io.Reader) (ImportResult, error)
}

// Queue is the part of the house that owes the vendor something.
type Queue interface {
	// Outbox gives the oldest entries, oldest first.
	Outbox(ctx context.Context, limit int) ([]OutboxEntry, error)
	// Parked gives the oldest entries, oldest first.
	Parked(ctx context.Context, limit int) ([]ParkedEntry, error)
	// Requeue puts a parked entry back into the outbox.
	Requeue(ctx context.Context, seq uint64, by string) error
	// RequeueAll does so with every parked entry and tells how many they were.
	RequeueAll(ctx context.Context, by string) (int, error)
	// Acknowledge says that a person has seen the entry and taken care of it.
	Acknowledge(ctx context.Context, seq uint64, by string) error
}

var (
	// ErrUnavailable is wrapped by what cannot be done now and may be later.
	ErrUnavailable = errors.New("not available now")
	// ErrBadRequest is wrapped by what cannot be meant as it was asked.
	ErrBadRequest = errors.New("bad request")
)

// Faults is a configuration or manifest that was not taken, with every fault
// found, each naming its place.
type Faults []string

// Error joins the faults.
func (f Faults) Error() string { return strings.Join(f, "; ") }
