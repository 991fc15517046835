package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/cmd/internal/control"
	"usher/configs"
	"usher/devices/devicetest"
)

// usbScanner makes a keyboard scanner of Zebra's, as the kernel shows it, and the
// input device that is the same.
func usbScanner(t *testing.T, root, name string) {
	t.Helper()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text+"\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const usb = "sys/devices/usb1/1-2"
	for file, text := range map[string]string{"idVendor": "05e0", "idProduct": "1200", "serial": "S1", "busnum": "1", "devnum": "7", "product": name} {
		write(usb+"/"+file, text)
	}
	for file, text := range map[string]string{"bInterfaceNumber": "00", "bInterfaceClass": "03", "bInterfaceSubClass": "01", "bInterfaceProtocol": "01"} {
		write(usb+"/1-2:1.0/"+file, text)
	}
	write("dev/bus/usb/001/007", "")
	const input = usb + "/1-2:1.0/0003:05E0:1200.0001/input/input3"
	for file, text := range map[string]string{"name": name, "capabilities/key": "fffffffffffffffe", "id/bustype": "0003", "id/vendor": "05e0", "id/product": "1200"} {
		write(input+"/"+file, text)
	}
	write("dev/input/event3", "")
	for link, target := range map[string]string{"sys/bus/usb/devices/1-2": "../../../devices/usb1/1-2", "sys/class/input/event3/device": "../../../../" + input} {
		path := filepath.Join(root, link)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, root string, asJSON bool) string {
	t.Helper()
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &out, json: asJSON}
	if err := a.listDevices(root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDevicesAreBlocksToPasteFrom(t *testing.T) {
	root := t.TempDir()
	usbScanner(t, root, "Bar Code\u202e Scanner")
	want := `Bar Code` + "\uFFFD" + ` Scanner, 05e0:1200, serial S1, USB port 1-2
    scanner  yes: it is of Zebra, a maker of scanners
    driver   hid, best: keyboard at 05e0:1200 S1; reads each key as the scanner sends it, and types nothing into a console
    driver   evdev: keyboard of the kernel at /dev/input/event3; driver hid reads it more exactly: the kernel drops some keys of a code that is typed as numbers (ALT mode)
    access   may be opened
    to do    if it can, set it to HID POS or USB serial (COM, CDC) by its maker's code and run this again: both send codes as they are, whatever the layout; as a keyboard, set its country to the layout of the stanza, best United States
  - { name: lane-1, driver: hid, vendor_id: 0x05e0, product_id: 0x1200, serial: S1, layout: us }

Paste the lines of your scanners under scanners: in the configuration, and give each its lane's name.
Then: usher check
`
	if diff := cmp.Diff(want, list(t, root, false)); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}

	if err := os.RemoveAll(filepath.Join(root, "dev/bus")); err != nil {
		t.Fatal(err)
	}
	const access = "    access   driver hid: /dev/bus/usb/001/007: not there; a container must be given /dev/bus/usb, and a service no PrivateDevices=yes\n"
	if got := list(t, root, false); !strings.Contains(got, access) || strings.Contains(got, "may be opened") {
		t.Errorf("no %q in:\n%s", access, got)
	}

	var rows []map[string]any
	if err := json.Unmarshal([]byte(list(t, root, true)), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || len(rows[0]["ways"].([]any)) != 2 || rows[0]["maker"] != "Zebra" || rows[0]["ids"] != "05e0:1200" || rows[0]["where"] != "USB port 1-2" || rows[0]["scanner"] != true {
		t.Errorf("rows %v", rows)
	}
}

func TestNoDevicesSaysWhatToDo(t *testing.T) {
	root := t.TempDir()
	got := list(t, root, false)
	for _, want := range []string{"Nothing is plugged in that usher could read", "HID POS, USB serial (COM) or keyboard mode", "There is no USB here at all"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if got := list(t, root, true); got != "[]\n" {
		t.Errorf("JSON %q", got)
	}
	if err := os.MkdirAll(filepath.Join(root, "sys/bus/usb/devices"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "sys/class/tty/ttyS0/device"), 0o755); err != nil {
		t.Fatal(err)
	}
	got = list(t, root, false)
	for _, want := range []string{"Nothing that is plugged in looks like a scanner", "This may be one all the same:\n/dev/ttyS0, built in\n", "\n  - { name: lane-1, driver: serial, port: /dev/ttyS0, baud: 9600 }\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "no USB here") {
		t.Errorf("USB is missed where it is:\n%s", got)
	}
}

// TestCheckTellsOfTwoNamesOfOnePort before it opens any.
func TestCheckTellsOfTwoNamesOfOnePort(t *testing.T) {
	dir := t.TempDir()
	pty, err := devicetest.NewPty(filepath.Join(dir, "ttyUSB0"))
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	link := filepath.Join(dir, "by-id")
	if err := os.Symlink(pty.Path(), link); err != nil {
		t.Fatal(err)
	}
	cfg := &configs.Config{Scanners: []configs.Scanner{
		{Name: "lane-1", Driver: "serial", Block: configs.Block{"port": pty.Path()}},
		{Name: "lane-2", Driver: "serial", Block: configs.Block{"port": link}},
	}}
	var got findings
	inspectScanners(t.Context(), &got, cfg, nil)
	want := findings{
		{"scanner lane-1", gradeOK, pty.Path() + " can be opened"},
		{"scanner lane-2", gradeFail, fmt.Sprintf("%s: already read by lane-1 (%s); remove one of the two", link, pty.Path())},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestCheckTellsWhatTheDaemonNoticed of a scanner that is read: a wrong layout, a
// suffix that is missing.
func TestCheckTellsWhatTheDaemonNoticed(t *testing.T) {
	cfg := &configs.Config{Scanners: []configs.Scanner{
		{Name: "lane-1", Driver: "serial", Block: configs.Block{"port": "/dev/null-1"}},
		{Name: "lane-2", Driver: "serial", Block: configs.Block{"port": "/dev/null-2"}},
		{Name: "lane-3", Driver: "serial", Block: configs.Block{"port": "/dev/null-3"}},
	}}
	status := &control.Status{Scanners: []control.ScannerStatus{
		{Name: "lane-1", State: control.ScannerConnected, Scans: 7},
		{Name: "lane-2", State: control.ScannerConnected, Scans: 7, Detail: "set layout: fr"},
		{Name: "lane-3", State: control.ScannerMissing, Detail: "is it plugged in?"},
	}}
	var got findings
	inspectScanners(t.Context(), &got, cfg, status)
	want := findings{
		{"scanner lane-1", gradeOK, "connected, 7 scans since start"},
		{"scanner lane-2", gradeWarn, "connected, 7 scans since start, but set layout: fr"},
		{"scanner lane-3", gradeFail, "missing: is it plugged in?"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
