package hid

import (
	"errors"
	"slices"
	"syscall"
)

// Node is a device on USB with a HID interface that types or reports codes.
type Node struct {
	VendorID, ProductID int
	Serial              string
	// Interface is its number, Mode what it is for: keyboard or pos; unknown where
	// a program has it open, or a crashed one had, which hides what it is.
	Interface int
	Mode      string
	// Label is what the device calls itself; may be empty.
	Label string
	// Path is the device's node, Access why this process may not open it; nil: it
	// may.
	Path   string
	Access error
	// Maker says that the vendor id is of a maker of scanners.
	Maker bool
}

// Plugged lists such devices under root ("/" on a device). It opens none.
func Plugged(root string) ([]Node, error) {
	devices, err := usbDevices(root)
	var nodes []Node
	for _, u := range devices {
		for _, i := range u.interfaces() {
			if i.mode() == modeAuto {
				continue
			}
			nodes = append(nodes, Node{
				VendorID: u.vendor, ProductID: u.product, Serial: u.serial,
				Interface: i.number, Mode: i.mode(), Label: u.label,
				Path: u.node, Access: access(root, u.node), Maker: Maker(u.vendor),
			})
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

// Maker tells whether a USB vendor id is of a maker of barcode scanners (usb.ids,
// 2025-07-26): Honeywell and Metrologic, Hand Held Products, Zebra and Symbol,
// Datalogic, Intermec, Newland, Youjie, Mindeo, Access-IS. The udev rules name
// the same.
func Maker(vendor int) bool {
	return slices.Contains([]int{0x0c2e, 0x0536, 0x05e0, 0x05f9, 0x080c, 0x067e, 0x1eab, 0x23d0, 0x27dd, 0x0db5}, vendor)
}
