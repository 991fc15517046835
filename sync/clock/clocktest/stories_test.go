package clocktest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/clock"
)

// year1970 is what a device without a battery for its clock shows after booting.
var year1970 = time.Unix(0, 0).UTC()

// want is what a story ends with: everything uploaded, each time within so much
// of the true one; 0: within the stated error, which the house checks always.
type want struct {
	uploads int
	within  time.Duration
	problem string
}

// minutes scans n tickets, a minute apart, from the given number on.
func (h *house) minutes(from, n int) {
	h.t.Helper()
	for i := range n {
		h.w.Pass(time.Minute)
		h.scan(fmt.Sprint("T", from+i), scanner.Entry)
	}
}

func (h *house) list1(code string, from, until time.Time) {
	h.list[scanner.Code(code)] = scanner.Ticket{Code: scanner.Code(code), Status: scanner.StatusValid, ValidFrom: from, ValidUntil: until}
}

// reads scans a ticket whose window is given and wants the reason.
func (h *house) reads(want scanner.Reason, from, until time.Time) {
	h.t.Helper()
	code := fmt.Sprint("W", h.ids)
	h.list1(code, from, until)
	if got := h.scan(code, scanner.Entry); got.Reason != want {
		h.t.Errorf("at %v, window from %v to %v: %s, want %s", h.w.Now(), from, until, got.Reason, want)
	}
}

func (h *house) mustDrain() {
	h.t.Helper()
	if err := h.drain(); err != nil {
		h.t.Fatalf("drain: %v", err)
	}
}

