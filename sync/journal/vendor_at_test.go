package journal

import (
	"context"
	"testing"
	"time"

	"usher/scanner"
)

// What the vendor's clock said of a movement is told with it: as the vendor decided
// it, or as it took it later; over restarts, and in a dead device's files.
func TestTheVendorsTime(t *testing.T) {
	ctx := context.Background()
	at := noon.Add(1500*time.Millisecond + 1)
	settle := func(to scanner.Fate, at time.Time) func(*Journal, uint64) error {
		return func(j *Journal, seq uint64) error {
			return j.Settle(ctx, []scanner.Settlement{{Seq: seq, To: to, VendorAt: at}})
		}
	}
	confirm := func(j *Journal, seq uint64) error { return j.Confirm(ctx, seq, at) }
	for name, tc := range map[string]struct {
		fate scanner.Fate
		// decided is what the record itself says.
		decided time.Time
		then    func(*Journal, uint64) error
		want    time.Time
	}{
		"never told":                   {fate: scanner.FatePending},
		"decided online":               {fate: scanner.FateConfirmed, decided: at, want: at},
		"taken":                        {fate: scanner.FatePending, then: settle(scanner.FateTaken, at), want: at},
		"taken without a time":         {fate: scanner.FatePending, then: settle(scanner.FateTaken, time.Time{})},
		"conflict":                     {fate: scanner.FatePending, then: settle(scanner.FateConflict, at), want: at},
		"confirmed late":               {fate: scanner.FatePending, then: confirm, want: at},
		"kept, and confirmed late":     {fate: scanner.FateKept, then: confirm, want: at},
		"not taken: it has no time":    {fate: scanner.FatePending, then: settle(scanner.FatePending, time.Time{})},
		"decided online, and kept so":  {fate: scanner.FateConfirmed, decided: at, then: settle(scanner.FateTaken, noon), want: at},
		"parked: nothing came of it":   {fate: scanner.FatePending, then: settle(scanner.FateParked, time.Time{})},
		"taken, whatever came of that": {fate: scanner.FatePending, decided: noon, then: settle(scanner.FateTaken, at), want: at},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(stateDir(t))
			j := open(t, opts)
			change := entryChange(t, j, opts.Clock.(*clock), 1, tc.fate)
			change.Record.VendorAt = tc.decided
			seq, err := j.Commit(ctx, change)
			if err != nil {
				t.Fatal(err)
			}
			if tc.then != nil {
				if err := tc.then(j, seq); err != nil {
					t.Fatal(err)
				}
			}
			check := func(when string, j *Journal) {
				t.Helper()
				all := 0
				err := j.Each(ctx, func(e Entry) error {
					all++
					if !e.VendorAt.Equal(tc.want) {
						t.Errorf("%s: the vendor's time is %v, want %v", when, e.VendorAt, tc.want)
					}
					return nil
				})
				if err != nil || all != 1 {
					t.Errorf("%s: %d records, %v", when, all, err)
				}
			}
			check("at once", j)
			closeAndCheck(t, j)
			j = open(t, opts)
			check("after a restart", j)
			closeAndCheck(t, j)
			dead, err := OpenReadOnly(opts.Dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			check("a dead device's", dead)
			if err := dead.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A movement that is only noted yet tells what it was noted with.
func TestTheVendorsTimeOfANote(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	rec := record(opts.Clock.(*clock), 1, scanner.FateConfirmed)
	rec.VendorAt = noon
	seq := j.NoteMoved(rec, scanner.Mark{Entered: true})
	if e, err := j.Entry(seq); err != nil || !e.VendorAt.Equal(noon) {
		t.Errorf("the vendor's time is %v, %v, want %v", e.VendorAt, err, noon)
	}
}
