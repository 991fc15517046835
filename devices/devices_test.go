package devices_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"usher/devices"
	"usher/devices/devicetest"
	"usher/scanner"
)

// blocks reads a scanners block as the configuration does.
func blocks(t *testing.T, text string) []map[string]any {
	t.Helper()
	var raw []map[string]any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestConfigure(t *testing.T) {
	got, err := devices.Configure(blocks(t, `
- { name: lane-1, driver: serial, port: /dev/ttyUSB0 }
- { name: lane-2, driver: serial, port: /dev/ttyUSB1, baud: 115200, idle: 120ms, direction: exit }
- { name: keys, driver: feed, path: "-" }
- { name: other, driver: feed, path: /run/usher/feed, direction: }
`), devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		name, driver, source string
		direction            scanner.Direction
	}
	var lines []line
	for _, s := range got {
		lines = append(lines, line{s.Name, s.Driver, s.Opener.Source(), s.Direction})
	}
	want := []line{
		{"lane-1", "serial", "/dev/ttyUSB0", ""},
		{"lane-2", "serial", "/dev/ttyUSB1", scanner.Exit},
		{"keys", "feed", "-", ""},
		{"other", "feed", "/run/usher/feed", ""},
	}
	if diff := cmp.Diff(want, lines, cmp.AllowUnexported(line{})); diff != "" {
		t.Errorf("scanners (-want +got):\n%s", diff)
	}
}

func TestTry(t *testing.T) {
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "scanner"))
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	scanners, err := devices.Configure([]map[string]any{
		{"name": "lane-1", "driver": "serial", "port": pty.Path()},
	}, devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first gave it back
		if err := scanners[0].Try(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := pty.Unplug(); err != nil {
		t.Fatal(err)
	}
	if err := scanners[0].Try(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unplugged: %v", err)
	}
}

func TestConfigureNamesEveryFault(t *testing.T) {
	tests := map[string]struct {
		block string
		want  []string
	}{
		"unknown key": {
			`- { name: lane-1, driver: serial, prot: /dev/ttyUSB0, port: /dev/ttyUSB1 }`,
			[]string{"scanner lane-1: prot: unknown key; known here: baud, dtr, feedback, idle, port, protocol, rts, suffix"},
		},
		"several at once": {
			`- { name: lane-1, driver: serial, speed: 9600, baud: 12, idle: 5ms, direction: in }`,
			[]string{
				`scanner lane-1: direction: "in" is neither entry nor exit`,
				"scanner lane-1: speed: unknown key; known here: baud, dtr, feedback, idle, port, protocol, rts, suffix",
				"scanner lane-1: port: missing; usher devices lists what is plugged in",
				"scanner lane-1: baud: 12 is not between 50 and 4000000",
				"scanner lane-1: idle: 5ms is not between 20ms and 2s",
			},
		},
		"wrong types, each once": {
			`- { name: lane-1, driver: serial, port: 5, baud: "9600", idle: 80 }`,
			[]string{
				`scanner lane-1: baud: 9600 is not a whole number`,
				"scanner lane-1: idle: 80 has no unit; write a duration such as 80ms",
				"scanner lane-1: port: 5 is not text; put it in quotes",
			},
		},
		"a broken number": {
			`- { name: lane-1, driver: serial, port: /dev/a, baud: 9600.5, idle: fast }`,
			[]string{
				"scanner lane-1: baud: 9600.5 is not a whole number",
				`scanner lane-1: idle: "fast" is not a duration such as 80ms or 1.5s`,
			},
		},
		"no USB id": {
			`- { name: lane-1, driver: hid, vendor_id: zebra, product_id: "0x12000" }`,
			[]string{
				`scanner lane-1: product_id: "0x12000" is no USB id such as 0x05e0`,
				`scanner lane-1: vendor_id: "zebra" is no USB id such as 0x05e0`,
			},
		},
		"no name, no driver": {
			`- { port: /dev/ttyUSB0 }`,
			[]string{"scanners[0]: name: missing", "scanners[0]: driver: missing; one of evdev, feed, hid, serial"},
		},
		"a driver that is none": {
			`- { name: lane-1, driver: camera, lens: wide }`,
			[]string{`scanner lane-1: driver: "camera" is none; one of evdev, feed, hid, serial`},
		},
		"one name twice": {
			"- { name: lane-1, driver: feed, path: /a }\n- { name: lane-1, driver: feed, path: /b }",
			[]string{"scanners[1]: name: given to two scanners"},
		},
		"one port twice": {
			"- { name: lane-1, driver: serial, port: /dev/a }\n- { name: lane-2, driver: serial, port: /dev/a }",
			[]string{"scanner lane-2: /dev/a: read by scanner lane-1 already"},
		},
		"the name of typed codes": {
			`- { name: manual, driver: feed, path: "-" }`,
			[]string{"scanner manual: name: manual is kept for typed codes"},
		},
		"blanks around a name": {
			`- { name: "lane-1 ", driver: feed, path: "-" }`,
			[]string{"scanner lane-1 : name: has blanks around it or control characters"},
		},
		"letter case": {
			`- { name: lane-1, driver: serial, Port: /dev/a, port: /dev/b }`,
			[]string{"scanner lane-1: Port: unknown key; known here: baud, dtr, feedback, idle, port, protocol, rts, suffix"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			scanners, err := devices.Configure(blocks(t, tt.block), devices.Deps{Stdin: os.Stdin})
			if err == nil {
				t.Fatalf("no fault found; got %v", scanners)
			}
			lines := strings.Split(err.Error(), "\n")
			for i, want := range tt.want {
				if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
					t.Errorf("fault %d: want %s", i, want)
				}
			}
			if len(lines) != len(tt.want) || t.Failed() {
				t.Errorf("faults:\n%v", err)
			}
		})
	}
}

// TestUSBIDsAsLsusbPrintsThem: unquoted, 0c2e is a text in YAML.
func TestUSBIDsAsLsusbPrintsThem(t *testing.T) {
	for _, ids := range []string{`vendor_id: 0x0c2e, product_id: 0x1200`, `vendor_id: 0c2e, product_id: "1200"`, `vendor_id: "0x0c2e", product_id: "0x1200"`} {
		scanners, err := devices.Configure(blocks(t, "- { name: lane-1, driver: hid, "+ids+" }"), devices.Deps{})
		if err != nil {
			t.Errorf("%s: %v", ids, err)
		} else if got := scanners[0].Opener.Source(); got != "0c2e:1200" {
			t.Errorf("%s: got %s", ids, got)
		}
	}
}
