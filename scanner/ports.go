package scanner

import (
	"context"
	"time"
)

// Clock gives the moments of scans. Implementations are safe for concurrent
// use and never block.
type Clock interface {
	// Now is the present moment.
	Now() Stamp
	// True is the best knowledge of the stamp's true time.
	True(Stamp) Instant
}

// Tickets is the list that offline decisions read. Implementations are safe
// for concurrent use, and a refresh never makes a look-up wait.
type Tickets interface {
	// Lookup tries each form of the code and gives the first record found.
	Lookup(Scope, Code) (Ticket, Found)
	// List describes the list for the scope, from memory.
	List(Scope) ListInfo
}

// Journal is the precious store behind a verdict.
type Journal interface {
	// Mark is the ticket's gate state, as what was noted leaves it; the zero Mark
	// where there is none.
	Mark(Scope, Code) (Mark, error)
	// Commit writes the change in one transaction and returns once it is on the
	// disk, with the record's seq. Errors: ErrChanged when the mark's Rev or a
	// fate is not what the change expects (nothing written), ErrNotStored when
	// the disk refused.
	Commit(context.Context, Change) (uint64, error)
	// Attempt commits a call that is about to be made and gives its id.
	Attempt(context.Context, Attempt) (uint64, error)
	// AdmitAttempt keeps a vendor's yes that came too late for its own scan;
	// CloseAttempt ends an attempt outside a Change. One that is gone is no error.
	AdmitAttempt(ctx context.Context, id uint64) error
	CloseAttempt(ctx context.Context, id uint64) error
	// Confirm ends a pending or kept movement that the vendor turned out to hold, since
	// vendorAt by its own clock (zero: it does not say); one that is neither any more is
	// no error.
	Confirm(ctx context.Context, seq uint64, vendorAt time.Time) error
	// NeverSent takes the doubt off a pending movement: no call for it has reached
	// the vendor. One that is no longer pending is no error.
	NeverSent(ctx context.Context, seq uint64) error
	// Attempts gives the ticket's open attempts, oldest first, from memory.
	Attempts(Scope, Code) []Attempt
	// NoteMoved is Note for a movement that the vendor confirmed and the disk
	// refused: the mark is the ticket's at once, and stored with the record, unless
	// another change came between.
	NoteMoved(Record, Mark) uint64
	// Note gives the record a seq and appends it soon; it never waits for the
	// disk. It serves refusals and reviews.
	Note(Record) uint64
	// Record gives a record and its present fate, noted ones included. Errors:
	// ErrUnknown.
	Record(seq uint64) (Record, Fate, error)
	// Recent gives the newest admission of each scanner name, for the repeat
	// rule after a restart, and the newest stamp of any record.
	Recent() (admissions map[string]Record, last Stamp)
}

// Memory is where a vendor keeps what must survive a restart: registration,
// quota, sign-in lock. Load gives nil where nothing was saved under the key.
type Memory interface {
	Load(key string) ([]byte, error)
	Save(key string, value []byte) error
}

// Sealer encrypts what a thief of the device must not read. Open fails where
// the value was sealed under another key or was changed.
type Sealer interface {
	Seal(plain []byte) []byte
	Open(sealed []byte) ([]byte, error)
}

// Reading is one code as a driver framed it, before any judgement.
type Reading struct {
	// Scanner is the configured name of the scanner, or "manual" for a typed
	// code.
	Scanner   string
	Raw       string
	Direction Direction
	At        Stamp
}

// Device is one opened scanner. Run reads until the context ends or the scanner
// goes away (an error wrapping ErrUnplugged or naming what to do), gives each
// framed code to emit, and has released the scanner when it returns. Emit may
// be slow: the driver must not lose bytes meanwhile.
type Device interface {
	Run(ctx context.Context, emit func(raw string)) error
}

// Link tells the gate whether the vendor can be asked, and learns from the
// gate's calls. Implementations are safe for concurrent use and never block.
type Link interface {
	// Online: the next scan may ask the vendor.
	Online() bool
	// Answered: a scan's call got its definite answer in time, or in what is normal
	// for the vendor.
	Answered()
	// Failed: a scan's call got none. The error is a CallError, or nil where the
	// call was still under way when that time ran out.
	Failed(err error)
}
