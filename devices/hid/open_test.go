package hid

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) == 0 {
		return nil
	}
	return raw
}

// config is the defaults for one pair of ids.
func config(vendor, product int, change ...func(*Config)) Config {
	cfg := Defaults()
	cfg.VendorID, cfg.ProductID = ID(vendor), ID(product)
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func serialNumber(s string) func(*Config) { return func(c *Config) { c.Serial = s } }
func number(n int) func(*Config)          { return func(c *Config) { c.Interface = n } }
func mode(m string) func(*Config)         { return func(c *Config) { c.Mode = m } }

var (
	keyboardFace = face{bootClass, bootKeyboard}
	posFace      = face{plainClass, pos64}
)

func zebra(port string, num int, serial string) usb {
	return usb{port: port, vendor: 0x05e0, product: 0x1200, serial: serial, num: num, interfaces: []face{keyboardFace}}
}

// openSettled opens, in a bubble, what may stay without a description.
func openSettled(t *testing.T, d *Driver) (scanner.Device, error) {
	t.Helper()
	opened, err := d.Open(t.Context())
	if errors.Is(err, scanner.ErrSettling) {
		time.Sleep(settled)
		opened, err = d.Open(t.Context())
	}
	return opened, err
}

// give opens and gives the device back, unread.
func give(t *testing.T, d *Driver) (*device, error) {
	t.Helper()
	opened, err := openSettled(t, d)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := opened.Run(ctx, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	return opened.(*device), nil
}

// kind is what a decoder reads.
func kind(d decoder) string {
	switch d.(type) {
	case *keyboardDecoder:
		return modeKeyboard
	case *posDecoder:
		return modePOS
	}
	return modeUnknown
}

func TestWhichInterfaceIsOpened(t *testing.T) {
	honeywell := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, serial: "H1", num: 7}
	with := func(d usb, faces ...face) usb { d.interfaces = faces; return d }
	composite := with(honeywell, keyboardFace, posFace)
	tests := map[string]struct {
		plugged []usb
		cfg     Config
		path    string
		mode    string
		fault   string
	}{
		"by its ids":                      {[]usb{zebra("1-1", 5, "A"), composite}, config(0x05e0, 0x1200), "1-1:1.0", "keyboard", ""},
		"any product of the maker":        {[]usb{zebra("1-1", 5, "A"), composite}, config(0x05e0, 0), "1-1:1.0", "keyboard", ""},
		"by its serial number":            {[]usb{zebra("1-1", 5, "A"), zebra("1-3.2", 6, "B")}, config(0x05e0, 0x1200, serialNumber("B")), "1-3.2:1.0", "keyboard", ""},
		"two alike":                       {[]usb{zebra("1-1", 5, ""), zebra("1-3.2", 6, "")}, config(0x05e0, 0x1200), "", "", "2 devices fit: "},
		"another serial number":           {[]usb{zebra("1-1", 5, "A")}, config(0x05e0, 0x1200, serialNumber("C")), "", "", `plugged in with these ids: serial "A"`},
		"not plugged in":                  {[]usb{composite}, config(0x05e0, 0x1200), "", "", "is the scanner plugged in? usher devices lists what is"},
		"composite, the better mode":      {[]usb{composite}, config(0x0c2e, 0x0b81), "1-2:1.1", "pos", ""},
		"composite, as a keyboard":        {[]usb{composite}, config(0x0c2e, 0x0b81, mode("keyboard")), "1-2:1.0", "keyboard", ""},
		"composite, by number":            {[]usb{composite}, config(0x0c2e, 0x0b81, number(0)), "1-2:1.0", "keyboard", ""},
		"a number that is not there":      {[]usb{composite}, config(0x0c2e, 0x0b81, number(4)), "", "", "it has no HID interface 4; leave interface: out"},
		"beside a mouse and vendor pages": {[]usb{with(honeywell, face{mouseClass, vendorPage}, face{plainClass, vendorPage}, keyboardFace)}, config(0x0c2e, 0x0b81), "1-2:1.2", "keyboard", ""},
		"two keyboards":                   {[]usb{with(honeywell, keyboardFace, keyboardFace)}, config(0x0c2e, 0x0b81), "", "", "set serial: or interface: to tell them apart"},
		"vendor pages only":               {[]usb{with(honeywell, face{plainClass, vendorPage})}, config(0x0c2e, 0x0b81), "", "", "scan the maker's code for HID POS or keyboard mode"},
		"vendor pages, chosen":            {[]usb{with(honeywell, face{plainClass, vendorPage})}, config(0x0c2e, 0x0b81, mode("pos")), "1-2:1.0", "pos", ""},
		"a serial port":                   {[]usb{with(honeywell, face{cdcClass, ""})}, config(0x0c2e, 0x0b81), "", "", "no HID interface in its present mode; use driver serial"},
		"a keyboard without a descriptor": {[]usb{with(honeywell, face{bootClass, ""})}, config(0x0c2e, 0x0b81), "1-2:1.0", "keyboard", ""},
		"nothing described":               {[]usb{with(honeywell, face{plainClass, ""})}, config(0x0c2e, 0x0b81), "1-2:1.0", "unknown", ""},
		"nothing described, mode given":   {[]usb{with(honeywell, face{plainClass, ""})}, config(0x0c2e, 0x0b81, mode("pos")), "1-2:1.0", "pos", ""},
		"a composite after a crash":       {[]usb{with(honeywell, keyboardFace, face{plainClass, ""})}, config(0x0c2e, 0x0b81), "1-2:1.1", "unknown", ""},
		"a broken descriptor":             {[]usb{with(honeywell, face{bootClass, "05"})}, config(0x0c2e, 0x0b81), "1-2:1.0", "keyboard", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus(t)
				b.plug(tt.plugged...)
				driver := b.driverOf(tt.cfg)
				if got := driver.Interface(); got != tt.path {
					t.Errorf("would open %q, want %q", got, tt.path)
				}
				opened, err := give(t, driver)
				if tt.fault != "" {
					if err == nil || !strings.Contains(err.Error(), tt.fault) || !strings.HasPrefix(err.Error(), driver.Source()+": ") {
						t.Fatalf("got %v, want %q", err, tt.fault)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := b.last().path; got != tt.path {
					t.Errorf("opened %s, want %s", got, tt.path)
				}
				if got := kind(opened.decoder); got != tt.mode {
					t.Errorf("read as %s, want %s", got, tt.mode)
				}
				if tt.mode == "keyboard" && len(b.last().written) != 1 {
					t.Errorf("the CapsLock light was set %d times, want once", len(b.last().written))
				}
			})
		})
	}
}

