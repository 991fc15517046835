// Package hid reads barcode scanners on USB as HID devices, through
// github.com/karalabe/hid: those that play a keyboard, and those of the
// point-of-sale class (usage page 0x8C), which is the best mode a scanner has.
//
// The library (hidapi over libusb) reads reports; what it lacks is wrapped here:
//
//   - Closing a device while it is read frees memory in use. One goroutine owns the
//     handle: it reads with a time-out, and it alone closes.
//   - Its queue keeps 30 reports and then drops the oldest without a sign, which
//     is the head of a ticket's code. The owner does nothing but read and decode;
//     codes wait in a queue of their own.
//   - It finds nothing, and says no more than that, where USB cannot be reached at
//     all. The kernel's sysfs is asked what is plugged in and why it cannot be
//     opened.
//   - It does not tell usage pages on Linux. The report descriptor of sysfs does,
//     read before opening, which takes the device away from the kernel's driver and
//     the descriptor with it.
//   - Built without cgo it has no devices and no errors. Open says so.
//   - Any failing read means that the device is gone: it has no reasons to give.
//
// While a scanner is open here the kernel's own driver has let it go, so that a
// ticket types nothing into a console. After a crash the interface stays without
// a driver, and without a descriptor, until it is plugged in again; it can be
// opened here all the same, and its first report tells what it is. An interface that
// was plugged in this moment looks the same: it is waited for, up to a second.
//
// # Settings of the scanners
//
// Scan the maker's code for the mode, then a suffix of CR or Enter:
//
//	family                        mode to choose                          driver       suffix
//	Honeywell Xenon, Voyager,     USB HID bar code scanner (HID POS)      hid          not needed
//	  Granit, Genesis             or USB serial (CDC-ACM)                 serial       auto
//	Zebra, Symbol DS and LI       USB CDC host or simple COM emulation    serial       auto
//	                              or HID keyboard emulation               hid          auto
//	Datalogic Gryphon, QuickScan  USB-COM, or USB keyboard                serial, hid  auto
//	Newland HR, NLS               USB HID POS, or USB CDC                 hid, serial  auto
//	Access-IS LSR, ATR            USB HID, or USB CDC                     hid, serial  auto
//	Intermec, CipherLab, Mindeo   USB virtual COM, or USB keyboard        serial, hid  auto
//	built-in engines, Bluetooth   keyboard                                evdev        enter
//	any that can have no suffix   keyboard                                any          none
//
// The key suffix tells whether the scanner ends its codes. With auto that is learnt
// from the first code that it did end, unlearnt from two in a row that came without,
// and kept while usher runs, however often the scanner is plugged in. A code that is
// held up on the way from such a scanner is waited for, 2 s from one character to the
// next, and unreadable after that, as is what may be the rest of it: half a code may
// be another ticket's. With enter this holds from the first code on. With none, and
// before anything is learnt, a silence of idle ends a code, be it in its middle.
//
// IBM/OEM (SurePOS), SNAPI and SSI over USB are modes that no general program
// reads: choose another. In keyboard mode set the scanner's country to the layout
// configured here, best to United States on both sides.
//
// # Assumptions
//
// A point-of-sale scanner whose descriptor cannot be read sends one of the two
// layouts known (see report.FallbackPOS). A keyboard whose descriptor cannot be
// read uses the boot protocol.
package hid

import (
	"errors"
	"fmt"
	"time"

	"usher/devices/keymap"
	"usher/devices/report"
)

// The modes of Config.Mode.
const (
	modeAuto     = ""
	modeKeyboard = "keyboard"
	modePOS      = "pos"
	// modeUnknown, which nobody configures, is of an interface that is not
	// described: no driver of the kernel holds it.
	modeUnknown = "unknown"
)

// ID is a USB id. In a configuration it may also be a text, as lsusb prints it:
// hexadecimal, with or without 0x.
type ID int

