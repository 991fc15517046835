package devices

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"usher/devices/evdev"
	"usher/devices/hid"
	"usher/devices/serial"
)

// Found is one device that is plugged in and can be read as a scanner.
type Found struct {
	Driver string
	// Path is the name to configure, the most lasting one.
	Path string
	// Label is what the device calls itself; may be empty.
	Label string
	// Scanner says that it looks like one; Why says what speaks for it or against.
	Scanner bool
	Why     string
	// Problem says why this user may not open it and what to do; empty: it may.
	Problem string
	// Stanza is the line to paste under scanners in the configuration.
	Stanza string
}

// Plugged lists what is plugged in, by reading the /dev and /sys under root
// ("/" on a device). It opens nothing. A device that can be read in several ways
// is listed once for each, the best first.
func Plugged(root string) ([]Found, error) {
	reports, hidErr := hid.Plugged(root)
	ports, serialErr := serial.Plugged(root)
	inputs, inputErr := evdev.Plugged(root)
	var found []Found
	for _, n := range reports {
		found = append(found, ofHID(n))
	}
	for _, n := range ports {
		found = append(found, ofSerial(root, n))
	}
	for _, n := range inputs {
		if n.Keys {
			found = append(found, ofInput(root, n))
		}
	}
	for i := range found {
		found[i].Stanza = strings.Replace(found[i].Stanza, "NAME", fmt.Sprintf("lane-%d", i+1), 1)
	}
	return found, errors.Join(hidErr, serialErr, inputErr)
}

func ofHID(n hid.Node) Found {
	f := Found{
		Driver: "hid", Label: n.Label,
		Path:    fmt.Sprintf("%04x:%04x", n.VendorID, n.ProductID),
		Problem: denied(n.Path, n.Access),
		Scanner: n.Mode == "pos" || n.Maker,
	}
	switch {
	case n.Mode == "unknown":
		f.Why = "a program has it open, or a crashed one had; it may be a point-of-sale scanner"
	case n.Mode == "pos":
		f.Why = "reports codes as a point-of-sale scanner"
	case n.Maker:
		f.Why = "a keyboard of a maker of scanners"
	default:
		f.Why = "a keyboard; use it only if it is a scanner, it types nowhere else then"
	}
	keys := fmt.Sprintf("vendor_id: 0x%04x, product_id: 0x%04x", n.VendorID, n.ProductID)
	if n.Serial != "" {
		f.Path += " " + n.Serial
		keys += ", serial: " + scalar(n.Serial)
	}
	if n.Mode == "keyboard" {
		keys += ", layout: us"
	}
	f.Stanza = "- { name: NAME, driver: hid, " + keys + " }"
	return f
}

func ofSerial(root string, n serial.Node) Found {
	f := Found{
		Driver: "serial", Path: n.Path, Label: n.Label,
		Problem: denied(n.Path, serial.Access(filepath.Join(root, n.Path))),
		Stanza:  fmt.Sprintf("- { name: NAME, driver: serial, port: %s, baud: %d }", scalar(n.Path), serial.Defaults().Baud),
	}
	switch {
	case hid.Maker(n.VendorID):
		f.Scanner, f.Why = true, "a serial port of a maker of scanners"
	case n.VendorID != 0:
		f.Why = "a USB serial port; a scanner may be behind it"
	default:
		f.Why = "a serial port; a scanner may be behind it"
	}
	return f
}

func ofInput(root string, n evdev.Node) Found {
	const usb, bluetooth, at = 0x03, 0x05, 0x11
	f := Found{
		Driver: "evdev", Path: n.Path, Label: n.Name,
		Problem: deniedInput(n, evdev.Access(filepath.Join(root, n.Event))),
		Scanner: hid.Maker(n.VendorID),
		Stanza:  fmt.Sprintf("- { name: NAME, driver: evdev, path: %s, layout: us }", scalar(n.Path)),
	}
	switch {
	case f.Scanner && n.Bus == usb:
		f.Why = "the same as a keyboard of the kernel; driver hid reads it more exactly"
	case f.Scanner:
		f.Why = "a keyboard of a maker of scanners"
	case n.Bus == bluetooth:
		f.Why = "a Bluetooth keyboard; use it only if it is a scanner"
	case n.Bus == at:
		f.Why = "a built-in keyboard, or a built-in scan engine"
	default:
		f.Why = "a keyboard; use it only if it is a scanner, it types nowhere else then"
	}
	if n.Bus == bluetooth && n.Path == n.Event {
		// Its number changes with every connection.
		f.Stanza = fmt.Sprintf("- { name: NAME, driver: evdev, match: %s, layout: us }", scalar(n.Name))
	}
	return f
}

// denied says why a node cannot be opened and what to do.
func denied(node string, err error) string {
	switch {
	case err == nil:
		return ""
	case !errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s: %v", node, err)
	}
	return fmt.Sprintf("%s: %v; add the service to group usher or install the udev rules", node, err)
}

// deniedInput is denied for an input device. The rules that come with usher do not
// know every maker: where they would not help, it gives the one that does, for this
// model alone.
func deniedInput(n evdev.Node, err error) string {
	if hid.Maker(n.VendorID) || !errors.Is(err, fs.ErrPermission) {
		return denied(n.Event, err)
	}
	rule := fmt.Sprintf(`SUBSYSTEM=="input", KERNEL=="event*", ATTRS{id/bustype}=="%04x", ATTRS{id/vendor}=="%04x", ATTRS{id/product}=="%04x", GROUP="usher", MODE="0660", ENV{LIBINPUT_IGNORE_DEVICE}="1"`,
		n.Bus, n.VendorID, n.ProductID)
	return fmt.Sprintf("%s: %v; if it is a scanner, put this line into /etc/udev/rules.d/71-usher.rules and connect it again: %s", n.Event, err, rule)
}

// scalar writes a text as YAML, quoted only where it must be.
func scalar(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._+-", r)
	}
	begins := text != "" && (text[0] == '/' || text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z')
	if begins && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return strconv.QuoteToASCII(text)
}
