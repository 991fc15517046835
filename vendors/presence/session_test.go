package presence_test

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest/faults"
)

// A configure that fails twice and then answers: each probe makes one attempt, and
// no scan is asked before.
func TestConfigureFailsTwiceAndThenAnswers(t *testing.T) {
	for name, f := range map[string]faults.Fault{
		"silence": {Kind: faults.BlackHole}, "cut": {Kind: faults.Truncate}, "503": {Kind: faults.Status, Status: 503}, "portal": {Kind: faults.HTML},
		"lost": {Kind: faults.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, presencesim.Options{}, nil)
			f.Call, f.Times = "device/init", 2
			g.set(t, f)
			for i := range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				err := g.client.Probe(ctx)
				cancel()
				if err == nil || g.client.Status().Ready || g.server.Calls() != i+1 {
					t.Errorf("probe %d: %v, %d calls, status %+v", i, err, g.server.Calls(), g.client.Status())
				}
				_, err = g.ask(t, "good00000001", scanner.Entry)
				if err == nil || scanner.CallErrorOf(err).MaybeSent || g.sim.Calls("ticket/enter") != 0 {
					t.Errorf("a scan is asked of a vendor that has not confirmed this device: %v", err)
				}
			}
			g.clear(t)
			g.probe(t)
			if st := g.client.Status(); !st.Ready || st.Problem != "" || !st.SessionExpiresAt.IsZero() {
				t.Errorf("status %+v", st)
			}
			if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// What is told at configure is what the table wants.
func TestConfigureTells(t *testing.T) {
	g := newGate(t, presencesim.Options{}, func(_ map[string]any, d *presence.Deps) { d.Address = func() string { return "192.0.2.7" } })
	g.probe(t)
	g.probe(t)
	want := presencesim.Device{
		ID: 101, Venue: venue, Name: "handheld 7", MAC: mac, IP: "192.0.2.7", GateID: 1, GateName: "Gate 7", Serial: "S-1234", Model: "Janam XT2",
	}
	if got := g.sim.Devices(); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v", got)
	}
	if n, m := g.sim.Calls("device/init"), g.sim.Calls("device"); n != 1 || m != 1 {
		t.Errorf("%d configures and %d informations of two probes", n, m)
	}
	if own := newGate(t, presencesim.Options{}, nil); own.client.Probe(t.Context()) != nil || own.sim.Devices()[0].IP != "127.0.0.1" {
		t.Errorf("its own address towards a vendor on this machine: %+v", own.sim.Devices())
	}
}

// Ids come as numbers and as text.
func TestIDsAsText(t *testing.T) {
	g := newGate(t, presencesim.Options{TextIDs: true}, nil)
	g.probe(t)
	g.probe(t)
	if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("%+v, %v", got, err)
	}
	for id, good := range map[string]bool{
		`101`: true, `"101"`: true, `""`: false, `"x"`: false, `-1`: false, `1.5`: false, `1e3`: false, `null`: false, `0`: false, `true`: false,
		`99999999999999999999`: false, `" 1"`: false,
	} {
		c := notYet(t, `{"result":{"status":"OKAY"},"message":{"id":`+id+`,"gateId":1}}`)
		if err := c.Probe(t.Context()); (err == nil) != good || c.Status().Ready != good {
			t.Errorf("id %s: %v", id, err)
		}
	}
}

// An answer that is not of this device configures nothing.
func TestOddConfigurations(t *testing.T) {
	for name, body := range map[string]string{
		"no message": `{"result":{"status":"OKAY"}}`, "message null": `{"result":{"status":"OKAY"},"message":null}`,
		"another venue":  `{"result":{"status":"OKAY"},"message":{"id":1,"gateId":1,"venueId":"x"}}`,
		"another device": `{"result":{"status":"OKAY"},"message":{"id":1,"gateId":1,"mac":"00:00:00:00:00:01"}}`,
		"general error":  `{"result":{"status":"GENERAL_ERROR"}}`, "unknown": `{"result":{"status":"MAYBE"}}`,
		"an exit":    `{"result":{"status":"EXIT"},"message":{"id":1,"gateId":1}}`,
		"no gate id": `{"result":{"status":"OKAY"},"message":{"id":1}}`,
	} {
		c := notYet(t, body)
		err := c.Probe(t.Context())
		if err == nil || c.Status().Ready || scanner.CallErrorOf(err).Trouble == scanner.Denied {
			t.Errorf("%s: %v, %+v", name, err, c.Status())
		}
	}
	c := notYet(t, `{"result":{"status":"OKAY"},"message":{"id":1,"gateId":2,"mac":"00-11-22-33-44-55","venueId":"`+venue+`","new":[{}]}}`)
	if err := c.Probe(t.Context()); err != nil {
		t.Errorf("the same address in another spelling: %v", err)
	}
}

// A gate id that configure does not name is asked for.
func TestGateIDIsLearnt(t *testing.T) {
	g := newGate(t, presencesim.Options{}, func(_ map[string]any, d *presence.Deps) {
		d.Transport = without{d.Transport, `"gateId"`, "/device/init"}
	})
	g.probe(t)
	if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit || g.sim.Calls("device") != 1 {
		t.Errorf("%+v, %v, %d calls", got, err, g.sim.Calls("device"))
	}
}

