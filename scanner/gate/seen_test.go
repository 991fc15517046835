package gate_test

import (
	"slices"
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
)

// seeingDoor is a door of a vendor without a list, which nothing was imported for.
func seeingDoor(t *testing.T) (*door, *script, *wire) {
	t.Helper()
	d, v, w := onlineDoor(t)
	d.cfg.Seen, d.cfg.Lists = true, scanner.Scope{Vendor: "none"}
	d.Configure(d.cfg)
	return d, v, w
}

// refusal is what the vendor answers.
func refusal(reason scanner.Reason, edit func(*scanner.Answer)) result {
	a := scanner.Answer{Verdict: scanner.Refuse, Reason: reason, TicketID: "7", Ticket: &scanner.TicketInfo{ID: "7", Seat: "A1"}}
	if edit != nil {
		edit(&a)
	}
	return result{Answer: a}
}

func TestWhatTheVendorToldBeforeTheNetworkWent(t *testing.T) {
	opens := evening.Add(30 * time.Minute)
	window := func(w scanner.Window) func() (scanner.Window, bool) {
		return func() (scanner.Window, bool) { return w, true }
	}
	for name, tt := range map[string]struct {
		told   result
		window scanner.Window
		later  time.Duration
		want   scanner.Reason
	}{
		"too early, and still":                {told: refusal(scanner.TooEarly, func(a *scanner.Answer) { a.OpensAt = opens }), later: 10 * time.Minute, want: scanner.TooEarly},
		"too early, and open now":             {told: refusal(scanner.TooEarly, func(a *scanner.Answer) { a.OpensAt = opens }), later: 31 * time.Minute, want: scanner.OK},
		"too early, it did not say till when": {told: refusal(scanner.TooEarly, nil), later: 31 * time.Minute, want: scanner.NoList},
		"too early for another event": {told: refusal(scanner.TooEarly, func(a *scanner.Answer) { a.Ticket.Event = "Tomorrow" }),
			window: scanner.Window{Event: "E1", OpensAt: evening.Add(-time.Hour), ClosesAt: opens.Add(time.Hour)}, later: 31 * time.Minute, want: scanner.NoList},
		"too early, and the window has closed": {told: refusal(scanner.TooEarly, func(a *scanner.Answer) { a.OpensAt = opens }),
			window: scanner.Window{OpensAt: opens, ClosesAt: opens.Add(time.Hour)}, later: 2 * time.Hour, want: scanner.TooLate},
		"too early, and open as the window says": {told: refusal(scanner.TooEarly, func(a *scanner.Answer) { a.OpensAt = opens }),
			window: scanner.Window{OpensAt: opens, ClosesAt: opens.Add(time.Hour)}, later: time.Hour, want: scanner.OK},
		"too late":                         {told: refusal(scanner.TooLate, nil), later: time.Minute, want: scanner.TooLate},
		"entered":                          {told: refusal(scanner.AlreadyEntered, nil), later: 3 * time.Minute, want: scanner.AlreadyEntered},
		"voided":                           {told: refusal(scanner.Voided, nil), later: time.Minute, want: scanner.Voided},
		"refunded":                         {told: refusal(scanner.Refunded, nil), later: time.Minute, want: scanner.Refunded},
		"restricted":                       {told: refusal(scanner.Restricted, func(a *scanner.Answer) { a.Detail = "banned" }), later: time.Minute, want: scanner.Restricted},
		"unknown may have been sold since": {told: refusal(scanner.NotFound, nil), later: time.Minute, want: scanner.NoList},
		"for another event":                {told: refusal(scanner.WrongEvent, nil), later: time.Minute, want: scanner.NoList},
		"not understood":                   {told: refusal(scanner.Restricted, func(a *scanner.Answer) { a.Verdict = scanner.Review }), later: time.Minute, want: scanner.NoList},
		"a day ago":                        {told: refusal(scanner.Voided, nil), later: 25 * time.Hour, want: scanner.NoList},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", restarted"}[restarted], func(t *testing.T) {
				d, v, w := seeingDoor(t)
				if tt.window != (scanner.Window{}) {
					d.cfg.Window = window(tt.window)
					d.Configure(d.cfg)
				}
				v.answers <- tt.told
				d.scan("lane-1", "SEEN1")
				d.settled()
				if restarted {
					list, err := d.journal.Scans(0, 100)
					if err != nil {
						t.Fatal(err)
					}
					slices.Reverse(list)
					d.Gate = gate.New(d.cfg, d.Deps)
					d.Recall(list)
				}
				w.online = false
				d.clock.pass(tt.later)
				out := d.want(d.scan("lane-1", "SEEN1"), tt.want.Verdict(), tt.want)
				if out.Mode != scanner.Offline || out.Late {
					t.Errorf("mode %s, late %v", out.Mode, out.Late)
				}
				if tt.want != scanner.NoList && (out.Ticket == nil || out.Ticket.Seat != "A1") {
					t.Errorf("shows %+v", out.Ticket)
				}
				if tt.want != scanner.OK {
					return
				}
				if out.Fate != scanner.FatePending || out.TicketID != "7" {
					t.Errorf("fate %s, ticket %q", out.Fate, out.TicketID)
				}
				d.clock.pass(time.Minute)
				d.want(d.scan("lane-2", "SEEN1"), scanner.Refuse, scanner.AlreadyEntered)
			})
		}
	}
}

