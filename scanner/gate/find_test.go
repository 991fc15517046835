package gate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gate"
)

func onList(code scanner.Code, status scanner.Status) scanner.Ticket {
	return scanner.Ticket{Code: code, Status: status}
}

// TestARecordDecides: what the vendor knows of a ticket is judged like a list's.
func TestARecordDecides(t *testing.T) {
	of := func(change func(*scanner.Ticket)) entry {
		e := known(scanner.StatusValid)
		change(&e.ticket)
		return e
	}
	for name, tt := range map[string]struct {
		says entry
		want string
	}{
		"valid":          {known(scanner.StatusValid), "admit/ok online"},
		"entered":        {enteredThere, "refuse/already_entered online"},
		"voided":         {known(scanner.StatusVoided), "refuse/voided online"},
		"refunded":       {known(scanner.StatusRefunded), "refuse/refunded online"},
		"blocked":        {known(scanner.StatusBlocked), "refuse/restricted online"},
		"unknown status": {known("teleported"), "refuse/restricted online"},
		"unknown":        {unknown, "refuse/not_found online"},
		"not understood": {unreadable, "review/damaged online"},
		"another event":  {of(func(t *scanner.Ticket) { t.Event = "Other" }), "refuse/wrong_event online"},
		"this event":     {of(func(t *scanner.Ticket) { t.Event = "gala" }), "admit/ok online"},
		"too early":      {of(func(t *scanner.Ticket) { t.ValidFrom = evening }), "refuse/too_early online"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHall(t, nil, func(c *gate.Config) {
				c.Rule.Event = "Gala"
				// What a site says of codes that no list holds is not asked for: the vendor is.
				c.Rule.Unknown = scanner.PolicyAdmit
			}, func(t *testing.T, h *hall) {
				h.archive.says("AAA111", after(time.Second, tt.says))
				out := h.want("lane-1", "AAA111", tt.want)
				h.heard("answered")
				h.calls("AAA111", 1)
				_, j := h.now()
				if len(j.Attempts(scope, "AAA111")) != 0 || out.Late || out.InDoubt || out.Unverified {
					t.Errorf("outcome %+v", out)
				}
				if name == "entered" && (out.FirstEnteredGate != "Gate 1" || !out.FirstEnteredAt.Equal(evening)) {
					t.Errorf("it does not say where and when: %+v", out)
				}
				if out.Verdict == scanner.Admit {
					h.stored(out)
					if out.TicketID != "seat-9" || out.Ticket.Seat != "9" {
						t.Errorf("outcome %+v", out)
					}
				}
			})
		})
	}
}

// TestItIsThisDeviceThatRefusesTheSecond: the vendor knows nothing of its entries, so
// it is not asked about them.
func TestItIsThisDeviceThatRefusesTheSecond(t *testing.T) {
	inHall(t, nil, asIs, func(t *testing.T, h *hall) {
		h.archive.says("AAA111", known(scanner.StatusValid))
		first := h.want("lane-1", "AAA111", "admit/ok online")
		pass(time.Minute)
		h.want("lane-2", "]C1AAA111", "refuse/already_entered offline")
		h.die()
		h.open()
		pass(time.Minute)
		h.want("lane-1", "AAA111", "refuse/already_entered offline")
		h.calls("AAA111", 1)

		// The person did not pass: the vendor is asked again.
		if _, err := h.gate.Undo(t.Context(), first.Seq, "Eve"); err != nil {
			t.Fatal(err)
		}
		h.stored(h.want("lane-1", "AAA111", "admit/ok online"))
		h.calls("AAA111", 2)
		if e := h.entry(first.Seq); e.Fate != scanner.FateWithdrawn {
			t.Errorf("the undone entry is %s", e.Fate)
		}
	})
}