// Config is what a scanner's block says to this driver.
type Config struct {
	// VendorID and ProductID are the USB ids; ProductID 0 takes any product.
	VendorID  ID `mapstructure:"vendor_id"`
	ProductID ID `mapstructure:"product_id"`
	// Serial is the device's serial number, to tell two of a kind; empty: any.
	Serial string `mapstructure:"serial"`
	// Interface is the USB interface number of a composite device; -1: the one
	// that looks like a scanner.
	Interface int `mapstructure:"interface"`
	// Mode is keyboard or pos; empty: as the device describes itself.
	Mode string `mapstructure:"mode"`
	// Layout is the country that the scanner's keyboard is set to.
	Layout string `mapstructure:"layout"`
	// Idle is the silence that ends a code which a keyboard scanner sends without
	// a terminator, 20 ms to 2 s.
	Idle time.Duration `mapstructure:"idle"`
	// Suffix tells whether a keyboard scanner ends its codes by Enter or Tab: enter,
	// none, or auto, which learns it. Where it does, a code that is held up is waited
	// for.
	Suffix string `mapstructure:"suffix"`
}

// Defaults is the configuration that a scanner's block starts from.
func Defaults() Config {
	return Config{Interface: -1, Layout: "us", Idle: 150 * time.Millisecond, Suffix: report.SuffixAuto}
}

// Driver opens one configured scanner.
type Driver struct {
	cfg    Config
	layout *keymap.Layout
	// suffix is what is known of the scanner's terminator, however often it is
	// plugged in again.
	suffix *report.Suffix
	lib    library
	// root is where sys and dev are: "/" on a device.
	root string
	// seen is the report descriptor last read of each plug-in and interface: one
	// that did not get its driver back shows none.
	seen map[string][]byte
	// blank is since when an interface of a plug-in has had no description.
	blank map[string]time.Time
	// head and tap take a recording; nil: none is made.
	head func(key, value string)
	tap  func(raw []byte)
}

// New checks the configuration. Its error joins every fault, each beginning
// with the key and a colon.
func New(cfg Config) (*Driver, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if cfg.VendorID == 0 {
		fault("vendor_id: missing; usher devices lists what is plugged in")
	}
	if !isID(cfg.VendorID) {
		fault("vendor_id: %#x is no USB id, which are 0x0001 to 0xffff", cfg.VendorID)
	}
	if !isID(cfg.ProductID) {
		fault("product_id: %#x is no USB id, which are 0x0001 to 0xffff", cfg.ProductID)
	}
	if cfg.Interface < -1 || cfg.Interface > 255 {
		fault("interface: %d is not between 0 and 255; -1 chooses by itself", cfg.Interface)
	}
	switch cfg.Mode {
	case modeAuto, modeKeyboard, modePOS:
	default:
		fault("mode: %q is neither keyboard nor pos; leave it out to let the scanner say", cfg.Mode)
	}
	layout, err := keymap.ByName(cfg.Layout)
	if err != nil {
		fault("layout: %w", err)
	}
	faults = append(faults, report.CheckIdle(cfg.Idle), report.CheckSuffix(cfg.Suffix))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Driver{
		cfg: cfg, layout: layout, suffix: report.NewSuffix(cfg.Suffix), lib: karalabe{}, root: "/",
		seen: map[string][]byte{}, blank: map[string]time.Time{},
	}, nil
}

func isID(id ID) bool { return id >= 0 && id <= 0xffff }

// Record has every read handed on, as the scanner sent it, and before that what the
// head of a recording must tell to be replayed. It is for recordings of devices alone;
// read is called by the goroutine that reads and must neither wait nor keep the bytes.
func (d *Driver) Record(head func(key, value string), read func(raw []byte)) {
	d.head, d.tap = head, read
}

// Source is the configured device: two scanners must not share one.
func (d *Driver) Source() string {
	text := fmt.Sprintf("%04x:%04x", d.cfg.VendorID, d.cfg.ProductID)
	if d.cfg.Serial != "" {
		text += " serial " + d.cfg.Serial
	}
	if d.cfg.Interface >= 0 {
		text += fmt.Sprintf(" interface %d", d.cfg.Interface)
	}
	return text
}
