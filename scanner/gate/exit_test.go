package gate_test

import (
	"testing"
	"time"

	"usher/scanner"
)

var (
	out        = result{Answer: scanner.Answer{Verdict: scanner.Admit, Reason: scanner.Exited}}
	notInside  = result{Answer: scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.ExitNotPermitted}}
	goesBy     = 5 * time.Second
	exitLane   = "lane-2"
	secondExit = "lane-4"
)

// leave reads the code at an exit lane.
func (d *door) leave(lane, code string) scanner.Outcome {
	d.t.Helper()
	return d.scan(lane, code, scanner.Exit)
}

// TestAnExitWhoseAnswerGotLost: the vendor refuses the second call since it has
// the first. Whoever stands at the exit is the one it let out.
func TestAnExitWhoseAnswerGotLost(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	v.answers <- cutOff
	d.want(d.leave(exitLane, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted) // it entered elsewhere
	d.settled()
	d.clock.pass(goesBy)
	v.answers <- notInside
	got := d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited)
	if !got.Late || got.Mode != scanner.Online || got.Fate != scanner.FateConfirmed {
		t.Errorf("outcome %+v", got)
	}
	d.settled()
	d.clock.pass(goesBy)
	v.answers <- notInside
	d.want(d.leave(secondExit, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted)
	d.settled()
	if d.attempts("AAA111") != 0 {
		t.Errorf("%d attempts open", d.attempts("AAA111"))
	}
}

func TestAnExitInDoubtIsAmberWhereTheSiteWantsIt(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.InDoubt = scanner.PolicyReview
	d.Configure(d.cfg)
	v.answers <- cutOff
	d.want(d.leave(exitLane, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted)
	d.settled()
	d.clock.pass(goesBy)
	v.answers <- notInside
	d.want(d.leave(exitLane, "AAA111"), scanner.Review, scanner.ExitNotPermitted)
	d.settled()
}

// TestASecondExitIsNotMadeGood: this device has seen the ticket leave, so that the
// vendor's refusal needs no lost call to explain it.
func TestASecondExitIsNotMadeGood(t *testing.T) {
	for _, kind := range []scanner.GateKind{scanner.External, scanner.Internal} {
		t.Run(string(kind), func(t *testing.T) {
			d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
			d.cfg.Rule.Kind = kind
			d.Configure(d.cfg)
			v.answers <- yes
			d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
			v.answers <- out
			d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited)
			d.settled()
			d.clock.pass(time.Minute)
			v.answers <- cutOff
			d.want(d.leave(exitLane, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted)
			d.settled()
			d.clock.pass(goesBy)
			v.answers <- notInside
			d.want(d.leave(exitLane, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted)
			d.settled()
		})
	}
}

// TestAnEntryExplainsNoExit: what is open in one direction says nothing of the
// other.
func TestAnEntryExplainsNoExit(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	doubt(t, d, v)
	d.clock.pass(goesBy)
	v.answers <- notInside
	d.want(d.leave(exitLane, "WALKUP-1"), scanner.Refuse, scanner.ExitNotPermitted)
	d.settled()
}

// TestAListedEntryHidesNoLostExit: a ticket must have entered to leave, so that a
// list which shows it as used says nothing of an exit that was asked for as the
// daemon died.
func TestAListedEntryHidesNoLostExit(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111", Status: scanner.StatusUsed})
	asked := scanner.Attempt{Scope: scope, Code: "AAA111", Direction: scanner.Exit, Scanner: exitLane, At: d.clock.Now(), Used: true}
	if _, err := d.journal.Attempt(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(goesBy)
	v.answers <- notInside
	if got := d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited); !got.Late {
		t.Errorf("outcome %+v", got)
	}
	d.settled()
}

// TestALateAnswerToAnExit: after a green it confirms, or is a conflict that does
// not make the ticket's next entry red; after a red it lets the next one out.
func TestALateAnswerToAnExit(t *testing.T) {
	inside := func(t *testing.T) (*door, *script, *wire, scanner.Outcome) {
		d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
		d.cfg.Rule.Reentry = true
		d.Configure(d.cfg)
		v.answers <- yes
		d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
		d.settled()
		d.clock.pass(time.Minute)
		got := d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited)
		if !got.InDoubt || got.Fate != scanner.FatePending || !d.Busy(got.ID) {
			t.Errorf("outcome %+v", got)
		}
		return d, v, w, got
	}
	t.Run("yes", func(t *testing.T) {
		d, v, _, got := inside(t)
		v.answers <- out
		d.settled()
		if d.fate(got.Seq) != scanner.FateConfirmed {
			t.Errorf("fate %s", d.fate(got.Seq))
		}
	})
	t.Run("no", func(t *testing.T) {
		d, v, w, got := inside(t)
		v.answers <- notInside
		d.settled()
		if d.fate(got.Seq) != scanner.FatePending || d.journal.Status().Conflicts != 1 {
			t.Errorf("fate %s, %d conflicts", d.fate(got.Seq), d.journal.Status().Conflicts)
		}
		w.online = false
		if back := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK); back.Repeat {
			t.Error("who comes back is a repeat of who went in")
		}
	})
	t.Run("after a red", func(t *testing.T) {
		d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
		d.want(d.leave(exitLane, "AAA111"), scanner.Refuse, scanner.ExitNotPermitted)
		v.answers <- out
		d.settled()
		w.online = false
		d.clock.pass(goesBy)
		if got := d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited); !got.Late {
			t.Errorf("outcome %+v", got)
		}
	})
}

