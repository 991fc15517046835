// Package evdev reads barcode scanners that the kernel shows as input devices:
// engines built into the handheld, Bluetooth scanners, and any keyboard scanner.
//
// The device is grabbed (EVIOCGRAB), so that a ticket types nothing into a
// console or a desktop, and the kernel lets it go by itself when the daemon dies.
// No library is used: those there are cannot be interrupted while they read, or
// need cgo.
//
// The kernel's queue holds little more than ten characters. Where it overflowed
// it says so (SYN_DROPPED), and the code in hand becomes unreadable: a part of a
// code may be another ticket's.
//
// # Settings of the scanners
//
// Keyboard mode, the country of the configured layout, a suffix of Enter or Tab, and
// suffix: enter, so that a code is waited for that the radio holds up; or suffix:
// none. With auto, which learns it, this holds from the second code on (see package
// hid). Not the
// mode that types characters as Alt and a number: the kernel's input core drops
// a digit that one report names twice. Numbers that lost one become unreadable
// where that can be told; driver hid reads them all.
package evdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix" // open flags and ioctls of the input layer

	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

// Config is what a scanner's block says to this driver.
type Config struct {
	// Path is the device node, best a link of /dev/input/by-id or by-path.
	Path string `mapstructure:"path"`
	// Match chooses by the device's own name instead, with * for any text; for
	// Bluetooth scanners, which have no link.
	Match string `mapstructure:"match"`
	// Layout is the country that the scanner's keyboard is set to.
	Layout string `mapstructure:"layout"`
	// Idle is the silence that ends a code without terminator, 20 ms to 2 s.
	Idle time.Duration `mapstructure:"idle"`
	// Suffix tells whether the scanner ends its codes by Enter or Tab: enter, none, or
	// auto, which learns it. Where it does, a code that is held up is waited for.
	Suffix string `mapstructure:"suffix"`
}

// Defaults is the configuration that a scanner's block starts from.
func Defaults() Config {
	return Config{Layout: "us", Idle: 150 * time.Millisecond, Suffix: report.SuffixAuto}
}

// Driver opens one configured scanner.
type Driver struct {
	cfg    Config
	layout *keymap.Layout
	// suffix is what is known of the scanner's terminator, however often it is
	// plugged in or paired again.
	suffix *report.Suffix
	// root is where sys and dev are: "/" on a device.
	root string
	// was is what the numbered node was when it was first grabbed; empty: not yet.
	was string
	// head and tap take a recording; nil: none is made.
	head func(key, value string)
	tap  func(raw []byte)
}

// New checks the configuration. Its error joins every fault, each beginning
// with the key and a colon.
func New(cfg Config) (*Driver, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case cfg.Path == "" && cfg.Match == "":
		fault("path: missing; usher devices lists what is plugged in")
	case cfg.Path != "" && cfg.Match != "":
		fault("match: given beside path; one of them chooses the device")
	case cfg.Path != "" && !filepath.IsAbs(cfg.Path):
		fault("path: %q is not an absolute path such as /dev/input/by-id/usb-...-event-kbd", cfg.Path)
	}
	if _, err := path.Match(cfg.Match, ""); err != nil {
		fault("match: %q is no pattern; write * for any text", cfg.Match)
	}
	layout, err := keymap.ByName(cfg.Layout)
	if err != nil {
		fault("layout: %w", err)
	}
	faults = append(faults, report.CheckIdle(cfg.Idle), report.CheckSuffix(cfg.Suffix))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Driver{cfg: cfg, layout: layout, suffix: report.NewSuffix(cfg.Suffix), root: "/"}, nil
}

// Record has every read handed on, as events without their times (type and
// code of two bytes, value of four, little-endian), and before that what the
// head of a recording must tell to be replayed. It is for recordings of devices alone;
// read is called by the goroutine that reads and must neither wait nor keep the bytes.
func (d *Driver) Record(head func(key, value string), read func(raw []byte)) {
	d.head, d.tap = head, read
}

// Source is the configured device: two scanners must not share one.
func (d *Driver) Source() string {
	if d.cfg.Path != "" {
		return d.cfg.Path
	}
	return "match " + d.cfg.Match
}

// Open makes one attempt to take the device for this process alone. Errors say
// what to do; they wrap the errno of what failed (ENOENT: not plugged in).
func (d *Driver) Open(ctx context.Context) (scanner.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	node, err := d.node()
	var name string
	if err == nil {
		name, err = d.numbered()
	}
	if err != nil {
		return nil, d.explain(err)
	}
	dev, err := d.grab(node)
	if err != nil {
		return nil, d.explain(err)
	}
	// Only now: what could not be taken may have been another device.
	if d.was == "" {
		d.was = name
	}
	return dev, nil
}

