package journal

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// TestANotedMovementLeavesItsMark: what the vendor confirmed while the disk
// refused counts as entered after a restart too, as soon as its note is written;
// and a change of the ticket that came between is not undone by it.
func TestANotedMovementLeavesItsMark(t *testing.T) {
	for name, fault := range map[string]func(*bbolt.Tx) error{"liar": liar, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			opts := options(t.TempDir())
			j := open(t, opts)
			c := opts.Clock.(*clock)
			stale := entryChange(t, j, c, 1, scanner.FateConfirmed)
			newer := admit(t, j, 1, scanner.FateConfirmed)
			j.NoteMoved(stale.Record, *stale.Mark)
			j.db.commit = fault
			ch := entryChange(t, j, c, 0, scanner.FateConfirmed)
			if _, err := j.Commit(context.Background(), ch); !errors.Is(err, scanner.ErrNotStored) {
				t.Fatalf("commit: %v", err)
			}
			noted := j.NoteMoved(ch.Record, *ch.Mark)
			closeAndCheck(t, j)
			j = open(t, opts)
			for ticket, want := range []uint64{noted, newer} {
				if m := mark(t, j, ticket); !m.Entered || m.Last != want {
					t.Errorf("ticket %d after a restart: %+v, want the movement %d", ticket, m, want)
				}
			}
		})
	}
}
