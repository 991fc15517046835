package evdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Bits of keys as the kernel prints them on 64 bits: a whole keyboard, and the
// buttons of a mouse and of a lid.
const (
	keyboardBits = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"
	mouseBits    = "ff0000 0 0 0 0"
	lidBits      = "0"
)

// input is an input device in a folder like sysfs.
type input struct {
	name, bits, bus, vendor string
	link                    string // under /dev/input
}

func fake(t *testing.T, devices ...input) string {
	t.Helper()
	root := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text+"\n"), 0o644))
	}
	for i, d := range devices {
		// Every one hangs at a USB interface, a Bluetooth radio's if it is not on USB itself.
		real := fmt.Sprintf("sys/devices/usb1/1-1/1-1:1.0/input/input%d", i)
		class := filepath.Join(root, fmt.Sprintf("sys/class/input/event%d", i))
		must(t, os.MkdirAll(class, 0o755))
		must(t, os.Symlink("../../../../"+real, filepath.Join(class, "device")))
		dir := real + "/"
		write(dir+"name", d.name)
		write(dir+"phys", "usb-0000:00:14.0-1/input0")
		write(dir+"capabilities/key", d.bits)
		write(dir+"id/bustype", d.bus)
		write(dir+"id/vendor", d.vendor)
		write(dir+"id/product", "ab41")
		write(fmt.Sprintf("dev/input/event%d", i), "")
		if d.link != "" {
			link := filepath.Join(root, "dev/input", d.link)
			must(t, os.MkdirAll(filepath.Dir(link), 0o755))
			must(t, os.Symlink(fmt.Sprintf("../event%d", i), link))
		}
	}
	write("sys/class/input/mouse0/device/name", "not an event node")
	return root
}

func TestPlugged(t *testing.T) {
	if wordSize != 8 {
		t.Skip("SKIPPED: the fake bits are of 64-bit words")
	}
	root := fake(t,
		input{"AT Translated Set 2 keyboard", keyboardBits, "0011", "0001", "by-path/platform-i8042-serio-0-event-kbd"},
		input{"Logitech Mouse", mouseBits, "0003", "046d", "by-id/usb-Logitech_Mouse-event-mouse"},
		input{"Symbol Scanner\x1b[2J", keyboardBits, "0003", "05e0", "by-id/usb-Symbol_Scanner-event-kbd"},
		input{"CT Scanner", keyboardBits, "0005", "0000", ""},
		input{"Lid", lidBits, "0019", "0000", ""},
		input{"Broken", "xyz", "zz", "zz", ""},
	)
	must(t, os.Symlink("../event2", filepath.Join(root, "dev/input/by-path/usb-0:1-event-kbd")))
	got, err := Plugged(root)
	must(t, err)
	const phys = "usb-0000:00:14.0-1/input0"
	want := []Node{
		{"/dev/input/by-id/usb-Logitech_Mouse-event-mouse", "/dev/input/event1", "Logitech Mouse", phys, false, 3, 0x046d, 0xab41, "1-1:1.0", ""},
		{"/dev/input/by-id/usb-Symbol_Scanner-event-kbd", "/dev/input/event2", "Symbol Scanner[2J", phys, true, 3, 0x05e0, 0xab41, "1-1:1.0", "/dev/input/by-path/usb-0:1-event-kbd"},
		{"/dev/input/by-path/platform-i8042-serio-0-event-kbd", "/dev/input/event0", "AT Translated Set 2 keyboard", phys, true, 0x11, 1, 0xab41, "", "/dev/input/by-path/platform-i8042-serio-0-event-kbd"},
		{"/dev/input/event3", "/dev/input/event3", "CT Scanner", phys, true, 5, 0, 0xab41, "", ""},
		{"/dev/input/event4", "/dev/input/event4", "Lid", phys, false, 0x19, 0, 0xab41, "", ""},
		{"/dev/input/event5", "/dev/input/event5", "Broken", phys, false, 0, 0, 0xab41, "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plugged in (-want +got):\n%s", diff)
	}
	if none, err := Plugged(t.TempDir()); len(none) > 0 || err != nil {
		t.Errorf("a machine without input: %v, %v", none, err)
	}
}

func driver(t *testing.T, root string, change func(*Config)) *Driver {
	t.Helper()
	cfg := Defaults()
	change(&cfg)
	d, err := New(cfg)
	must(t, err)
	d.root = root
	return d
}

func TestMatch(t *testing.T) {
	root := fake(t,
		input{"CT Scanner 1", keyboardBits, "0005", "0000", ""},
		input{"CT Scanner 2", keyboardBits, "0005", "0000", ""},
		input{"CT Scanner 3", mouseBits, "0005", "0000", ""},
	)
	tests := map[string]struct{ match, node, fault string }{
		"one":                {"*Scanner 2", "/dev/input/event1", ""},
		"its whole name":     {"CT Scanner 1", "/dev/input/event0", ""},
		"none":               {"Zebra*", "", "is the scanner plugged in, or paired and awake?"},
		"none with keys":     {"CT Scanner 3", "", "is the scanner plugged in"},
		"two":                {"CT Scanner*", "", "2 devices fit: /dev/input/event0 (CT Scanner 1), /dev/input/event1 (CT Scanner 2); set path: to one of them"},
		"a part of its name": {"Scanner", "", "is the scanner plugged in"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := driver(t, root, func(c *Config) { c.Match = tt.match })
			node, err := d.node()
			if found, ok := d.Find(); ok != (tt.fault == "") || found.Event != tt.node {
				t.Errorf("found %v %s, want %q", ok, found.Event, tt.node)
			}
			if tt.fault == "" {
				if err != nil || node != filepath.Join(root, tt.node) {
					t.Errorf("got %s, %v", node, err)
				}
				return
			}
			_, err = d.Open(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "match "+tt.match+": ") || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %v, want %q", err, tt.fault)
			}
			if none := strings.HasPrefix(name, "none") || name == "a part of its name"; errors.Is(err, fs.ErrNotExist) != none {
				t.Errorf("%v counts as not plugged in: %v", err, !none)
			}
		})
	}
}

