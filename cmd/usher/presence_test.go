package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest/faults"
)

// outage is what a cut network looks like: the device goes on by itself.
func outage(s control.Status) bool { return s.Link.State == control.LinkOffline }

// connected: what is sent to a lane will be read.
func connected(s control.Status) bool {
	return !slices.ContainsFunc(s.Scanners, func(sc control.ScannerStatus) bool { return sc.State != control.ScannerConnected })
}

func drained(s control.Status) bool { return online(s) && s.Outbox.Pending == 0 }

// TestAnEveningAtPresence: in and out, the network cut in the middle of an exit,
// on by the list and this device's own marks, and back: Presence gets what it
// missed in the order of each ticket, with the scans' own times and device.
func TestAnEveningAtPresence(t *testing.T) {
	s := newStadium(t, 20, uploads)
	s.start()
	var seen []control.Event
	pass := func(mode scanner.Mode, lane string, i int) control.Event {
		t.Helper()
		want := map[string]scanner.Reason{"in": scanner.OK, "out": scanner.Exited}[lane]
		e := s.mode(mode, lane, i, want)
		seen = append(seen, e)
		return e
	}
	pass(scanner.Online, "in", 0)
	pass(scanner.Online, "out", 0)
	pass(scanner.Online, "in", 1)
	s.mode(scanner.Online, "out", 2, scanner.ExitNotPermitted)

	// The exit reaches Presence, its answer does not reach the gate.
	for _, f := range []faults.Fault{{Kind: faults.Lost, Call: "ticket/exit", Times: 1}, {Kind: faults.Close, Call: "device"}} {
		s.fault(f)
	}
	doubted := pass(scanner.Offline, "out", 1)
	if !doubted.InDoubt || !doubted.Queued {
		t.Errorf("the exit whose answer got lost: %+v", doubted)
	}
	s.cut()
	s.clear()
	soon(t, s.Rig, 5*time.Second, "the outage", outage)

	pass(scanner.Offline, "in", 0) // it left before the outage
	for range 2 {
		pass(scanner.Offline, "in", 3)
		pass(scanner.Offline, "out", 3)
	}
	pass(scanner.Offline, "in", 3)
	pass(scanner.Offline, "in", 1)
	pass(scanner.Offline, "in", 4)
	s.mode(scanner.Offline, "out", 5, scanner.ExitNotPermitted) // nobody knows that it entered
	s.mode(scanner.Offline, "in", 999, scanner.NotFound)
	want := []control.EventCounts{{Refused: 1}, {Event: presencesim.DemoEvent, Entries: 8, Exits: 4, Inside: 4, Refused: 2}}
	soon(t, s.Rig, 5*time.Second, fmt.Sprintf("9 to be sent, and %+v", want), func(st control.Status) bool {
		return st.Outbox.Pending == 9 && slices.Equal(st.Events, want)
	})

	s.back()
	soon(t, s.Rig, 20*time.Second, "an empty outbox", drained)
	pass(scanner.Online, "out", 3)
	pass(scanner.Online, "in", 6)
	s.reconciled(seen, doubted)
	for _, row := range export(t, s.Rig) {
		if row.Verdict == string(scanner.Admit) && row.Fate != "taken" && row.Fate != "confirmed" {
			t.Errorf("#%d %s of %s is %s", row.Seq, row.Way, row.Code, row.Fate)
		}
	}
}

// TestPresenceWithoutAnUploadPath: what passed offline stays here and is exported,
// and this device goes on judging those tickets, since Presence knows nothing of
// it.
func TestPresenceWithoutAnUploadPath(t *testing.T) {
	s := newStadium(t, 10, "")
	s.start()
	atVendor := []control.Event{s.mode(scanner.Online, "in", 0, scanner.OK)}
	s.cut()
	s.scan("in", 1, scanner.OK)
	soon(t, s.Rig, 5*time.Second, "the outage", outage)
	s.mode(scanner.Offline, "out", 1, scanner.Exited)
	s.mode(scanner.Offline, "out", 0, scanner.Exited)
	s.mode(scanner.Offline, "in", 2, scanner.OK)
	s.back()
	soon(t, s.Rig, 20*time.Second, "the network", drained)
	s.mode(scanner.Offline, "out", 2, scanner.Exited)
	if e, err := s.Client.Scan(t.Context(), seatCode(1), scanner.Exit); err != nil || e.Reason != scanner.ExitNotPermitted || e.Mode != scanner.Offline {
		t.Errorf("a second exit: %+v, %v", e, err)
	}
	atVendor = append(atVendor, s.mode(scanner.Online, "in", 3, scanner.OK))
	s.reconciled(atVendor)
	fates := map[string]int{}
	for _, row := range export(t, s.Rig) {
		if row.Verdict == string(scanner.Admit) {
			fates[row.Way+" "+row.Fate]++
		}
	}
	if got := fmt.Sprint(fates); got != "map[entry confirmed:2 entry kept:2 exit kept:3]" {
		t.Errorf("the export tells %s", got)
	}
	if out, _, _ := usherCommand(t, s.Rig, "check"); !strings.Contains(out, "vendor.upload_path") || !strings.Contains(out, "Nexus Partner Program coordinator") {
		t.Errorf("usher check does not say whom to ask:\n%s", out)
	}
}

