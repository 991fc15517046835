package gate_test

import (
	"context"
	"testing"
	"time"

	"usher/cache"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
)

func TestTwoTicketsUnderOneScannerAreEachARepeat(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "BBB222"})
	a := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	b := d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
	d.clock.pass(time.Second)
	d.wantRepeat(d.scan("lane-1", "AAA111"), a.Seq)
	d.wantRepeat(d.scan("lane-1", "BBB222"), b.Seq)
}

func TestAPrefixMakesNoOtherTicketOfARepeat(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	in := d.want(d.scan("lane-1", "]C1AAA111"), scanner.Admit, scanner.OK)
	d.wantRepeat(d.scan("lane-1", "AAA111"), in.Seq)
	d.restart(false)
	d.wantRepeat(d.scan("lane-1", "]C1AAA111"), in.Seq)
}

func TestAnUndoneAdmissionIsNotRecalled(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.restart(false)
	d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
}

func TestWhatIsOlderThanTheLastSignOfLifeIsNotRecalled(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	d.clock.pass(12 * time.Second)
	d.scan("lane-2", "nobody")
	d.restart(false)
	d.want(d.scan("lane-1", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
}

func TestAfterAnUndoEveryLaneJudgesAgain(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Second)
	d.want(d.scan("lane-2", "AAA111"), scanner.Admit, scanner.OK)
}

// lateList is a store whose list is swapped in between a look-up and whatever is
// asked next.
type lateList struct {
	*cache.Store
	swap func()
}

func (l *lateList) Lookup(s scanner.Scope, c scanner.Code) (scanner.Ticket, scanner.Found) {
	t, found := l.Store.Lookup(s, c)
	l.swap()
	return t, found
}

func TestAListSwappedInMidScanVouchesForNothing(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "OLD111"})
	swap := func() {
		feed := func(add func(scanner.Ticket, string) error) error {
			return add(scanner.Ticket{Code: "AAA111", Status: scanner.StatusValid}, "new:1")
		}
		if err := d.tickets.Build(t.Context(), &cache.Meta{Scope: scope, Complete: true, Checked: d.clock.Now()}, feed, nil); err != nil {
			t.Error(err)
		}
	}
	d.clock.pass(time.Hour) // the list on the device is stale
	d.cfg.StaleAfter = time.Minute
	g := gate.New(d.cfg, gate.Deps{
		Clock: d.clock, Tickets: &lateList{d.tickets, swap}, Journal: d.journal, NewID: counter(), Show: d.show, Log: d.Log,
	})
	out, _ := g.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: "AAA111", At: d.clock.Now()})
	d.want(out, scanner.Review, scanner.NotInList)
}

// slowJournal takes its time with every commit.
type slowJournal struct {
	*journal.Journal
	take func()
}

func (s slowJournal) Commit(ctx context.Context, c scanner.Change) (uint64, error) {
	s.take()
	return s.Journal.Commit(ctx, c)
}

func TestWaitingInAQueueIsNotBeingStuck(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	read := d.clock.Now()
	d.clock.pass(time.Minute) // it waited for the scans before it
	var g *gate.Gate
	take := func() {
		d.clock.pass(time.Second)
		if stuck := g.Stuck(); stuck != time.Second {
			t.Errorf("stuck for %v, want 1s", stuck)
		}
	}
	g = gate.New(d.cfg, gate.Deps{
		Clock: d.clock, Tickets: d.tickets, Journal: slowJournal{d.journal, take}, NewID: counter(), Show: d.show, Log: d.Log,
	})
	out, _ := g.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: "AAA111", At: read})
	d.want(out, scanner.Admit, scanner.OK)
}

func TestUndoWhileAnUploadSettles(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Uploads = true
	d.Configure(d.cfg)
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	settled := false
	j := slowJournal{d.journal, func() {
		if !settled {
			settled = true
			if err := d.journal.Settle(t.Context(), []scanner.Settlement{{Seq: in.Seq, To: scanner.FateTaken}}); err != nil {
				t.Error(err)
			}
		}
	}}
	g := gate.New(d.cfg, gate.Deps{Clock: d.clock, Tickets: d.tickets, Journal: j, NewID: counter(), Show: d.show, Log: d.Log})
	if _, err := g.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	mark, err := d.journal.Mark(scope, "AAA111")
	if err != nil || mark.Permit != scanner.Entry || mark.Open != 0 {
		t.Errorf("mark %+v, %v", mark, err)
	}
}

func TestUndoOfWhatIsUnderWayLeavesItInTheOutbox(t *testing.T) {
	d := openDoor(t, scanner.Ticket{Code: "AAA111"})
	d.cfg.Uploads = true
	d.Configure(d.cfg)
	in := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	if err := d.journal.Sent(t.Context(), []scanner.Sending{{Seq: in.Seq}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	if _, fate, _ := d.journal.Record(in.Seq); fate != scanner.FatePending {
		t.Errorf("fate %s", fate)
	}
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Admit, scanner.OK)
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-2", "AAA111"), scanner.Refuse, scanner.AlreadyEntered)
}