func TestASupervisorAdmitsWhatTheVendorDoesNotKnow(t *testing.T) {
	inHall(t, nil, asIs, func(t *testing.T, h *hall) {
		h.archive.says("AAA111", unknown)
		red := h.want("lane-1", "AAA111", "refuse/not_found online")
		out, err := h.gate.Admit(t.Context(), red.Seq, "Eve")
		if err != nil {
			t.Fatal(err)
		}
		h.stored(out)
		pass(time.Minute)
		h.want("lane-1", "AAA111", "refuse/already_entered offline")
		h.calls("AAA111", 1)
		if _, err := h.gate.Undo(t.Context(), out.Seq, "Eve"); err != nil {
			t.Fatal(err)
		}
		h.want("lane-1", "AAA111", "refuse/not_found online")
	})
}

// TestWhatTheListForbidsIsNotAsked: this device's own list may keep a ticket out, and
// never lets one in that the vendor does not.
func TestWhatTheListForbidsIsNotAsked(t *testing.T) {
	late := scanner.Ticket{Code: "AAA111", Status: scanner.StatusValid, ValidUntil: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}
	other := scanner.Ticket{Code: "AAA111", Status: scanner.StatusValid, Event: "Other"}
	for name, tt := range map[string]struct {
		list  []scanner.Ticket
		says  entry
		want  string
		calls int
	}{
		"voided":   {[]scanner.Ticket{onList("AAA111", scanner.StatusVoided)}, known(scanner.StatusValid), "refuse/voided offline", 0},
		"refunded": {[]scanner.Ticket{onList("AAA111", scanner.StatusRefunded)}, known(scanner.StatusValid), "refuse/refunded offline", 0},
		"blocked":  {[]scanner.Ticket{onList("AAA111", scanner.StatusBlocked)}, known(scanner.StatusValid), "refuse/restricted offline", 0},
		"used":     {[]scanner.Ticket{onList("AAA111", scanner.StatusUsed)}, known(scanner.StatusValid), "refuse/already_entered offline", 0},
		"over":     {[]scanner.Ticket{late}, known(scanner.StatusValid), "refuse/too_late offline", 0},
		"another":  {[]scanner.Ticket{other}, known(scanner.StatusValid), "refuse/wrong_event offline", 0},
		"twice, and not the same": {
			[]scanner.Ticket{onList("AAA111", scanner.StatusValid), onList("AAA111", scanner.StatusVoided)},
			known(scanner.StatusValid), "admit/ok online", 1,
		},
		"valid, and good":        {[]scanner.Ticket{onList("AAA111", scanner.StatusValid)}, known(scanner.StatusValid), "admit/ok online", 1},
		"valid, and voided":      {[]scanner.Ticket{onList("AAA111", scanner.StatusValid)}, known(scanner.StatusVoided), "refuse/voided online", 1},
		"valid, and not known":   {[]scanner.Ticket{onList("AAA111", scanner.StatusValid)}, unknown, "refuse/not_found online", 1},
		"not listed, and good":   {[]scanner.Ticket{onList("BBB222", scanner.StatusValid)}, known(scanner.StatusValid), "admit/ok online", 1},
		"valid, no answer":       {[]scanner.Ticket{onList("AAA111", scanner.StatusValid)}, gone, "admit/ok offline", 1},
		"not listed, no answer":  {[]scanner.Ticket{onList("BBB222", scanner.StatusValid)}, gone, "refuse/not_found offline", 1},
		"no list, no answer":     {nil, gone, "review/no_list offline", 1},
		"no list, Find panicked": {nil, entry{panics: true}, "review/no_list offline", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHall(t, tt.list, func(c *gate.Config) { c.Rule.Event = "gala" }, func(t *testing.T, h *hall) {
				h.archive.says("AAA111", tt.says)
				out := h.want("lane-1", "AAA111", tt.want)
				h.calls("AAA111", tt.calls)
				if out.Verdict == scanner.Admit {
					h.stored(out)
				}
				pass(time.Minute)
				if n := len(h.conflicts()); n != 0 {
					t.Errorf("%d conflicts", n)
				}
			})
		})
	}
}

