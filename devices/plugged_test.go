package devices_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/devices"
)

// machine is a folder like /dev and /sys.
type machine struct {
	t    *testing.T
	root string
}

func (m machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m machine) link(path, target string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		m.t.Fatal(err)
	}
}

// The interfaces of a device on USB: class, subclass and protocol, and whether the
// kernel shows it as a point-of-sale scanner.
const (
	bootKeyboard = "030101"
	plainHID     = "030000"
	posHID       = "030000 pos"
	cdcACM       = "020201"
	vendorOwn    = "ff0000"
	posReport    = "\x05\x8c\x09\x02\xa1\x01\x09\x12\xa1\x02\x85\x02\x15\x00\x26\xff\x00\x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\x05\x8c\x09\xfb\x09\xfc\x09\xfd\x95\x03\x81\x02\x09\xfe\x95\x38\x82\x02\x01\x95\x02\x81\x01\x09\xff\x75\x01\x95\x01\x81\x02\x75\x07\x81\x01\xc0\xc0"
)

// usb plugs a device in, port such as 1-2, ids such as 05e0:1200.
func (m machine) usb(port, ids, serial, name string, interfaces ...string) {
	vendor, product, _ := strings.Cut(ids, ":")
	number := port[strings.LastIndexAny(port, "-.")+1:]
	real := "sys/devices/usb1/" + port
	for file, text := range map[string]string{"idVendor": vendor, "idProduct": product, "serial": serial, "busnum": "1", "devnum": number, "product": name} {
		m.write(real+"/"+file, text+"\n")
	}
	m.link("sys/bus/usb/devices/"+port, "../../../devices/usb1/"+port)
	m.write(fmt.Sprintf("dev/bus/usb/001/%03s", number), "")
	for i, kind := range interfaces {
		dir := fmt.Sprintf("%s/%s:1.%d/", real, port, i)
		m.write(dir+"bInterfaceNumber", fmt.Sprintf("%02x", i))
		for at, file := range []string{"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"} {
			m.write(dir+file, kind[2*at:2*at+2])
		}
		if kind == posHID {
			m.write(dir+"0003:0000:0000.0001/report_descriptor", posReport)
		}
	}
}

// keyboard makes an input device, in a folder of sys/devices; links are its names in
// dev/input.
func (m machine) keyboard(event, dir, name, bus, ids string, links ...string) {
	vendor, product, _ := strings.Cut(ids, ":")
	dir += "/input/" + event
	for file, text := range map[string]string{
		"name": name, "capabilities/key": "fffffffffffffffe", "id/bustype": bus, "id/vendor": vendor, "id/product": product,
	} {
		m.write("sys/devices/"+dir+"/"+file, text+"\n")
	}
	m.link("sys/class/input/"+event+"/device", "../../../devices/"+dir)
	m.write("dev/input/"+event, "")
	for _, link := range links {
		_ = os.Remove(filepath.Join(m.root, "dev/input", link)) // two of a kind share one
		m.link("dev/input/"+link, "../"+event)
	}
}

// port makes a serial port, in a folder of sys/devices; links are its names in
// dev/serial.
func (m machine) port(tty, dir string, links ...string) {
	m.write("sys/devices/"+dir+"/uevent", "")
	m.link("sys/class/tty/"+tty+"/device", "../../../devices/"+dir)
	m.write("dev/"+tty, "")
	for _, link := range links {
		_ = os.Remove(filepath.Join(m.root, "dev/serial", link))
		m.link("dev/serial/"+link, "../../"+tty)
	}
}

// brief is of a Found what tells it from others.
type brief struct {
	IDs, Serial, Where string
	Scanner            bool
	Why                string
	Ways               []string
	Stanza             string
}

