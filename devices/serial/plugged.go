package serial

import (
	"cmp"
	"errors"
	"fmt"
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
	// Path is the port's most lasting name: under /dev/serial/by-id where udev gave
	// it one, else under by-path.
	Path string
	// Label is manufacturer and product as the USB device states them, or empty.
	Label string
	// VendorID, ProductID and Serial are the USB device's; zero: it is none.
	VendorID, ProductID int
	Serial              string
	// USB is its interface, such as 1-2:1.0; empty: it is not on USB.
	USB string
	// Socket is the link that stays with the place where it is plugged in; empty:
	// udev gave none.
	Socket string
}

// Access tells why this process may not open a node; nil: it may.
func Access(node string) error { return unix.Access(node, unix.R_OK|unix.W_OK) }

// Plugged lists the serial ports under root ("/" on a device), those with
// lasting names first. It opens none: opening can make a modem dial.
func Plugged(root string) ([]Node, error) {
	var nodes []Node
	var faults []error
	named := map[string]bool{}

	sockets, err := links(root, "/dev/serial/by-path")
	faults = append(faults, err)
	byPath := map[string]string{}
	for _, l := range sockets {
		byPath[l.tty] = l.name
	}
	ids, err := links(root, "/dev/serial/by-id")
	faults = append(faults, err)
	for _, l := range ids {
		named[l.tty] = true
		nodes = append(nodes, node(l.name, byPath[l.tty], root, l.tty))
	}

	ttys, err := names(filepath.Join(root, "sys/class/tty"))
	faults = append(faults, err)
	for _, tty := range ttys {
		if !named[tty] && hasDevice(root, tty) {
			nodes = append(nodes, node(cmp.Or(byPath[tty], "/dev/"+tty), byPath[tty], root, tty))
		}
	}
	return nodes, errors.Join(faults...)
}

// numbered refuses a port like /dev/ttyACM0 that has become another device: numbers
// are given anew with every plugging in, and the next one may be a modem. Links stay
// with their device or with its socket. What it gives names the device behind the
// port; empty: not known, or it does not matter.
func (d *Driver) numbered() (behind string, err error) {
	tty, ok := strings.CutPrefix(filepath.Clean(d.cfg.Port), "/dev/tty")
	if !ok || !strings.HasPrefix(tty, "ACM") && !strings.HasPrefix(tty, "USB") {
		return "", nil
	}
	is := node("", "", d.root, "tty"+tty)
	if is.VendorID == 0 {
		return "", nil
	}
	behind = fmt.Sprintf("%04x:%04x", is.VendorID, is.ProductID)
	if is.Serial != "" {
		behind += " serial " + is.Serial
	}
	if d.was != "" && behind != d.was {
		return "", fmt.Errorf("is another device now, %s and not %s; set port: to its link in /dev/serial/by-id, which usher devices lists", behind, d.was)
	}
	return behind, nil
}

// link is a name that udev gave a port.
type link struct{ name, tty string }

// links lists a folder of them, sorted.
func links(root, dir string) ([]link, error) {
	all, err := names(filepath.Join(root, dir))
	faults := []error{err}
	var found []link
	for _, name := range all {
		target, err := os.Readlink(filepath.Join(root, dir, name))
		faults = append(faults, err)
		if err == nil {
			found = append(found, link{dir + "/" + name, filepath.Base(target)})
		}
	}
	return found, errors.Join(faults...)
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
func node(path, socket, root, tty string) Node {
	n := Node{Path: path, Socket: socket}
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/class/tty", tty, "device"))
	if err != nil {
		return n
	}
	n.USB = report.USBInterface(dir)
	const levels = 4
	for range levels {
		vendor, product := report.Attribute(dir, "idVendor"), report.Attribute(dir, "product")
		if vendor != "" || product != "" {
			id, _ := strconv.ParseUint(vendor, 16, 16) // the kernel's own
			n.VendorID = int(id)
			id, _ = strconv.ParseUint(report.Attribute(dir, "idProduct"), 16, 16)
			n.ProductID = int(id)
			n.Serial = report.Attribute(dir, "serial")
			n.Label = strings.TrimSpace(report.Attribute(dir, "manufacturer") + " " + product)
			return n
		}
		dir = filepath.Dir(dir)
	}
	return n
}
