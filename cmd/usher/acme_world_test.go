package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest/faults"
	"usher/vendors/vendortest/proxy"
)

// dome is a device with two lanes at ACME, with a network in between that can be
// cut. What ACME's clock says of a check-in window is the simulator's to be moved; the
// Date of its answers is right all the same.
type dome struct {
	*rig.Rig
	t    *testing.T
	sim  *acmesim.Sim
	wire *faults.Server
	net  *proxy.Proxy
}

const (
	domeKey = "k3y-0f-the-dome"
	// domeStatuses is what a site writes once it knows what the statuses mean.
	domeStatuses = "admit_statuses: [555], refuse_statuses: { already_entered: 20, too_early: 30, too_late: 40, wrong_event: 60, not_found: 70, restricted: 80 }"
	// thisEvent scans into the one event of most tests.
	thisEvent = ", event_instance: " + acmesim.DemoEvent
	// otherTerminal is at another gate.
	otherTerminal = "8"
)

// returned is a ticket of the manifest that ACME does not know any more.
const returned = 99

// adult is the i-th ticket's code.
func adult(i int) string { return acmesim.Generated(i).Code }

// newDome makes it with 99 tickets of the event that is to be put on with
// [dome.event], those from 50 on and one more in the manifest. keys are added to the vendor's block.
func newDome(t *testing.T, zone *time.Location, keys string) *dome {
	t.Helper()
	sim := acmesim.New(acmesim.Options{Key: domeKey, Zone: zone, Terminals: []string{acmesim.DemoTerminal, otherTerminal}})
	sim.Generate(returned)
	dated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		sim.ServeHTTP(w, r)
	})
	wire, err := faults.Listen("127.0.0.1:0", dated, acmesim.CallName)
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
	var list strings.Builder
	list.WriteString("code,seat,event\n")
	for i := 50; i <= returned; i++ {
		// A manifest may name the event, or give its id.
		fmt.Fprintf(&list, "%s,%d,%s\n", adult(i), i, []string{"Planetarium", acmesim.DemoEvent}[i%2])
	}
	for name, text := range map[string]string{"key": domeKey + "\n", "tickets.csv": list.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &lockedBuffer{}
	r, err := rig.New(rig.Options{
		Dir: dir, Bin: buildUsher(t), Lanes: []string{"lane-1", "lane-2"}, Log: log,
		Vendor: fmt.Sprintf("{ name: acme, base_url: \"http://%s\", api_key_file: %s/key, tenant_id: %s, terminal_id: %s, %s%s }",
			p.Addr(), dir, acmesim.DemoTenant, acmesim.DemoTerminal, domeStatuses, keys),
		Extra: fmt.Sprintf("gate: { name: Gate 7, timezone: %s }\noffline: { manifest: %s/tickets.csv }\n"+
			"online: { patience: 1s, timeout: 2s, probe_min: 100ms, probe_max: 300ms }\nupload: { retry_min: 100ms, retry_max: 300ms }\n", zone, dir),
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
		for _, secret := range []string{domeKey, adult(0), adult(50)} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return &dome{Rig: r, t: t, sim: sim, wire: wire, net: p}
}

// event puts the event on, or moves it.
func (d *dome) event(start time.Time, w *acmesim.Window) {
	d.sim.AddEvents(acmesim.Event{ID: acmesim.DemoEvent, Template: acmesim.DemoTemplate, Name: "Planetarium", Start: start, End: start.Add(time.Hour), Window: w})
}

func (d *dome) start() {
	d.t.Helper()
	if err := d.Start(d.t.Context(), online); err != nil {
		d.t.Fatal(err)
	}
}

// cut takes the network away until it is back. Who notices is somebody without a
// ticket.
func (d *dome) cut() {
	d.t.Helper()
	d.net.Instead(func(net.Conn) {})
	d.net.Cut()
	d.mode(scanner.Offline, "lane-2", "83nobody", scanner.NotFound)
	soon(d.t, d.Rig, 5*time.Second, "the outage", outage)
}

// dies in an outage, and comes up again in it.
func (d *dome) dies() {
	d.t.Helper()
	if err := d.Kill(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.Start(d.t.Context(), func(s control.Status) bool { return outage(s) && connected(s) && s.Tickets.Count > 0 }); err != nil {
		d.t.Fatal(err)
	}
}

// back gives the network back and waits until all is uploaded.
func (d *dome) back() control.Status {
	d.t.Helper()
	d.net.Instead(nil)
	return soon(d.t, d.Rig, 10*time.Second, "an empty outbox", func(s control.Status) bool { return s.Link.State == control.LinkOnline && s.Outbox.Pending == 0 })
}

// mode reads a code at a lane, which must be decided so.
func (d *dome) mode(mode scanner.Mode, lane, code string, want scanner.Reason) control.Event {
	d.t.Helper()
	e := scanFor(d.t, d.Rig, lane, code, want.Verdict(), want)
	if e.Repeat || e.Mode != mode {
		d.t.Errorf("%s: decided %s, want %s; repeat %v", e.Code, e.Mode, mode, e.Repeat)
	}
	return e
}

// elsewhere checks a ticket in at another gate.
func (d *dome) elsewhere(code string) {
	d.t.Helper()
	body := fmt.Sprintf(`{"membershipBarcode": %q, "terminalId": %s, "validate": true}`, code, otherTerminal)
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, "http://acme/v2/willcall/checkinticketsexternal", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("x-acme-api-key", domeKey)
	r.Header.Set("Content-Type", "application/json")
	before := d.sim.Entered(code)
	d.sim.ServeHTTP(httptest.NewRecorder(), r)
	if d.sim.Entered(code) != before+1 {
		d.t.Fatalf("%s is not entered elsewhere", scanner.Code(code).Mask())
	}
}

// fates are what became of the movements of each code, in order.
func (d *dome) fates() map[string]string {
	d.t.Helper()
	out := map[string]string{}
	for _, row := range export(d.t, d.Rig) {
		if row.Verdict == string(scanner.Admit) {
			out[row.Code] = strings.TrimSpace(out[row.Code] + " " + row.Fate)
		}
	}
	return out
}

// timed is a row of the export with its time, corrected and as the device showed it.
type timed struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	RawAt time.Time `json:"raw_at"`
	// VendorAt is the time that ACME gave it.
	VendorAt time.Time `json:"vendor_at"`
	Code     string    `json:"code"`
	Fate     string    `json:"fate"`
}

// times are the rows of the export by their number.
func (d *dome) times() map[uint64]timed {
	d.t.Helper()
	var out bytes.Buffer
	if err := d.Client.Export(d.t.Context(), control.JSONLines, &out); err != nil {
		d.t.Fatal(err)
	}
	rows := map[uint64]timed{}
	for dec := json.NewDecoder(&out); dec.More(); {
		var row timed
		if err := dec.Decode(&row); err != nil {
			d.t.Fatal(err)
		}
		rows[row.Seq] = row
	}
	return rows
}
