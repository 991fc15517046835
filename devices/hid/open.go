package hid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/karalabe/hid"

	"usher/devices/report"
	"usher/scanner"
)

// Open makes one attempt to take the scanner for this process alone. Errors say
// what to do; they wrap fs.ErrNotExist where it is not plugged in, and
// [scanner.ErrSettling] where it was plugged in this moment.
func (d *Driver) Open(ctx context.Context) (scanner.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !d.lib.supported() {
		return nil, fmt.Errorf("%s: this usher was built without USB HID (cgo); install the packaged one, or use driver serial or evdev", d.Source())
	}
	plugged, err := d.plugged()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Source(), err)
	}
	// What tells the mode goes away with the opening.
	known := d.descriptors(plugged)
	if err := d.settling(plugged, known); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Source(), err)
	}
	info, i, err := d.choose(d.lib.enumerate(uint16(d.cfg.VendorID), uint16(d.cfg.ProductID)), known, plugged)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Source(), err)
	}
	h, err := d.lib.open(info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Source(), d.explain(plugged, err))
	}
	if !d.same(info.Path, plugged) {
		// Nothing can be done about one that does not close: it is gone.
		_ = h.Close()
		return nil, fmt.Errorf("%s: %w: another one took its place while it was opened", d.Source(), notPlugged{})
	}
	return d.device(h, i), nil
}

// same tells whether the device at a hidapi path is still the one that was found:
// the library opens by the path alone, which is no more than a place to plug in.
func (d *Driver) same(path string, before []usbDevice) bool {
	now, _ := d.plugged()
	port, _, _ := strings.Cut(path, ":")
	return slices.ContainsFunc(now, func(u usbDevice) bool {
		return filepath.Base(u.dir) == port && slices.Contains(before, u)
	})
}

// plugged lists the devices with the configured ids.
func (d *Driver) plugged() ([]usbDevice, error) {
	all, err := usbDevices(d.root)
	if err != nil {
		return nil, err
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(u usbDevice) bool {
		return ID(u.vendor) != d.cfg.VendorID || d.cfg.ProductID != 0 && ID(u.product) != d.cfg.ProductID
	})
	if len(mine) == 0 {
		return nil, fmt.Errorf("%w; is the scanner plugged in? usher devices lists what is", notPlugged{})
	}
	if d.cfg.Serial == "" {
		return mine, nil
	}
	serials := make([]string, len(mine))
	for i, u := range mine {
		serials[i] = fmt.Sprintf("%q", u.serial)
	}
	mine = slices.DeleteFunc(mine, func(u usbDevice) bool { return u.serial != d.cfg.Serial })
	if len(mine) == 0 {
		return nil, fmt.Errorf("%w; plugged in with these ids: serial %s", notPlugged{}, strings.Join(serials, ", "))
	}
	return mine, nil
}

// notPlugged is a device that is not there.
type notPlugged struct{}

func (notPlugged) Error() string        { return "no such USB device" }
func (notPlugged) Is(target error) bool { return target == fs.ErrNotExist }

// descriptors gives each interface by its hidapi path, such as 1-1:1.0.
func (d *Driver) descriptors(plugged []usbDevice) map[string]usbInterface {
	known, seen := map[string]usbInterface{}, map[string][]byte{}
	for _, u := range plugged {
		dirs, _ := filepath.Glob(u.dir + "/*:*.*") // the pattern is well-formed
		for _, dir := range dirs {
			i, ok := interfaceAt(dir)
			if !ok {
				continue
			}
			path := filepath.Base(dir)
			plugIn := u.node + " " + path
			if i.raw == nil {
				i.raw = d.seen[plugIn]
			}
			if i.raw != nil {
				seen[plugIn] = i.raw
			}
			known[path] = i
		}
	}
	// What is not plugged in any more is forgotten: its number goes to another.
	d.seen = seen
	return known
}

// choose picks the one interface that is meant.
func (d *Driver) choose(list []hid.DeviceInfo, known map[string]usbInterface, plugged []usbDevice) (hid.DeviceInfo, usbInterface, error) {
	list = slices.DeleteFunc(slices.Clone(list), func(info hid.DeviceInfo) bool {
		_, ok := known[info.Path]
		return !ok
	})
	if len(list) == 0 {
		return hid.DeviceInfo{}, usbInterface{}, d.explain(plugged, errNone)
	}
	if d.cfg.Interface >= 0 {
		list = slices.DeleteFunc(list, func(info hid.DeviceInfo) bool { return known[info.Path].number != d.cfg.Interface })
		if len(list) == 0 {
			return hid.DeviceInfo{}, usbInterface{}, fmt.Errorf("it has no HID interface %d; leave interface: out to let it be chosen", d.cfg.Interface)
		}
	}
	for _, mode := range d.modes() {
		fitting := slices.DeleteFunc(slices.Clone(list), func(info hid.DeviceInfo) bool { return known[info.Path].mode() != mode })
		switch {
		case len(fitting) == 1:
			return fitting[0], known[fitting[0].Path], nil
		case len(fitting) > 1 && mode != modeUnknown:
			return hid.DeviceInfo{}, usbInterface{}, several(fitting)
		}
	}
	// What describes itself as something else is believed where it was chosen by
	// number or mode.
	if len(list) == 1 && (d.cfg.Interface >= 0 || d.cfg.Mode != modeAuto) {
		return list[0], known[list[0].Path], nil
	}
	return hid.DeviceInfo{}, usbInterface{}, errors.New("none of its interfaces is a keyboard's or a point-of-sale scanner's; scan the maker's code for HID POS or keyboard mode, or use driver serial")
}

