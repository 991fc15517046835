package evdev

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"usher/devices/report"
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
	// Bus is how it is attached, of linux/input.h: 3 USB, 5 Bluetooth, 0x11 AT.
	Bus int
	// VendorID and ProductID are the bus's own ids of the maker and the model.
	VendorID, ProductID int
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
	links := links(root)
	var nodes []Node
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "event") {
			continue
		}
		dir := filepath.Join(base, e.Name(), "device")
		n := Node{Event: "/dev/input/" + e.Name(), Name: report.Attribute(dir, "name"), Phys: report.Attribute(dir, "phys")}
		if n.Path = links[e.Name()]; n.Path == "" {
			n.Path = n.Event
		}
		n.Keys = types(bitmap(report.Attribute(dir, "capabilities/key")))
		bus, _ := strconv.ParseInt(report.Attribute(dir, "id/bustype"), 16, 32)
		n.Bus = int(bus)
		vendor, _ := strconv.ParseInt(report.Attribute(dir, "id/vendor"), 16, 32)
		n.VendorID = int(vendor)
		product, _ := strconv.ParseInt(report.Attribute(dir, "id/product"), 16, 32)
		n.ProductID = int(product)
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	return nodes, err
}

// links finds the lasting name of each event node: by-id, else by-path.
func links(root string) map[string]string {
	found := map[string]string{}
	for _, dir := range []string{"/dev/input/by-path", "/dev/input/by-id"} {
		entries, _ := os.ReadDir(filepath.Join(root, dir)) // there may be none
		for _, e := range entries {
			target, err := os.Readlink(filepath.Join(root, dir, e.Name()))
			if err == nil && strings.HasPrefix(filepath.Base(target), "event") {
				found[filepath.Base(target)] = dir + "/" + e.Name()
			}
		}
	}
	return found
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