var stories = map[string]struct {
	tell func(*testing.T, *house)
	want
}{
	"no battery for the clock": {func(_ *testing.T, h *house) {
		h.reboot(year1970)
		h.minutes(0, 5)
		h.reads(scanner.ClockDoubt, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.mustDrain()
		h.reads(scanner.OK, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{6, time.Second, ""}},
	"five hours ahead": {func(_ *testing.T, h *house) {
		h.w.Step(5 * time.Hour)
		h.minutes(0, 5)
		h.mustDrain()
	}, want{5, time.Second, ""}},
	"five hours behind": {func(_ *testing.T, h *house) {
		h.w.Step(-5 * time.Hour)
		h.minutes(0, 5)
		h.mustDrain()
	}, want{5, time.Second, ""}},
	"stepped by NTP in the middle of a queue": {func(_ *testing.T, h *house) {
		h.w.Step(-30 * time.Hour)
		h.minutes(0, 5)
		h.w.Keep(30 * time.Millisecond)
		h.minutes(5, 5)
		h.vendor.dated = false
		h.mustDrain()
	}, want{10, time.Second, ""}},
	"stepped back and forth between scans": {func(_ *testing.T, h *house) {
		for i, by := range []time.Duration{-time.Hour, 3 * time.Hour, -26 * time.Hour, 8760 * time.Hour} {
			h.w.Step(by)
			h.minutes(2*i, 2)
		}
		h.mustDrain()
	}, want{8, time.Second, ""}},
	"a step while NTP is believed": {func(_ *testing.T, h *house) {
		h.w.Keep(0)
		h.minutes(0, 2)
		h.w.Step(-2 * time.Hour)
		h.minutes(2, 2)
		h.reads(scanner.TooEarly, h.w.Now().Add(time.Hour), h.w.Now().Add(2*time.Hour))
		h.vendor.dated = false
		h.mustDrain()
	}, want{4, time.Second, ""}},
	"a reboot between scan and upload, the time known before it": {func(_ *testing.T, h *house) {
		h.ask()
		h.minutes(0, 3)
		h.reboot(year1970)
		h.minutes(3, 3)
		h.mustDrain()
	}, want{6, time.Second, ""}},
	"a reboot between scan and upload, the time not known before it": {func(_ *testing.T, h *house) {
		h.minutes(0, 3) // the wall clock is right, and nobody knows
		h.reboot(year1970)
		h.minutes(3, 3)
		h.mustDrain()
	}, want{6, time.Second, ""}},
	"a reboot between scan and upload, no time ever before it": {func(_ *testing.T, h *house) {
		h.reboot(year1970)
		h.minutes(0, 3)
		h.reboot(year1970)
		h.minutes(3, 3)
		h.mustDrain()
	}, want{6, 6 * time.Minute, ""}},
	"several reboots without a network, then one with": {func(_ *testing.T, h *house) {
		h.ask()
		for i, wall := range []time.Time{year1970, dawn.Add(400 * 24 * time.Hour), dawn.Add(-72 * time.Hour), year1970} {
			h.minutes(2*i, 2)
			h.reboot(wall)
		}
		h.minutes(8, 2)
		h.mustDrain()
	}, want{10, 15 * time.Minute, ""}},
	"ninety reboots forget no anchor": {func(_ *testing.T, h *house) {
		h.w.Step(-7 * time.Hour)
		h.minutes(0, 2)
		h.ask()
		for range 90 {
			h.reboot(year1970)
		}
		h.mustDrain()
	}, want{2, time.Second, ""}},
	"asleep between two scans": {func(t *testing.T, h *house) {
		first := h.scan("T0", scanner.Entry)
		h.w.Sleep(9 * time.Hour)
		second := h.scan("T1", scanner.Entry)
		h.mustDrain()
		if apart := h.vendor.got[second.ID].Sub(h.vendor.got[first.ID]); (apart - 9*time.Hour).Abs() > 2*time.Second {
			t.Errorf("two scans nine hours apart are uploaded %v apart", apart)
		}
	}, want{2, 4 * time.Second, ""}},
	"a slow quartz": {func(_ *testing.T, h *house) {
		h.w.Strays(-90e-6)
		h.minutes(0, 5)
		h.w.Pass(10 * time.Hour)
		h.minutes(5, 1)
		h.mustDrain()
	}, want{6, 4 * time.Second, ""}},
	"a quartz worse than it should be, found out by two anchors": {func(t *testing.T, h *house) {
		h.w.Strays(400e-6)
		h.ask()
		h.w.Pass(8 * time.Hour)
		h.ask()
		h.minutes(0, 2)
		h.w.Pass(10 * time.Hour)
		scan := h.clock.Now()
		stated := h.clock.True(scan)
		if half := stated.Latest.Sub(stated.At); half < 14*time.Second {
			t.Errorf("ten hours from an anchor with 400 ppm the stated error is %v", half)
		}
		h.covers("ten hours on", stated, h.w.Now())
		h.reboot(year1970) // it is the same quartz in the next life
		h.ask()
		h.w.Pass(10 * time.Hour)
		h.covers("in the next life", h.clock.True(h.clock.Now()), h.w.Now())
		h.mustDrain()
	}, want{2, 6 * time.Second, ""}},
	"a quartz that no quartz is as bad as": {func(_ *testing.T, h *house) {
		// 2000 ppm: nothing can be stated of the hours between anchors; the Dates
		// win where they are.
		h.vendor.lies = true
		h.w.Strays(2000e-6)
		for i := range 5 {
			h.ask()
			h.w.Pass(3 * time.Hour)
			h.minutes(i, 1)
		}
		h.ask()
		h.ask()
		h.mustDrain()
	}, want{5, 5 * time.Minute, ""}},
	"a vendor with a wrong clock, NTP first": {func(_ *testing.T, h *house) {
		h.w.Keep(10 * time.Millisecond)
		h.minutes(0, 2)
		h.vendor.ahead = 3 * time.Hour
		for range 5 {
			h.ask()
			h.w.Pass(time.Minute)
		}
		h.w.Step(-50 * time.Hour) // and NTP is gone for good
		for range 20 {
			h.w.Pass(time.Hour)
			h.ask()
		}
		h.reads(scanner.OK, h.w.Now().Add(-5*time.Minute), h.w.Now().Add(5*time.Minute))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{3, 10 * time.Second, "the vendor's clock is 3h0m0s ahead of NTP"}},
	"a vendor with a wrong clock, the vendor first": {func(t *testing.T, h *house) {
		h.vendor.ahead, h.vendor.lies = -2*time.Hour, true
		h.ask()
		h.minutes(0, 2)
		h.w.Keep(0)
		h.minutes(2, 2)
		h.mustDrain()
		if h.vendor.future == 0 || len(h.vendor.got) > 0 {
			t.Errorf("a vendor two hours behind took %d scans of its future", len(h.vendor.got))
		}
		// It comes right, as NTP was.
		h.vendor.ahead = 0
		h.mustDrain()
	}, want{4, time.Second, ""}},
	"a vendor whose clock jumps, and nobody else to ask": {func(t *testing.T, h *house) {
		h.ask()
		h.ask()
		h.minutes(0, 2)
		h.vendor.ahead, h.vendor.lies = 3*time.Hour, true
		h.ask()
		if h.clock.Problem() == "" {
			t.Error("a jump of three hours is not told")
		}
		h.vendor.ahead = 0 // one bad machine behind its address
		h.ask()
		h.vendor.lies = false
		h.reads(scanner.OK, h.w.Now().Add(-time.Minute*5), h.w.Now().Add(5*time.Minute))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{3, time.Second, ""}},
	"one Date against another decides no window": {func(_ *testing.T, h *house) {
		h.vendor.ahead = 3 * time.Hour // the first answer came from a bad machine
		h.vendor.lies = true
		h.ask()
		h.vendor.ahead, h.vendor.lies = 0, false
		h.ask()
		h.reads(scanner.ClockDoubt, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.reads(scanner.TooLate, h.w.Now().Add(-3*time.Hour), h.w.Now().Add(-2*time.Hour))
		h.ask()
		h.ask()
		h.reads(scanner.OK, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{1, time.Second, ""}},
	"a cache between, with an old Date and no Age": {func(_ *testing.T, h *house) {
		h.ask()
		stale := h.w.Now()
		h.w.Pass(6 * time.Hour)
		h.vendor.stale = stale.Truncate(time.Second)
		for range 10 {
			h.w.Pass(20 * time.Minute)
			h.ask()
		}
		h.vendor.stale = time.Time{}
		h.minutes(0, 3)
		h.mustDrain()
	}, want{3, 2 * time.Second, ""}},
	"a captive portal vouches for nothing": {func(_ *testing.T, h *house) {
		// What did not parse is never observed (vendors/wire): all that is left is
		// an answer without a Date.
		h.w.Step(7 * time.Hour)
		h.vendor.dated, h.vendor.ahead = false, 0
		h.ask()
		h.reads(scanner.ClockDoubt, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.minutes(0, 1)
		h.vendor.dated = true
		h.mustDrain()
	}, want{1, time.Second, ""}},
	"the daemon restarts within one boot": {func(_ *testing.T, h *house) {
		h.w.Step(-90 * time.Minute)
		h.minutes(0, 2)
		h.restart()
		h.minutes(2, 2)
		h.ask()
		h.restart()
		h.minutes(4, 2)
		h.reads(scanner.OK, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{7, time.Second, ""}},
	"the battery dies before the anchor was saved": {func(_ *testing.T, h *house) {
		h.w.Set(year1970)
		h.unsaved.Store(true)
		h.minutes(0, 2)
		h.ask()
		h.minutes(2, 2) // these carry their true time themselves
		h.reboot(year1970)
		h.unsaved.Store(false)
		h.mustDrain()
	}, want{4, 2 * time.Second, ""}},
	"a disk that was full takes the anchor later": {func(_ *testing.T, h *house) {
		h.w.Step(-7 * time.Hour)
		h.unsaved.Store(true)
		h.minutes(0, 2)
		h.ask()
		synctest.Wait()
		h.unsaved.Store(false)
		time.Sleep(20 * time.Second)
		h.unsaved.Store(true)
		h.reboot(year1970)
		h.mustDrain()
	}, want{2, time.Second, ""}},
	"the answer gets lost, and the time known better before the resend": {func(_ *testing.T, h *house) {
		h.w.Step(-time.Hour)
		h.vendor.dated = false
		h.minutes(0, 2)
		h.vendor.deaf, h.vendor.lies = true, true // an unsure present: nothing is promised
		_ = h.drain()
		h.vendor.deaf, h.vendor.dated = false, true
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{2, 2 * time.Hour, ""}},
	"in and out again keeps its order over anchors and boots": {func(_ *testing.T, h *house) {
		for range 4 {
			h.scan("TICKET", scanner.Entry)
			h.w.Pass(10 * time.Second)
			h.scan("TICKET", scanner.Exit)
			h.w.Pass(10 * time.Second)
			h.reboot(h.w.Now().Add(-time.Hour))
		}
		h.mustDrain()
	}, want{8, 10 * time.Minute, ""}},
	"a set clock at a site without a network": {func(_ *testing.T, h *house) {
		h.die()
		h.trust = clock.Wall
		h.start()
		h.reads(scanner.OK, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{1, 2 * time.Second, ""}},
	"a set clock that is wrong, and a vendor that knows": {func(_ *testing.T, h *house) {
		h.ask()
		h.die()
		h.trust = clock.Wall
		h.w.Step(4 * time.Hour)
		h.start()
		h.w.Pass(8 * time.Hour)
		h.reads(scanner.OK, h.w.Now().Add(-time.Hour), h.w.Now().Add(time.Hour))
		h.w.Pass(time.Minute)
		h.mustDrain()
	}, want{1, 4 * time.Second, ""}},
	"windows that decide without a known time": {func(_ *testing.T, h *house) {
		h.ask()
		h.reboot(year1970)
		// Before the last life nobody can be, and usher's own year is past.
		h.reads(scanner.TooLate, dawn.Add(-10*time.Hour), dawn.Add(-time.Hour))
		h.reads(scanner.ClockDoubt, dawn.Add(-10*time.Hour), h.w.Now().Add(time.Hour))
		h.reads(scanner.ClockDoubt, h.w.Now().Add(time.Hour), h.w.Now().Add(2*time.Hour))
	}, want{}},
}

func TestStories(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, t.TempDir())
				defer h.die()
				story.tell(t, h)
				if got := len(h.vendor.got); got != story.uploads {
					t.Errorf("%d scans uploaded, want %d", got, story.uploads)
				}
				for _, m := range h.vendor.order {
					if off := h.vendor.off(m.Movement); off > story.within {
						t.Errorf("%s was made at %v and uploaded as %v", m.ID, h.vendor.truth(m.Movement), m.At)
					}
				}
				if got := h.clock.Problem(); story.problem == "" && got != "" || !strings.Contains(got, story.problem) {
					t.Errorf("problem %q, want %q", got, story.problem)
				}
			})
		})
	}
}
