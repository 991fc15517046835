package gate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/scanner"
)

// undo takes a movement back on behalf of a person.
func (v *venue) undo(seq uint64) {
	v.t.Helper()
	g, _ := v.now()
	if _, err := g.Undo(v.t.Context(), seq, "Eve"); err != nil {
		v.t.Fatal(err)
	}
}

// leaves has an entry leave for the vendor so often, and parks it after the last.
func (v *venue) leaves(seq uint64, times int) {
	v.t.Helper()
	_, j := v.now()
	for range times {
		if err := j.Sent(v.t.Context(), []scanner.Sending{{Seq: seq, As: time.Now()}}); err != nil {
			v.t.Fatal(err)
		}
	}
	if err := j.Settle(v.t.Context(), []scanner.Settlement{{Seq: seq, To: scanner.FateParked, Detail: "no"}}); err != nil {
		v.t.Fatal(err)
	}
}

// TestUndoOfWhatALostCallMayHaveBrought: the movement is no longer owed to the
// vendor, which may hold it all the same. The person did not pass; later it does.
func TestUndoOfWhatALostCallMayHaveBrought(t *testing.T) {
	lost := way{0, fails, reset}
	for name, tt := range map[string]struct {
		calls []way
		sent  int
		keeps bool // the vendor takes no uploads
		acked bool
		// again is the holder's next scan, where the vendor can be asked.
		again string
	}{
		"parked after a lost call":               {calls: []way{lost}, sent: 1, again: "admit/ok offline in-doubt"},
		"parked after a lost call and looked at": {calls: []way{lost}, sent: 1, acked: true, again: "admit/ok offline in-doubt"},
		"parked after lost uploads":              {calls: []way{{never, fails, noDial}}, sent: 3, again: "admit/ok offline in-doubt"},
		"kept after a lost call":                 {calls: []way{lost}, keeps: true, again: "admit/ok offline in-doubt"},
		"parked, and the vendor never had it":    {calls: []way{{never, fails, noDial}}, sent: 1, again: "admit/ok online"},
	} {
		t.Run(name, func(t *testing.T) {
			inVenue(t, func(v *venue) {
				v.goes(listed, tt.calls...)
				in, _ := v.scan("lane-1", listed)
				if !tt.keeps {
					v.leaves(in.Seq, tt.sent)
				}
				if _, j := v.now(); tt.acked {
					if err := j.Acknowledge(v.t.Context(), in.Seq, "Eve"); err != nil {
						t.Fatal(err)
					}
				}
				v.wait(20 * time.Second)
				v.undo(in.Seq)
				v.wantFate(in.Seq, scanner.FateWithdrawn)
				v.wait(time.Minute)
				v.wants("lane-1", listed, tt.again)
				v.wait(2 * time.Minute)
				if out, _ := v.scan("lane-1", listed); out.Verdict != scanner.Refuse {
					t.Errorf("a permit let two people in: %s", told(out))
				}
			}, func(v *venue) { v.cfg.Uploads = !tt.keeps })
		})
	}
}

// TestTwoScansOfOneHolder: two supervisors each admit a refusal of the same
// person.
func TestTwoScansOfOneHolder(t *testing.T) {
	inVenue(t, func(v *venue) {
		v.link.on.Store(false)
		one := v.wants("lane-1", walkUp, "refuse/not_found offline")
		v.wait(10 * time.Second)
		two := v.wants("lane-1", walkUp, "refuse/not_found offline")
		g, _ := v.now()
		in, err := g.Admit(v.t.Context(), two.Seq, "Eve")
		if err != nil {
			t.Fatal(err)
		}
		v.wait(90 * time.Second)
		_, err = g.Admit(v.t.Context(), one.Seq, "Bob")
		if at := in.At.Wall.UTC().Format("admitted since, at 15:04"); !errors.Is(err, scanner.ErrNotPossible) || !strings.Contains(err.Error(), at) {
			t.Errorf("the other scan: %v", err)
		}
		v.undo(in.Seq)
		if _, err := g.Admit(v.t.Context(), one.Seq, "Bob"); err != nil {
			t.Errorf("nobody has passed: %v", err)
		}
	})
}

// TestUndoAfterADamage: whether the ticket entered before is as unknown as it was.
func TestUndoAfterADamage(t *testing.T) {
	inVenue(t, func(v *venue) {
		_, j := v.now()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(v.dir, "journal.db"), []byte("not a store"), 0o600); err != nil {
			t.Fatal(err)
		}
		v.start()
		v.link.on.Store(false)
		amber := v.wants("lane-1", listed, "review/damaged offline")
		g, _ := v.now()
		in, err := g.Admit(v.t.Context(), amber.Seq, "Eve")
		if err != nil {
			t.Fatal(err)
		}
		v.wait(5 * time.Second)
		v.undo(in.Seq)
		v.wait(20 * time.Second)
		v.wants("lane-1", listed, "review/damaged offline")
	})
}
