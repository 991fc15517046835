package hid

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/karalabe/hid"
)

// bus is USB as the kernel and the library show it: a folder like sysfs, and
// devices that send what a test lets them. It is the driver's library.
type bus struct {
	t    *testing.T
	root string
	// without: built without cgo. deaf: the library finds nothing.
	without, deaf bool
	// swap, if set, runs just before an opening.
	swap func()

	mu      sync.Mutex
	plugged map[string]usb
	taken   map[string]bool
	opened  []*fakeHandle
}

// usb is one device; its interfaces are numbered in order.
type usb struct {
	port            string // such as 1-1
	vendor, product int
	serial          string
	num             int // its number on the bus
	interfaces      []face
}

type face struct {
	class      string // class, subclass and protocol
	descriptor string
}

const (
	bootClass  = "03/01/01"
	mouseClass = "03/01/02"
	plainClass = "03/00/00"
	cdcClass   = "02/02/01"

	// bootKeyboard is the descriptor of HID 1.11, appendix B.1.
	bootKeyboard = "05010906a101050719e029e715002501750195088102950175088101950575010508190129059102950175039101950675081500256505071900296581 00c0"
	// numberedKeyboard has a report ID and a consumer control beside it.
	numberedKeyboard = "05010906a1018503050719e029e7150025017501950881029506750815002565190029658100c0" +
		"050c0901a10185041900 2a3c021500263c02950175108100c0"
	// pos64 is the layout that Honeywell and Access-IS describe.
	pos64 = "058c0902a1010912a10285021500 26ff0075089501 0501093b8102 058c09fb09fc09fd95038102 09fe9538820201 95028101 09ff750195018102 75078101c0c0"
	// pos62 has its continued bit behind the data.
	pos62 = "058c0902a1010912a10285021500 26ff0075089501 0501093b8102 058c09fb09fc09fd95038102 09fe9538820201 09ff750195018102 75078101c0c0"
	// vendorPage is what a maker keeps to itself.
	vendorPage = "0600ff0901a101150026ff00750895400902 8102c0"
)

func newBus(t *testing.T) *bus {
	t.Helper()
	b := &bus{t: t, root: t.TempDir(), plugged: map[string]usb{}, taken: map[string]bool{}}
	b.mkdir("sys/bus/usb/devices")
	b.mkdir("dev/bus/usb/001")
	return b
}

func (b *bus) mkdir(path string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Join(b.root, path), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bus) write(path string, data []byte) {
	b.t.Helper()
	b.mkdir(filepath.Dir(path))
	if err := os.WriteFile(filepath.Join(b.root, path), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bus) remove(path string) {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.root, path)); err != nil {
		b.t.Fatal(err)
	}
}

func (d usb) node() string { return fmt.Sprintf("dev/bus/usb/001/%03d", d.num) }

func (d usb) path(number int) string { return fmt.Sprintf("%s:1.%d", d.port, number) }

func (d usb) dir() string { return "sys/bus/usb/devices/" + d.port }

// driver is the folder of the kernel's driver for an interface.
func (d usb) driver(number int) string {
	return fmt.Sprintf("%s/%s/0003:%04X:%04X.%04X", d.dir(), d.path(number), d.vendor, d.product, number+1)
}

func (b *bus) plug(devices ...usb) {
	b.t.Helper()
	for _, d := range devices {
		for name, text := range map[string]string{
			"idVendor": fmt.Sprintf("%04x", d.vendor), "idProduct": fmt.Sprintf("%04x", d.product), "serial": d.serial,
			"busnum": "1", "devnum": fmt.Sprint(d.num), "manufacturer": "Maker", "product": "Scanner\x1b[31m",
			"bNumInterfaces": fmt.Sprintf("%2d", len(d.interfaces)),
		} {
			if text != "" {
				b.write(d.dir()+"/"+name, []byte(text+"\n"))
			}
		}
		for n := range d.interfaces {
			b.show(d, n)
			b.bind(d, n)
		}
		b.write(d.node(), nil)
		b.mu.Lock()
		b.plugged[d.port] = d
		b.mu.Unlock()
	}
}

// show makes an interface come into view, without a driver.
func (b *bus) show(d usb, number int) {
	b.t.Helper()
	dir := d.dir() + "/" + d.path(number)
	class := strings.Split(d.interfaces[number].class, "/")
	for at, name := range []string{"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"} {
		b.write(dir+"/"+name, []byte(class[at]+"\n"))
	}
	b.write(dir+"/bInterfaceNumber", fmt.Appendf(nil, "%02x\n", number))
}

// bind gives an interface to the kernel's driver, which shows its descriptor.
func (b *bus) bind(d usb, number int) {
	b.t.Helper()
	if raw := unhex(b.t, d.interfaces[number].descriptor); raw != nil {
		b.write(d.driver(number)+"/report_descriptor", raw)
	}
}

// unplug takes a device away: whoever reads it learns so.
func (b *bus) unplug(d usb) {
	b.t.Helper()
	b.remove(d.dir())
	b.remove(d.node())
	b.mu.Lock()
	delete(b.plugged, d.port)
	opened := slices.Clone(b.opened)
	b.mu.Unlock()
	for _, h := range opened {
		if h.port == d.port {
			h.end()
		}
	}
}

