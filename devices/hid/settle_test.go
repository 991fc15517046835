package hid

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

// attempt opens once and tells what was opened; empty: it is still being set up.
func attempt(t *testing.T, b *bus, d *Driver) string {
	t.Helper()
	before := len(b.opened)
	opened, err := d.Open(t.Context())
	switch {
	case errors.Is(err, scanner.ErrSettling):
		if len(b.opened) != before {
			t.Error("opened all the same")
		}
		if want := d.Source() + ": it is still being set up by the kernel; tried again"; err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		return ""
	case err != nil:
		t.Fatal(err)
	}
	if err := b.last().Close(); err != nil {
		t.Fatal(err)
	}
	return b.last().path + " " + kind(opened.(*device).decoder)
}

// TestAnInterfaceThatComesLaterIsWaitedFor: the kernel shows a composite scanner
// interface by interface, and gives each its driver some time after that.
func TestAnInterfaceThatComesLaterIsWaitedFor(t *testing.T) {
	steps := []struct {
		name string
		do   func(*bus, usb)
	}{
		{"nothing but the device", func(b *bus, d usb) {
			b.plug(d)
			for n := range d.interfaces {
				b.remove(d.dir() + "/" + d.path(n))
			}
		}},
		{"a keyboard without its driver", func(b *bus, d usb) { b.show(d, 0) }},
		{"a keyboard", func(b *bus, d usb) { b.bind(d, 0) }},
		{"the other one without its driver", func(b *bus, d usb) { b.show(d, 1) }},
		{"its descriptor not read yet", func(b *bus, d usb) { b.write(d.driver(1)+"/report_descriptor", nil) }},
		{"all", func(b *bus, d usb) { b.bind(d, 1) }},
	}
	for name, tt := range map[string]struct {
		faces []face
		cfg   Config
		// from is the step from which it is opened.
		from int
		want string
	}{
		"keyboard and point of sale":         {[]face{keyboardFace, posFace}, config(0x0c2e, 0x0b81), 5, "1-2:1.1 pos"},
		"keyboard and vendor page":           {[]face{keyboardFace, {plainClass, vendorPage}}, config(0x0c2e, 0x0b81), 5, "1-2:1.0 keyboard"},
		"numbered keyboard and mouse":        {[]face{{bootClass, numberedKeyboard}, {mouseClass, vendorPage}}, config(0x0c2e, 0x0b81), 3, "1-2:1.0 keyboard"},
		"the keyboard, by number":            {[]face{keyboardFace, posFace}, config(0x0c2e, 0x0b81, number(0)), 2, "1-2:1.0 keyboard"},
		"the point of sale, by number":       {[]face{keyboardFace, posFace}, config(0x0c2e, 0x0b81, number(1)), 5, "1-2:1.1 pos"},
		"the point of sale, by mode":         {[]face{keyboardFace, posFace}, config(0x0c2e, 0x0b81, mode("pos")), 5, "1-2:1.1 pos"},
		"vendor page first, then the reader": {[]face{{plainClass, vendorPage}, posFace}, config(0x0c2e, 0x0b81), 5, "1-2:1.1 pos"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBus(t)
				d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: tt.faces}
				driver := b.driverOf(tt.cfg)
				for i, step := range steps {
					step.do(b, d)
					want := ""
					if i >= tt.from {
						want = tt.want
					}
					if got := attempt(t, b, driver); got != want {
						t.Fatalf("with %s: opened %q, want %q", step.name, got, want)
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		})
	}
}

// TestWhatStaysWithoutADriverIsOpenedAfterASecond: a crash left it so.
func TestWhatStaysWithoutADriverIsOpenedAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: []face{keyboardFace, {plainClass, ""}}}
		b.plug(d)
		driver := b.driverOf(config(0x0c2e, 0x0b81))
		step := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := attempt(t, b, driver); got != want {
				t.Errorf("after %v: opened %q, want %q", after, got, want)
			}
		}
		step(0, "")
		step(settled-time.Millisecond, "")
		step(time.Millisecond, "1-2:1.1 unknown")
		step(0, "1-2:1.1 unknown") // nothing new at the next opening

		b.unplug(d)
		d.num++
		b.plug(d)
		step(time.Hour, "") // plugged in again
		step(settled, "1-2:1.1 unknown")
	})
}

// TestAnotherPlugInIsNotTakenForTheLastOne: a scanner that was set to another mode
// shows another descriptor under the same ids.
func TestAnotherPlugInIsNotTakenForTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		d := usb{port: "1-2", vendor: 0x0c2e, product: 0x0b81, num: 7, interfaces: []face{posFace}}
		b.plug(d)
		driver := b.driverOf(config(0x0c2e, 0x0b81))
		if got := attempt(t, b, driver); got != "1-2:1.0 pos" {
			t.Fatalf("opened %q", got)
		}
		b.unplug(d)
		d.num, d.interfaces = 8, []face{{plainClass, numberedKeyboard}}
		b.plug(d)
		b.remove(d.driver(0))
		if got := attempt(t, b, driver); got != "" {
			t.Errorf("opened %q before the kernel told what it is", got)
		}
		b.bind(d, 0)
		if got := attempt(t, b, driver); got != "1-2:1.0 keyboard" {
			t.Errorf("opened %q", got)
		}
		if len(driver.seen) != 1 {
			t.Errorf("%d descriptors are kept of one device", len(driver.seen))
		}
	})
}

// TestAScannerWithoutAllItsInterfacesIsOpenedAfterASecond: what they say of their
// number need not be so.
func TestAScannerWithoutAllItsInterfacesIsOpenedAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		d := zebra("1-1", 5, "A")
		b.plug(d)
		b.write(d.dir()+"/bNumInterfaces", []byte(" 3\n"))
		driver := b.driverOf(config(0x05e0, 0x1200))
		if got := attempt(t, b, driver); got != "" {
			t.Errorf("opened %q", got)
		}
		time.Sleep(settled)
		if got := attempt(t, b, driver); !strings.HasPrefix(got, "1-1:1.0") {
			t.Errorf("opened %q", got)
		}
	})
}
