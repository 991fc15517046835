package devices_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestWhatIsPluggedInIsTold gives one device of each kind and wants the words and
// the stanza for it.
func TestWhatIsPluggedInIsTold(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	usb := func(port, vendor, product, serial, num, class string) {
		dir := "sys/bus/usb/devices/" + port + "/"
		for name, text := range map[string]string{"idVendor": vendor, "idProduct": product, "serial": serial, "busnum": "1", "devnum": num, "product": "Scanner"} {
			write(dir+name, text)
		}
		write(dir+port+":1.0/bInterfaceNumber", "00")
		for i, name := range []string{"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"} {
			write(dir+port+":1.0/"+name, class[2*i:2*i+2])
		}
		write("dev/bus/usb/001/00"+num, "")
	}
	usb("1-1", "05e0", "1200", "S 1", "1", "030101") // a keyboard of Zebra's
	usb("1-2", "046d", "c31c", "", "2", "030101")    // a keyboard of somebody's
	usb("1-3", "1eab", "0110", "", "3", "030000")    // open at present
	usb("1-4", "1eab", "0106", "", "4", "020201")    // a serial port
	write("sys/class/input/event0/device/name", "CT Scanner")
	write("sys/class/input/event0/device/capabilities/key", "fffffffffffffffe")
	write("sys/class/input/event0/device/id/bustype", "0005")
	write("dev/input/event0", "")
	write("sys/class/input/event1/device/name", "Lid")

	found, err := devices.Plugged(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []devices.Found{
		{"hid", "05e0:1200 S 1", "Scanner", true, "a keyboard of a maker of scanners", "",
			`- { name: lane-1, driver: hid, vendor_id: 0x05e0, product_id: 0x1200, serial: "S 1", layout: us }`},
		{"hid", "046d:c31c", "Scanner", false, "a keyboard; use it only if it is a scanner, it types nowhere else then", "",
			"- { name: lane-2, driver: hid, vendor_id: 0x046d, product_id: 0xc31c, layout: us }"},
		{"hid", "1eab:0110", "Scanner", true, "a program has it open, or a crashed one had; it may be a point-of-sale scanner", "",
			"- { name: lane-3, driver: hid, vendor_id: 0x1eab, product_id: 0x0110 }"},
		{"evdev", "/dev/input/event0", "CT Scanner", false, "a Bluetooth keyboard; use it only if it is a scanner", "",
			`- { name: lane-4, driver: evdev, match: "CT Scanner", layout: us }`},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	var text string
	for _, f := range found {
		text += f.Stanza + "\n"
	}
	if _, err := devices.Configure(blocks(t, text), devices.Deps{Stdin: os.Stdin}); err != nil {
		t.Errorf("%v\nin:\n%s", err, text)
	}

	if err := os.RemoveAll(filepath.Join(root, "dev/bus")); err != nil {
		t.Fatal(err)
	}
	found, err = devices.Plugged(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/dev/bus/usb/001/001: not there; a container must be given /dev/bus/usb, and a service no PrivateDevices=yes"; found[0].Problem != want || found[3].Problem != "" {
		t.Errorf("problems %q and %q, want %q and none", found[0].Problem, found[3].Problem, want)
	}
}
