package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
	"usher/vendors/vendortest/proxy"
)

// field is a device with two entry lanes at TickeTing, with a network in between
// that can be cut.
type field struct {
	*rig.Rig
	t    *testing.T
	sim  *ticketingsim.Sim
	wire *faults.Server
	net  *proxy.Proxy
}

// front is the i-th ticket before the stage, back the i-th on the lawn.
func front(i int) string { return ticketingsim.GeneratedSerial(2 * i) }
func back(i int) string  { return ticketingsim.GeneratedSerial(2*i + 1) }

// newField makes it with n generated tickets, sold an hour ago, and the admission
// token; keys are added to the vendor's block.
func newField(t *testing.T, n int, token, keys string) *field {
	t.Helper()
	sim := ticketingsim.New(ticketingsim.Options{})
	sim.SetClock(-time.Hour)
	sim.Demo(n)
	sim.SetClock(0)
	wire, err := faults.Listen("127.0.0.1:0", sim, ticketingsim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	p, err := proxy.Listen(strings.TrimPrefix(wire.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	dir, err := os.MkdirTemp("", "usher-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(ticketingsim.DemoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	r, err := rig.New(rig.Options{
		Dir: dir, Bin: buildUsher(t), Lanes: []string{"lane-1", "lane-2"}, Log: log,
		Vendor: fmt.Sprintf("{ name: ticketing, base_url: \"http://%s%s\", api_key_file: %s/key, admission_token: %s, event: %q, redeemer: Alma%s }",
			p.Addr(), ticketingsim.Base, dir, token, ticketingsim.DemoEvent, keys),
		Extra: "gate: { name: Gate 7 }\nonline: { patience: 400ms, timeout: 800ms, probe_min: 100ms, probe_max: 300ms }\nupload: { retry_min: 100ms, retry_max: 300ms }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		text := log.tail(1 << 20)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", text[max(0, len(text)-8000):])
		}
		for _, secret := range []string{token, front(0), back(0), "Milk", "@"} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return &field{Rig: r, t: t, sim: sim, wire: wire, net: p}
}

// listed: the vendor can be asked, and its list is here.
func listed(s control.Status) bool { return online(s) && s.Tickets.Count > 0 }

func (f *field) start() {
	f.t.Helper()
	if err := f.Start(f.t.Context(), listed); err != nil {
		f.t.Fatal(err)
	}
}

// cut takes the network away until it is back.
func (f *field) cut() {
	f.t.Helper()
	f.net.Instead(func(net.Conn) {})
	f.net.Cut()
}

// lost cuts it and waits until the device knows.
func (f *field) lost() {
	f.t.Helper()
	f.cut()
	if e, err := f.Client.Scan(f.t.Context(), "nobody's", scanner.Entry); err != nil || e.Verdict == scanner.Admit {
		f.t.Fatalf("%+v, %v", e, err)
	}
	soon(f.t, f.Rig, 5*time.Second, "the outage", outage)
}

// scan reads a serial at a lane.
func (f *field) scan(mode scanner.Mode, lane, serial string, want scanner.Reason) control.Event {
	f.t.Helper()
	e := scanFor(f.t, f.Rig, lane, serial, want.Verdict(), want)
	if e.Repeat || e.Mode != mode {
		f.t.Fatalf("%s at %s: %s, a repeat: %v; want %s", e.Code, lane, e.Mode, e.Repeat, mode)
	}
	return e
}

// soldRow is a line of the export.
type soldRow struct {
	exported
	At         time.Time `json:"at"`
	VendorAt   time.Time `json:"vendor_at"`
	FateDetail string    `json:"fate_detail"`
}

// rows are the export's admissions by code, as a stopped device's files tell them
// where dead.
func (f *field) rows(dead bool) map[string]soldRow {
	f.t.Helper()
	var out bytes.Buffer
	if dead {
		text, stderr, code := usherCommand(f.t, f.Rig, "export", "--format", "jsonl", "--state-dir", filepath.Join(f.Dir, "state"))
		if code != exitOK {
			f.t.Fatal(stderr)
		}
		out.WriteString(text)
	} else if err := f.Client.Export(f.t.Context(), control.JSONLines, &out); err != nil {
		f.t.Fatal(err)
	}
	rows := map[string]soldRow{}
	for dec := json.NewDecoder(&out); dec.More(); {
		var row struct {
			soldRow
			VendorAt *time.Time `json:"vendor_at"`
		}
		if err := dec.Decode(&row); err != nil {
			f.t.Fatal(err)
		}
		if row.VendorAt != nil {
			row.soldRow.VendorAt = *row.VendorAt
		}
		if row.Verdict == string(scanner.Admit) {
			rows[row.Code] = row.soldRow
		}
	}
	return rows
}

// admissions are TickeTing's, by serial: each once.
func (f *field) admissions() map[string]ticketingsim.Admission {
	f.t.Helper()
	all := map[string]ticketingsim.Admission{}
	for _, a := range f.sim.Admissions() {
		if _, twice := all[a.Ticket]; twice {
			f.t.Errorf("%s was admitted twice", a.Ticket)
		}
		all[a.Ticket] = a
	}
	return all
}