func (b *bus) driverOf(cfg Config) *Driver {
	b.t.Helper()
	d, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	d.lib, d.root = b, b.root
	return d
}

func (b *bus) supported() bool { return !b.without }

func (b *bus) enumerate(vendor, product uint16) []hid.DeviceInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.without || b.deaf {
		return nil
	}
	var list []hid.DeviceInfo
	for _, d := range b.plugged {
		for n, i := range d.interfaces {
			if d.vendor == int(vendor) && (product == 0 || d.product == int(product)) && strings.HasPrefix(i.class, "03") {
				list = append(list, hid.DeviceInfo{
					Path: d.path(n), VendorID: vendor, ProductID: uint16(d.product), Serial: d.serial, Interface: n,
				})
			}
		}
	}
	return list
}

func (b *bus) open(info hid.DeviceInfo) (handle, error) {
	if b.swap != nil {
		b.swap()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	port, _, _ := strings.Cut(info.Path, ":")
	d, ok := b.plugged[port]
	if !ok || b.taken[info.Path] || info.Interface >= len(d.interfaces) {
		return nil, errors.New("hidapi: failed to open device")
	}
	b.taken[info.Path] = true
	b.remove(d.driver(info.Interface)) // the kernel's driver lets go
	h := &fakeHandle{
		t: b.t, port: port, path: info.Path, changed: make(chan struct{}, 1), asked: make(chan struct{}), closed: make(chan struct{}),
	}
	h.release = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.taken, info.Path)
		if now, ok := b.plugged[port]; ok && now.num == d.num {
			b.bind(d, info.Interface)
		}
	}
	b.opened = append(b.opened, h)
	return h, nil
}

// last is the handle opened last.
func (b *bus) last() *fakeHandle {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.opened) == 0 {
		b.t.Fatal("nothing was opened")
	}
	return b.opened[len(b.opened)-1]
}

// fakeHandle is hidapi's device: a queue of 30 reports that drops the oldest, and
// memory that must not be used by two at once.
type fakeHandle struct {
	t          *testing.T
	port, path string
	release    func()
	// changed wakes the reader, asked closes when it first found nothing, closed
	// with the device.
	changed, asked, closed chan struct{}

	mu       sync.Mutex
	queue    [][]byte
	lost     int
	gone     bool
	reading  bool
	shut     bool
	everIdle bool
	owner    string
	reads    int
	written  [][]byte
}

const hidapiQueue = 30

// send queues a report as the device does: it does not wait for anybody.
func (h *fakeHandle) send(report []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append(h.queue, bytes.Clone(report))
	if len(h.queue) > hidapiQueue {
		h.queue = h.queue[1:]
		h.lost++
	}
	h.wake()
}

// pace queues a report when there is room, as a scanner whose every transfer
// takes its time.
func (h *fakeHandle) pace(report []byte) {
	for h.waiting() >= hidapiQueue-1 {
		time.Sleep(time.Millisecond)
	}
	h.send(report)
}

func (h *fakeHandle) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queue)
}

// end makes every further read fail, once the queue is empty.
func (h *fakeHandle) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	h.wake()
}

func (h *fakeHandle) wake() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// enter checks what the library does not: it would read freed memory.
func (h *fakeHandle) enter(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch me := goroutine(); {
	case h.shut:
		h.t.Errorf("%s after Close", what)
	case h.reading:
		h.t.Errorf("%s during a read", what)
	case what == "Write":
	case h.owner == "":
		h.owner = me
	case h.owner != me:
		h.t.Errorf("%s by another goroutine than the one that read", what)
	}
	h.reading = what == "ReadTimeout"
	h.shut = h.shut || what == "Close"
}

func (h *fakeHandle) ReadTimeout(report []byte, ms int) (int, error) {
	h.enter("ReadTimeout")
	defer func() {
		h.mu.Lock()
		h.reading = false
		h.mu.Unlock()
	}()
	if ms <= 0 || ms > 250 {
		h.t.Errorf("a read of %d ms: it polls, or cannot be ended", ms)
	}
	timeout := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timeout.Stop()
	for {
		if n, err, ok := h.take(report); ok {
			return n, err
		}
		select {
		case <-h.changed:
		case <-timeout.C:
			h.mu.Lock()
			if !h.everIdle {
				h.everIdle = true
				close(h.asked)
			}
			h.mu.Unlock()
			return 0, nil
		}
	}
}

func (h *fakeHandle) take(report []byte) (n int, err error, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	if len(h.queue) > 0 {
		n = copy(report, h.queue[0])
		h.queue = h.queue[1:]
		return n, nil, true
	}
	if h.gone {
		return 0, errors.New("hidapi: hid_error is not implemented yet"), true
	}
	return 0, nil, false
}

func (h *fakeHandle) Write(report []byte) (int, error) {
	h.enter("Write")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written = append(h.written, bytes.Clone(report))
	return len(report), nil
}

func (h *fakeHandle) Close() error {
	h.enter("Close")
	h.release()
	close(h.closed)
	return nil
}

// goroutine names the caller's.
func goroutine() string {
	buf := make([]byte, 64)
	fields := strings.Fields(string(buf[:runtime.Stack(buf, false)]))
	return fields[1]
}
