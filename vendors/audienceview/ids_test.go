package audienceview_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/vendortest/faults"
)

// Every error id of the document, answered once to a ticket of which nothing
// else is wrong.
func TestErrorIDs(t *testing.T) {
	for _, tt := range []struct {
		id      int
		logout  bool
		reason  scanner.Reason
		trouble scanner.Trouble
		maybe   bool
		signIns int
	}{
		{id: 1, reason: scanner.OK, signIns: 2},
		{id: 2, trouble: scanner.Denied, signIns: 1},
		{id: 3, trouble: scanner.Denied, signIns: 1},
		{id: 4, logout: true, trouble: scanner.Denied, signIns: 1},
		{id: 5, logout: true, reason: scanner.OK, signIns: 2},
		{id: 6, reason: scanner.OK, signIns: 2},
		{id: 7, trouble: scanner.Denied, signIns: 1},
		{id: 8, reason: scanner.WrongClient, signIns: 1},
		{id: 9, reason: scanner.WrongSeries, signIns: 1},
		{id: 10, reason: scanner.WrongEvent, signIns: 1},
		{id: 11, reason: scanner.NotFound, signIns: 1},
		{id: 12, reason: scanner.AlreadyEntered, signIns: 1},
		{id: 13, reason: scanner.Voided, signIns: 1},
		{id: 14, reason: scanner.Refunded, signIns: 1},
		{id: 15, trouble: scanner.Failing, signIns: 1},
		{id: 16, trouble: scanner.Failing, maybe: true, signIns: 1},
		{id: 17, logout: true, reason: scanner.OK, signIns: 2},
		{id: 99, trouble: scanner.Failing, maybe: true, signIns: 1},
		{id: 99, logout: true, reason: scanner.OK, signIns: 2},
		{id: -1, trouble: scanner.Failing, maybe: true, signIns: 1},
	} {
		v := newVenue(t, nil)
		if err := v.client.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.sim.Fail("validateTicket", tt.id, tt.logout, 1)
		got, err := v.validate(t, "good000001")
		call := scanner.CallErrorOf(err)
		switch {
		case tt.trouble == "":
			if err != nil || got.Reason != tt.reason || got.Verdict != tt.reason.Verdict() {
				t.Errorf("id %d: got %s %s, %v; want %s", tt.id, got.Verdict, got.Reason, err, tt.reason)
			}
		case err == nil || call.Trouble != tt.trouble || call.MaybeSent != tt.maybe:
			t.Errorf("id %d: got %s, %v, maybe sent %v; want %s, %v", tt.id, got.Reason, err, call.MaybeSent, tt.trouble, tt.maybe)
		}
		if n := v.sim.Calls("authenticate"); n != tt.signIns {
			t.Errorf("id %d, logout %v: %d sign-ins, want %d", tt.id, tt.logout, n, tt.signIns)
		}
	}
}

// A named refusal with a forced logout stands; the next call signs in again.
func TestRefusalWithLogout(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.Fail("validateTicket", 11, true, 1)
	if got, err := v.validate(t, "good000001"); err != nil || got.Reason != scanner.NotFound {
		t.Errorf("got %s, %v", got.Reason, err)
	}
	if got, err := v.validate(t, "good000001"); err != nil || got.Reason != scanner.OK || v.sim.Calls("authenticate") != 2 {
		t.Errorf("got %s, %v after %d sign-ins", got.Reason, err, v.sim.Calls("authenticate"))
	}
}

// Where the vendor goes on refusing fresh tokens, it is asked twice, not for ever.
func TestTokenRefusedAgain(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.Fail("validateTicket", 6, true, 9)
	_, err := v.validate(t, "good000001")
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || call.MaybeSent || v.sim.Calls("validateTicket") != 2 {
		t.Errorf("got %v after %d calls", err, v.sim.Calls("validateTicket"))
	}
}

