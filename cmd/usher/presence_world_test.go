package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest/faults"
	"usher/vendors/vendortest/proxy"
)

// stadium is a device with an entry lane and an exit lane at Presence, with a
// network in between that can be cut.
type stadium struct {
	*rig.Rig
	t    *testing.T
	sim  *presencesim.Sim
	wire *faults.Server
	net  *proxy.Proxy
}

// seatCode is the i-th ticket's.
func seatCode(i int) string { return presencesim.Generated(i).Token }

// newStadium makes it with n tickets, all of them in the manifest. keys are added
// to the vendor's block.
func newStadium(t *testing.T, n int, keys string) *stadium {
	t.Helper()
	sim := presencesim.New(presencesim.Options{Reentry: true, AnyTime: true})
	sim.Demo(n)
	wire, err := faults.Listen("127.0.0.1:0", sim, presencesim.CallName)
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
	for i := range n {
		fmt.Fprintf(&list, "%s,%d,%s\n", seatCode(i), i, presencesim.DemoEvent)
	}
	for name, text := range map[string]string{"key": presencesim.DemoKey + "\n", "tickets.csv": list.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &lockedBuffer{}
	r, err := rig.New(rig.Options{
		Dir: dir, Bin: buildUsher(t), Lanes: []string{"in", "out"}, Exits: []string{"out"}, Log: log,
		Vendor: fmt.Sprintf("{ name: presence, base_url: \"http://%s%s\", api_key_file: %s/key, venue_id: %s%s }", p.Addr(), presencesim.Base, dir, presencesim.DemoVenue, keys),
		Extra: fmt.Sprintf("gate: { name: Gate 7, reentry: allow }\ndevice: { serial: S-1, model: Janam XT2, mac: \"00:00:00:00:00:07\" }\n"+
			"offline: { manifest: %s/tickets.csv }\nonline: { patience: 300ms, timeout: 600ms, probe_min: 100ms, probe_max: 300ms }\nupload: { retry_min: 100ms, retry_max: 300ms }\n", dir),
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
		for _, secret := range []string{"apikey=", seatCode(1)} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return &stadium{Rig: r, t: t, sim: sim, wire: wire, net: p}
}

// uploads is what newStadium wants for a site that was told how to upload.
const uploads = `, upload_path: "` + presencesim.UploadPath + `"`

func (s *stadium) start() {
	s.t.Helper()
	if err := s.Start(s.t.Context(), online); err != nil {
		s.t.Fatal(err)
	}
}

// cut takes the network away until it is back.
func (s *stadium) cut() {
	s.net.Instead(func(net.Conn) {})
	s.net.Cut()
}

// back gives it back, once the newest scan is so old that its time is no longer
// held back for fear of lying in Presence's future.
func (s *stadium) back() {
	s.t.Helper()
	soon(s.t, s.Rig, 5*time.Second, "the scans' own times", func(st control.Status) bool {
		return st.LastScan == nil || time.Since(st.LastScan.At.Time) > 1500*time.Millisecond
	})
	s.net.Instead(nil)
}

func (s *stadium) fault(f faults.Fault) {
	s.t.Helper()
	if err := s.wire.Set(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stadium) clear() {
	s.t.Helper()
	if err := s.wire.Clear(); err != nil {
		s.t.Fatal(err)
	}
}

// scan reads a code at a lane.
func (s *stadium) scan(lane string, i int, want scanner.Reason) control.Event {
	s.t.Helper()
	e := scanFor(s.t, s.Rig, lane, seatCode(i), want.Verdict(), want)
	if e.Repeat {
		s.t.Fatalf("%s at %s is a repeat", e.Code, lane)
	}
	return e
}

// mode is scan, decided so.
func (s *stadium) mode(mode scanner.Mode, lane string, i int, want scanner.Reason) control.Event {
	s.t.Helper()
	e := s.scan(lane, i, want)
	if e.Mode != mode {
		s.t.Errorf("%s at %s: decided %s, want %s", e.Code, lane, e.Mode, mode)
	}
	return e
}

// move is one movement of a ticket.
type move struct {
	code string
	exit bool
	at   time.Time
}

// reconciled holds Presence's record against what was seen to pass: all of it, each
// with its own time, in the order of each ticket, by this device, and nothing else.
func (s *stadium) reconciled(seen []control.Event, doubted ...control.Event) {
	s.t.Helper()
	devices := s.sim.Devices()
	if len(devices) != 1 {
		s.t.Fatalf("devices %+v", devices)
	}
	took := map[string][]move{}
	for _, e := range s.sim.Entries() {
		if e.Device != devices[0].ID || e.Gate != devices[0].GateID {
			s.t.Errorf("%+v is of another device or gate than %+v", e, devices[0])
		}
		m := move{e.Token, e.Exit, e.At}
		list := took[e.Token]
		if i := len(list) - 1; i >= 0 && list[i].exit == m.exit && slices.ContainsFunc(doubted, func(d control.Event) bool { return d.At.Sub(m.at).Abs() < 2*time.Second }) {
			if m.at.Sub(list[i].at).Abs() > 2*time.Second {
				s.t.Errorf("told twice, and not alike: %+v and %+v", list[i], m)
			}
			continue
		}
		// The vendor's Date tells the time to a second, and so does this device.
		if i := len(list) - 1; i >= 0 && m.at.Before(list[i].at.Add(-time.Second)) {
			s.t.Errorf("%s: %v came after %v", e.Token, m.at, list[i].at)
		}
		took[e.Token] = append(list, m)
	}
	rows := map[uint64]string{}
	for _, row := range export(s.t, s.Rig) {
		rows[row.Seq] = row.Code
	}
	slices.SortFunc(seen, func(a, b control.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, e := range seen {
		code := rows[e.Seq]
		list := took[code]
		if len(list) == 0 {
			s.t.Errorf("#%d, %s %s, is not at Presence", e.Seq, code, e.Direction)
			continue
		}
		if m := list[0]; m.exit != (e.Direction == scanner.Exit) || m.at.Sub(e.At.Time).Abs() > 2*time.Second {
			s.t.Errorf("#%d, %s %s at %v, is at Presence as %+v", e.Seq, code, e.Direction, e.At.Time, m)
		}
		took[code] = list[1:]
	}
	for code, list := range took {
		for _, m := range list {
			s.t.Errorf("at Presence, and nobody saw it: %s %+v", code, m)
		}
	}
}
