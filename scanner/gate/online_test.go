package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
)

// script is a vendor that answers when and what the test says.
type script struct {
	asked   chan scanner.Ask
	answers chan result
}

type result struct {
	scanner.Answer
	err error
}

func (v *script) Validate(_ context.Context, ask scanner.Ask) (scanner.Answer, error) {
	v.asked <- ask
	r := <-v.answers
	return r.Answer, r.err
}

// wire is a link that the test switches.
type wire struct {
	online   bool
	answered int
	failed   []error
}

func (w *wire) Online() bool     { return w.online }
func (w *wire) Answered()        { w.answered++ }
func (w *wire) Failed(err error) { w.failed = append(w.failed, err) }

// onlineDoor is a door whose vendor is scripted. Each answer put into it before
// a scan is that scan's; one put in afterwards comes late.
func onlineDoor(t *testing.T, tickets ...scanner.Ticket) (*door, *script, *wire) {
	t.Helper()
	d := openDoor(t, tickets...)
	v := &script{asked: make(chan scanner.Ask, 8), answers: make(chan result, 8)}
	w := &wire{online: true}
	d.cfg.Validator, d.cfg.Uploads, d.cfg.InDoubt = v, true, scanner.PolicyAdmit
	d.cfg.Patience, d.cfg.Timeout = 250*time.Millisecond, time.Minute
	d.Gate = gate.New(d.cfg, gate.Deps{
		Clock: d.clock, Tickets: d.tickets, Journal: d.journal, Link: w, NewID: counter(), Show: d.show, Ended: func() {}, Log: d.Log,
	})
	t.Cleanup(d.Drain)
	return d, v, w
}

var (
	yes       = result{Answer: scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK}}
	entered   = result{Answer: scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered}}
	voided    = result{Answer: scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.Voided}}
	cutOff    = result{err: &scanner.CallError{Op: "validate", Trouble: scanner.Silent, MaybeSent: true, Err: errors.New("reset")}}
	noRoute   = result{err: &scanner.CallError{Op: "validate", Trouble: scanner.Unreachable, Err: errors.New("no route")}}
	patiently = time.Second
)

// settled waits until every call has ended and its end is stored.
func (d *door) settled() {
	d.t.Helper()
	done := make(chan struct{})
	go func() { d.Drain(); close(done) }()
	select {
	case <-done:
	case <-time.After(patiently):
		d.t.Fatal("a call never ended")
	}
}

func (d *door) fate(seq uint64) scanner.Fate {
	d.t.Helper()
	_, fate, err := d.journal.Record(seq)
	if err != nil {
		d.t.Fatal(err)
	}
	return fate
}

func (d *door) attempts(code scanner.Code) int { return len(d.journal.Attempts(scope, code)) }

