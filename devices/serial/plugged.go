package serial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix" // access(2)

	"usher/devices/report"
)

// Node is a serial port with a device behind it.
type Node struct {
	// Path is the port's most lasting name, under /dev/serial/by-id where udev
	// gave it one.
	Path string
	// Label is manufacturer and product as the USB device states them, or empty.
	Label string
	// VendorID is the USB device's; zero: it is none.
	VendorID int
}

// Access tells why this process may not open a node; nil: it may.
func Access(node string) error { return unix.Access(node, unix.R_OK|unix.W_OK) }

// Plugged lists the serial ports under root ("/" on a device), those with
// lasting names first. It opens none: opening can make a modem dial.
func Plugged(root string) ([]Node, error) {
	var nodes []Node
	var faults []error
	named := map[string]bool{}

	byID := filepath.Join(root, "dev/serial/by-id")
	links, err := names(byID)
	faults = append(faults, err)
	for _, link := range links {
		target, err := os.Readlink(filepath.Join(byID, link))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		tty := filepath.Base(target)
		named[tty] = true
		nodes = append(nodes, node("/dev/serial/by-id/"+link, root, tty))
	}

	ttys, err := names(filepath.Join(root, "sys/class/tty"))
	faults = append(faults, err)
	for _, tty := range ttys {
		if !named[tty] && hasDevice(root, tty) {
			nodes = append(nodes, node("/dev/"+tty, root, tty))
		}
	}
	return nodes, errors.Join(faults...)
}

// names lists a folder, sorted; a folder that is not there is empty.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	slices.Sort(all)
	return all, err
}

// hasDevice leaves out consoles and ptys, which have no device, and the legacy
// ports ttyS0 to ttyS31 that the kernel lists without any chip behind them (their
// type is 0, PORT_UNKNOWN).
func hasDevice(root, tty string) bool {
	class := filepath.Join(root, "sys/class/tty", tty)
	if _, err := os.Stat(filepath.Join(class, "device")); err != nil {
		return false
	}
	kind, err := os.ReadFile(filepath.Join(class, "type"))
	return err != nil || strings.TrimSpace(string(kind)) != "0"
}

// node describes a port by its USB device, which is some levels above the tty:
// interface, and for adapters a port of its own.
func node(path, root, tty string) Node {
	n := Node{Path: path}
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/class/tty", tty, "device"))
	if err != nil {
		return n
	}
	const levels = 4
	for range levels {
		vendor, product := report.Attribute(dir, "idVendor"), report.Attribute(dir, "product")
		if vendor != "" || product != "" {
			id, _ := strconv.ParseUint(vendor, 16, 16) // the kernel's own
			n.VendorID = int(id)
			n.Label = strings.TrimSpace(report.Attribute(dir, "manufacturer") + " " + product)
			return n
		}
		dir = filepath.Dir(dir)
	}
	return n
}