// What needs a person is not tried again by itself, and says what to do.
func TestRefusedConfigurations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change change
		stage  func(g *gate)
		want   string
	}{
		{"venue", func(raw map[string]any, _ *presence.Deps) { raw["venue_id"] = "KovNobody" }, func(*gate) {}, "correct vendor.venue_id"},
		{"malformed", nil, func(g *gate) { g.sim.SetFault("device/init", "BAD_REQUEST", 400, 1) }, "check vendor.venue_id, gate.name"},
		{"key", nil, func(g *gate) { g.sim.SetKey("other") }, "vendor.api_key_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := newClock()
			g := newGate(t, presencesim.Options{}, func(raw map[string]any, d *presence.Deps) {
				d.Clock = at
				if tt.change != nil {
					tt.change(raw, d)
				}
			})
			tt.stage(g)
			for range 5 {
				err := g.client.Probe(t.Context())
				if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
			}
			if n := g.sim.Calls("device/init"); n != 1 {
				t.Errorf("%d tries, want 1", n)
			}
			if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, tt.want) {
				t.Errorf("status %+v", st)
			}
			at.step(time.Minute)
			_ = g.client.Probe(t.Context())
			if n := g.sim.Calls("device/init"); n != 2 {
				t.Errorf("%d tries after a minute, want 2", n)
			}
			if tt.name == "key" {
				g.write(t, "other")
				if err := g.client.Probe(t.Context()); err != nil || g.client.Status().Problem != "" {
					t.Errorf("the right key: %v, %+v", err, g.client.Status())
				}
			}
		})
	}
}

// A key that is changed at the vendor while usher runs: scans say nothing of it,
// the probe does.
func TestKeyChangesWhileRunning(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	g.sim.SetKey("other")
	_, err := g.ask(t, "good00000001", scanner.Entry)
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || call.MaybeSent || g.client.Status().Problem != "" {
		t.Errorf("%v, %+v", err, g.client.Status())
	}
	if err := g.client.Probe(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Denied || !strings.Contains(g.client.Status().Problem, "API key is refused") {
		t.Errorf("%v, %+v", err, g.client.Status())
	}
	g.write(t, "other")
	g.probe(t)
	if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("%+v, %v", got, err)
	}
}

