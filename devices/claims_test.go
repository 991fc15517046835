package devices

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/devices/evdev"
	"usher/scanner"
)

// named is an opener of a path; reads is one of an interface of USB.
type named string

func (named) Open(context.Context) (scanner.Device, error) { return nil, scanner.ErrUnplugged }
func (n named) Source() string                             { return string(n) }

type reads struct {
	named
	usb string
}

func (r reads) Interface() string { return r.usb }

// typed is the driver for input devices, with what it finds in a tree.
type typed struct {
	*evdev.Driver
	root string
}

func (i typed) Find() (evdev.Node, bool) {
	nodes, _ := evdev.Plugged(i.root)
	for _, n := range nodes {
		if i.Means(n) {
			return n, true
		}
	}
	return evdev.Node{}, false
}

func evdevOf(t *testing.T, root string, change func(*evdev.Config)) typed {
	t.Helper()
	cfg := evdev.Defaults()
	change(&cfg)
	d, err := evdev.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return typed{d, root}
}

func path(p string) func(*evdev.Config)  { return func(c *evdev.Config) { c.Path = p } }
func match(m string) func(*evdev.Config) { return func(c *evdev.Config) { c.Match = m } }

// tree makes files, and links where the text begins with "->", under a root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if target, ok := strings.CutPrefix(text, "->"); ok && err == nil {
			err = os.Symlink(target, file)
		} else if err == nil {
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// keyboards is a keyboard scanner at 1-2:1.0 with its links, one at a Bluetooth
// radio in 1-8, and two names of one port.
func keyboards(t *testing.T) string {
	const keys = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n"
	return tree(t, map[string]string{
		"sys/devices/usb1/1-2/1-2:1.0/0003:05E0:1200.0001/input/input3/name":             "Symbol Scanner\n",
		"sys/devices/usb1/1-2/1-2:1.0/0003:05E0:1200.0001/input/input3/capabilities/key": keys,
		"sys/devices/usb1/1-2/1-2:1.0/0003:05E0:1200.0001/input/input3/id/bustype":       "0003\n",
		"sys/class/input/event3/device":                                                  "->../../../devices/usb1/1-2/1-2:1.0/0003:05E0:1200.0001/input/input3",
		"dev/input/event3":                                                               "",
		"dev/input/by-id/usb-Symbol-event-kbd":                                           "->../event3",
		"dev/input/by-path/usb-0:2-event-kbd":                                            "->../event3",
		"sys/devices/usb1/1-8/1-8:1.0/bluetooth/hci0/input4/name":                        "CT Scanner\n",
		"sys/devices/usb1/1-8/1-8:1.0/bluetooth/hci0/input4/capabilities/key":            keys,
		"sys/devices/usb1/1-8/1-8:1.0/bluetooth/hci0/input4/id/bustype":                  "0005\n",
		"sys/class/input/event4/device":                                                  "->../../../devices/usb1/1-8/1-8:1.0/bluetooth/hci0/input4",
		"dev/input/event4":                                                               "",
		"dev/ttyUSB0":                                                                    "",
		"dev/ttyUSB1":                                                                    "",
		"dev/serial/by-id/usb-FTDI-if00":                                                 "->../../ttyUSB0",
	})
}

func TestOneDeviceInDifferentWords(t *testing.T) {
	const byID, bySocket = "/dev/input/by-id/usb-Symbol-event-kbd", "/dev/input/by-path/usb-0:2-event-kbd"
	root := keyboards(t)
	of := func(change func(*evdev.Config)) Opener { return evdevOf(t, root, change) }
	tests := map[string]struct {
		one, two Opener
		same     bool
	}{
		"a port and its link":        {named("/dev/ttyUSB0"), named("/dev/serial/by-id/usb-FTDI-if00"), true},
		"two ports":                  {named("/dev/ttyUSB1"), named("/dev/serial/by-id/usb-FTDI-if00"), false},
		"ports that are not there":   {named("/dev/ttyUSB7"), named("/dev/ttyUSB8"), false},
		"two links of a keyboard":    {of(path(byID)), of(path(bySocket)), true},
		"a keyboard by its name":     {of(path("/dev/input/event3")), of(match("Symbol*")), true},
		"two keyboards":              {of(match("CT*")), of(match("Symbol*")), false},
		"USB and the input device":   {reads{"05e0:1200", "1-2:1.0"}, of(path(byID)), true},
		"the input device and USB":   {of(match("Symbol*")), reads{"05e0:1200", "1-2:1.0"}, true},
		"another interface":          {of(path(byID)), reads{"05e0:1200", "1-2:1.1"}, false},
		"a radio and what it brings": {of(match("CT*")), reads{"0a12:0001", "1-8:1.0"}, false},
		"nothing on USB, twice":      {reads{"05e0:1200", ""}, reads{"05e0:1900", ""}, false},
		"standard input and a match": {named("-"), of(match("CT*")), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			claims := NewClaims()
			claims.root = root
			first, second := Scanner{Name: "lane-1", Opener: tt.one}, Scanner{Name: "lane-2", Opener: tt.two}
			release, err := claims.take(first)
			if err != nil {
				t.Fatal(err)
			}
			again, err := claims.take(second)
			if !tt.same {
				if err != nil {
					t.Fatal(err)
				}
				again()
				return
			}
			want := fmt.Sprintf("%s: already read by lane-1 (%s); remove one of the two", tt.two.Source(), tt.one.Source())
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			release()
			if again, err = claims.take(second); err != nil {
				t.Fatalf("released: %v", err)
			}
			again()

			claims.held = nil
			if faults := claims.twice([]Scanner{first, second}); len(faults) != 1 || faults["lane-2"].Error() != want {
				t.Errorf("found beforehand: %v, want it of lane-2", faults)
			}
		})
	}
}

// TestWhatTheKernelLetGoIsStillKnown: while driver hid reads, a keyboard has no
// input device.
func TestWhatTheKernelLetGoIsStillKnown(t *testing.T) {
	for name, change := range map[string]func(*evdev.Config){
		"by-id": path("/dev/input/by-id/usb-Symbol-event-kbd"), "by-path": path("/dev/input/by-path/usb-0:2-event-kbd"),
		"number": path("/dev/input/event3"), "name": match("*Scanner"),
	} {
		t.Run(name, func(t *testing.T) {
			claims := NewClaims()
			claims.root = keyboards(t)
			if _, err := claims.take(Scanner{Name: "lane-1", Opener: reads{"05e0:1200", "1-2:1.0"}}); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(claims.root, "sys/class/input")); err != nil {
				t.Fatal(err)
			}
			_, err := claims.take(Scanner{Name: "lane-2", Opener: evdevOf(t, claims.root, change)})
			if err == nil || !strings.Contains(err.Error(), ": already read by lane-1 (05e0:1200); remove one of the two") {
				t.Errorf("got %v", err)
			}
			if _, err := claims.take(Scanner{Name: "lane-3", Opener: evdevOf(t, claims.root, path("/dev/input/event9"))}); err != nil {
				t.Errorf("another one: %v", err)
			}
		})
	}
}
