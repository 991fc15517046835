package upload

import (
	"context"
	"time"

	"usher/scanner"
)

// Entry is a record with what became of it. It has the fields of the journal's
// own type, so that one converts to the other.
type Entry struct {
	scanner.Record
	Fate scanner.Fate
	// Sent is how often it left for the vendor without a definite answer that it
	// was not taken.
	Sent int
	// SentAs is the time that the vendor was last told; zero where no sending
	// counts.
	SentAs time.Time
	Detail string
	FateAt time.Time
	FateBy string
}

// Sending is one entry that is about to leave, with the time that the vendor is
// told. It and what follows convert likewise.
type Sending struct {
	Seq uint64
	As  time.Time
}

// Settlement is the end of one entry's journey.
type Settlement struct {
	Seq    uint64
	To     scanner.Fate
	Detail string
}

// Journal is what is needed of the journal.
type Journal interface {
	// Pending gives the entries of the scopes that mine accepts with a seq above
	// after, oldest first, at most limit.
	Pending(mine func(scanner.Scope) bool, after uint64, limit int) ([]Entry, error)
	// Sent marks entries before they leave, with their times in the same
	// transaction. Errors: ErrChanged where one is no longer pending; then none is
	// marked.
	Sent(ctx context.Context, list []Sending) error
	// Settle ends pending entries; to FatePending, it takes back the last mark.
	Settle(ctx context.Context, list []Settlement) error
}
