package hid

import (
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

// usbDevice is a device on USB as the kernel shows it.
type usbDevice struct {
	// dir is its folder under sys/bus/usb/devices.
	dir             string
	vendor, product int
	serial, label   string
	// node is its file under /dev/bus/usb.
	node string
}

// usbDevices lists the devices on USB under root. A kernel without USB has none.
func usbDevices(root string) ([]usbDevice, error) {
	base := filepath.Join(root, "sys/bus/usb/devices")
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []usbDevice
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		vendor, err := strconv.ParseUint(report.Attribute(dir, "idVendor"), 16, 16)
		if err != nil {
			continue // an interface, not a device
		}
		product, err := strconv.ParseUint(report.Attribute(dir, "idProduct"), 16, 16)
		if err != nil {
			continue
		}
		bus, _ := strconv.Atoi(report.Attribute(dir, "busnum"))
		num, _ := strconv.Atoi(report.Attribute(dir, "devnum"))
		found = append(found, usbDevice{
			dir: dir, vendor: int(vendor), product: int(product), serial: report.Attribute(dir, "serial"),
			label: strings.TrimSpace(report.Attribute(dir, "manufacturer") + " " + report.Attribute(dir, "product")),
			node:  fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, num),
		})
	}
	return found, err
}

// usbInterface is one interface of a device.
type usbInterface struct {
	number int
	// hid: its class is HID. keyboard, mouse: of the boot protocol.
	hid, keyboard, mouse bool
	// raw is its report descriptor, nil where no driver holds the interface.
	raw []byte
}

func (d usbDevice) interfaces() []usbInterface {
	var all []usbInterface
	dirs, _ := filepath.Glob(d.dir + "/*:*.*") // the pattern is well-formed
	for _, dir := range slices.Sorted(slices.Values(dirs)) {
		if i, ok := interfaceAt(dir); ok {
			all = append(all, i)
		}
	}
	return all
}

func interfaceAt(dir string) (usbInterface, bool) {
	number, err := strconv.ParseUint(report.Attribute(dir, "bInterfaceNumber"), 16, 8)
	if err != nil {
		return usbInterface{}, false
	}
	const classHID, subBoot, keyboard, mouse = "03", "01", "01", "02"
	i := usbInterface{number: int(number), hid: report.Attribute(dir, "bInterfaceClass") == classHID}
	boot := i.hid && report.Attribute(dir, "bInterfaceSubClass") == subBoot
	i.keyboard = boot && report.Attribute(dir, "bInterfaceProtocol") == keyboard
	i.mouse = boot && report.Attribute(dir, "bInterfaceProtocol") == mouse
	files, _ := filepath.Glob(dir + "/*:*:*.*/report_descriptor") // the pattern is well-formed
	for _, file := range files {
		// It is empty until the kernel has read it.
		if raw, err := os.ReadFile(file); err == nil && len(raw) > 0 {
			i.raw = raw
		}
	}
	return i, true
}

// mode tells what an interface is for, by its descriptor and else by its class;
// modeAuto: it is no scanner's.
func (i usbInterface) mode() string {
	if !i.hid || i.mouse {
		return modeAuto
	}
	d, err := report.Parse(i.raw)
	if err != nil || len(d.Fields) == 0 {
		switch {
		case i.keyboard:
			return modeKeyboard
		case i.raw == nil:
			return modeUnknown
		}
		return modeAuto
	}
	if _, ok := d.POS(); ok {
		return modePOS
	}
	if _, ok := d.Keyboard(); ok {
		return modeKeyboard
	}
	return modeAuto
}

// writable tells whether this process may open a device's node; nil: it may.
func writable(root, node string) error {
	return unix.Access(filepath.Join(root, node), unix.R_OK|unix.W_OK)
}