func TestWhatAPathMeans(t *testing.T) {
	root := fake(t, input{"Symbol Scanner", keyboardBits, "0003", "05e0", "by-id/usb-Symbol_Scanner-event-kbd"}, input{"Lid", lidBits, "0019", "0000", ""})
	nodes, err := Plugged(root)
	must(t, err)
	for path, event := range map[string]string{
		"/dev/input/by-id/usb-Symbol_Scanner-event-kbd": "/dev/input/event0",
		"/dev/input//event0":                            "/dev/input/event0",
		"/dev/input/event1":                             "/dev/input/event1",
		"/dev/input/event7":                             "",
	} {
		d := driver(t, root, func(c *Config) { c.Path = path })
		if found, ok := d.Find(); ok != (event != "") || found.Event != event {
			t.Errorf("%s: found %v %s, want %q", path, ok, found.Event, event)
		}
		for _, n := range nodes {
			if got := d.Means(n); got != (n.Event == event) {
				t.Errorf("%s means %s: %v", path, n.Event, got)
			}
		}
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	tests := map[string]struct {
		path string
		want string
		is   error
	}{
		"not plugged in": {filepath.Join(dir, "event0"), "no such file or directory; is the scanner plugged in, or paired and awake?", fs.ErrNotExist},
		"a plain file":   {file, "not an input device; usher devices lists what is plugged in", unix.ENOTTY},
		"another device": {"/dev/null", "not an input device", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := driver(t, "/", func(c *Config) { c.Path = tt.path })
			_, err := d.Open(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), tt.path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
	d := driver(t, "/", func(c *Config) { c.Path = "/dev/input/by-id/x" })
	for _, tt := range []struct {
		err  error
		want string
	}{
		{unix.EBUSY, "grabbed by another program; see: fuser -v /dev/input/by-id/x"},
		{unix.EACCES, "permission denied; add the service to group usher or install the udev rules"},
		{unix.ENODEV, "is the scanner plugged in"},
		{unix.EIO, "/dev/input/by-id/x: input/output error"},
		{errNoKeyboard, "not a keyboard: it has no letters and digits; usher devices lists"},
	} {
		err := d.explain(&fs.PathError{Op: "open", Path: "/dev/input/event7", Err: tt.err})
		if !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("%v is explained as %v", tt.err, err)
		}
	}
	matching := driver(t, "/", func(c *Config) { c.Match = "CT*" })
	want := "match CT*: /dev/input/event7: permission denied; add the service to group usher or install the udev rules"
	if err := matching.explain(&fs.PathError{Op: "open", Path: "/dev/input/event7", Err: unix.EACCES}); err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// TestANumberMayBecomeAnotherDevice: /dev/input/event0 was a scanner, and is
// somebody's keyboard after a night.
func TestANumberMayBecomeAnotherDevice(t *testing.T) {
	scanner, keyboard := input{"CT Scanner", keyboardBits, "0005", "0000", ""}, input{"Logitech K120", keyboardBits, "0003", "046d", ""}
	d := driver(t, fake(t, scanner), func(c *Config) { c.Path = "/dev/input/event0" })
	numbered := func(d *Driver) error {
		_, err := d.numbered()
		return err
	}
	// What could not be grabbed is not remembered: a plain file here.
	d.root = fake(t, keyboard)
	if _, err := d.Open(t.Context()); err == nil {
		t.Fatal("a plain file was opened")
	}
	d.root = fake(t, scanner)
	name, err := d.numbered()
	if err != nil || name != "CT Scanner" {
		t.Fatalf("after it: %q, %v", name, err)
	}
	d.was = name
	must(t, numbered(d))
	d.root = fake(t, keyboard)
	want := `is another device now, "Logitech K120" and not "CT Scanner"; set path: to its link in /dev/input/by-id, or match: to its name`
	if err := numbered(d); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	d.root = fake(t, scanner)
	must(t, numbered(d))

	link := driver(t, fake(t, scanner), func(c *Config) { c.Path = "/dev/input/by-id/scanner" })
	must(t, numbered(link))
	link.root = fake(t, keyboard)
	must(t, numbered(link))
}

func TestNewReportsEveryFault(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Layout: "dvorak", Idle: time.Minute}, []string{"path: missing; usher devices lists what is plugged in", "layout: ", "idle: 1m0s is not between 20ms and 2s"}},
		{Config{Path: "event0", Layout: "us", Idle: time.Second}, []string{`path: "event0" is not an absolute path`}},
		{Config{Path: "/dev/x", Match: "[", Layout: "us", Idle: time.Second}, []string{"match: given beside path", `match: "[" is no pattern`}},
	} {
		_, err := New(tt.cfg)
		if err == nil {
			t.Fatalf("%+v: no fault found", tt.cfg)
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in:\n%v", want, err)
			}
		}
	}
	for _, cfg := range []Config{{Path: "/dev/x"}, {Match: "*Scanner*"}} {
		cfg.Layout, cfg.Idle, cfg.Suffix = "us", time.Second, "none"
		d, err := New(cfg)
		must(t, err)
		if got := d.Source(); got != cfg.Path && got != "match "+cfg.Match {
			t.Errorf("source %q", got)
		}
	}
}
