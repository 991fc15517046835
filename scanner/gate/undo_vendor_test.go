package gate_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/scanner"
)

// eraser is a vendor that can undo.
type eraser struct {
	err    error
	hangs  bool
	panics bool
	asked  []scanner.Movement
}

func (e *eraser) Undo(ctx context.Context, m scanner.Movement) error {
	e.asked = append(e.asked, m)
	switch {
	case e.panics:
		panic("a fault of the vendor's code")
	case e.hangs:
		<-ctx.Done()
		return &scanner.CallError{Op: "undo", Trouble: scanner.Silent, MaybeSent: true, Err: ctx.Err()}
	}
	return e.err
}

func TestUndoAtTheVendor(t *testing.T) {
	for name, tt := range map[string]struct {
		eraser  eraser
		offline bool
		// asked: the vendor is. permit: the next scan passes here, without asking.
		asked, permit bool
	}{
		"it forgets it":        {asked: true},
		"it will not":          {eraser: eraser{err: &scanner.CallError{Op: "undo", Trouble: scanner.Malformed, Err: errors.New("no")}}, asked: true, permit: true},
		"its answer got lost":  {eraser: eraser{err: cutOff.err}, asked: true, permit: true},
		"it does not answer":   {eraser: eraser{hangs: true}, asked: true, permit: true},
		"it panics":            {eraser: eraser{panics: true}, asked: true, permit: true},
		"it cannot be reached": {offline: true, permit: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111", ID: "7"})
			e := tt.eraser
			d.cfg.Undoer = &e
			d.Configure(d.cfg)
			v.answers <- result{Answer: scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK, TicketID: "uuid-7"}}
			in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
			<-v.asked
			w.online = !tt.offline
			d.clock.pass(20 * time.Second)
			began := time.Now()
			out, err := d.Undo(t.Context(), in.Seq, "Eve")
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > d.cfg.Patience+time.Second {
				t.Errorf("the person waited %v", took)
			}
			if (len(e.asked) == 1) != tt.asked || tt.asked && (e.asked[0].TicketID != "uuid-7" || e.asked[0].Seq != in.Seq || e.asked[0].Code != "AAA111") {
				t.Errorf("the vendor was asked %+v", e.asked)
			}
			if strings.Contains(out.Message, "passes here once") != tt.permit || d.fate(in.Seq) != scanner.FateUndone {
				t.Errorf("says %q, fate %s", out.Message, d.fate(in.Seq))
			}
			w.online = true
			d.clock.pass(time.Minute)
			v.answers <- yes
			again := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
			if (again.Mode == scanner.Offline) != tt.permit {
				t.Errorf("the next scan was judged %s", again.Mode)
			}
			if _, err := d.Undo(t.Context(), in.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) {
				t.Errorf("undone twice: %v", err)
			}
			if len(e.asked) > 1 {
				t.Errorf("asked to undo what was undone: %+v", e.asked)
			}
		})
	}
}

// TestUndoOfWhatTheVendorDoesNotHold never asks it.
func TestUndoOfWhatTheVendorDoesNotHold(t *testing.T) {
	d, _, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	e := &eraser{}
	d.cfg.Undoer = e
	d.Configure(d.cfg)
	w.online = false
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	w.online = true
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	if len(e.asked) != 0 || d.fate(in.Seq) != scanner.FateWithdrawn {
		t.Errorf("asked %+v, fate %s", e.asked, d.fate(in.Seq))
	}
}

// TestOnlyTheNewestIsUndoneAtTheVendor: an admission behind an exit stays there.
func TestOnlyTheNewestIsUndoneAtTheVendor(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	e := &eraser{}
	d.cfg.Undoer = e
	d.Configure(d.cfg)
	v.answers <- yes
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	d.clock.pass(time.Minute)
	v.answers <- result{Answer: scanner.Answer{Verdict: scanner.Admit, Reason: scanner.Exited}}
	d.want(d.scan("lane-1", "AAA111", scanner.Exit), scanner.Admit, scanner.Exited)
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); !errors.Is(err, scanner.ErrNotPossible) || len(e.asked) != 0 {
		t.Errorf("%v, the vendor was asked %+v", err, e.asked)
	}
}

// halting holds its first call until it is let go; the others it answers with yes.
type halting struct {
	calls atomic.Int32
	held  chan struct{}
	let   chan struct{}
}

func (h *halting) Validate(context.Context, scanner.Ask) (scanner.Answer, error) {
	if h.calls.Add(1) == 1 {
		close(h.held)
		<-h.let
	}
	return yes.Answer, nil
}

// TestUndoWhileAnOlderCallRuns: that call may bring the entry back at the vendor, so
// its word is not relied on.
func TestUndoWhileAnOlderCallRuns(t *testing.T) {
	d, _, _ := onlineDoor(t)
	e, h := &eraser{}, &halting{held: make(chan struct{}), let: make(chan struct{})}
	d.cfg.Undoer, d.cfg.Validator, d.cfg.Rule.Unknown = e, h, scanner.PolicyReview
	d.Configure(d.cfg)
	d.want(d.scan("lane-1", "AAA111"), scanner.Review, scanner.NotInList) // nobody answers in time
	<-h.held
	d.clock.pass(4 * time.Second)
	in := d.scan("lane-1", "AAA111")
	out, err := d.Undo(t.Context(), in.Seq, "Eve")
	if in.Verdict != scanner.Admit || err != nil || len(e.asked) != 0 || !strings.Contains(out.Message, "passes here once") {
		t.Errorf("%s/%s, then %v, asked %+v, says %q", in.Verdict, in.Reason, err, e.asked, out.Message)
	}
	close(h.let)
	d.settled()
}
