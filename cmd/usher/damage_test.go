package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// damagedDevice is a device whose files are harmed.
type damagedDevice struct {
	t *testing.T
	*rig.Rig
	next    int
	entered []string
	asked   int
}

const damagedTickets = 300

func newDamagedDevice(t *testing.T) *damagedDevice {
	d := &damagedDevice{t: t, Rig: newRig(t, damagedTickets, "", "lane-1", "lane-2")}
	d.up()
	for range 12 {
		d.enter(scanner.Admit, scanner.OK)
	}
	return d
}

func (d *damagedDevice) path(name string) string { return filepath.Join(d.Dir, "state", name) }

// up starts the daemon and waits until it decides by the whole list, whatever it
// has to say besides.
func (d *damagedDevice) up() {
	d.t.Helper()
	if err := d.Start(d.t.Context(), func(s control.Status) bool {
		return s.State != control.NotReady && s.Tickets.Count == damagedTickets && s.Scanners[0].State == control.ScannerConnected && s.Scanners[1].State == control.ScannerConnected
	}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *damagedDevice) down() {
	d.t.Helper()
	if err := d.Stop(); err != nil {
		d.t.Errorf("the daemon's end: %v", err)
	}
}

// scan gives the verdict on a code.
func (d *damagedDevice) scan(lane, code string) control.Event {
	d.t.Helper()
	stream := follow(d.t, d.Rig)
	defer stream.Close()
	if err := d.Scan(lane, code); err != nil {
		d.t.Fatal(err)
	}
	for {
		e, err := stream.Next()
		if err != nil {
			d.t.Fatalf("%v; the daemon's log:\n%s", err, d.Log.(*lockedBuffer).tail(3000))
		}
		if e.Kind == "" {
			return e
		}
	}
}

// enter scans a fresh ticket.
func (d *damagedDevice) enter(verdict scanner.Verdict, why scanner.Reason) {
	d.t.Helper()
	code := ticketCode(d.next)
	d.next++
	e := d.scan("lane-1", code)
	if e.Verdict != verdict || e.Reason != why {
		d.t.Errorf("%s: got %s/%s (%s), want %s/%s", code, e.Verdict, e.Reason, e.Message, verdict, why)
	}
	if e.Verdict == scanner.Admit {
		d.entered = append(d.entered, code)
	}
}

// again scans some of those that entered, at the other lane, where they are no
// repeats: nobody enters twice. It tells how many are amber.
func (d *damagedDevice) again() (amber int) {
	d.t.Helper()
	for range 3 {
		e := d.scan("lane-2", d.entered[d.asked%len(d.entered)])
		d.asked++
		switch {
		case e.Verdict == scanner.Refuse && e.Reason == scanner.AlreadyEntered:
		case e.Verdict == scanner.Review && e.Reason == scanner.DamagedRecord:
			amber++
		default:
			d.t.Errorf("again: got %s/%s (%s)", e.Verdict, e.Reason, e.Message)
		}
	}
	return amber
}

func (d *damagedDevice) harm(name string, how func(raw []byte) []byte) {
	d.t.Helper()
	raw, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(name), how(raw), 0o600); err != nil { // in place: the daemon has it open
		d.t.Fatal(err)
	}
}

func (d *damagedDevice) asides() []string {
	names, err := filepath.Glob(d.path("journal.db.damaged-*"))
	if err != nil {
		d.t.Fatal(err)
	}
	return names
}

// wholeLog fails where the daemon ever panicked.
func (d *damagedDevice) wholeLog() {
	d.t.Helper()
	for _, word := range []string{"fatal error:", "panic:", "SIGBUS: bus", "goroutine 1 ["} {
		if strings.Contains(d.Log.(*lockedBuffer).tail(1<<30), "\n"+word) {
			d.t.Errorf("the daemon's log has %q", word)
		}
	}
}

func flipOne(raw []byte) []byte {
	raw[rand.IntN(len(raw))] ^= byte(1 + rand.IntN(255))
	return raw
}

func half(raw []byte) []byte { return raw[:len(raw)/2] }
func none([]byte) []byte     { return nil }

// TestDamageBetweenLives: whatever is wrong with either file at the start, the
// gate opens by itself and nobody enters twice.
func TestDamageBetweenLives(t *testing.T) {
	d := newDamagedDevice(t)
	defer d.wholeLog()
	for range 4 {
		d.down()
		d.harm("journal.db", flipOne)
		d.harm("tickets.db", flipOne)
		d.up()
		d.again()
	}
	d.down()
	d.harm("tickets.db", half)
	d.up()
	if amber := d.again(); amber > 0 && len(d.asides()) == 0 {
		t.Error("a list that was loaded anew has damaged records")
	}
	d.down()
	d.harm("journal.db", half)
	d.harm("tickets.db", none)
	d.up()
	d.again()
	d.down()
}

