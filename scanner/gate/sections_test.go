package gate_test

import (
	"testing"
	"time"

	"usher/scanner"
)

// The vendor's sections hold as they are at each scan, online before the vendor is
// asked and offline, and never where it keeps none from this device.
func TestTheVendorsSectionsAreThoseOfTheScan(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111", SectionID: "1"}, scanner.Ticket{Code: "BBB222", SectionID: "2"}, scanner.Ticket{Code: "CCC333"})
	now := []string{"1"}
	d.cfg.Sections = func() []string { return now }
	d.Configure(d.cfg)
	v.answers <- voided // to whoever asks
	d.want(d.scan("lane-1", "BBB222"), scanner.Refuse, scanner.WrongSection)
	if len(v.asked) != 0 {
		t.Error("the vendor was asked, and would have used the ticket up")
	}
	w.online = false
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-1", "BBB222"), scanner.Refuse, scanner.WrongSection)
	d.want(d.scan("lane-1", "CCC333"), scanner.Admit, scanner.OK)
	d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)

	d.clock.pass(time.Minute)
	now = []string{"1", "2"} // an installer gave it more
	d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
}

// Until the vendor told which sections are this device's, none is: a gate without a
// network asks a supervisor, and one with it asks the vendor.
func TestSectionsThatNobodyToldYet(t *testing.T) {
	d, v, w := onlineDoor(t, scanner.Ticket{Code: "AAA111", SectionID: "1"}, scanner.Ticket{Code: "BBB222", SectionID: "2"}, scanner.Ticket{Code: "CCC333"})
	var now []string
	d.cfg.Sections = func() []string { return now }
	d.Configure(d.cfg)
	w.online = false
	d.want(d.scan("lane-1", "AAA111"), scanner.Review, scanner.NotReady)
	d.want(d.scan("lane-1", "CCC333"), scanner.Admit, scanner.OK)
	w.online = true
	v.answers <- yes
	d.want(d.scan("lane-1", "BBB222"), scanner.Admit, scanner.OK)
	w.online, now = false, []string{"1"}
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
}

// The vendor's own time of a movement is kept with it, in time or late.
func TestTheVendorsTimeIsKept(t *testing.T) {
	at := time.Date(2026, 11, 21, 19, 30, 7, 0, time.UTC)
	stamped := yes
	stamped.VendorAt = at
	d, v, _ := onlineDoor(t, scanner.Ticket{Code: "AAA111"}, scanner.Ticket{Code: "BBB222"})
	v.answers <- stamped
	inTime := d.want(d.scan("lane-1", "AAA111"), scanner.Admit, scanner.OK)
	late := d.want(d.scan("lane-2", "BBB222"), scanner.Admit, scanner.OK) // patience ran out
	v.answers <- stamped
	d.settled()
	// The vendor speaks of our own entry, whose answer got lost.
	doubt(t, d, v)
	d.clock.pass(time.Minute)
	ours := entered
	ours.FirstEnteredAt = d.clock.True(d.clock.Now()).At.Add(-time.Minute)
	v.answers <- ours
	found := d.want(d.scan("lane-2", "WALKUP-1"), scanner.Admit, scanner.OK)
	if e, err := d.journal.Entry(found.Seq); err != nil || !e.VendorAt.Equal(ours.FirstEnteredAt) {
		t.Errorf("found again: at %v, %v; want %v", e.VendorAt, err, ours.FirstEnteredAt)
	}
	for name, seq := range map[string]uint64{"in time": inTime.Seq, "late": late.Seq} {
		if e, err := d.journal.Entry(seq); err != nil || !e.VendorAt.Equal(at) || e.Fate != scanner.FateConfirmed {
			t.Errorf("%s: %s at %v, %v; want confirmed at %v", name, e.Fate, e.VendorAt, err, at)
		}
	}
}