func TestTheVendorsAnswerIsTheVerdict(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111", ID: "7"})
	v.answers <- yes
	out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if out.Mode != scanner.Online || out.Fate != scanner.FateConfirmed || out.TicketID != "7" || out.Late {
		t.Errorf("outcome %+v", out)
	}
	v.answers <- voided
	if out := d.want(d.scan("lane-1", "VVV111"), scanner.Refuse, scanner.Voided); out.Mode != scanner.Online {
		t.Errorf("mode %s", out.Mode)
	}
	d.settled()
	if d.attempts("AAA111")+d.attempts("VVV111") != 0 || w.answered != 2 || len(w.failed) != 0 {
		t.Errorf("attempts left, or the link was told %d answers, %v", w.answered, w.failed)
	}
	// What this device saw decides where the vendor cannot be asked.
	w.online = false
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestNoAnswerIsDecidedHere(t *testing.T) {
	for name, failure := range map[string]result{"cut off": cutOff, "no route": noRoute} {
		t.Run(name, func(t *testing.T) {
			d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
			v.answers <- failure
			out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
			if out.Mode != scanner.Offline || out.Fate != scanner.FatePending || out.InDoubt != (name == "cut off") {
				t.Errorf("outcome %+v", out)
			}
			d.settled()
			if d.attempts("AAA111") != 0 || len(w.failed) != 1 {
				t.Errorf("%d attempts open, link told %v", d.attempts("AAA111"), w.failed)
			}
			<-v.asked
			// The movement is not at the vendor: the journal speaks first.
			d.clock.pass(time.Minute)
			d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
			if len(v.asked) != 0 {
				t.Error("the vendor was asked about a ticket whose entry it does not know of")
			}
		})
	}
}

func TestNobodyWaitsLongerThanPatience(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if out.Mode != scanner.Offline || !out.InDoubt || len(w.failed) != 1 || w.failed[0] != nil {
		t.Errorf("outcome %+v, link %v", out, w.failed)
	}
	if !d.Busy(out.ID) {
		t.Error("the entry may be uploaded beside its own call")
	}
	v.answers <- yes
	d.settled()
	if d.Busy(out.ID) || d.fate(out.Seq) != scanner.FateConfirmed || d.attempts("AAA111") != 0 {
		t.Errorf("a late yes: busy %v, fate %s, %d open", d.Busy(out.ID), d.fate(out.Seq), d.attempts("AAA111"))
	}
	if m, _ := d.journal.Mark(scope, "AAA111"); m.Open != 0 || !m.Entered {
		t.Errorf("mark %+v", m)
	}
}

func TestALateRefusalAfterGreenIsAConflict(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	v.answers <- entered
	d.settled()
	if d.fate(out.Seq) != scanner.FatePending {
		t.Errorf("fate %s: it is uploaded all the same", d.fate(out.Seq))
	}
	last := d.shown[len(d.shown)-1]
	if last.Kind != scanner.KindConflict || last.Of != out.Seq || !last.Conflict || last.Verdict != "" {
		t.Errorf("shown %+v", last)
	}
	if n := d.journal.Status().Conflicts; n != 1 {
		t.Errorf("%d conflicts in the status", n)
	}
	w.online = false
	again := d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	if !again.Conflict {
		t.Error("the next scan is not marked conflict")
	}
}

// doubt leaves an open attempt that the vendor may have recorded: the scan itself
// was not admitted, since no list knows the ticket.
func doubt(t *testing.T, d *door, v *script) {
	t.Helper()
	d.cfg.StaleAfter = time.Nanosecond
	d.Configure(d.cfg)
	d.clock.pass(time.Second)
	v.answers <- cutOff
	d.want(d.scan("lane-1", "WALKUP-1"), scanner.Review, scanner.NotInList)
	d.settled()
	if d.attempts("WALKUP-1") != 1 {
		t.Fatalf("%d attempts open", d.attempts("WALKUP-1"))
	}
}

func TestTheHolderWhoseAnswerGotLostIsAdmittedOnce(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	doubt(t, d, v)
	d.clock.pass(time.Minute)
	v.answers <- entered
	out := d.want(d.scan("lane-2", "WALKUP-1"), scanner.Admit, scanner.OK)
	if !out.Late || out.Fate != scanner.FateConfirmed {
		t.Errorf("outcome %+v", out)
	}
	d.settled()
	d.clock.pass(10 * time.Second)
	v.answers <- entered
	d.want(d.scan("lane-2", "WALKUP-1"), scanner.Refuse, scanner.AlreadyEntered) // a second phone
}

func TestDoubtSurvivesARestart(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	doubt(t, d, v)
	d.restart(false)
	d.Gate = gate.New(d.cfg, gate.Deps{Clock: d.clock, Tickets: d.tickets, Journal: d.journal, Link: w, NewID: counter(), Show: d.show, Ended: func() {}, Log: d.Log})
	v.answers <- entered
	if out := d.want(d.scan("lane-1", "WALKUP-1"), scanner.Admit, scanner.OK); !out.Late {
		t.Error("not marked late")
	}
}

func TestDoubtEnds(t *testing.T) {
	elsewhere := entered
	elsewhere.FirstEnteredGate = "Gate 2"
	earlier := entered
	earlier.FirstEnteredAt = evening.Add(-time.Hour)
	for name, tt := range map[string]struct {
		after  time.Duration
		answer result
	}{
		"after two minutes":             {2*time.Minute + time.Second, entered},
		"the vendor names a gate":       {time.Second, elsewhere},
		"the vendor names a time":       {time.Second, earlier},
		"the vendor says another thing": {time.Second, voided},
	} {
		t.Run(name, func(t *testing.T) {
			d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
			doubt(t, d, v)
			d.clock.pass(tt.after)
			v.answers <- tt.answer
			if out := d.scan("lane-1", "WALKUP-1"); out.Verdict != scanner.Refuse {
				t.Errorf("got %s/%s", out.Verdict, out.Reason)
			}
		})
	}
}

func TestDoubtCanBeAReview(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	doubt(t, d, v)
	d.cfg.InDoubt = scanner.PolicyReview
	d.Configure(d.cfg)
	d.clock.pass(time.Second)
	v.answers <- entered
	if out := d.scan("lane-1", "WALKUP-1"); out.Verdict != scanner.Review || !out.Late {
		t.Errorf("got %s/%s late %v", out.Verdict, out.Reason, out.Late)
	}
	d.settled()
	d.clock.pass(time.Second)
	v.answers <- entered
	d.want(d.scan("lane-1", "WALKUP-1"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestALateYesAfterAmberAdmitsWithoutAsking(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.StaleAfter = time.Nanosecond
	d.Configure(d.cfg)
	d.clock.pass(time.Second)
	d.want(d.scan("lane-1", "WALKUP-1"), scanner.Review, scanner.NotInList)
	v.answers <- yes
	d.settled()
	<-v.asked
	w.online = false
	d.clock.pass(time.Second)
	if out := d.want(d.scan("lane-1", "WALKUP-1"), scanner.Admit, scanner.OK); !out.Late || out.Fate != scanner.FateConfirmed {
		t.Errorf("outcome %+v", out)
	}
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "WALKUP-1"), scanner.Refuse, scanner.AlreadyEntered)
	if len(v.asked) != 0 {
		t.Error("the vendor was asked")
	}
}

func TestAnOpenAttemptExplainsALateAlreadyEntered(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	doubt(t, d, v)
	d.cfg.StaleAfter = 0
	d.cfg.Rule.Unknown = scanner.PolicyAdmit
	d.Configure(d.cfg)
	d.clock.pass(time.Second)
	out := d.want(d.scan("lane-1", "WALKUP-1"), scanner.Admit, scanner.OK) // patience ran out
	v.answers <- entered
	d.settled()
	if fate := d.fate(out.Seq); fate != scanner.FateConfirmed {
		t.Errorf("fate %s: the vendor spoke of our own first call", fate)
	}
}

func TestTheVendorsYesIsGreenThoughTheDiskFails(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.Gate = gate.New(d.cfg, gate.Deps{Clock: d.clock, Tickets: d.tickets, Journal: fullDisk{d.journal}, Link: w, NewID: counter(), Show: d.show, Ended: func() {}, Log: d.Log})
	v.answers <- yes
	out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if rec, fate, err := d.journal.Record(out.Seq); err != nil || rec.ID != out.ID || fate != scanner.FateConfirmed {
		t.Errorf("noted %+v %s, %v", rec, fate, err)
	}
	w.online = false
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	d.want(d.scan("lane-2", "BBB222"), scanner.Refuse, scanner.NotFound)
}

// fullDisk refuses every commit.
type fullDisk struct{ *journal.Journal }

func (fullDisk) Commit(context.Context, scanner.Change) (uint64, error) {
	return 0, scanner.ErrNotStored
}

func (fullDisk) Attempt(context.Context, scanner.Attempt) (uint64, error) {
	return 0, scanner.ErrNotStored
}

func TestAGateThatIsNotForTheTicketDoesNotUseItUp(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111", Section: "Stalls"})
	d.cfg.Rule.Sections = []string{"Balcony"}
	d.Configure(d.cfg)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.WrongSection)
	if len(v.asked) != 0 {
		t.Error("the vendor was asked, and would have used the ticket up")
	}
}

func TestAListThatSaysUsedIsNotExplainedByOurOwnLostCall(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "USED11", Status: scanner.StatusUsed})
	v.answers <- cutOff
	d.want(d.scan("lane-1", "USED11"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()
	d.clock.pass(4 * time.Second)
	d.want(d.scan("lane-1", "USED11"), scanner.Refuse, scanner.AlreadyEntered) // patience ran out
	v.answers <- cutOff
	d.settled()
}

func TestAPassedBackTicketIsNotExplainedByALostCall(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	v.answers <- yes
	d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	d.clock.pass(30 * time.Minute)
	v.answers <- cutOff
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	d.settled()
	d.clock.pass(10 * time.Second)
	v.answers <- entered
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestAnAnsweredAttemptAdmitsNobodyThoughTheDiskFails(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.Gate = gate.New(d.cfg, gate.Deps{Clock: d.clock, Tickets: d.tickets, Journal: sealedDisk{d.journal}, Link: w, NewID: counter(), Show: d.show, Ended: func() {}, Log: d.Log})
	for _, first := range []result{yes, entered} {
		code := "AAA111"
		if first.Verdict == scanner.Refuse {
			code = "WALKUP-1"
		}
		v.answers <- first
		if out := d.scan("lane-1", code); out.Verdict != first.Verdict {
			t.Fatalf("got %s, want %s", out.Verdict, first.Verdict)
		}
		d.settled()
		for range 2 {
			d.clock.pass(10 * time.Second)
			v.answers <- entered
			d.want(d.scan("lane-2", code), scanner.Refuse, scanner.AlreadyEntered)
			d.settled()
		}
	}
}

// sealedDisk takes attempts and nothing after them.
type sealedDisk struct{ *journal.Journal }

func (sealedDisk) Commit(context.Context, scanner.Change) (uint64, error) {
	return 0, scanner.ErrNotStored
}

func (sealedDisk) CloseAttempt(context.Context, uint64) error { return scanner.ErrNotStored }

func TestUndoOfAnInDoubtAdmissionLeavesAPermit(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if _, err := d.Undo(t.Context(), out.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	v.answers <- yes
	d.settled()
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Admit, scanner.OK) // the permit, though the vendor has it
}

func TestALateYesIsNotHiddenBehindARepeatOfTheOldRed(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.want(d.scan("lane-1", "WALKUP-1"), scanner.Refuse, scanner.NotFound) // patience ran out
	v.answers <- yes
	d.settled()
	w.online = false
	d.clock.pass(time.Second)
	if out := d.want(d.scan("lane-1", "WALKUP-1"), scanner.Admit, scanner.OK); !out.Late {
		t.Error("not marked late")
	}
}

func TestAVendorThatPanicsGaveNoAnswer(t *testing.T) {
	d, _, w := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Validator = panics{}
	d.Configure(d.cfg)
	if out := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK); out.Mode != scanner.Offline || len(w.failed) != 1 {
		t.Errorf("outcome %+v, link %v", out, w.failed)
	}
}

type panics struct{}

func (panics) Validate(context.Context, scanner.Ask) (scanner.Answer, error) { panic("no") }

func TestASupervisorsAdmissionWaitsForTheCallToo(t *testing.T) {
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"})
	red := d.want(d.scan("lane-1", "WALKUP-1"), scanner.Refuse, scanner.NotFound) // patience ran out
	out, err := d.Admit(t.Context(), red.Seq, "Eve")
	if err != nil || !d.Busy(out.ID) {
		t.Fatalf("busy %v, %v: it may be uploaded beside the scan's own call", d.Busy(out.ID), err)
	}
	v.answers <- cutOff
	d.settled()
	if d.Busy(out.ID) {
		t.Error("held back for ever")
	}
}