// TestADamagedJournalIsToldAndCleared: what is missing makes fresh tickets amber,
// status and check say what and what to do, running or not, and moving the file
// away ends it.
func TestADamagedJournalIsToldAndCleared(t *testing.T) {
	d := newDamagedDevice(t)
	defer d.wholeLog()
	d.down()
	raw, err := os.ReadFile(d.path("journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	d.harm("journal.db", func(raw []byte) []byte { clear(raw[:2*os.Getpagesize()]); return raw })
	told := func(what, text string, want ...string) {
		t.Helper()
		for _, w := range append(want, "12 records", "0 not uploaded", "12 marks") {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q: %s", what, w, text)
			}
		}
	}
	out, _, _ := usherCommand(t, d.Rig, "check")
	told("check before the start", out, "both meta pages are damaged", "will be moved aside")
	d.up()
	if amber := d.again(); amber > 0 {
		t.Errorf("%d of those carried over are amber", amber)
	}
	d.enter(scanner.Review, scanner.DamagedRecord)
	aside := d.asides()
	if len(aside) != 1 {
		t.Fatalf("aside: %v", aside)
	}
	next := []string{filepath.Base(aside[0]), "lies aside since", "missing", "usher export --state-dir " + aside[0], "move it out of the state directory"}
	out, _, code := usherCommand(t, d.Rig, "status")
	told("status", out, next...)
	if code != exitNotReady {
		t.Errorf("status: exit code %d", code)
	}
	out, _, _ = usherCommand(t, d.Rig, "check")
	told("check of a running device", out, next...)
	d.down()
	out, _, _ = usherCommand(t, d.Rig, "check")
	told("check of a stopped device", out, next...)
	_, said, code := usherCommand(t, d.Rig, "export", "--state-dir", d.path(""))
	told("export", said, filepath.Base(aside[0]))
	if code != exitOK {
		t.Errorf("export: exit code %d", code)
	}
	out, said, code = usherCommand(t, d.Rig, "export", "--state-dir", aside[0])
	if strings.Count(out, "T-000") != 12 || code != exitFailed || !strings.Contains(said, "both meta pages") {
		t.Errorf("export of the damaged file: exit code %d, %s\n%s", code, said, out)
	}
	d.up()
	if err := os.Rename(aside[0], filepath.Join(d.Dir, "kept.db")); err != nil {
		t.Fatal(err)
	}
	soon(t, d.Rig, 10*time.Second, "the doubt ends", ready)
	d.enter(scanner.Admit, scanner.OK)
	d.down()
	if kept, err := os.ReadFile(filepath.Join(d.Dir, "kept.db")); err != nil || len(kept) != len(raw) {
		t.Errorf("the damaged file was not kept as it was: %d bytes of %d, %v", len(kept), len(raw), err)
	}
}

// TestDamageUnderARunningDaemon: the files are cut off, emptied, overwritten,
// deleted and replaced while they are mapped; the daemon stays the same process,
// goes on reading scans, and what it shows as green outlives it.
func TestDamageUnderARunningDaemon(t *testing.T) {
	d := newDamagedDevice(t)
	defer d.wholeLog()
	pid := d.Pid()
	for _, name := range []string{"deleted", "replaced"} {
		if name == "replaced" {
			if err := os.WriteFile(d.path("other"), []byte("another file"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(d.path("other"), d.path("journal.db")); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(d.path("journal.db")); err != nil {
			t.Fatal(err)
		}
		d.enter(scanner.Admit, scanner.OK)
		if amber := d.again(); amber > 0 {
			t.Errorf("%s: %d amber, though the open file is whole", name, amber)
		}
	}
	if now := d.Pid(); now != pid {
		t.Fatalf("the daemon is another process: %d, before %d", now, pid)
	}
	// The power goes; the green lights given on a nameless file are there.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	d.up()
	for _, code := range d.entered[:len(d.entered)-1] {
		if e := d.scan("lane-2", code); e.Reason != scanner.AlreadyEntered {
			t.Fatalf("%s: got %s/%s", code, e.Verdict, e.Reason)
		}
	}
	pid = d.Pid()

	d.harm("tickets.db", half)
	d.harm("tickets.db", none)
	if e := d.scan("lane-1", ticketCode(250)); e.Reason != scanner.DamagedRecord {
		t.Errorf("a list cut off under the daemon: %s/%s", e.Verdict, e.Reason)
	}
	if out, errs, code := usherCommand(t, d.Rig, "tickets", "refresh"); code != exitOK {
		t.Errorf("refresh: %d %s %s", code, out, errs)
	}
	if e := d.scan("lane-1", ticketCode(251)); e.Reason != scanner.OK {
		t.Errorf("after the list was loaded again: %s/%s (%s)", e.Verdict, e.Reason, e.Message)
	}
	for name, how := range map[string]func([]byte) []byte{
		"cut off": half, "zeros": func(raw []byte) []byte { clear(raw); return raw }, "emptied": none,
	} {
		d.harm("journal.db", how)
		if e := d.scan("lane-1", ticketCode(200+rand.IntN(40))); e.Verdict == scanner.Admit && len(d.asides()) == 0 {
			t.Errorf("%s: green on a file that is gone", name)
		}
		d.again()
		if d.Pid() != pid || alive(pid) != nil {
			t.Fatalf("%s: the daemon died", name)
		}
	}
	d.down()
	d.up()
	d.again()
	d.down()
}

// alive tells whether the process is there.
func alive(pid int) error {
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	return err
}
