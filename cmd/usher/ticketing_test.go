package main

import (
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

// TestAnAdmissionAtTicketing: one is TickeTing's own, with its time; somebody else's
// is told with time and place; what TickeTing does not know is refused.
func TestAnAdmissionAtTicketing(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	in := f.scan(scanner.Online, "lane-1", front(1), scanner.OK)
	f.scan(scanner.Online, "lane-2", front(1), scanner.AlreadyEntered) // a copy of it
	if in.Ticket == nil || in.Ticket.Section != "Front Stage" {
		t.Errorf("ticket %+v", in.Ticket)
	}
	if err := f.sim.Admit(back(2), "Bo", "scanner 9"); err != nil {
		t.Fatal(err)
	}
	e := f.scan(scanner.Online, "lane-1", back(2), scanner.AlreadyEntered)
	theirs := f.admissions()[back(2)]
	if !e.FirstEnteredAt.Equal(theirs.At) || !strings.Contains(e.FirstEnteredGate, "Bo") || !strings.Contains(e.FirstEnteredGate, "scanner 9") || !strings.Contains(e.Message, "Bo") {
		t.Errorf("%+v, want %+v", e, theirs)
	}
	f.scan(scanner.Online, "lane-2", "DAWIER-N0B0DY000000", scanner.NotFound)
	f.scan(scanner.Online, "lane-1", "]C1"+back(3), scanner.OK)
	rows := f.rows(false)
	for _, serial := range []string{front(1), back(3)} {
		if row, a := rows[serial], f.admissions()[serial]; row.Fate != string(scanner.FateConfirmed) || !row.VendorAt.Equal(a.At) || a.Redeemer != "Alma" {
			t.Errorf("%s: %+v; at TickeTing %+v", serial, row, a)
		}
	}
}

// TestALostAnswerFromTicketing: the call reached TickeTing, its answer did not reach
// the gate. Whoever was not let in on it is at the next scan, once; whoever was has one
// admission.
func TestALostAnswerFromTicketing(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	lose := func() {
		t.Helper()
		for _, fault := range []faults.Fault{{Kind: faults.Lost, Call: "admit", Times: 1}, {Kind: faults.Close, Call: "exchange token", Times: 2}} {
			if err := f.wire.Set(fault); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Sold since the list: this device knows nothing of it.
	const late = "DAWIER-WALK75580360"
	f.sim.AddTickets(ticketingsim.Ticket{Serial: late, Section: ticketingsim.SectionFront})
	lose()
	f.scan(scanner.Offline, "lane-1", late, scanner.NotFound)
	soon(t, f.Rig, 10*time.Second, "TickeTing", online)
	if f.sim.Admitted(late) != 1 {
		t.Fatal("TickeTing did not get the call: this test proves nothing")
	}
	e := f.scan(scanner.Online, "lane-2", late, scanner.OK)
	if !e.Late {
		t.Errorf("not marked late: %+v", e)
	}
	if e, err := f.Client.Scan(t.Context(), late, scanner.Entry); err != nil || e.Reason != scanner.AlreadyEntered || e.Mode != scanner.Online {
		t.Errorf("a second phone: %+v, %v", e, err)
	}

	lose()
	doubted := f.scan(scanner.Offline, "lane-1", front(1), scanner.OK)
	if !doubted.InDoubt || !doubted.Queued {
		t.Errorf("the entry whose answer got lost: %+v", doubted)
	}
	soon(t, f.Rig, 10*time.Second, "an empty outbox", drained)
	rows, taken := f.rows(false), f.admissions()
	for serial, fate := range map[string]scanner.Fate{late: scanner.FateConfirmed, front(1): scanner.FateTaken} {
		if row := rows[serial]; row.Fate != string(fate) || !row.VendorAt.Equal(taken[serial].At) {
			t.Errorf("%s: %+v, want %s at %v", serial, row, fate, taken[serial].At)
		}
	}
	if st, err := f.Client.Status(t.Context()); err != nil || st.Conflicts+st.Parked != 0 {
		t.Errorf("%d conflicts, %d parked, %v", st.Conflicts, st.Parked, err)
	}
}

// TestASectionLimitedHandheld refuses the other section: online without using the
// ticket up, in an outage, and after a restart in the outage.
func TestASectionLimitedHandheld(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoFront, "")
	f.start()
	f.scan(scanner.Online, "lane-1", front(1), scanner.OK)
	asked := f.sim.Calls("admit")
	f.scan(scanner.Offline, "lane-2", back(1), scanner.WrongSection) // nobody need be asked
	if f.sim.Calls("admit") != asked {
		t.Error("TickeTing was asked for a ticket of another section")
	}
	f.lost()
	f.scan(scanner.Offline, "lane-1", back(2), scanner.WrongSection)
	f.scan(scanner.Offline, "lane-2", front(2), scanner.OK)
	if err := f.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context(), func(st control.Status) bool { return outage(st) && connected(st) && st.Tickets.Count > 0 }); err != nil {
		t.Fatal(err)
	}
	f.scan(scanner.Offline, "lane-1", back(3), scanner.WrongSection)
	f.scan(scanner.Offline, "lane-2", front(3), scanner.OK)
	f.scan(scanner.Offline, "lane-1", back(2), scanner.WrongSection)
	f.net.Instead(nil)
	soon(t, f.Rig, 20*time.Second, "an empty outbox", drained)
	taken := f.admissions()
	for i := range 10 {
		if _, ok := taken[front(i)]; ok != (i >= 1 && i <= 3) {
			t.Errorf("%s is at TickeTing: %v", front(i), ok)
		}
		if a, ok := taken[back(i)]; ok {
			t.Errorf("%+v", a)
		}
	}
	// An installer gives the handheld more: it learns of it with the next exchange.
	f.sim.SetSections(ticketingsim.DemoFront, ticketingsim.SectionFront, ticketingsim.SectionBack)
	if _, err := f.Client.Sync(t.Context(), control.SyncRequest{}); err != nil {
		t.Fatal(err)
	}
	f.scan(scanner.Online, "lane-1", back(4), scanner.OK)
}

// TestAPartialBatchAtTicketing: of what passed in an outage, TickeTing takes some with
// its own time, had one from somebody else, and will not have one.
func TestAPartialBatchAtTicketing(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	f.lost()
	for i := range 5 {
		f.scan(scanner.Offline, "lane-1", front(i), scanner.OK)
	}
	if err := f.sim.Admit(front(1), "Bo", "scanner 9"); err != nil {
		t.Fatal(err)
	}
	if err := f.sim.SetStatus(front(3), "Refunded"); err != nil {
		t.Fatal(err)
	}
	f.sim.SetClock(3 * time.Second) // the vendor's clock is its own
	f.net.Instead(nil)
	soon(t, f.Rig, 20*time.Second, "an empty outbox", func(st control.Status) bool { return linked(st) && st.Outbox.Pending == 0 && st.Parked == 1 })
	if st, err := f.Client.Status(t.Context()); err != nil || st.Conflicts != 1 {
		t.Errorf("%d conflicts, %v", st.Conflicts, err)
	}
	check := func(rows map[string]soldRow) {
		t.Helper()
		taken := f.admissions()
		want := []scanner.Fate{scanner.FateTaken, scanner.FateConflict, scanner.FateTaken, scanner.FateParked, scanner.FateTaken}
		for i, fate := range want {
			row, a := rows[front(i)], taken[front(i)]
			if row.Fate != string(fate) || !row.VendorAt.Equal(a.At) {
				t.Errorf("%d: %+v, want %s; at TickeTing %+v", i, row, fate, a)
			}
			if fate == scanner.FateTaken && (row.At.IsZero() || row.At.Equal(row.VendorAt) || a.Redeemer != "Alma") {
				t.Errorf("%d: %v beside %v, by %s", i, row.At, row.VendorAt, a.Redeemer)
			}
		}
		if row := rows[front(1)]; !strings.Contains(row.FateDetail, "Bo") || !strings.Contains(row.FateDetail, "scanner 9") {
			t.Errorf("the conflict says %q", row.FateDetail)
		}
	}
	check(f.rows(false))
	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	check(f.rows(true))
	if n := len(f.sim.Admissions()); n != 4 {
		t.Errorf("%d admissions at TickeTing", n)
	}
}

// TestARefusalWithoutItsReasonFromTicketing: the vendor refuses a ticket that was used at another
// gate, and the look-up for the reason fails. The list of before knows nothing of
// that, and must not admit it.
func TestARefusalWithoutItsReasonFromTicketing(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	for i, fault := range []faults.Fault{
		{Kind: faults.Status, Call: "list admissions", Status: 500, Times: 1},
		{Kind: faults.Status, Call: "list admissions", Status: 403, Times: 2},
		{Kind: faults.BlackHole, Call: "list admissions", Times: 1},
	} {
		if err := f.sim.Admit(front(i), "Bo", "scanner 9"); err != nil {
			t.Fatal(err)
		}
		if err := f.wire.Set(fault); err != nil {
			t.Fatal(err)
		}
		if e, err := f.Client.Scan(t.Context(), front(i), scanner.Entry); err != nil || e.Verdict != scanner.Review || e.Mode != scanner.Online || !strings.Contains(e.Message, "scan again") {
			t.Errorf("%s: %+v, %v", fault.Kind, e, err)
		}
		if err := f.wire.Clear(); err != nil {
			t.Fatal(err)
		}
		if e, err := f.Client.Scan(t.Context(), front(i), scanner.Entry); err != nil || e.Reason != scanner.AlreadyEntered || e.Mode != scanner.Online {
			t.Errorf("%s, then: %+v, %v", fault.Kind, e, err)
		}
	}
}

// TestTwoEntriesOnOneAdmissionAtTicketing: a supervisor lets a second person in on
// one ticket in an outage. TickeTing has one admission of it, so the second is a
// conflict.
func TestTwoEntriesOnOneAdmissionAtTicketing(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	f.lost()
	f.scan(scanner.Offline, "lane-1", front(1), scanner.OK)
	e := f.scan(scanner.Offline, "lane-2", front(1), scanner.AlreadyEntered)
	if _, err := f.Client.Admit(t.Context(), e.Seq, "Sue"); err != nil {
		t.Fatal(err)
	}
	f.net.Instead(nil)
	soon(t, f.Rig, 20*time.Second, "an empty outbox", func(st control.Status) bool { return linked(st) && st.Outbox.Pending == 0 })
	if st, err := f.Client.Status(t.Context()); err != nil || st.Conflicts != 1 || f.sim.Admitted(front(1)) != 1 {
		t.Errorf("%d conflicts, %d admissions, %v", st.Conflicts, f.sim.Admitted(front(1)), err)
	}
}
