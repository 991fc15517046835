package hid

import (
	"errors"
	"path/filepath"
	"slices"
	"syscall"
)

// Node is a HID interface on USB that types or reports codes, or a maker's scanner
// that has none.
type Node struct {
	VendorID, ProductID int
	Serial              string
	// Port is where the device is plugged in, such as 1-2.
	Port string
	// Interface is its number, Mode what it is for: keyboard or pos; unknown where
	// a program has it open, or a crashed one had, which hides what it is; empty: a
	// scanner that can be read in no way of this driver.
	Interface int
	Mode      string
	// Label is what the device calls itself; may be empty.
	Label string
	// Path is the device's node, Access why this process may not open it; nil: it
	// may.
	Path   string
	Access error
}

// The modes of a Node.
const (
	ModeKeyboard = modeKeyboard
	ModePOS      = modePOS
	ModeUnknown  = modeUnknown
	ModeNone     = modeAuto
)

// Plugged lists such devices under root ("/" on a device). It opens none.
func Plugged(root string) ([]Node, error) {
	devices, err := usbDevices(root)
	var nodes []Node
	for _, u := range devices {
		node := Node{
			VendorID: u.vendor, ProductID: u.product, Serial: u.serial, Label: u.label,
			Port: filepath.Base(u.dir), Path: u.node, Access: access(root, u.node),
		}
		readable := false
		for _, i := range u.interfaces() {
			if i.mode() == modeAuto {
				continue
			}
			readable = true
			node.Interface, node.Mode = i.number, i.mode()
			nodes = append(nodes, node)
		}
		if !readable && Maker(u.vendor) != "" {
			nodes = append(nodes, node)
		}
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		if a.Path != b.Path {
			if a.Path < b.Path {
				return -1
			}
			return 1
		}
		return a.Interface - b.Interface
	})
	return nodes, err
}

func access(root, node string) error {
	err := writable(root, node)
	if errors.Is(err, syscall.ENOENT) {
		return errors.New("not there; a container must be given /dev/bus/usb, and a service no PrivateDevices=yes")
	}
	return err
}

// Maker gives the maker of barcode scanners that a USB vendor id is of (usb.ids,
// 2025-07-26), as its manuals are called today; empty: of none. The udev rules name
// the same.
func Maker(vendor int) string {
	switch vendor {
	case 0x0c2e, 0x0536: // Metrologic, Hand Held Products
		return "Honeywell"
	case 0x05e0: // Symbol
		return "Zebra"
	case 0x05f9, 0x080c: // PSC
		return "Datalogic"
	case 0x067e:
		return "Intermec"
	case 0x1eab:
		return "Newland"
	case 0x23d0:
		return "Youjie"
	case 0x27dd:
		return "Mindeo"
	case 0x0db5:
		return "Access-IS"
	}
	return ""
}
