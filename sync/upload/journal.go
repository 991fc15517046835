package upload

import (
	"context"

	"usher/scanner"
)

// Journal is what is needed of the journal.
type Journal interface {
	// Pending gives the entries of the scopes that mine accepts with a seq above
	// after, oldest first, at most limit.
	Pending(mine func(scanner.Scope) bool, after uint64, limit int) ([]scanner.Recorded, error)
	// Sent marks entries before they leave, with their times in the same
	// transaction. Errors: ErrChanged where one is no longer pending; then none is
	// marked.
	Sent(ctx context.Context, list []scanner.Sending) error
	// Settle ends pending entries; to FatePending, it takes back the last mark.
	Settle(ctx context.Context, list []scanner.Settlement) error
}
