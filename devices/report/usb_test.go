package report

import "testing"

func TestUSBInterface(t *testing.T) {
	for dir, want := range map[string]string{
		"/sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3.2/1-3.2:1.0/0003:05E0:1200.0001/input/input7": "1-3.2:1.0",
		"/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.12/ttyUSB0":                                 "2-1:1.12",
		"/sys/devices/usb1/1-1/1-1.4/1-1.4:1.0":                                                          "1-1.4:1.0",
		"/sys/devices/platform/i8042/serio0/input/input3":                                                "",
		"/sys/devices/pci0000:00/0000:00:14.0/usb1/1-3":                                                  "",
	} {
		if got := USBInterface(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}