// node is the device's file at present: links move when it is plugged in again.
func (d *Driver) node() (string, error) {
	if d.cfg.Path != "" {
		return filepath.EvalSymlinks(filepath.Join(d.root, d.cfg.Path))
	}
	nodes, err := Plugged(d.root)
	if err != nil {
		return "", err
	}
	nodes = slices.DeleteFunc(nodes, func(n Node) bool {
		fits, _ := path.Match(d.cfg.Match, n.Name) // checked in New
		return !fits || !n.Keys
	})
	switch len(nodes) {
	case 0:
		return "", &fs.PathError{Op: "match", Path: d.cfg.Match, Err: unix.ENOENT}
	case 1:
		return filepath.Join(d.root, nodes[0].Event), nil
	}
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = fmt.Sprintf("%s (%s)", n.Path, n.Name)
	}
	return "", fmt.Errorf("%d devices fit: %s; set path: to one of them", len(nodes), strings.Join(texts, ", "))
}

// numbered refuses a path like /dev/input/event3 that has become another device:
// numbers are given anew with every plugging in, and the next one may be somebody's
// keyboard. Links stay with their device or with its socket. The name is the
// device's at present; empty: not known, or it does not matter.
func (d *Driver) numbered() (name string, err error) {
	if !strings.HasPrefix(d.cfg.Path, "/dev/input/event") {
		return "", nil
	}
	nodes, _ := Plugged(d.root) // unreadable, nothing is known
	at := slices.IndexFunc(nodes, func(n Node) bool { return n.Event == d.cfg.Path })
	if at < 0 {
		return "", nil
	}
	is := nodes[at].Name
	if d.was != "" && is != d.was {
		return "", fmt.Errorf("is another device now, %q and not %q; set path: to its link in /dev/input/by-id, or match: to its name", is, d.was)
	}
	return is, nil
}

// grab opens the node and shuts everybody else out.
func (d *Driver) grab(node string) (*device, error) {
	// Writing is for the CapsLock light, and not needed.
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		fd, err = unix.Open(node, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: node, Err: err}
	}
	file := os.NewFile(uintptr(fd), node) // non-blocking: deadlines work
	if err := prepare(fd); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	dev, err := d.device(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	dev.queues = true
	return dev, nil
}

// device prepares what reads the opened node.
func (d *Driver) device(file *os.File) (*device, error) {
	dev, err := newDevice(d.Source(), file, d.layout, report.Framer{Idle: d.cfg.Idle, Keyboard: true, Suffix: d.suffix})
	if err != nil {
		return nil, err
	}
	if dev.tap = d.tap; dev.tap != nil {
		d.head("Transport", "evdev, recorded")
		d.head("Layout", d.cfg.Layout)
		if d.cfg.Suffix != report.SuffixAuto {
			d.head("Suffix", d.cfg.Suffix)
		}
	}
	return dev, nil
}

// errNoKeyboard is returned for a node that types nothing.
var errNoKeyboard = errors.New("not a keyboard: it has no letters and digits")

func prepare(fd int) error {
	can, err := typing(fd)
	if err != nil {
		return err
	}
	if !can {
		return errNoKeyboard
	}
	if err := ioctl(fd, eviocGrab, 1); err != nil {
		return err
	}
	// Some scanners turn their letters around while the host's CapsLock is on.
	darken(fd)
	return nil
}

// explain puts what failed into words that tell what to do. The errno stays
// wrapped.
func (d *Driver) explain(err error) error {
	source := d.Source()
	if errors.Is(err, errNoKeyboard) {
		return fmt.Errorf("%s: %w; usher devices lists what is plugged in", source, errNoKeyboard)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", source, err)
	}
	switch errno {
	case unix.ENOENT, unix.ENXIO, unix.ENODEV:
		return fmt.Errorf("%s: %w; is the scanner plugged in, or paired and awake?", source, errno)
	case unix.EACCES, unix.EPERM:
		if node, ok := errors.AsType[*fs.PathError](err); ok && d.cfg.Path == "" {
			source += ": " + node.Path
		}
		return fmt.Errorf("%s: %w; "+report.Denied, source, errno)
	case unix.EBUSY:
		return fmt.Errorf("%s: grabbed by another program; see: fuser -v %s: %w", source, source, errno)
	case unix.ENOTTY, unix.EINVAL:
		return fmt.Errorf("%s: not an input device; usher devices lists what is plugged in: %w", source, errno)
	}
	return fmt.Errorf("%s: %w", source, errno)
}
