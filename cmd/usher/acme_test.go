package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest/faults"
)

// TestAnEveningAtACME: in, again, a status that nobody named, undone there, and
// undone without a network.
func TestAnEveningAtACME(t *testing.T) {
	z := newZones(t)
	zone := z.where("Noon", "12:00", 0, 0)
	d := newDome(t, zone, thisEvent)
	d.event(z.minute.Add(time.Hour), acmesim.Minutes(90, 180))
	d.start()
	in := d.mode(scanner.Online, "lane-1", adult(0), scanner.OK)
	if in.Ticket == nil || in.Ticket.Event != "Planetarium" || in.Ticket.Name != "Adult" {
		t.Errorf("admitted as %+v", in.Ticket)
	}
	again := d.mode(scanner.Online, "lane-2", adult(0), scanner.AlreadyEntered)
	if apart := again.FirstEnteredAt.Sub(in.At.Time).Abs(); apart > 2*time.Second || again.Message != "Already entered, "+again.FirstEnteredAt.In(zone).Format("15:04") {
		t.Errorf("entered %v, used again: %q, %v", in.At, again.Message, again.FirstEnteredAt)
	}
	d.sim.SetClock(-20 * time.Minute)
	d.elsewhere(adult(1))
	d.sim.SetClock(0)
	used := d.mode(scanner.Online, "lane-1", adult(1), scanner.AlreadyEntered)
	if ago := time.Since(used.FirstEnteredAt.Time) - 20*time.Minute; ago < -2*time.Second || ago > time.Minute || !strings.HasPrefix(used.Message, "Already entered, 11:") {
		t.Errorf("used elsewhere 20 min ago: %q, %v", used.Message, used.FirstEnteredAt)
	}

	// Nobody knows what ACME means by 7: amber, and the next scan is asked again.
	d.sim.SetStatus(7, 1)
	e := scanFor(t, d.Rig, "lane-1", adult(2), scanner.Review, scanner.Restricted)
	if e.Mode != scanner.Online || !strings.Contains(e.Message, "ACME answers check-in status 7, which vendor.admit_statuses and refuse_statuses do not name") {
		t.Errorf("an unnamed status: %s, %q", e.Mode, e.Message)
	}
	told := func(s control.Status) bool {
		return strings.Contains(strings.Join(s.Problems, "\n"), "statuses that nobody named: 7 (1 times)")
	}
	soon(t, d.Rig, 2*time.Second, "the number in the status", told)
	d.mode(scanner.Online, "lane-1", adult(2), scanner.OK)

	// ACME forgets an entry that is undone there.
	undone, err := d.Client.Undo(t.Context(), in.Seq, "Eve")
	if err != nil || !strings.HasSuffix(undone.Message, "nor at the vendor") {
		t.Fatalf("%q, %v", undone.Message, err)
	}
	if first := d.sim.Entries()[0]; first.Code != adult(0) || !first.Undone {
		t.Errorf("at ACME: %+v", first)
	}
	in = d.mode(scanner.Online, "lane-1", adult(0), scanner.OK)
	if n := d.sim.Entered(adult(0)); n != 2 {
		t.Errorf("%d entries at ACME, want the one that was undone and the new one", n)
	}

	// Without a network it keeps it, and the next scan passes here once.
	d.cut()
	undone, err = d.Client.Undo(t.Context(), in.Seq, "Eve")
	if err != nil || !strings.Contains(undone.Message, "the vendor keeps it, the next scan passes here once") {
		t.Fatalf("%q, %v", undone.Message, err)
	}
	d.mode(scanner.Offline, "lane-1", adult(0), scanner.OK)
	d.mode(scanner.Offline, "lane-2", adult(0), scanner.AlreadyEntered)
	if s := d.back(); s.Conflicts != 0 || s.Parked != 0 {
		t.Errorf("%d conflicts, %d parked", s.Conflicts, s.Parked)
	}
	if got := d.fates()[adult(0)]; got != "undone undone taken" {
		t.Errorf("the three entries of the ticket are %s", got)
	}
}

