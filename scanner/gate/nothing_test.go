package gate_test

import (
	"testing"
	"time"

	"usher/scanner"
)

// nothing is an answer of a vendor that got the ticket twice within a moment and
// says nothing of it.
var nothing = result{Answer: scanner.Answer{Verdict: scanner.Review, Reason: scanner.Restricted, Detail: "scan it once more"}}

// A vendor that says nothing of the ticket leaves the lost call before it open: what
// it says next may be that call.
func TestAnAnswerThatSaysNothing(t *testing.T) {
	d, v, w := onlineDoor(t)
	d.cfg.Rule.Unknown = scanner.PolicyReview
	d.Configure(d.cfg)
	v.answers <- cutOff
	d.want(d.scan("lane-1", "AAA111"), scanner.Review, scanner.NotInList)
	d.clock.pass(1900 * time.Millisecond)
	v.answers <- nothing
	if out := d.want(d.scan("lane-1", "AAA111"), scanner.Review, scanner.Restricted); out.Message != "Restricted: scan it once more" || out.Mode != scanner.Online {
		t.Errorf("outcome %+v", out)
	}
	d.settled()
	if d.attempts("AAA111") != 1 || len(w.failed) != 1 {
		t.Errorf("%d attempts open, link told %v", d.attempts("AAA111"), w.failed)
	}
	d.clock.pass(3 * time.Second)
	v.answers <- entered
	if out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK); !out.Late {
		t.Errorf("outcome %+v", out)
	}
}

// One that comes late is no conflict with the green that was given meanwhile. Whether
// the vendor has the movement by it depends on what it may have done.
func TestAnAnswerThatSaysNothingComesLate(t *testing.T) {
	for _, acted := range []bool{false, true} {
		d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
		out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
		<-v.asked
		r := nothing
		r.MaybeActed = acted
		v.answers <- r
		d.settled()
		mark, err := d.journal.Mark(scope, "AAA111")
		if err != nil || mark.Conflict || d.fate(out.Seq) != scanner.FatePending {
			t.Errorf("mark %+v, fate %s, %v", mark, d.fate(out.Seq), err)
		}
		if rec, _, err := d.journal.Record(out.Seq); err != nil || rec.InDoubt != acted {
			t.Errorf("the vendor may have acted: %v; in doubt %v, %v", acted, rec.InDoubt, err)
		}
	}
}

// TestAnAnswerThatMayHaveActed: what a supervisor admits after it may be at the vendor
// already, and is no other's entry then.
func TestAnAnswerThatMayHaveActed(t *testing.T) {
	for _, acted := range []bool{false, true} {
		d, v, _ := onlineDoor(t)
		r := nothing
		r.MaybeActed = acted
		v.answers <- r
		amber := d.want(d.scan("lane-1", "AAA111"), scanner.Review, scanner.Restricted)
		d.settled()
		out, err := d.Admit(t.Context(), amber.Seq, "Eve")
		if err != nil || out.InDoubt != acted {
			t.Errorf("the vendor may have acted: %v; in doubt %v, %v", acted, out.InDoubt, err)
		}
	}
}