// An unanticipated error may have admitted: "already scanned" right after it is
// no verdict.
func TestAlreadyScannedByTheCallThatFailed(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.Fail("validateTicket", 17, true, 1)
	_, err := v.validate(t, "used000005")
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || !call.MaybeSent {
		t.Errorf("got %v", err)
	}
	v.sim.Fail("validateTicket", 5, true, 1)
	if got, err := v.validate(t, "used000005"); err != nil || got.Reason != scanner.AlreadyEntered {
		t.Errorf("after an expired token: %s, %v", got.Reason, err)
	}
}

// 401 and 403 without the vendor's words: once more with a fresh token, then this
// call is refused, and no other.
func TestStatusRefusesToken(t *testing.T) {
	for _, status := range []int{401, 403} {
		v := newVenue(t, nil)
		if err := v.client.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		fault := faults.Fault{Kind: faults.Status, Status: status, Call: "validateTicket", Times: 1}
		if err := v.server.Set(fault); err != nil {
			t.Fatal(err)
		}
		if got, err := v.validate(t, "good000001"); err != nil || got.Reason != scanner.OK {
			t.Errorf("%d once: got %s, %v", status, got.Reason, err)
		}
		fault.Times = 0
		if err := v.server.Set(fault); err != nil {
			t.Fatal(err)
		}
		_, err := v.validate(t, "more000002")
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Denied || call.MaybeSent {
			t.Errorf("%d always: got %v", status, err)
		}
		signIns := v.sim.Calls("authenticate")
		if err := v.client.Probe(t.Context()); err != nil || v.client.Status().Problem != "" {
			t.Errorf("%d: another call: %v, problem %q", status, err, v.client.Status().Problem)
		}
		if _, err := v.validate(t, "more000002"); scanner.CallErrorOf(err).Trouble != scanner.Denied || v.sim.Calls("authenticate") != signIns {
			t.Errorf("%d at the next try: got %v after %d sign-ins more", status, err, v.sim.Calls("authenticate")-signIns)
		}
	}
}

// Each way of refusing a sign-in closes the door until the secret changes, a
// person asks, or five minutes have passed; over a restart too.
func TestSignInLock(t *testing.T) {
	clock := &handClock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), boot: "a"}
	withClock := func(_ map[string]any, deps *audienceview.Deps) { deps.Clock = clock }
	for _, id := range []int{1, 2, 3, 4, 5, 6, 7, 11, 99} {
		v := newVenue(t, withClock)
		v.sim.Fail("authenticate", id, true, 1)
		tries := func(want int, c *audienceview.Client, what string) {
			t.Helper()
			err := c.Probe(t.Context())
			if n := v.sim.Calls("authenticate"); n != want {
				t.Errorf("id %d: %s: %d tries, want %d (%v)", id, what, n, want, err)
			}
		}
		tries(1, v.client, "first")
		if s := v.client.Status(); s.Ready || s.Problem == "" {
			t.Errorf("id %d: status %+v", id, s)
		}
		tries(1, v.client, "locked")
		if id != 2 && id != 99 {
			continue
		}
		restarted := v.again(t, withClock)
		tries(1, restarted, "after a restart")
		clock.step(4*time.Minute + 59*time.Second)
		tries(1, restarted, "just before five minutes")
		clock.step(time.Second)
		tries(2, restarted, "after five minutes")
		if s := restarted.Status(); !s.Ready || s.Problem != "" {
			t.Errorf("id %d: status %+v", id, s)
		}
		for key, kept := range v.memory.Kept {
			if strings.Contains(string(kept), password) {
				t.Errorf("%s holds the password", key)
			}
		}
	}
}