func TestWhatIsPluggedInIsToldOnce(t *testing.T) {
	m := machine{t, t.TempDir()}
	m.usb("1-1", "05e0:1200", "S 1", "Symbol Bar Code Scanner", bootKeyboard)
	m.keyboard("event1", "usb1/1-1/1-1:1.0/0003:05E0:1200.0001", "Symbol Bar Code Scanner", "0003", "05e0:1200", "by-id/usb-Symbol-event-kbd")
	m.usb("1-2", "046d:c31c", "", "K120", bootKeyboard, "030102")
	m.usb("1-3", "1eab:0110", "", "HR200", plainHID) // open at present
	m.usb("1-4", "0c2e:0b81", "H1", "Voyager 1400g", bootKeyboard, posHID)
	m.keyboard("event2", "usb1/1-4/1-4:1.0/0003:0C2E:0B81.0002", "Voyager 1400g", "0003", "0c2e:0b81", "by-id/usb-Voyager-event-kbd")
	m.usb("1-5", "0c2e:0b8a", "H2", "Xenon 1900", cdcACM)
	m.port("ttyACM0", "usb1/1-5/1-5:1.0", "by-id/usb-Honeywell-if00")
	m.usb("1-6", "05e0:1701", "Z1", "DS4308", cdcACM)
	m.port("ttyACM1", "usb1/1-6/1-6:1.0")
	m.usb("1-7", "05f9:4204", "", "Gryphon", cdcACM)
	m.port("ttyACM2", "usb1/1-7/1-7:1.0")
	m.usb("1-8", "05e0:1900", "", "DS9208", vendorOwn) // SNAPI
	m.usb("1-9", "0403:6001", "F1", "FT232R", vendorOwn)
	m.port("ttyUSB0", "usb1/1-9/1-9:1.0/ttyUSB0")
	m.usb("1-1.1", "0db5:013a", "", "ATR", bootKeyboard, bootKeyboard)
	m.usb("1-1.2", "046d:c52b", "", "Mouse", "030102") // nothing of ours
	m.keyboard("event3", "usb1/1-1.3/bluetooth/hci0", "CT Scanner [2]*", "0005", "0000:0000")
	m.keyboard("event4", "platform/i8042", "AT keyboard", "0011", "0001:0001", "by-path/platform-i8042-event-kbd")
	m.port("ttyS0", "platform/serial8250")

	found, err := devices.Plugged(m.root)
	if err != nil {
		t.Fatal(err)
	}
	var got []brief
	for _, f := range found {
		b := brief{f.IDs, f.Serial, f.Where, f.Scanner, f.Why, nil, f.Stanza}
		for i, w := range f.Ways {
			if w.Recommended != (i == 0 && f.Stanza != "") || w.What == "" || w.Why == "" || w.Problem != "" {
				t.Errorf("way %+v", w)
			}
			b.Ways = append(b.Ways, w.Driver+" "+w.Path)
		}
		got = append(got, b)
	}
	maker := func(name string) string { return "it is of " + name + ", a maker of scanners" }
	want := []brief{
		{"", "", "Bluetooth", true, "it calls itself one", []string{"evdev /dev/input/event3"},
			`- { name: lane-1, driver: evdev, match: "CT Scanner \\[2]\\*", layout: us }`},
		{"05e0:1200", "S 1", "USB port 1-1", true, maker("Zebra"), []string{"hid 05e0:1200 S 1", "evdev /dev/input/by-id/usb-Symbol-event-kbd"},
			`- { name: lane-2, driver: hid, vendor_id: 0x05e0, product_id: 0x1200, serial: "S 1", layout: us }`},
		{"0db5:013a", "", "USB port 1-1.1", true, maker("Access-IS"), []string{"hid 0db5:013a interface 0", "hid 0db5:013a interface 1"},
			"- { name: lane-3, driver: hid, vendor_id: 0x0db5, product_id: 0x013a, interface: 0, layout: us }"},
		{"1eab:0110", "", "USB port 1-3", true, maker("Newland"), []string{"hid 1eab:0110"},
			"- { name: lane-4, driver: hid, vendor_id: 0x1eab, product_id: 0x0110 }"},
		{"0c2e:0b81", "H1", "USB port 1-4", true, "it reports codes as a point-of-sale scanner", []string{"hid 0c2e:0b81 H1", "evdev /dev/input/by-id/usb-Voyager-event-kbd"},
			"- { name: lane-5, driver: hid, vendor_id: 0x0c2e, product_id: 0x0b81, serial: H1 }"},
		{"0c2e:0b8a", "H2", "USB port 1-5", true, maker("Honeywell"), []string{"serial /dev/serial/by-id/usb-Honeywell-if00"},
			"- { name: lane-6, driver: serial, port: /dev/serial/by-id/usb-Honeywell-if00, baud: 9600, feedback: honeywell }"},
		{"05e0:1701", "Z1", "USB port 1-6", true, maker("Zebra"), []string{"serial /dev/ttyACM1"},
			"- { name: lane-7, driver: serial, port: /dev/ttyACM1, baud: 9600, protocol: ssi, feedback: zebra }"},
		{"05f9:4204", "", "USB port 1-7", true, maker("Datalogic"), []string{"serial /dev/ttyACM2"},
			"- { name: lane-8, driver: serial, port: /dev/ttyACM2, baud: 9600, feedback: datalogic }"},
		{"05e0:1900", "", "USB port 1-8", true, maker("Zebra"), nil, ""},
		{"046d:c31c", "", "USB port 1-2", false, "a keyboard; use it only if it is a scanner, it types nowhere else then", []string{"hid 046d:c31c"},
			"- { name: lane-9, driver: hid, vendor_id: 0x046d, product_id: 0xc31c, layout: us }"},
		{"0403:6001", "F1", "USB port 1-9", false, "a serial port; a scanner may be behind it", []string{"serial /dev/ttyUSB0"},
			"- { name: lane-10, driver: serial, port: /dev/ttyUSB0, baud: 9600 }"},
		{"0001:0001", "", "built in", false, "a built-in keyboard, or a built-in scan engine", []string{"evdev /dev/input/by-path/platform-i8042-event-kbd"},
			"- { name: lane-11, driver: evdev, path: /dev/input/by-path/platform-i8042-event-kbd, layout: us }"},
		{"", "", "built in", false, "a serial port; a scanner may be behind it", []string{"serial /dev/ttyS0"},
			"- { name: lane-12, driver: serial, port: /dev/ttyS0, baud: 9600 }"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	paste(t, found)

	if err := os.RemoveAll(filepath.Join(m.root, "dev/bus")); err != nil {
		t.Fatal(err)
	}
	found, err = devices.Plugged(m.root)
	if err != nil {
		t.Fatal(err)
	}
	problem := found[1].Ways[0].Problem
	if want := "/dev/bus/usb/001/001: not there; a container must be given /dev/bus/usb, and a service no PrivateDevices=yes"; problem != want {
		t.Errorf("problem %q, want %q", problem, want)
	}
}

// paste gives the printed lines back to the configuration, and wants each to mean
// what its recommended way does.
func paste(t *testing.T, found []devices.Found) {
	t.Helper()
	var text string
	var ways []devices.Way
	for _, f := range found {
		if f.Stanza != "" {
			text += f.Stanza + "\n"
			ways = append(ways, f.Ways[0])
		}
	}
	scanners, err := devices.Configure(blocks(t, text), devices.Deps{Stdin: os.Stdin})
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	for i, s := range scanners {
		if s.Driver != ways[i].Driver {
			t.Errorf("%s %s became %s", ways[i].Driver, ways[i].Path, s.Driver)
		}
		if s.Driver == "serial" && s.Opener.Source() != ways[i].Path {
			t.Errorf("%s became %s", ways[i].Path, s.Opener.Source())
		}
	}
}

// TestStanzasCanBePasted makes awkward names.
func TestStanzasCanBePasted(t *testing.T) {
	m := machine{t, t.TempDir()}
	for i, name := range []string{"usb-Honeywell_1902_S1-if00", "usb-a:b,c{d}#e-if00", `usb-"quoted"\x20-if00`} {
		m.port(fmt.Sprint("ttyACM", i), fmt.Sprintf("usb1/1-%d/1-%d:1.0", i, i), "by-id/"+name)
	}
	m.usb("1-7", "05e0:1200", `A: "b" #c`, "Scanner", bootKeyboard)
	found, err := devices.Plugged(m.root)
	if err != nil || len(found) != 4 {
		t.Fatalf("found %v, %v", found, err)
	}
	paste(t, found)
}

// TestTwoOfAKindAreToldBySocket: without serial numbers, nothing else tells them
// apart.
func TestTwoOfAKindAreToldBySocket(t *testing.T) {
	m := machine{t, t.TempDir()}
	for i, port := range []string{"1-1", "1-2"} {
		m.usb(port, "05e0:1200", "", "Scanner", bootKeyboard)
		m.keyboard(fmt.Sprint("event", i), "usb1/"+port+"/"+port+":1.0/0003:05E0:1200.0001", "Scanner", "0003", "05e0:1200", "by-id/usb-Scanner-event-kbd", "by-path/usb-"+port+"-event-kbd")
	}
	for i, port := range []string{"2-1", "2-2"} {
		m.usb(port, "0c2e:0b8a", "SAME", "Scanner", cdcACM)
		m.port(fmt.Sprint("ttyACM", i), "usb1/"+port+"/"+port+":1.0", "by-id/usb-Scanner-if00", "by-path/usb-"+port)
	}
	for _, port := range []string{"3-1", "3-2"} {
		m.usb(port, "1eab:0110", "", "Scanner", posHID)
	}
	for i, port := range []string{"4-1", "4-2"} {
		m.usb(port, "05e0:1200", fmt.Sprint("S", i), "Scanner", bootKeyboard)
	}
	found, err := devices.Plugged(m.root)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found {
		_, keys, _ := strings.Cut(f.Stanza, ", driver: ")
		got[f.Where] = keys
		if len(f.Advice) == 0 || f.Stanza == "" && !strings.Contains(f.Advice[0], "nothing tells them apart") {
			t.Errorf("%s: advice %q", f.Where, f.Advice)
		}
	}
	want := map[string]string{
		"USB port 1-1": "evdev, path: /dev/input/by-path/usb-1-1-event-kbd, layout: us }",
		"USB port 1-2": "evdev, path: /dev/input/by-path/usb-1-2-event-kbd, layout: us }",
		"USB port 2-1": "serial, port: /dev/serial/by-path/usb-2-1, baud: 9600, feedback: honeywell }",
		"USB port 2-2": "serial, port: /dev/serial/by-path/usb-2-2, baud: 9600, feedback: honeywell }",
		"USB port 3-1": "", "USB port 3-2": "",
		"USB port 4-1": "hid, vendor_id: 0x05e0, product_id: 0x1200, serial: S0, layout: us }",
		"USB port 4-2": "hid, vendor_id: 0x05e0, product_id: 0x1200, serial: S1, layout: us }",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stanzas of %v (-want +got):\n%s", slices.Sorted(maps.Keys(got)), diff)
	}
	paste(t, found)
}

func TestPluggedOnABareMachine(t *testing.T) {
	if found, err := devices.Plugged(t.TempDir()); len(found) > 0 || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}
