package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// edit changes the device's configuration file.
func edit(t *testing.T, r *rig.Rig, old, now string) {
	t.Helper()
	text, err := os.ReadFile(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("no %q in the configuration", old)
	}
	if err := os.WriteFile(r.Config(), []byte(strings.Replace(string(text), old, now, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestALaneForEachWay is an evening at a device with an entry lane and an exit
// lane, as every surface tells it.
func TestALaneForEachWay(t *testing.T) {
	r := newRigOf(t, 10, rig.Options{Lanes: []string{"in", "out"}, Exits: []string{"out"}, Extra: "gate: { name: Gate 7, reentry: allow }\n"})
	start(t, r)
	scanFor(t, r, "in", ticketCode(1), scanner.Admit, scanner.OK)
	left := scanFor(t, r, "out", ticketCode(1), scanner.Admit, scanner.Exited)
	if left.Direction != scanner.Exit || left.Repeat {
		t.Errorf("the exit is %+v", left)
	}
	if again := scanFor(t, r, "out", ticketCode(1), scanner.Admit, scanner.Exited); !again.Repeat || again.Seq != left.Seq {
		t.Errorf("read twice: %+v", again)
	}

	refused := scanFor(t, r, "out", ticketCode(2), scanner.Refuse, scanner.ExitNotPermitted)
	if out, stderr, code := usherCommand(t, r, "admit", fmt.Sprint(refused.Seq), "--by", "Eve"); code != exitOK || !strings.Contains(out, "Let out by Eve") {
		t.Errorf("a refused exit admitted: exit %d, %s%s", code, out, stderr)
	}
	if out, stderr, code := usherCommand(t, r, "undo", fmt.Sprint(left.Seq), "--by", "Eve"); code != exitOK {
		t.Errorf("an exit undone: exit %d, %s%s", code, out, stderr)
	}
	scanFor(t, r, "in", ticketCode(1), scanner.Refuse, scanner.AlreadyEntered) // nobody has left
	if e := scanFor(t, r, "out", ticketCode(1), scanner.Admit, scanner.Exited); e.Repeat {
		t.Error("an exit that was undone is still a repeat")
	}
	if e := scanFor(t, r, "in", ticketCode(1), scanner.Admit, scanner.OK); e.Repeat {
		t.Error("who comes back is a repeat of who went in")
	}
	if out, _, code := usherCommand(t, r, "scan", ticketCode(3), "--direction", "exit"); code != exitFailed || !strings.Contains(out, "Exit not permitted") {
		t.Errorf("typed at the exit: exit %d, %s", code, out)
	}
	if out, _, code := usherCommand(t, r, "scan", ticketCode(3)); code != exitOK {
		t.Errorf("typed at the entrance: exit %d, %s", code, out)
	}

	s, err := r.Client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := control.EventCounts{Entries: 3, Exits: 3, Inside: 1, Refused: 3, Overridden: 1, Undone: 1}
	if len(s.Events) != 1 || s.Events[0] != want {
		t.Errorf("events %+v, want %+v", s.Events, want)
	}
	if s.Scanners[0].Direction != "entry" || s.Scanners[1].Direction != "exit" {
		t.Errorf("scanners %+v", s.Scanners)
	}
	if out, _, _ := usherCommand(t, r, "status"); !strings.Contains(out, "in (serial) connected") || !strings.Contains(out, "out (serial, exit) connected") ||
		!strings.Contains(out, "3 in, 3 out, 1 inside") {
		t.Errorf("usher status:\n%s", out)
	}
	var ways []string
	for _, row := range export(t, r) {
		if row.Code == ticketCode(1) && row.Verdict == string(scanner.Admit) {
			ways = append(ways, row.Way+" "+row.Fate)
		}
	}
	if got, want := strings.Join(ways, ", "), "entry kept, exit withdrawn, exit kept, entry kept"; got != want {
		t.Errorf("the export tells %s, want %s", got, want)
	}
	if out, _, _ := usherCommand(t, r, "tickets", "show", ticketCode(1)); strings.Count(out, "(offline, exit") < 2 {
		t.Errorf("usher tickets show tells no exits:\n%s", out)
	}

	// The ways of a gate and of a scanner are changed while it runs.
	edit(t, r, ", direction: exit", "")
	edit(t, r, "reentry: allow", "reentry: allow, direction: exit")
	edit(t, r, r.Lane("in").Path(), r.Lane("in").Path()+", direction: entry")
	if _, stderr, code := usherCommand(t, r, "reload"); code != exitOK {
		t.Fatalf("reload: exit %d, %s", code, stderr)
	}
	soon(t, r, 5*time.Second, "the lanes", func(s control.Status) bool {
		return s.Device.Direction == "exit" && !slices.ContainsFunc(s.Scanners, func(sc control.ScannerStatus) bool { return sc.State != control.ScannerConnected })
	})
	scanFor(t, r, "in", ticketCode(4), scanner.Admit, scanner.OK)
	scanFor(t, r, "out", ticketCode(4), scanner.Admit, scanner.Exited)
	if out, _, code := usherCommand(t, r, "scan", ticketCode(3)); code != exitOK || !strings.Contains(out, "Exit recorded") {
		t.Errorf("typed at an exit: exit %d, %s", code, out)
	}
}

// TestAVendorWithoutExits: an exit lane there is a fault of the configuration,
// before the gate opens, and what is typed asks the vendor nothing.
func TestAVendorWithoutExits(t *testing.T) {
	v := newVenue(t, 10, "", "lane-1")
	port := v.Lane("lane-1").Path()
	for what, change := range map[string][2]string{
		"gate.direction":             {"name: Gate 7", "name: Gate 7, direction: exit"},
		"scanners[lane-1].direction": {port, port + ", direction: exit"},
	} {
		edit(t, v.Rig, change[0], change[1])
		for _, command := range []string{"check", "run"} {
			if out, stderr, code := usherCommand(t, v.Rig, command); code != exitFailed ||
				!strings.Contains(out+stderr, what) || !strings.Contains(out+stderr, "audienceview knows no exits") {
				t.Errorf("%s with %s: exit %d\n%s%s", command, what, code, out, stderr)
			}
		}
		edit(t, v.Rig, change[1], change[0])
	}
	v.start()
	if _, stderr, code := usherCommand(t, v.Rig, "scan", barcode(1), "--direction", "exit"); code != exitFailed || !strings.Contains(stderr, "audienceview knows no exits") {
		t.Errorf("a typed exit: exit %d, %s", code, stderr)
	}
	if e := v.scan(barcode(1), scanner.Admit, scanner.OK); e.Mode != scanner.Online {
		t.Errorf("after it the vendor is not asked: %s", e.Mode)
	}
	edit(t, v.Rig, "name: Gate 7", "name: Gate 7, direction: exit")
	if _, stderr, code := usherCommand(t, v.Rig, "reload"); code != exitFailed || !strings.Contains(stderr, "gate.direction") {
		t.Errorf("reload: exit %d, %s", code, stderr)
	}
	if e := v.scan(barcode(2), scanner.Admit, scanner.OK); e.Direction != scanner.Entry {
		t.Errorf("what ran does not go on: %+v", e)
	}
}
