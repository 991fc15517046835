package devices

import (
	"errors"
	"fmt"
	"io/fs"

	"usher/devices/evdev"
	"usher/devices/hid"
	"usher/devices/report"
	"usher/devices/serial"
)

// denied says why a node cannot be opened and what to do: usually the rules that
// come with usher. Those do not know every maker: where they would not help, a rule
// that does, for this model alone.
func denied(node string, err error, rule string) string {
	switch {
	case err == nil:
		return ""
	case !errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s: %v", node, err)
	case rule == "":
		return fmt.Sprintf("%s: %v; "+report.Denied, node, err)
	}
	return fmt.Sprintf("%s: %v; if it is a scanner, put this line into /etc/udev/rules.d/71-usher.rules and connect it again: %s", node, err, rule)
}

func deniedUSB(n hid.Node) string {
	rule := ""
	if hid.Maker(n.VendorID) == "" {
		rule = fmt.Sprintf(`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="%04x", ATTR{idProduct}=="%04x", GROUP="usher", MODE="0660"`, n.VendorID, n.ProductID)
	}
	return denied(n.Path, n.Access, rule)
}

func deniedInput(n evdev.Node, err error) string {
	rule := ""
	if hid.Maker(n.VendorID) == "" {
		rule = fmt.Sprintf(`SUBSYSTEM=="input", KERNEL=="event*", ATTRS{id/bustype}=="%04x", ATTRS{id/vendor}=="%04x", ATTRS{id/product}=="%04x", GROUP="usher", MODE="0660", ENV{LIBINPUT_IGNORE_DEVICE}="1"`,
			n.Bus, n.VendorID, n.ProductID)
	}
	return denied(n.Event, err, rule)
}

// deniedPort: plain ports belong to a group of their own.
func deniedPort(n serial.Node, err error) string {
	if hid.Maker(n.VendorID) == "" && errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("%s: %v; add the service to group dialout", n.Path, err)
	}
	return denied(n.Path, err, "")
}
