package serial

import (
	"os"
	"path/filepath"
	"testing"
)

// behind makes a root in which a USB device with these ids and serial number is
// behind a port; without ids, nothing is.
func behind(t *testing.T, tty, vendor, product, serial string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{"idVendor": vendor, "idProduct": product, "serial": serial}
	if vendor == "" {
		files = nil
	}
	for name, text := range files {
		dir := filepath.Join(root, "sys/class/tty", tty, "device")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestANumberMayBecomeAnotherDevice: /dev/ttyACM0 was a scanner, and is a modem, or
// the other lane's scanner, after a night.
func TestANumberMayBecomeAnotherDevice(t *testing.T) {
	cfg := Defaults()
	cfg.Port = "/dev/ttyACM0"
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.root = behind(t, "ttyACM0", "0c2e", "0b81", "S1")
	const scanner = "0c2e:0b81 serial S1"
	if got, err := d.numbered(); got != scanner || err != nil {
		t.Fatalf("the scanner: %q, %v", got, err)
	}
	// What could not be opened is not remembered: there is no such port here.
	if _, err := d.Open(t.Context()); err == nil || d.was != "" {
		t.Fatalf("opened nothing, with %v, and remembered %q", err, d.was)
	}
	d.was = scanner
	for _, tt := range []struct{ vendor, product, serial, want string }{
		{"0c2e", "0b81", "S1", ""},
		{"", "", "", ""}, // not plugged in, which the opening tells better
		{"12d1", "1506", "", "is another device now, 12d1:1506 and not 0c2e:0b81 serial S1; set port: to its link in /dev/serial/by-id, which usher devices lists"},
		{"0c2e", "0b81", "S2", "is another device now, 0c2e:0b81 serial S2 and not 0c2e:0b81 serial S1; set port: to its link in /dev/serial/by-id, which usher devices lists"},
	} {
		d.root = behind(t, "ttyACM0", tt.vendor, tt.product, tt.serial)
		text := ""
		if _, err := d.numbered(); err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s:%s serial %q: %q, want %q", tt.vendor, tt.product, tt.serial, text, tt.want)
		}
	}
	// A link is the scanner's own.
	d.cfg.Port = "/dev/serial/by-id/usb-Honeywell-if00"
	if got, err := d.numbered(); got != "" || err != nil {
		t.Errorf("a link: %q, %v", got, err)
	}
}