// TestTheDescriptorIsRemembered: opening hides it, and a device that did not get
// its driver back still shows none at the next opening.
func TestTheDescriptorIsRemembered(t *testing.T) {
	b := newBus(t)
	d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: []face{keyboardFace, posFace}}
	b.plug(d)
	driver := b.driverOf(config(0x0c2e, 0x0b81))
	for range 2 {
		opened, err := give(t, driver)
		if err != nil {
			t.Fatal(err)
		}
		if pos, ok := opened.decoder.(*posDecoder); !ok || !pos.described {
			t.Errorf("read by %T %+v, want the described layout", opened.decoder, opened.decoder)
		}
		b.remove(d.driver(1))
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		change func(*bus)
		want   string
		absent bool
	}{
		"built without cgo": {func(b *bus) { b.without = true }, "05e0:1200: this usher was built without USB HID (cgo); install the packaged one", false},
		"no /dev/bus/usb":   {func(b *bus) { b.deaf = true; b.remove("dev/bus/usb") }, "it must not run with PrivateDevices=yes", false},
		"no netlink":        {func(b *bus) { b.deaf = true }, "libusb lists no such device; the service needs AF_NETLINK", false},
		"in use":            {func(b *bus) { b.taken["1-1:1.0"] = true }, "in use by another program, or unplugged this moment", false},
		"unplugged between": {func(b *bus) { b.swap = func() { b.unplug(zebra("1-1", 5, "A")) } }, "no such USB device any more", true},
		"replaced between": {func(b *bus) {
			b.swap = func() { b.unplug(zebra("1-1", 5, "A")); b.plug(zebra("1-1", 6, "A")) }
		}, "another one took its place", true},
		"no kernel with USB": {func(b *bus) { b.remove("sys") }, "no such USB device; is the scanner plugged in?", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBus(t)
			b.plug(zebra("1-1", 5, "A"))
			tt.change(b)
			_, err := give(t, b.driverOf(config(0x05e0, 0x1200)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if got := errors.Is(err, fs.ErrNotExist); got != tt.absent {
				t.Errorf("%v counts as not plugged in: %v", err, got)
			}
			for _, h := range b.opened {
				select {
				case <-h.closed:
				default:
					t.Error("a device was left open")
				}
			}
		})
	}
	t.Run("the context ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := newBus(t)
		if _, err := b.driverOf(config(1, 1)).Open(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoPermission(t *testing.T) {
	b := newBus(t)
	d := zebra("1-1", 5, "A")
	b.plug(d)
	b.taken["1-1:1.0"] = true // the library cannot open it, and does not say why
	node := filepath.Join(b.root, d.node())
	if err := os.Chmod(node, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(b.root), 0o755); err != nil {
		t.Fatal(err)
	}
	asSomebody(t, func() {
		_, err := b.driverOf(config(0x05e0, 0x1200)).Open(t.Context())
		want := "05e0:1200: /dev/bus/usb/001/005: permission denied; add the service to group usher or install the udev rules"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Error("it counts as not plugged in")
		}
		nodes, err := Plugged(b.root)
		if err != nil || len(nodes) != 1 || !errors.Is(nodes[0].Access, fs.ErrPermission) {
			t.Errorf("plugged in: %+v, %v; want one that may not be opened", nodes, err)
		}
	})
}

// asSomebody runs a function without root's rights, on a thread that ends with it.
func asSomebody(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends here
		if os.Geteuid() == 0 {
			const nobody = 65534
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				t.Errorf("setresuid: %v", errno)
				return
			}
		}
		do()
	}()
	<-done
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Config{ProductID: 0x10000, Interface: 300, Mode: "wedge", Layout: "dvorak", Idle: time.Minute})
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		"vendor_id: missing; usher devices lists what is plugged in", "product_id: 0x10000 is no USB id", "interface: 300 is not between 0 and 255",
		`mode: "wedge" is neither keyboard nor pos`, "layout: ", "idle: 1m0s is not between 20ms and 2s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestSourceTellsScannersApart(t *testing.T) {
	seen := map[string]bool{}
	for _, cfg := range []Config{config(1, 2), config(1, 3), config(1, 2, serialNumber("A")), config(1, 2, number(0)), config(1, 2, number(1))} {
		d, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if seen[d.Source()] {
			t.Errorf("%s twice", d.Source())
		}
		seen[d.Source()] = true
	}
}