// TestARebootInAnOutageAtPresence: the device goes on offline at the same gate, and
// says that Presence has not confirmed it since; then it does, by itself.
func TestARebootInAnOutageAtPresence(t *testing.T) {
	s := newStadium(t, 10, uploads)
	s.start()
	seen := []control.Event{s.mode(scanner.Online, "in", 0, scanner.OK)}
	s.cut()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), func(st control.Status) bool { return outage(st) && connected(st) && st.Tickets.Count > 0 }); err != nil {
		t.Fatal(err)
	}
	unconfirmed := func(st control.Status) bool {
		return strings.Contains(strings.Join(st.Problems, "\n"), "is not confirmed yet since usher started")
	}
	if st := soon(t, s.Rig, 5*time.Second, "what is not confirmed", unconfirmed); st.State == control.NotReady || st.Device.Gate != "Gate 7" {
		t.Errorf("state %s at %s", st.State, st.Device.Gate)
	}
	seen = append(seen, s.mode(scanner.Offline, "out", 0, scanner.Exited), s.mode(scanner.Offline, "in", 1, scanner.OK))
	if n := len(s.sim.Entries()); n != 1 {
		t.Errorf("%d movements at Presence in the outage", n)
	}
	s.back()
	if st := soon(t, s.Rig, 20*time.Second, "an empty outbox", drained); unconfirmed(st) {
		t.Errorf("confirmed, and the status says %q", st.Problems)
	}
	seen = append(seen, s.mode(scanner.Online, "out", 1, scanner.Exited))
	s.reconciled(seen)
}

// TestAConfigureThatFailsTwice: once it is answered by nobody, once by what is no
// answer. Until it is answered no scan is asked; then the gate is online by itself.
func TestAConfigureThatFailsTwice(t *testing.T) {
	s := newStadium(t, 10, uploads)
	for _, f := range []faults.Fault{
		{Kind: faults.BlackHole, Call: "device/init", Times: 1},
		{Kind: faults.Status, Call: "device/init", Status: 503, Times: 1},
	} {
		s.fault(f)
	}
	s.sim.SetFault("device/init", "GENERAL_ERROR", 200, 1)
	// The list is loaded before the first call for the configuration ends.
	if err := s.Start(t.Context(), func(st control.Status) bool { return outage(st) && connected(st) && st.Tickets.Count > 0 }); err != nil {
		t.Fatal(err)
	}
	seen := []control.Event{s.mode(scanner.Offline, "in", 0, scanner.OK)}
	soon(t, s.Rig, 20*time.Second, "online by itself", drained)
	if asked := s.sim.Calls("ticket/enter"); asked != 0 {
		t.Errorf("%d scans were asked before the configuration", asked)
	}
	if tries := s.sim.Calls("device/init"); tries != 2 {
		t.Errorf("%d calls for the configuration reached Presence, want 2 of 4", tries)
	}
	seen = append(seen, s.mode(scanner.Online, "out", 0, scanner.Exited))
	s.reconciled(seen)
}

// TestNeverConfiguredAtPresence: with no list either, nothing can be decided.
func TestNeverConfiguredAtPresence(t *testing.T) {
	s := newStadium(t, 10, uploads)
	s.cut()
	if err := os.Remove(s.Manifest()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), func(st control.Status) bool { return st.State == control.NotReady && connected(st) }); err != nil {
		t.Fatal(err)
	}
	for _, lane := range []string{"in", "out"} {
		if e := s.scan(lane, 1, scanner.NotReady); e.Mode != scanner.Offline {
			t.Errorf("%s: %+v", lane, e)
		}
	}
	s.back()
	soon(t, s.Rig, 20*time.Second, "Presence", func(st control.Status) bool {
		return st.Link.State == control.LinkOnline && st.State != control.NotReady
	})
	s.mode(scanner.Online, "in", 1, scanner.OK)
	s.mode(scanner.Online, "out", 1, scanner.Exited)
	if n := len(s.sim.Entries()); n != 2 {
		t.Errorf("%d movements at Presence", n)
	}
}