func TestSignInAfterChangedSecret(t *testing.T) {
	v := newVenue(t, nil)
	v.write(t, "wrong")
	if err := v.client.Probe(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Denied {
		t.Fatalf("got %v", err)
	}
	restarted := v.again(t, nil)
	v.write(t, password)
	if err := restarted.Probe(t.Context()); err != nil || v.sim.Calls("authenticate") != 2 {
		t.Errorf("%v after %d tries", err, v.sim.Calls("authenticate"))
	}
	if err := v.client.Probe(t.Context()); err != nil {
		t.Errorf("the first client: %v", err)
	}
}

func TestSignInByAPerson(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.Fail("authenticate", 2, true, 1)
	if err := v.client.Probe(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if err := v.client.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := v.client.Status(); !s.Ready || s.Problem != "" || s.SessionExpiresAt.IsZero() {
		t.Errorf("status %+v", s)
	}
}

// The vendor's own trouble, and the network's, are no refusal.
func TestSignInThatMerelyFails(t *testing.T) {
	v := newVenue(t, nil)
	for _, id := range []int{15, 16, 17} {
		v.sim.Fail("authenticate", id, id == 17, 1)
		err := v.client.Probe(t.Context())
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || call.MaybeSent {
			t.Errorf("id %d: %v", id, err)
		}
	}
	for _, f := range []faults.Fault{
		{Kind: faults.HTML}, {Kind: faults.Status, Status: 500}, {Kind: faults.Status, Status: 429}, {Kind: faults.Foreign}, {Kind: faults.Close},
	} {
		f.Times = 1
		if err := v.server.Set(f); err != nil {
			t.Fatal(err)
		}
		if err := v.client.Probe(t.Context()); err == nil || scanner.CallErrorOf(err).Trouble == scanner.Denied {
			t.Errorf("%s: %v", f.Kind, err)
		}
	}
	if err := v.client.Probe(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSignOutEndsTheToken(t *testing.T) {
	v := newVenue(t, nil)
	if err := v.client.SignOut(t.Context()); err != nil || v.server.Calls() != 0 {
		t.Errorf("never signed in: %v, %d calls", err, v.server.Calls())
	}
	if err := v.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := v.client.SignOut(t.Context()); err != nil || v.sim.Calls("invalidateToken") != 1 || v.client.Status().Ready {
		t.Errorf("%v, %d calls, %+v", err, v.sim.Calls("invalidateToken"), v.client.Status())
	}
}

// The token's hour is the vendor's, whatever this device's clock says.
func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	clock := &handClock{at: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), boot: "a"}
	v := newVenue(t, func(_ map[string]any, deps *audienceview.Deps) { deps.Clock = clock })
	probe := func(want int) {
		t.Helper()
		if err := v.client.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := v.sim.Calls("authenticate"); n != want {
			t.Errorf("%d sign-ins, want %d", n, want)
		}
	}
	probe(1)
	clock.step(50 * time.Minute)
	probe(1) // slides
	clock.step(50 * time.Minute)
	probe(1)
	clock.step(time.Hour)
	probe(2)
}

func TestCallerLeavesTheSignInGoesOn(t *testing.T) {
	v := newVenue(t, nil)
	if err := v.server.Set(faults.Fault{Kind: faults.Slow, Call: "authenticate", Delay: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := v.client.Validate(ctx, scanner.Ask{Code: "good000001", Direction: scanner.Entry})
	if call := scanner.CallErrorOf(err); err == nil || call.MaybeSent {
		t.Errorf("got %v", err)
	}
	if err := v.client.Probe(t.Context()); err != nil || v.sim.Calls("authenticate") != 1 {
		t.Errorf("%v after %d sign-ins", err, v.sim.Calls("authenticate"))
	}
}

func TestExitIsNotAsked(t *testing.T) {
	v := newVenue(t, nil)
	_, err := v.client.Validate(t.Context(), scanner.Ask{Code: "good000001", Direction: scanner.Exit})
	var call *scanner.CallError
	if !errors.As(err, &call) || call.Trouble != scanner.Malformed || v.server.Calls() != 0 {
		t.Errorf("got %v after %d calls", err, v.server.Calls())
	}
}

// handClock is a clock that a test moves.
type handClock struct {
	at   time.Time
	up   time.Duration
	boot string
}

func (h *handClock) Now() scanner.Stamp {
	return scanner.Stamp{Wall: h.at, Boot: h.boot, Up: h.up}
}
func (h *handClock) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }
func (h *handClock) step(d time.Duration)                 { h.at, h.up = h.at.Add(d), h.up+d }