// modes are what to look for, in this order: a scanner that can be both is best
// read as what it is. An interface without a driver comes before a keyboard: the
// kernel has one for every keyboard, and has had the time to give it (settling), so
// that this is the one that was open here before a crash.
func (d *Driver) modes() []string {
	if d.cfg.Mode != modeAuto {
		return []string{d.cfg.Mode, modeUnknown}
	}
	return []string{modePOS, modeUnknown, modeKeyboard}
}

// several asks to tell two scanners apart: whichever came first would change
// with every start.
func several(list []hid.DeviceInfo) error {
	texts := make([]string, len(list))
	for i, info := range list {
		texts[i] = fmt.Sprintf("serial %q interface %d at %s", info.Serial, info.Interface, info.Path)
	}
	return fmt.Errorf("%d devices fit: %s; set serial: or interface: to tell them apart, or plug one out", len(list), strings.Join(texts, ", "))
}

var errNone = errors.New("libusb lists no such device; the service needs AF_NETLINK and /dev/bus/usb")

// explain finds the reason that the library does not give.
func (d *Driver) explain(plugged []usbDevice, err error) error {
	if _, statErr := os.Stat(filepath.Join(d.root, "dev/bus/usb")); statErr != nil {
		return fmt.Errorf("%w: the service sees no /dev/bus/usb; it must not run with PrivateDevices=yes", err)
	}
	for _, u := range plugged {
		denied := writable(d.root, u.node)
		if errors.Is(denied, fs.ErrNotExist) {
			return fmt.Errorf("%w any more", notPlugged{})
		}
		if denied != nil {
			return fmt.Errorf("%s: %w; "+report.Denied, u.node, denied)
		}
	}
	if errors.Is(err, errNone) {
		for _, u := range plugged {
			if !slices.ContainsFunc(u.interfaces(), func(i usbInterface) bool { return i.hid }) {
				return errors.New("the device has no HID interface in its present mode; use driver serial, or scan the maker's code for HID POS or keyboard mode")
			}
		}
		return err
	}
	return fmt.Errorf("in use by another program, or unplugged this moment: %w", err)
}

// describe tells a recording what a replay must know of the interface.
func (d *Driver) describe(i usbInterface) {
	class := "03/00/00" // class, subclass and protocol
	switch {
	case i.keyboard:
		class = "03/01/01"
	case i.mouse:
		class = "03/01/02"
	}
	d.head("Transport", fmt.Sprintf("USB HID %04x:%04x, recorded", d.cfg.VendorID, d.cfg.ProductID))
	d.head("Interface", class)
	d.head("Layout", d.cfg.Layout)
	if i.raw != nil {
		d.head("Descriptor", fmt.Sprintf("%x", i.raw))
	}
	if d.cfg.Mode != modeAuto {
		d.head("Mode", d.cfg.Mode)
	}
	if d.cfg.Suffix != report.SuffixAuto {
		d.head("Suffix", d.cfg.Suffix)
	}
}

// device prepares what reads the opened scanner.
func (d *Driver) device(h handle, i usbInterface) *device {
	dev := &device{name: d.Source(), handle: h, tap: d.tap}
	if d.tap != nil {
		d.describe(i)
	}
	desc, err := report.Parse(i.raw)
	if err != nil {
		dev.Advise("its report descriptor cannot be read, the usual layout is taken: " + err.Error())
		desc = report.Descriptor{}
	}
	mode := d.cfg.Mode
	if mode == modeAuto {
		mode = i.mode()
	}
	layout, ok := desc.POS()
	pos := &posDecoder{described: ok, layout: layout}
	if mode == modePOS {
		dev.decoder = pos
		return dev
	}
	keys, ok := desc.Keyboard()
	if !ok {
		keys = report.BootKeyboard()
	}
	keyboard := newKeyboardDecoder(keys, d.layout, report.Framer{Idle: d.cfg.Idle, Keyboard: true, Suffix: d.suffix})
	if mode != modeKeyboard {
		dev.decoder = &guessDecoder{keyboard: keyboard, pos: pos}
		return dev
	}
	dev.decoder = keyboard
	// Some scanners turn their letters around while the host's CapsLock is on.
	_, _ = h.Write([]byte{keys.ID(), 0})
	return dev
}