// TestTooEarlyAndTooLateAtACME: online, and without a network, for the ticket that
// was refused before and for one of the manifest, over a restart. The edge is told in
// the venue's time, across midnight and over a change of the clocks.
func TestTooEarlyAndTooLateAtACME(t *testing.T) {
	type venue struct {
		// at is the time of the day there, where the clocks are put on by change that
		// long after it.
		at            string
		change, after time.Duration
		// edge is the time of the day that is told, days how far off that day is; 0:
		// today, which is not named.
		edge string
		days int
	}
	for name, tt := range map[string]struct {
		// start is the event's, from now.
		start  time.Duration
		want   scanner.Reason
		says   string
		venues []venue
	}{
		"it opens in an hour": {90 * time.Minute, scanner.TooEarly, "Too early: entry opens ", []venue{
			{at: "23:40", edge: "00:40", days: 1},
			{at: "01:20", change: time.Hour, after: 40 * time.Minute, edge: "03:20"},
			{at: "02:20", change: -time.Hour, after: 40 * time.Minute, edge: "02:20"},
		}},
		"it closed an hour ago": {-2 * time.Hour, scanner.TooLate, "Too late: entry closed ", []venue{
			{at: "00:20", edge: "23:20", days: -1},
			{at: "03:20", change: time.Hour, after: -20 * time.Minute, edge: "01:20"},
			{at: "02:20", change: -time.Hour, after: -20 * time.Minute, edge: "02:20"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZones(t)
			zone := func(i int) string { return fmt.Sprint("Venue", i) }
			texts := make([]string, len(tt.venues))
			for i, v := range tt.venues {
				there := z.where(zone(i), v.at, v.change, v.after)
				if texts[i] = tt.says + v.edge; v.days != 0 {
					texts[i] = tt.says + z.minute.In(there).AddDate(0, 0, v.days).Format("2 Jan 2006 ") + v.edge
				}
			}
			d := newDome(t, time.UTC, thisEvent)
			d.event(z.minute.Add(tt.start), acmesim.Minutes(30, 60))
			d.start()
			before := "UTC"
			everywhere := func(mode scanner.Mode, lane string, codes ...int) {
				t.Helper()
				for i, text := range texts {
					edit(t, d.Rig, "timezone: "+before, "timezone: "+zone(i))
					before = zone(i)
					if _, err := d.Client.Reload(t.Context()); err != nil {
						t.Fatal(err)
					}
					for _, code := range codes {
						if e := d.mode(mode, lane, adult(code+i), tt.want); e.Message != text {
							t.Errorf("%s, where it is %s: %q, want %q", mode, tt.venues[i].at, e.Message, text)
						}
					}
				}
			}
			everywhere(scanner.Online, "lane-1", 0)
			d.cut()
			everywhere(scanner.Offline, "lane-2", 0, 50)
			d.dies()
			everywhere(scanner.Offline, "lane-1", 0, 50)
			if n := len(d.sim.Entries()); n != 0 {
				t.Errorf("%d entries at ACME", n)
			}
		})
	}
}

// TestAWindowThatOpensInAnOutageOfACME: who came too early while ACME could be asked is
// let in by this device once the window is open, over a restart as well, and ACME hears
// of it with the next network. It has no time of a scan: ours is in the export.
func TestAWindowThatOpensInAnOutageOfACME(t *testing.T) {
	z := newZones(t)
	zone := z.where("Noon", "12:00", 0, 0)
	d := newDome(t, zone, thisEvent)
	d.event(z.minute.Add(25*time.Minute), acmesim.Minutes(30, 60)) // open since 5 minutes
	d.start()
	// What was scanned 20 minutes ago.
	d.sim.SetClock(-20 * time.Minute)
	for i := range 3 {
		if e := d.mode(scanner.Online, "lane-1", adult(i), scanner.TooEarly); e.Message != "Too early: entry opens 11:55" {
			t.Errorf("says %q", e.Message)
		}
	}
	d.cut()
	var in []control.Event
	var began, ended []time.Time
	admitted := func(i int) {
		t.Helper()
		began = append(began, time.Now().Truncate(time.Millisecond))
		e := d.mode(scanner.Offline, "lane-2", adult(i), scanner.OK)
		ended = append(ended, time.Now())
		if in = append(in, e); !e.Queued || e.InDoubt || e.Unverified {
			t.Errorf("admitted as %+v", e)
		}
	}
	admitted(0)
	d.dies()
	d.mode(scanner.Offline, "lane-1", adult(0), scanner.AlreadyEntered)
	admitted(1)
	admitted(50)
	d.mode(scanner.Offline, "lane-1", adult(3), scanner.NotFound) // neither in the manifest nor seen
	d.sim.SetClock(10 * time.Minute)                              // the outage was long
	if s := d.back(); s.Conflicts != 0 || s.Parked != 0 {
		t.Errorf("%d conflicts, %d parked", s.Conflicts, s.Parked)
	}
	entries := d.sim.Entries()
	if len(entries) != len(in) {
		t.Fatalf("at ACME: %+v", entries)
	}
	kept := d.times()
	for i, e := range in {
		row, there := kept[e.Seq], entries[i]
		if row.Code != there.Code || row.Fate != "taken" || there.Terminal != acmesim.DemoTerminal || there.At.Sub(row.At) < 9*time.Minute || row.VendorAt.Sub(there.At).Abs() >= time.Second {
			t.Errorf("scanned %v, exported %+v, at ACME %+v", e.At, row, there)
		}
		// ACME's Date tells the time to a second, and so does this device.
		if row.RawAt.Before(began[i]) || row.RawAt.After(ended[i]) || row.At.Sub(row.RawAt).Abs() > 2*time.Second {
			t.Errorf("scanned between %v and %v, exported %+v", began[i], ended[i], row)
		}
	}
}

// TestAnEventThatACMEBlocks lets nobody in, with a network or without.
func TestAnEventThatACMEBlocks(t *testing.T) {
	d := newDome(t, time.UTC, thisEvent)
	d.event(time.Now(), &acmesim.Window{BlockScan: true})
	d.start()
	const there = "Restricted: ACME answers check-in status 80"
	if e := d.mode(scanner.Online, "lane-1", adult(0), scanner.Restricted); e.Message != there {
		t.Errorf("online: %q", e.Message)
	}
	d.cut()
	d.dies()
	if e := d.mode(scanner.Offline, "lane-1", adult(0), scanner.Restricted); e.Message != there {
		t.Errorf("as it was told: %q", e.Message)
	}
	if e := d.mode(scanner.Offline, "lane-1", adult(50), scanner.Restricted); e.Message != "Restricted: ACME blocks the scanning of this event's tickets (blockScan)" {
		t.Errorf("of the manifest: %q", e.Message)
	}
	if n := len(d.sim.Entries()); n != 0 {
		t.Errorf("%d entries at ACME", n)
	}
}

// TestUploadsToACMEAfterAnOutage: taken, entered elsewhere meanwhile, its own answer
// lost, unknown there, and in time here but too late when ACME hears of it.
func TestUploadsToACMEAfterAnOutage(t *testing.T) {
	const taken, elsewhere, doubted, late = 50, 51, 52, 53
	for way, want := range map[string]struct {
		fate    string
		entered int
		reasons []string
	}{
		"park": {"parked", 0, []string{
			"ACME refuses it: not_found", "ACME refuses it: too_late, by the time of the upload: check it in by hand in Back Office (vendor.late_uploads)",
		}},
		"unvalidated": {"taken", 1, []string{"ACME refuses it: not_found"}},
	} {
		t.Run(way, func(t *testing.T) {
			d := newDome(t, time.UTC, ", late_uploads: "+way)
			start := time.Now().Truncate(time.Minute)
			d.event(start, acmesim.Minutes(30, 60))
			matinee := acmesim.Event{ID: "matinee", Template: acmesim.DemoTemplate, Name: "Matinee", Start: start, Window: acmesim.Minutes(30, 60)}
			d.sim.AddEvents(matinee)
			d.sim.AddTickets(acmesim.Ticket{Code: adult(late), Event: matinee.ID})
			d.start()
			// ACME checks it in, and nobody here hears of that.
			if err := d.wire.Set(faults.Fault{Kind: faults.Lost, Call: acmesim.CheckIn, Times: 1}); err != nil {
				t.Fatal(err)
			}
			if e := d.mode(scanner.Offline, "lane-1", adult(doubted), scanner.OK); !e.InDoubt {
				t.Errorf("in doubt: %+v", e)
			}
			d.cut()
			for _, i := range []int{taken, elsewhere, returned, late} {
				d.mode(scanner.Offline, "lane-1", adult(i), scanner.OK)
			}
			d.elsewhere(adult(elsewhere))
			matinee.Start = start.Add(-3 * time.Hour)
			d.sim.AddEvents(matinee)
			if s := d.back(); s.Parked != len(want.reasons) || s.Conflicts != 1 {
				t.Errorf("%d parked, %d conflicts", s.Parked, s.Conflicts)
			}
			fates := d.fates()
			for code, fate := range map[int]string{taken: "taken", elsewhere: "conflict", doubted: "taken", returned: "parked", late: want.fate} {
				if got := fates[adult(code)]; got != fate {
					t.Errorf("ticket %d is %s, want %s", code, got, fate)
				}
			}
			for code, n := range map[int]int{taken: 1, elsewhere: 1, doubted: 1, returned: 0, late: want.entered} {
				if got := d.sim.Entered(adult(code)); got != n {
					t.Errorf("ticket %d entered %d times at ACME, want %d", code, got, n)
				}
			}
			parked, err := d.Client.Parked(t.Context(), 10)
			var reasons []string
			for _, p := range parked {
				reasons = append(reasons, p.Reason)
			}
			if err != nil || !slices.Equal(reasons, want.reasons) {
				t.Errorf("parked for %q, %v", reasons, err)
			}
		})
	}
}
