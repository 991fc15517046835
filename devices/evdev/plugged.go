package evdev

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"usher/devices/report"
)

// The buses of linux/input.h that scanners come by.
const (
	BusUSB       = 0x03
	BusBluetooth = 0x05
	BusAT        = 0x11
)

// Node is an input device.
type Node struct {
	// Path is its most lasting name, a link where udev gave it one; Event is the
	// node itself, such as /dev/input/event3.
	Path, Event string
	// Name is what the device calls itself, Phys where it is attached.
	Name, Phys string
	// Keys: it has the letters and digits of a keyboard.
	Keys bool
	// Bus is how it is attached, of linux/input.h.
	Bus int
	// VendorID and ProductID are the bus's own ids of the maker and the model.
	VendorID, ProductID int
	// USB is its interface, such as 1-2:1.0; empty: it is not on USB. A Bluetooth
	// device is not, wherever its radio is.
	USB string
	// Socket is the link that stays with the place where it is plugged in; empty:
	// udev gave none.
	Socket string
}

// Access tells why this process may not open a node; nil: it may.
func Access(node string) error { return unix.Access(node, unix.R_OK) }

// Plugged lists the input devices under root ("/" on a device). It opens none.
func Plugged(root string) ([]Node, error) {
	base := filepath.Join(root, "sys/class/input")
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	links, sockets := links(root, "by-id"), links(root, "by-path")
	var nodes []Node
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "event") {
			continue
		}
		dir := filepath.Join(base, e.Name(), "device")
		n := Node{Event: "/dev/input/" + e.Name(), Name: report.Attribute(dir, "name"), Phys: report.Attribute(dir, "phys")}
		n.Socket = sockets[e.Name()]
		n.Path = cmp.Or(links[e.Name()], n.Socket, n.Event)
		n.Keys = types(bitmap(report.Attribute(dir, "capabilities/key")))
		bus, _ := strconv.ParseInt(report.Attribute(dir, "id/bustype"), 16, 32)
		n.Bus = int(bus)
		vendor, _ := strconv.ParseInt(report.Attribute(dir, "id/vendor"), 16, 32)
		n.VendorID = int(vendor)
		product, _ := strconv.ParseInt(report.Attribute(dir, "id/product"), 16, 32)
		n.ProductID = int(product)
		if real, err := filepath.EvalSymlinks(dir); err == nil && n.Bus == BusUSB {
			n.USB = report.USBInterface(real)
		}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	return nodes, err
}

// links finds the names that udev gave event nodes in a folder of dev/input.
func links(root, folder string) map[string]string {
	found := map[string]string{}
	dir := "/dev/input/" + folder
	entries, _ := os.ReadDir(filepath.Join(root, dir)) // there may be none
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(root, dir, e.Name()))
		if err == nil && strings.HasPrefix(filepath.Base(target), "event") {
			found[filepath.Base(target)] = dir + "/" + e.Name()
		}
	}
	return found
}

// Find gives what the configuration means of what is plugged in; false: nothing, or
// it cannot be told.
func (d *Driver) Find() (Node, bool) {
	file, err := d.node()
	if err != nil {
		return Node{}, false
	}
	nodes, _ := Plugged(d.root) // unreadable, nothing is known
	at := slices.IndexFunc(nodes, func(n Node) bool { return filepath.Base(n.Event) == filepath.Base(file) })
	if at < 0 {
		return Node{}, false
	}
	return nodes[at], true
}

// Means tells whether the configuration would have meant a node that was plugged
// in: whoever reads it by another way takes it from the kernel.
func (d *Driver) Means(n Node) bool {
	if d.cfg.Path == "" {
		fits, _ := path.Match(d.cfg.Match, n.Name) // checked in New
		return fits && n.Keys
	}
	return slices.Contains([]string{n.Path, n.Event, n.Socket}, filepath.Clean(d.cfg.Path))
}

// bitmap reads the kernel's text form of bits: words in hex, the highest first.
func bitmap(text string) []byte {
	var raw []byte
	words := strings.Fields(text)
	slices.Reverse(words)
	for _, word := range words {
		value, err := strconv.ParseUint(word, 16, 64)
		if err != nil {
			return nil
		}
		for range wordSize {
			raw = append(raw, byte(value))
			value >>= 8
		}
	}
	return raw
}
