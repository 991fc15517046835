package serial_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/devices/serial"
)

// tree makes files (and links, where the text begins with "->") under a root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if len(text) > 2 && text[:2] == "->" {
			err = os.Symlink(text[2:], path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPlugged(t *testing.T) {
	root := tree(t, map[string]string{
		"dev/serial/by-id/usb-Honeywell_1902_S1-if00":     "->../../ttyACM0",
		"sys/devices/usb1/1-1/manufacturer":               "Honeywell\n",
		"sys/devices/usb1/1-1/idVendor":                   "0c2e\n",
		"sys/devices/usb1/1-1/idProduct":                  "0b81\n",
		"sys/devices/usb1/1-1/serial":                     "S1\n",
		"sys/devices/usb1/1-1/product":                    "Voyager \x1b[2J1902\n",
		"sys/devices/usb1/1-1/1-1:1.0/tty/ttyACM0/dev":    "166:0\n",
		"sys/class/tty/ttyACM0/device":                    "->../../../devices/usb1/1-1/1-1:1.0",
		"sys/devices/usb1/1-2/product":                    "USB-Serial\n",
		"sys/devices/usb1/1-2/1-2:1.0/ttyUSB0/latency":    "16\n",
		"sys/class/tty/ttyUSB0/device":                    "->../../../devices/usb1/1-2/1-2:1.0/ttyUSB0",
		"sys/devices/usb1/1-3/1-3:1.0/ttyUSB1/latency":    "16\n",
		"sys/class/tty/ttyUSB1/device":                    "->../../../devices/usb1/1-3/1-3:1.0/ttyUSB1",
		"dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0": "->../../ttyUSB1",
		"sys/devices/platform/serial8250/uevent":          "",
		"sys/class/tty/ttyS0/device":                      "->../../../devices/platform/serial8250",
		"sys/class/tty/ttyS0/type":                        "4\n",
		"sys/class/tty/ttyS1/device":                      "->../../../devices/platform/serial8250",
		"sys/class/tty/ttyS1/type":                        "0\n",
		"sys/class/tty/tty1/dev":                          "4:1\n",
		"dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0": "->../../ttyACM0",
	})
	got, err := serial.Plugged(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []serial.Node{
		{
			Path: "/dev/serial/by-id/usb-Honeywell_1902_S1-if00", Label: "Honeywell Voyager [2J1902", VendorID: 0x0c2e, ProductID: 0x0b81, Serial: "S1",
			USB: "1-1:1.0", Socket: "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0",
		},
		{Path: "/dev/ttyS0"},
		{Path: "/dev/ttyUSB0", Label: "USB-Serial", USB: "1-2:1.0"},
		{Path: "/dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0", USB: "1-3:1.0", Socket: "/dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

func TestPluggedOnABareMachine(t *testing.T) {
	got, err := serial.Plugged(t.TempDir())
	if len(got) != 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
