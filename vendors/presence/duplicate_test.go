package presence_test

import (
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest/faults"
)

// another sends a scan of the ticket from another device.
func (g *gate) another(t *testing.T, code scanner.Code) {
	t.Helper()
	c := g.again(t, func(_ map[string]any, d *presence.Deps) {
		d.Memory, d.Device.MAC, d.Device.GateName = nil, "00:11:22:33:44:66", "Gate 8"
	})
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Validate(t.Context(), scanner.Ask{Code: code, Direction: scanner.Entry}); err != nil {
		t.Fatal(err)
	}
}

// DUPLICATE is our own resend, or somebody else's scan; neither is a green by
// itself, and what was answered before holds.
func TestDuplicate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    scanner.Code
		before  func(t *testing.T, g *gate, code scanner.Code)
		verdict scanner.Verdict
		reason  scanner.Reason
		// later is the answer once the two seconds have passed.
		later scanner.Reason
	}{
		{"own, answer lost", "good00000001", func(t *testing.T, g *gate, code scanner.Code) {
			g.set(t, faults.Fault{Kind: faults.Lost, Call: "ticket/enter", Times: 1})
			if _, err := g.ask(t, code, scanner.Entry); err == nil || !scanner.CallErrorOf(err).MaybeSent {
				t.Errorf("the first: %v", err)
			}
		}, scanner.Review, scanner.Restricted, scanner.AlreadyEntered},
		{"own, a refusal lost", "mark00000004", func(t *testing.T, g *gate, code scanner.Code) {
			g.set(t, faults.Fault{Kind: faults.Lost, Call: "ticket/enter", Times: 1})
			if _, err := g.ask(t, code, scanner.Entry); err == nil {
				t.Error("no error")
			}
		}, scanner.Review, scanner.Restricted, scanner.Restricted},
		{"own, admitted", "good00000001", func(t *testing.T, g *gate, code scanner.Code) {
			if got, err := g.ask(t, code, scanner.Entry); err != nil || got.Verdict != scanner.Admit {
				t.Errorf("the first: %+v, %v", got, err)
			}
		}, scanner.Refuse, scanner.AlreadyEntered, scanner.AlreadyEntered},
		{"own, refused", "sect00000006", func(t *testing.T, g *gate, code scanner.Code) {
			if got, err := g.ask(t, code, scanner.Entry); err != nil || got.Reason != scanner.WrongSection {
				t.Errorf("the first: %+v, %v", got, err)
			}
		}, scanner.Refuse, scanner.WrongSection, scanner.WrongSection},
		{"not own", "good00000001", func(t *testing.T, g *gate, code scanner.Code) { g.another(t, code) },
			scanner.Refuse, scanner.Restricted, scanner.AlreadyEntered},
		{"not own, though one of another ticket got lost", "good00000001", func(t *testing.T, g *gate, code scanner.Code) {
			g.set(t, faults.Fault{Kind: faults.Lost, Call: "ticket/enter", Times: 1})
			if _, err := g.ask(t, "more00000002", scanner.Entry); err == nil {
				t.Error("no error")
			}
			g.another(t, code)
		}, scanner.Refuse, scanner.Restricted, scanner.AlreadyEntered},
		{"not own, ours was never sent", "good00000001", func(t *testing.T, g *gate, code scanner.Code) {
			g.another(t, code)
			g.set(t, faults.Fault{Kind: faults.Status, Status: 429, Call: "ticket/enter", Times: 1})
			if _, err := g.ask(t, code, scanner.Entry); err == nil || scanner.CallErrorOf(err).MaybeSent {
				t.Errorf("throttled: %v", err)
			}
		}, scanner.Refuse, scanner.Restricted, scanner.AlreadyEntered},
		{"not own, ours is long ago", "good00000001", func(t *testing.T, g *gate, code scanner.Code) {
			g.set(t, faults.Fault{Kind: faults.Lost, Call: "ticket/enter", Times: 1})
			if _, err := g.ask(t, code, scanner.Entry); err == nil {
				t.Error("no error")
			}
			g.time.step(time.Minute)
			g.another(t, code)
		}, scanner.Refuse, scanner.Restricted, scanner.AlreadyEntered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := newClock()
			g := newGate(t, presencesim.Options{Now: at.now}, func(_ map[string]any, d *presence.Deps) { d.Clock = at })
			g.time = at
			g.probe(t)
			tt.before(t, g, tt.code)
			at.step(1900 * time.Millisecond)
			got, err := g.ask(t, tt.code, scanner.Entry)
			if err != nil || got.Verdict != tt.verdict || got.Reason != tt.reason || !got.FirstEnteredAt.IsZero() || got.FirstEnteredGate != "" {
				t.Errorf("within 2 s: %+v, %v; want %s %s", got, err, tt.verdict, tt.reason)
			}
			if tt.verdict == scanner.Review && !strings.Contains(got.Detail, "scan it once more") {
				t.Errorf("what to do is not said: %q", got.Detail)
			}
			at.step(2001 * time.Millisecond)
			if got, err := g.ask(t, tt.code, scanner.Entry); err != nil || got.Reason != tt.later {
				t.Errorf("afterwards: %+v, %v; want %s", got, err, tt.later)
			}
		})
	}
}

// Two directions are two scans.
func TestDuplicateIsOfOneDirection(t *testing.T) {
	at := newClock()
	g := newGate(t, presencesim.Options{Now: at.now}, func(_ map[string]any, d *presence.Deps) { d.Clock = at })
	g.probe(t)
	for _, tt := range []struct {
		direction scanner.Direction
		want      scanner.Reason
	}{{scanner.Entry, scanner.OK}, {scanner.Exit, scanner.Exited}, {scanner.Exit, scanner.ExitNotPermitted}, {scanner.Entry, scanner.AlreadyEntered}} {
		if got, err := g.ask(t, "good00000001", tt.direction); err != nil || got.Reason != tt.want {
			t.Errorf("%s: %+v, %v; want %s", tt.direction, got, err, tt.want)
		}
	}
}