func TestTheLinkAwayIsNotAsked(t *testing.T) {
	inHall(t, []scanner.Ticket{onList("AAA111", scanner.StatusValid)}, asIs, func(t *testing.T, h *hall) {
		h.link.goes(true)
		h.stored(h.want("lane-1", "AAA111", "admit/ok offline"))
		h.calls("AAA111", 0)
		h.heard()
	})
}

// TestADiskThatRefuses: what is not stored is not green, since nobody else holds it.
func TestADiskThatRefuses(t *testing.T) {
	for name, off := range map[string]bool{"asked again": false, "the link has gone": true} {
		t.Run(name, func(t *testing.T) {
			inHall(t, nil, asIs, func(t *testing.T, h *hall) {
				h.journal.full["AAA111"] = noCommit
				h.archive.says("AAA111", after(2*time.Second, known(scanner.StatusValid)))
				h.want("lane-1", "AAA111", "review/no_list offline")
				pass(time.Second)
				h.want("lane-1", "AAA111", "review/not_stored online")
				pass(diskRefuses)
				h.archive.says("AAA111", known(scanner.StatusValid))
				h.link.goes(off)
				want := "admit/ok online"
				if off {
					want += " late" // by what the vendor said before
				}
				h.stored(h.want("lane-1", "AAA111", want))
			})
		})
	}
}

// TestTheLinkIsTold: what is normal for the vendor is no sign of a bad link, whoever
// still waits for it.
func TestTheLinkIsTold(t *testing.T) {
	const patience = 1500 * time.Millisecond
	slow := func(d time.Duration) entry { return after(d, known(scanner.StatusValid)) }
	for name, tt := range map[string]struct {
		normal time.Duration
		says   entry
		// atOnce is what it is told by the time of the verdict, then what afterwards.
		atOnce, then []string
		ended        time.Duration
	}{
		"in time":                         {0, slow(time.Second), []string{"answered"}, nil, 0},
		"too late":                        {0, slow(1900 * time.Millisecond), []string{"overdue"}, nil, 0},
		"normal is shorter":               {time.Second, slow(1900 * time.Millisecond), []string{"overdue"}, nil, 0},
		"too late, and normal":            {2500 * time.Millisecond, slow(1900 * time.Millisecond), nil, []string{"answered"}, 1900 * time.Millisecond},
		"too late, and not normal":        {2500 * time.Millisecond, slow(10 * time.Second), nil, []string{"overdue"}, 2500 * time.Millisecond},
		"never":                           {2500 * time.Millisecond, slow(time.Hour), nil, []string{"overdue"}, 2500 * time.Millisecond},
		"failed":                          {2500 * time.Millisecond, gone, []string{"unreachable"}, nil, 0},
		"failed too late, and not before": {2500 * time.Millisecond, after(2*time.Second, gone), nil, []string{"unreachable"}, 2 * time.Second},
		"failed after it was overdue":     {2500 * time.Millisecond, after(3*time.Second, gone), nil, []string{"overdue"}, 2500 * time.Millisecond},
		"panicked":                        {2500 * time.Millisecond, entry{panics: true}, []string{"nonsense"}, nil, 0},
	} {
		for _, redeems := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, redeems %v", name, redeems), func(t *testing.T) {
				t.Parallel()
				inHall(t, nil, func(c *gate.Config) {
					if c.Patience, c.Normal = patience, tt.normal; redeems {
						c.Validator, c.Finder = redeemer{c.Finder}, nil
					}
				}, func(t *testing.T, h *hall) {
					h.archive.says("AAA111", tt.says)
					begun := time.Now()
					_, took := h.scan("lane-1", "AAA111")
					if took > patience {
						t.Errorf("waited %v", took)
					}
					h.heard(tt.atOnce...)
					if tt.ended > 0 {
						pass(tt.ended - time.Since(begun) - time.Millisecond)
						h.heard()
					}
					pass(time.Hour)
					h.heard(tt.then...)
				})
			})
		}
	}
}

// redeemer is a vendor that answers with a verdict.
type redeemer struct{ scanner.Finder }

func (v redeemer) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	_, _, err := v.Find(ctx, ask)
	return scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK}, err
}
