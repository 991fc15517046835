package gate_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

// TestInDoubt walks every interleaving of a call whose answer may get lost with
// what may happen around it. All tickets of a setting pass the same gate in the
// same night, each at a lane of its own.
func TestInDoubt(t *testing.T) {
	for _, s := range settings() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			for list := range slices.Chunk(rows(s), s.crowd()) {
				for i, n := range night(t, s, list) {
					t.Run(list[i].String(), func(t *testing.T) { n.check(t, list[i], expect(list[i])) })
				}
			}
		})
	}
}

// crowd is how many tickets come in one night: after a restart the journal looks
// for the newest admissions among its last 256 records.
func (s setting) crowd() int {
	if s.restart {
		return 100
	}
	return 500
}

// nightOf is what became of one row.
type nightOf struct {
	outs   []scanner.Outcome
	waited time.Duration
	// unbacked are greens that neither the journal nor the vendor held as they were
	// shown.
	unbacked []string
	entries  []scanner.Recorded
	shown    int // conflicts shown
	atVendor bool
}

func codeOf(i int) scanner.Code { return scanner.Code(fmt.Sprintf("TICKET-%05d", i)) }

// night plays all rows of a setting at once.
func night(t *testing.T, s setting, list []row) []nightOf {
	t.Helper()
	nights := make([]nightOf, len(list))
	full := map[scanner.Code]fullness{}
	var listed []scanner.Code
	for i, r := range list {
		if r.judged.listed() {
			listed = append(listed, codeOf(i))
		}
		full[codeOf(i)] = map[judged]fullness{notStored: noCommit, diskFull: noRoom}[r.judged]
	}
	synctest.Test(t, func(t *testing.T) {
		v := openVenue(t, listed, full, func(v *venue) {
			v.cfg.Timeout = longCall
			if s.review {
				v.cfg.InDoubt = scanner.PolicyReview
			}
			if s.stale {
				v.cfg.StaleAfter = time.Nanosecond
			}
		})
		time.Sleep(time.Second) // the list grows stale
		v.began = time.Now()
		var wg sync.WaitGroup
		for i, r := range list {
			wg.Go(func() { v.play(i, r, &nights[i]) })
		}
		v.wait(diesAt)
		if s.restart {
			v.die()
		}
		v.link.on.Store(!s.offline)
		v.wait(drainsAt)
		if s.drained {
			v.upload()
		}
		wg.Wait()
		v.link.on.Store(true)
		v.wait(endsAt)
		v.upload()
		v.sum(nights)
		v.close()
	})
	return nights
}

// play is one ticket's night.
func (v *venue) play(i int, r row, n *nightOf) {
	code := codeOf(i)
	stub := v.till.stub(code)
	stub.ways, stub.names, stub.voided = []way{r.way}, r.named, r.before == isVoided
	if r.before == elsewhere {
		stub.entered, stub.at, stub.gate = true, time.Now().Add(-10*time.Minute), gate2
	}
	scans := r.scans()
	for k, s := range scans {
		if k == 1 && r.again == copyGate2 {
			v.wait(scans[0].at + gate2At)
			v.till.act(code, gate2)
		}
		v.wait(s.at)
		out, waited := v.scan(fmt.Sprint("row-", i, " ", s.lane), code)
		n.waited = max(n.waited, waited)
		if r.judged == diedAsking && k == 0 {
			out = scanner.Outcome{} // nobody saw it
		}
		n.outs = append(n.outs, out)
		if out.Verdict == scanner.Admit && !v.backed(out) {
			n.unbacked = append(n.unbacked, told(out))
		}
	}
}

// backed tells whether a green may be shown: the journal holds it, as owed to the
// vendor or as the vendor's own.
func (v *venue) backed(out scanner.Outcome) bool {
	_, j := v.now()
	e, err := j.Entry(out.Seq)
	if err != nil {
		return v.till.has(out.Code)
	}
	switch e.Fate {
	case scanner.FatePending, scanner.FateConfirmed, scanner.FateTaken, scanner.FateConflict, scanner.FateParked:
		return true
	}
	return false
}

// sum reads what has become of every ticket.
func (v *venue) sum(nights []nightOf) {
	for i := range nights {
		nights[i].atVendor = v.till.has(codeOf(i))
		for _, out := range nights[i].outs {
			if out.ID != "" && out.Verdict == scanner.Admit && !out.Repeat {
				nights[i].entries = append(nights[i].entries, v.entry(out.Seq))
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	of := map[scanner.Code]int{}
	for i := range nights {
		of[codeOf(i)] = i
	}
	for _, out := range v.shown {
		if out.Kind == scanner.KindConflict {
			nights[of[out.Code]].shown++
		}
	}
}

// check holds a row to what it must lead to, and to what holds for every row.
func (n nightOf) check(t *testing.T, r row, want wanted) {
	t.Helper()
	var got []string
	for _, out := range n.outs {
		got = append(got, told(out))
	}
	if !slices.Equal(got, want.scans) {
		t.Errorf("verdicts\n got %s\nwant %s", strings.Join(got, " | "), strings.Join(want.scans, " | "))
	}
	conflicts, parked := n.shown, 0
	for _, e := range n.entries {
		switch e.Fate {
		case scanner.FateConflict:
			conflicts++
		case scanner.FateParked:
			parked++
		case scanner.FateConfirmed, scanner.FateTaken:
		default:
			t.Errorf("an entry is %q in the end", e.Fate)
		}
	}
	if conflicts != want.conflicts || parked != want.parked {
		t.Errorf("%d conflicts and %d parked, want %d and %d", conflicts, parked, want.conflicts, want.parked)
	}
	if n.waited > patience {
		t.Errorf("somebody waited %v", n.waited)
	}
	if len(n.unbacked) > 0 {
		t.Errorf("shown green with nothing behind it: %v", n.unbacked)
	}
	if len(n.entries) > 1 {
		t.Errorf("%d entries for one ticket", len(n.entries))
	}
	if len(n.entries) > 0 && !n.atVendor && r.before != isVoided {
		t.Error("let in, and the vendor does not know")
	}
	n.checkHolder(t, r)
}

// checkHolder is the promise to a holder: where this device's own call is what
// the vendor has, somebody was let in by it at the next scan in time.
func (n nightOf) checkHolder(t *testing.T, r row) {
	t.Helper()
	came := r.again == holder || r.again == copyHere
	forgot := r.restart && r.judged == diskFull // the attempt is on no disk
	if r.before != fresh || !came || r.offline || forgot || r.review {
		return
	}
	for _, out := range n.outs {
		if out.Verdict == scanner.Admit {
			return
		}
	}
	t.Error("the holder of a good ticket came again in time, and was not let in")
}
