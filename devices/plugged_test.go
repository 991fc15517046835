package devices_test

import (
	"os"
	"path/filepath"
	"testing"

	"usher/devices"
)

// TestStanzasCanBePasted makes awkward names and gives the printed lines back to
// the configuration.
func TestStanzasCanBePasted(t *testing.T) {
	root := t.TempDir()
	byID := filepath.Join(root, "dev/serial/by-id")
	if err := os.MkdirAll(byID, 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"usb-Honeywell_1902_S1-if00", "usb-a:b,c{d}#e-if00", `usb-"quoted"\x20-if00`}
	for i, name := range names {
		if err := os.Symlink("../../ttyACM"+string(rune('0'+i)), filepath.Join(byID, name)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := devices.Plugged(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(names) {
		t.Fatalf("found %v", found)
	}
	var text string
	for _, f := range found {
		text += f.Stanza + "\n"
	}
	scanners, err := devices.Configure(blocks(t, text), devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	for i, s := range scanners {
		if s.Driver != found[i].Driver || s.Opener.Source() != found[i].Path {
			t.Errorf("%s became %s %s", found[i].Path, s.Driver, s.Opener.Source())
		}
	}
	want := "- { name: lane-1, driver: serial, port: /dev/serial/by-id/usb-Honeywell_1902_S1-if00, baud: 9600 }"
	for _, f := range found {
		if f.Path == "/dev/serial/by-id/"+names[0] && f.Stanza[len("- { name: lane-1"):] != want[len("- { name: lane-1"):] {
			t.Errorf("stanza %s, want %s", f.Stanza, want)
		}
	}
}