// TestRepeatsAreOfOneDirection: a second reading at a lane is one scan, unless
// the ticket has gone the other way in between.
func TestRepeatsAreOfOneDirection(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Rule.Reentry = true
	d.Configure(d.cfg)
	one := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if got := d.scan("lane-1", "AAA111"); !got.Repeat || got.Seq != one.Seq {
		t.Errorf("read twice: %+v", got)
	}
	left := d.want(d.leave("lane-1", "AAA111"), scanner.Admit, scanner.Exited)
	if left.Repeat {
		t.Error("an exit is a repeat of the entry")
	}
	if got := d.leave("lane-1", "AAA111"); !got.Repeat || got.Seq != left.Seq {
		t.Errorf("an exit read twice: %+v", got)
	}
	back := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if back.Repeat {
		t.Error("an entry after the exit is a repeat of the entry before it")
	}
	// A red moves nobody: the entry before it is still the newest.
	d.cfg.Rule.Reentry = false
	d.Configure(d.cfg)
	d.want(d.leave("lane-3", "AAA111"), scanner.Admit, scanner.Exited)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	if got := d.leave("lane-3", "AAA111"); !got.Repeat {
		t.Errorf("an exit read twice around a refusal: %+v", got)
	}
}

// TestAKeptEntryThatArrivedLeavesAtTheVendor: nothing is uploaded there, but the
// call whose answer came late has brought the entry, so that the exit is asked
// like any other.
func TestAKeptEntryThatArrivedLeavesAtTheVendor(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Uploads = false
	d.Configure(d.cfg)
	got := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if got.Fate != scanner.FateKept || !got.InDoubt {
		t.Errorf("outcome %+v", got)
	}
	<-v.asked
	v.answers <- yes
	d.settled()
	if m, _ := d.journal.Mark(scope, "AAA111"); d.fate(got.Seq) != scanner.FateConfirmed || m.Kept || !m.Entered {
		t.Errorf("fate %s, mark %+v", d.fate(got.Seq), m)
	}
	d.clock.pass(time.Minute)
	v.answers <- out
	if left := d.want(d.leave(exitLane, "AAA111"), scanner.Admit, scanner.Exited); left.Mode != scanner.Online {
		t.Errorf("the exit is decided %s", left.Mode)
	}
	d.settled()

	// One whose exit is kept since is judged here for as long as it has a mark.
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "BBB222"})
	d.cfg.Uploads = false
	d.Configure(d.cfg)
	first := d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
	d.clock.pass(time.Minute)
	d.want(d.leave(exitLane, "BBB222"), scanner.Admit, scanner.Exited)
	v.answers <- yes
	d.settled()
	if m, _ := d.journal.Mark(scope, "BBB222"); d.fate(first.Seq) != scanner.FateConfirmed || !m.Kept {
		t.Errorf("fate %s, mark %+v", d.fate(first.Seq), m)
	}
	if !w.Online() {
		t.Error("the link is away")
	}
	d.clock.pass(time.Minute)
	if again := d.want(d.leave(exitLane, "BBB222"), scanner.Refuse, scanner.ExitNotPermitted); again.Mode != scanner.Offline {
		t.Errorf("the vendor is asked of an exit it does not know of: %s", again.Mode)
	}
}
