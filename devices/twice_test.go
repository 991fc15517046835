package devices_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/devices"
	"usher/devices/devicetest"
	"usher/scanner"
)

// TestTwoScannersOnOnePort goes the whole way: one port by two names. Whoever comes
// second says so, and takes over when the first one stops.
func TestTwoScannersOnOnePort(t *testing.T) {
	dir := t.TempDir()
	pty, err := devicetest.NewPty(filepath.Join(dir, "ttyUSB0"))
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	link := filepath.Join(dir, "usb-scanner-if00")
	if err := os.Symlink(pty.Path(), link); err != nil {
		t.Fatal(err)
	}
	scanners, err := devices.Configure([]map[string]any{
		{"name": "lane-1", "driver": "serial", "port": pty.Path()},
		{"name": "lane-2", "driver": "serial", "port": link},
	}, devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatal(err)
	}
	faults := devices.Twice(scanners)
	want := link + ": already read by lane-1 (" + pty.Path() + "); remove one of the two"
	if len(faults) != 1 || faults["lane-2"].Error() != want {
		t.Errorf("before: %v, want %s", faults, want)
	}

	claims, readings := devices.NewClaims(), make(chan scanner.Reading, 16)
	lane := func(i int) *devices.Supervisor {
		return devices.NewSupervisor(scanners[i], new(tick), func(_ context.Context, r scanner.Reading) (scanner.Outcome, bool) {
			readings <- r
			return scanner.Outcome{}, false
		}, nil, claims, slog.New(slog.DiscardHandler))
	}
	reach := func(s *devices.Supervisor, state devices.State) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); s.Status().State != state; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never %s: %+v", state, s.Status())
			}
		}
	}
	first, second := lane(0), lane(1)
	stop := start(t, first)
	reach(first, devices.Connected)
	defer start(t, second)()
	reach(second, devices.Failed)
	if got := second.Status().Detail; got != want {
		t.Errorf("lane-2 says %q, want %q", got, want)
	}
	if _, err := pty.Write([]byte("TICKET-1\r")); err != nil {
		t.Fatal(err)
	}
	if r := <-readings; r.Scanner != "lane-1" || r.Raw != "TICKET-1" {
		t.Errorf("reading %+v", r)
	}
	stop()
	reach(second, devices.Connected)
}

func TestConfigurationsThatMayMeanOneDevice(t *testing.T) {
	const ids = "vendor_id: 0x05e0, product_id: 0x1200"
	for name, tt := range map[string]struct{ one, two, want string }{
		"one without a serial":     {"driver: hid, " + ids, "driver: hid, " + ids + ", serial: A", "05e0:1200 serial A: may be the same device as 05e0:1200, read by scanner lane-1 already; give both the key serial, or remove one of the two"},
		"the other way round":      {"driver: hid, " + ids + ", serial: A", "driver: hid, " + ids, "05e0:1200: may be the same device as 05e0:1200 serial A, read by scanner lane-1 already; give both the key serial, or"},
		"one without a product":    {"driver: hid, vendor_id: 0x05e0", "driver: hid, " + ids, "give both the key product_id, or"},
		"one without an interface": {"driver: hid, " + ids + ", interface: 1", "driver: hid, " + ids, "give both the key interface, or"},
		"two serials":              {"driver: hid, " + ids + ", serial: A", "driver: hid, " + ids + ", serial: B", ""},
		"two interfaces":           {"driver: hid, " + ids + ", interface: 0", "driver: hid, " + ids + ", interface: 1", ""},
		"two makers":               {"driver: hid, " + ids, "driver: hid, vendor_id: 0x0c2e", ""},
		"the same words":           {"driver: hid, " + ids, "driver: hid, mode: pos, " + ids, "05e0:1200: read by scanner lane-1 already"},
		"a path in other words":    {"driver: serial, port: /dev/ttyUSB0", "driver: serial, port: /dev//serial/../ttyUSB0", "/dev//serial/../ttyUSB0: read by scanner lane-1 already"},
		"another driver":           {"driver: serial, port: /dev/ttyUSB0", "driver: feed, path: /dev/ttyUSB0", "/dev/ttyUSB0: read by scanner lane-1 already"},
		"two ports":                {"driver: serial, port: /dev/ttyUSB0", "driver: serial, port: /dev/ttyUSB1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devices.Configure(blocks(t, "- { name: lane-1, "+tt.one+" }\n- { name: lane-2, "+tt.two+" }"), devices.Deps{})
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "scanner lane-2: ") || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestTheFirstOneInTheConfigurationReads at every start, whichever goroutine runs
// first.
func TestTheFirstOneInTheConfigurationReads(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			claims := devices.NewClaims()
			lane := func(name string) *devices.Supervisor {
				s := devices.Scanner{Name: name, Opener: usb{fake{func(context.Context) (scanner.Device, error) { return device(idle), nil }}}}
				return devices.NewSupervisor(s, new(tick), ignore, nil, claims, slog.New(slog.DiscardHandler))
			}
			gone, first, second := lane("gone"), lane("lane-1"), lane("lane-2")
			defer start(t, second)()
			defer start(t, first)()
			pass(time.Second)
			if a, b := first.Status(), second.Status(); a.State != devices.Connected || b.Detail != "fake: already read by lane-1 (fake); remove one of the two" {
				t.Errorf("lane-1 %+v, lane-2 %+v", a, b)
			}
			if s := gone.Status().State; s != devices.Missing {
				t.Errorf("one that never ran is %s", s)
			}
		})
	}
}

// usb is a scanner on one interface of USB.
type usb struct{ fake }

func (usb) Interface() string { return "9-9:1.0" }