func TestPlugged(t *testing.T) {
	b := newBus(t)
	b.plug(
		usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, serial: "H1", num: 7, interfaces: []face{keyboardFace, posFace, {plainClass, vendorPage}}},
		usb{port: "1-4", vendor: 0x046d, product: 0xc31c, num: 4, interfaces: []face{keyboardFace, {mouseClass, ""}}},
		usb{port: "1-5", vendor: 0x1eab, product: 0x0106, num: 9, interfaces: []face{{cdcClass, ""}}},
		usb{port: "1-6", vendor: 0x1eab, product: 0x0110, num: 8, interfaces: []face{posFace}},
	)
	// The last one is open: the kernel shows nothing of it.
	b.remove("sys/bus/usb/devices/1-6/1-6:1.0/0003:1EAB:0110.0001")
	nodes, err := Plugged(b.root)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		path, port, mode string
		number           int
	}
	want := []seen{
		{"/dev/bus/usb/001/004", "1-4", ModeKeyboard, 0},
		{"/dev/bus/usb/001/007", "1-2", ModeKeyboard, 0},
		{"/dev/bus/usb/001/007", "1-2", ModePOS, 1},
		{"/dev/bus/usb/001/008", "1-6", ModeUnknown, 0},
		{"/dev/bus/usb/001/009", "1-5", ModeNone, 0}, // a serial port
	}
	var got []seen
	for _, n := range nodes {
		got = append(got, seen{n.Path, n.Port, n.Mode, n.Interface})
		if n.Label != "Maker Scanner[31m" {
			t.Errorf("label %q", n.Label)
		}
		if n.Access != nil {
			t.Errorf("%s: %v", n.Path, n.Access)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}