// Presence forgets the device, or moves it to another gate: it is configured again.
func TestForgottenAndMoved(t *testing.T) {
	for name, act := range map[string]func(*gate){
		"forgotten": func(g *gate) { g.sim.ForgetDevices() },
		"moved":     func(g *gate) { g.sim.MoveDevice(mac, "Gate 9") },
		"malformed": func(g *gate) { g.sim.SetFault("device", "BAD_REQUEST", 400, 1) },
	} {
		g := newGate(t, presencesim.Options{}, nil)
		g.probe(t)
		act(g)
		g.probe(t)
		if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit || g.sim.Calls("device/init") != 2 {
			t.Errorf("%s: %+v, %v, %d configures", name, got, err, g.sim.Calls("device/init"))
		}
		if d := g.sim.Devices(); len(d) != 1 || d[0].GateName != "Gate 7" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A reboot in an outage: what was confirmed before holds, at the same gate alone,
// and status says since when.
func TestRebootInAnOutage(t *testing.T) {
	at := newClock()
	g := newGate(t, presencesim.Options{Now: at.now}, func(_ map[string]any, d *presence.Deps) { d.Clock = at })
	if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "never configured") || g.client.Freeze() != nil {
		t.Errorf("never configured: %+v", st)
	}
	g.probe(t)
	before := g.client.Freeze()
	g.set(t, faults.Fault{Kind: faults.Refuse})
	at.step(3 * time.Hour)
	reboot := func(ch change) *presence.Client {
		return g.again(t, func(raw map[string]any, d *presence.Deps) {
			d.Clock = &clock{at: at.now(), boot: "b"}
			if ch != nil {
				ch(raw, d)
			}
		})
	}
	same := reboot(nil)
	err := same.Probe(t.Context())
	st := same.Status()
	if err == nil || !st.Ready || !strings.Contains(st.Problem, "the configuration at Presence of 21 Nov 2026 19:00 UTC is not confirmed yet since usher started") {
		t.Errorf("%v, %+v", err, st)
	}
	if after := same.Freeze(); string(after) != string(before) || len(after) == 0 {
		t.Errorf("frozen %s, was %s", after, before)
	}
	if _, err := same.Validate(t.Context(), scanner.Ask{Code: "good00000001", Direction: scanner.Entry}); err == nil || scanner.CallErrorOf(err).MaybeSent {
		t.Errorf("a scan is asked before OKAY came in this run: %v", err)
	}
	for name, ch := range map[string]change{
		"gate":  func(_ map[string]any, d *presence.Deps) { d.Device.GateName = "Gate 9" },
		"venue": func(raw map[string]any, _ *presence.Deps) { raw["venue_id"] = "KovOther" },
		"mac":   func(_ map[string]any, d *presence.Deps) { d.Device.MAC = "00:11:22:33:44:99" },
		"host":  func(raw map[string]any, _ *presence.Deps) { raw["base_url"] = "http://127.0.0.1:1/presence/v1" },
	} {
		c := reboot(ch)
		if st := c.Status(); st.Ready || !strings.Contains(st.Problem, "must reach") || c.Freeze() != nil {
			t.Errorf("another %s: %+v, frozen %s", name, st, c.Freeze())
		}
	}
	g.clear(t)
	if err := same.Probe(t.Context()); err != nil || same.Status().Problem != "" || g.sim.Calls("device/init") != 2 {
		t.Errorf("back: %v, %+v, %d configures", err, same.Status(), g.sim.Calls("device/init"))
	}
}

// What Memory gives back is a configuration or none.
func TestDamagedMemory(t *testing.T) {
	for _, kept := range []string{"", "{", "null", "[]", `{"device_id":0}`, `{"device_id":101,"gate_id":1}`} {
		g := newGate(t, presencesim.Options{}, nil)
		g.memory.Kept = map[string][]byte{"configuration": []byte(kept)}
		c := g.again(t, nil)
		if c.Status().Ready || c.Freeze() != nil {
			t.Errorf("%q: %+v", kept, c.Status())
		}
		if err := c.Probe(t.Context()); err != nil || !c.Status().Ready {
			t.Errorf("%q: %v", kept, err)
		}
		var saved map[string]any
		if err := json.Unmarshal(g.memory.Kept["configuration"], &saved); err != nil || saved["gate"] != "Gate 7" || strings.Contains(string(g.memory.Kept["configuration"]), key) {
			t.Errorf("saved %s, %v", g.memory.Kept["configuration"], err)
		}
	}
}

// The true time is learnt from the vendor's own answers alone.
func TestObservations(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	before := len(g.seen.All())
	if before != 1 {
		t.Errorf("%d observations of one configure", before)
	}
	for _, f := range []faults.Fault{{Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Status, Status: 500}, {Kind: faults.Redirect}} {
		f.Times = 1
		g.set(t, f)
		if err := g.client.Probe(t.Context()); err == nil {
			t.Fatal("no error")
		}
	}
	g.sim.SetFault("ticket/enter", "SOMETHING_NEW", 200, 1)
	if _, err := g.ask(t, "good00000001", scanner.Entry); err != nil {
		t.Fatal(err)
	}
	if n := len(g.seen.All()); n != before {
		t.Errorf("%d observations of answers that are not the vendor's", n-before)
	}
}

// A second probe waits for the one under way, and no longer than it may.
func TestOneConfigurationAtATime(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.set(t, faults.Fault{Kind: faults.BlackHole, Call: "device/init", Times: 1})
	ended := make(chan error, 1)
	first, give := context.WithCancel(t.Context())
	go func() { ended <- g.client.Probe(first) }()
	for g.server.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := g.client.Probe(ctx)
	if took := time.Since(began); err == nil || scanner.CallErrorOf(err).MaybeSent || g.server.Calls() != 1 || took > 5*time.Second {
		t.Errorf("after %v: %v, %d calls", took, err, g.server.Calls())
	}
	give()
	if err := <-ended; err == nil {
		t.Error("the first came to an end")
	}
	g.probe(t)
}

// Presence's optional call is not needed: where its path is unknown, the device is
// configured again, and the link comes back.
func TestInformationIsOptional(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	g.set(t, faults.Fault{Kind: faults.Status, Status: 404, Call: "device"})
	g.probe(t)
	if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit || g.sim.Calls("device/init") != 2 {
		t.Errorf("%+v, %v, %d configures", got, err, g.sim.Calls("device/init"))
	}
	g.clear(t)
	g.set(t, faults.Fault{Kind: faults.Status, Status: 503, Call: "device"})
	if err := g.client.Probe(t.Context()); err == nil || g.sim.Calls("device/init") != 2 {
		t.Errorf("a fault of the vendor's own: %v, %d configures", err, g.sim.Calls("device/init"))
	}
}

// A person who signs in anew takes no gate offline: scans are asked meanwhile, and
// no more once the configuration has failed.
func TestScansGoOnWhileAPersonSignsIn(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	g.set(t, faults.Fault{Kind: faults.BlackHole, Call: "device/init", Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before, ended := g.server.Calls(), make(chan error, 1)
	go func() { ended <- g.client.SignIn(ctx) }()
	for g.server.Calls() == before {
		select {
		case err := <-ended:
			t.Fatalf("no configure was sent: %v", err)
		default:
			runtime.Gosched()
		}
	}
	if got, err := g.ask(t, "good00000001", scanner.Entry); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("meanwhile: %+v, %v", got, err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a configure that nobody answered succeeded")
	}
	if _, err := g.ask(t, "more00000002", scanner.Entry); err == nil || scanner.CallErrorOf(err).MaybeSent {
		t.Errorf("after it failed: %v", err)
	}
}