// TestARefusalSeenIsNotExplainedByALostCall: the vendor said it before the call
// whose answer got lost was made.
func TestARefusalSeenIsNotExplainedByALostCall(t *testing.T) {
	d, v, w := seeingDoor(t)
	v.answers <- refusal(scanner.AlreadyEntered, nil)
	d.scan("lane-1", "SEEN1")
	d.settled()
	d.clock.pass(5 * time.Minute) // the gate's own memory of it is over
	v.answers <- cutOff
	d.want(d.scan("lane-1", "SEEN1"), scanner.Refuse, scanner.AlreadyEntered)
	w.online = false
	d.clock.pass(20 * time.Second)
	d.want(d.scan("lane-1", "SEEN1"), scanner.Refuse, scanner.AlreadyEntered)
}

// TestAYesEndsWhatWasSeen: what the vendor refused before is admitted by it now.
func TestAYesEndsWhatWasSeen(t *testing.T) {
	d, v, w := seeingDoor(t)
	v.answers <- refusal(scanner.Restricted, nil)
	d.scan("lane-1", "SEEN1")
	d.clock.pass(time.Minute)
	v.answers <- yes
	in := d.want(d.scan("lane-1", "SEEN1"), scanner.Admit, scanner.OK)
	d.settled()
	w.online = false
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Minute)
	d.want(d.scan("lane-1", "SEEN1"), scanner.Admit, scanner.OK)
}

// TestWhatWasRefusedBeforeIsUnknownNow: the vendor's newest word counts.
func TestWhatWasRefusedBeforeIsUnknownNow(t *testing.T) {
	d, v, w := seeingDoor(t)
	for _, reason := range []scanner.Reason{scanner.Restricted, scanner.NotFound} {
		v.answers <- refusal(reason, nil)
		d.want(d.scan("lane-1", "SEEN1"), scanner.Refuse, reason)
		d.clock.pass(time.Minute)
	}
	w.online = false
	d.want(d.scan("lane-1", "SEEN1"), scanner.Review, scanner.NoList)
}

// TestATicketUndoneAtTheVendorIsKnown: its holder comes when the network is gone.
func TestATicketUndoneAtTheVendorIsKnown(t *testing.T) {
	d, v, w := seeingDoor(t)
	d.cfg.Undoer = &eraser{}
	d.Configure(d.cfg)
	v.answers <- yes
	in := d.want(d.scan("lane-1", "SEEN1"), scanner.Admit, scanner.OK)
	if _, err := d.Undo(t.Context(), in.Seq, "Eve"); err != nil {
		t.Fatal(err)
	}
	w.online = false
	d.clock.pass(time.Minute)
	out := d.want(d.scan("lane-1", "SEEN1"), scanner.Admit, scanner.OK)
	if out.Mode != scanner.Offline || out.InDoubt {
		t.Errorf("outcome %+v", out)
	}
}
