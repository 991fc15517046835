package devices

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/devices/evdev"
	"usher/devices/hid"
	"usher/devices/serial"
)

// Found is one device that is plugged in and can be a scanner.
type Found struct {
	// Name is what it calls itself, Maker the maker of scanners it is of, IDs the
	// maker's and the model's number as lsusb prints them. Each may be empty.
	Name, Maker, IDs, Serial string
	// Where is how it is attached, such as "USB port 1-2".
	Where string
	// Scanner says that it looks like one; Why says what speaks for it or against.
	Scanner bool
	Why     string
	// Ways to read it, the best first. None: none in its present mode.
	Ways []Way
	// Advice is what to do beside pasting, a sentence each.
	Advice []string
	// Stanza is the line to paste under scanners in the configuration, for the
	// recommended way; empty: there is none, and the advice says what to do.
	Stanza string
}

// Way is one driver that can read a device.
type Way struct {
	Driver string
	// Path names the device to this driver, by the most lasting name.
	Path string
	// What the device is to it; Why it is recommended or not.
	What, Why   string
	Recommended bool
	// Problem says why this user may not open it and what to do; empty: it may.
	Problem string
}

// Plugged lists what is plugged in, each device once, those that look like scanners
// first, by reading the /dev and /sys under root ("/" on a device). It opens
// nothing.
func Plugged(root string) ([]Found, error) {
	bodies, err := assemble(root)
	var found []Found
	for _, b := range bodies {
		found = append(found, b.describe(root, b.twin(bodies)))
	}
	slices.SortStableFunc(found, func(a, b Found) int {
		switch {
		case a.Scanner == b.Scanner:
			return 0
		case a.Scanner:
			return -1
		}
		return 1
	})
	lane := 0
	for i := range found {
		if found[i].Stanza != "" {
			lane++
			found[i].Stanza = strings.Replace(found[i].Stanza, "NAME", fmt.Sprintf("lane-%d", lane), 1)
		}
	}
	return found, err
}

// body is all that the kernel shows of one device.
type body struct {
	where   string
	reports []hid.Node
	ports   []serial.Node
	inputs  []evdev.Node
}

// assemble puts together what belongs to one device, sorted by where it is.
func assemble(root string) ([]*body, error) {
	all := map[string]*body{}
	at := func(where, key string) *body {
		if all[where+key] == nil {
			all[where+key] = &body{where: where}
		}
		return all[where+key]
	}
	// place is a port of USB, or else what each has for itself.
	place := func(usb, where, own string) *body {
		if port, _, ok := strings.Cut(usb, ":"); ok {
			return at("USB port "+port, "")
		}
		return at(where, own)
	}
	reports, hidErr := hid.Plugged(root)
	for _, n := range reports {
		b := at("USB port "+n.Port, "")
		b.reports = append(b.reports, n)
	}
	ports, serialErr := serial.Plugged(root)
	for _, n := range ports {
		where := "built in"
		if n.VendorID != 0 {
			where = "USB"
		}
		b := place(n.USB, where, n.Path)
		b.ports = append(b.ports, n)
	}
	inputs, inputErr := evdev.Plugged(root)
	for _, n := range inputs {
		if !n.Keys {
			continue
		}
		where := "built in"
		switch n.Bus {
		case evdev.BusUSB:
			where = "USB"
		case evdev.BusBluetooth:
			where = "Bluetooth"
		}
		b := place(n.USB, where, n.Event)
		b.inputs = append(b.inputs, n)
	}
	var sorted []*body
	for _, key := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[key])
	}
	return sorted, errors.Join(hidErr, serialErr, inputErr)
}

// identity is what tells one device from another, wherever it is plugged in.
type identity struct {
	vendor, product int
	serial          string
}

// identify gives it, and what the device calls itself.
func (b *body) identify() (id identity, name string) {
	for _, n := range b.inputs {
		id, name = identity{n.VendorID, n.ProductID, ""}, n.Name
	}
	for _, n := range b.ports {
		id, name = identity{n.VendorID, n.ProductID, n.Serial}, cmp.Or(n.Label, name)
	}
	for _, n := range b.reports {
		id, name = identity{n.VendorID, n.ProductID, n.Serial}, cmp.Or(n.Label, name)
	}
	return id, name
}

// twin tells whether another one on USB is the same to everybody who does not look
// where it is plugged in.
func (b *body) twin(all []*body) bool {
	id, _ := b.identify()
	return id.vendor != 0 && strings.HasPrefix(b.where, "USB") && slices.ContainsFunc(all, func(o *body) bool {
		other, _ := o.identify()
		return o != b && strings.HasPrefix(o.where, "USB") && other == id
	})
}

// describe says what there is to say of a device.
func (b *body) describe(root string, twin bool) Found {
	id, name := b.identify()
	f := Found{Name: name, Maker: hid.Maker(id.vendor), Serial: id.serial, Where: b.where}
	if id.vendor != 0 {
		f.IDs = fmt.Sprintf("%04x:%04x", id.vendor, id.product)
	}
	ways := waysOfHID(b.reports, f, twin)
	for _, n := range b.ports {
		ways = append(ways, wayOfSerial(root, n, f, twin))
	}
	for _, n := range b.inputs {
		ways = append(ways, wayOfInput(root, n, f, twin))
	}
	slices.SortStableFunc(ways, func(a, b way) int { return cmp.Compare(a.rank, b.rank) })
	f.Scanner, f.Why = looks(f, ways)
	if len(ways) == 0 {
		f.Advice = append(f.Advice, "it is in a mode that no general program reads, such as IBM/OEM or SNAPI: scan its maker's code for HID POS, USB serial (COM, CDC) or keyboard mode, and run this again")
		return f
	}
	if best := &ways[0]; best.rank != unfit {
		best.Recommended = true
		f.Stanza = "- { name: NAME, driver: " + best.Driver + ", " + best.keys + " }"
		f.Advice = best.advice
	} else {
		f.Advice = append(f.Advice, "another one with the same ids and no serial number of its own is plugged in, and nothing tells them apart: set both to USB serial (COM, CDC), whose port is known by its socket, or plug one out")
	}
	for _, w := range ways {
		f.Ways = append(f.Ways, w.Way)
	}
	return f
}

// looks tells whether a device looks like a scanner, and why.
func looks(f Found, ways []way) (scanner bool, why string) {
	name := strings.ToLower(f.Name)
	says := strings.Contains(name, "scanner") || strings.Contains(name, "barcode") || strings.Contains(name, "bar code")
	switch {
	case len(ways) > 0 && ways[0].rank == reportsCodes:
		return true, "it reports codes as a point-of-sale scanner"
	case f.Maker != "":
		return true, "it is of " + f.Maker + ", a maker of scanners"
	case says:
		return true, "it calls itself one"
	case len(ways) > 0 && ways[0].Driver == "serial":
		return false, "a serial port; a scanner may be behind it"
	case len(ways) > 0 && ways[0].rank == undescribed:
		return false, "a program has it open, or a crashed one had; it may be a point-of-sale scanner"
	case f.Where == "built in":
		return false, "a built-in keyboard, or a built-in scan engine"
	}
	return false, "a keyboard; use it only if it is a scanner, it types nowhere else then"
}
