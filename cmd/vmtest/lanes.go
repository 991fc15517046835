package main

import (
	"context"
	"fmt"
	"time"

	"usher/cmd/vmtest/internal/mux"
)

// lane is one scanner as usher knows it.
type lane struct {
	name string
	// config is what its block says beside the name.
	config string
	// serial is its number on USB.
	serial string
	// body is what is plugged in and out; two lanes may share one.
	body *body
	// scan reads a whole code.
	scan func(ctx context.Context, code string) error
	// begin reads the half of a code that never ends; the guest has it when begin
	// returns. Nil: pull does it.
	begin func(ctx context.Context, half string) error
}

// body is a piece of hardware.
type body struct {
	name string
	plug func(ctx context.Context) error
	pull func(ctx context.Context) error
	// tear reads the half of a code and pulls it out at once; nil: begin and pull do.
	tear func(ctx context.Context, half string) error
}

// hardware is every scanner of the test, nothing plugged in yet. One silence is
// configured for all: none of them may end a half code before it is pulled out.
func hardware(ctx context.Context, m *machine, g *guest) ([]*lane, error) {
	gadgets := map[string]*gadget{
		"pos": {maker: "Honeywell", product: "Xenon", serial: "POS1", vendorID: "0c2e", productID: "0b6a",
			functions: []function{posFunction()}},
		"combo": {maker: "Symbol", product: "DS9308", serial: "CMB1", vendorID: "05e0", productID: "1300",
			functions: []function{keyboardFunction(), posFunction(), acmFunction()}},
		"engine": {maker: "Newland", product: "EM20", serial: "ENG1", vendorID: "1eab", productID: "1303",
			functions: []function{keyboardFunction()}},
	}
	for i, name := range []string{"pos", "combo", "engine"} {
		u := gadgets[name]
		u.name, u.udc = name, fmt.Sprintf("dummy_udc.%d", i)
		if err := u.make(ctx, g); err != nil {
			return nil, err
		}
	}
	combo := posBody(gadgets["combo"], g)
	return []*lane{
		wedge(m.qmp),
		cable(m, g),
		posLane(gadgets["pos"], posBody(gadgets["pos"], g), g),
		posLane(gadgets["combo"], combo, g),
		acmLane(gadgets["combo"], combo, g),
		engine(gadgets["engine"], g),
	}, nil
}

const idle = "idle: 2s"

// wedge is QEMU's own USB keyboard, read by driver hid.
func wedge(q *qmp) *lane {
	const id = "wedge"
	return &lane{
		name: "wedge", serial: "KBD1", config: "driver: hid, vendor_id: 0x0627, product_id: 0x0001, " + idle,
		body: &body{
			name: "usb-kbd",
			plug: func(context.Context) error {
				return q.add(map[string]any{"driver": "usb-kbd", "id": id, "bus": "xhci.0", "port": "1", "serial": "KBD1"})
			},
			pull: func(ctx context.Context) error { return q.remove(ctx, id) },
		},
		scan: func(_ context.Context, code string) error { return q.press(append(qcodes(code), "ret")...) },
		begin: func(_ context.Context, half string) error {
			// The guest has fetched what left QEMU's queue of 16.
			keys := qcodes(half)
			for range 4 {
				keys = append(keys, "shift")
			}
			return q.press(keys...)
		},
	}
}

// cable is a scanner behind an FTDI chip, read by driver serial.
func cable(m *machine, g *guest) *lane {
	const id, port = "cable", "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_FT1-if00-port0"
	return &lane{
		name: "cable", serial: "FT1", config: "driver: serial, port: " + port + ", " + idle,
		body: &body{
			name: "usb-serial",
			plug: func(context.Context) error {
				return m.qmp.add(map[string]any{"driver": "usb-serial", "id": id, "bus": "xhci.0", "port": "2", "chardev": "scanner", "always-plugged": true, "serial": "FT1"})
			},
			pull: func(ctx context.Context) error { return m.qmp.remove(ctx, id) },
		},
		scan: func(_ context.Context, code string) error {
			_, err := m.scanner.Write([]byte(code + "\r"))
			return err
		},
		begin: func(ctx context.Context, half string) error {
			before, err := g.received(ctx, port)
			if err != nil {
				return err
			}
			if _, err := m.scanner.Write([]byte(half)); err != nil {
				return err
			}
			return until(ctx, 10*time.Second, func() error {
				now, err := g.received(ctx, port)
				if err == nil && now < before+len(half) {
					err = fmt.Errorf("%d of %d bytes have reached the guest", now-before, len(half))
				}
				return err
			})
		},
	}
}

func gadgetBody(u *gadget, g *guest) *body {
	return &body{
		name: u.name,
		plug: func(ctx context.Context) error { return u.plug(ctx, g) },
		pull: func(ctx context.Context) error { return u.pull(ctx, g) },
	}
}

// posBody is pulled between two reports of a code.
func posBody(u *gadget, g *guest) *body {
	b := gadgetBody(u, g)
	b.tear = func(ctx context.Context, half string) error {
		return u.send(ctx, g, posFunction(), [][]byte{posReport(half, true), posOther()}, true)
	}
	return b
}

// posLane is a point-of-sale scanner, read by driver hid.
func posLane(u *gadget, b *body, g *guest) *lane {
	return &lane{
		name: u.name, serial: u.serial, config: fmt.Sprintf("driver: hid, vendor_id: 0x%s, product_id: 0x%s, serial: %s", u.vendorID, u.productID, u.serial),
		body: b,
		scan: func(ctx context.Context, code string) error {
			return u.send(ctx, g, posFunction(), [][]byte{posReport(code, false)}, false)
		},
	}
}

// acmLane is the serial port of a composite scanner, read by driver serial.
func acmLane(u *gadget, b *body, g *guest) *lane {
	write := func(ctx context.Context, text string) error {
		node, err := u.node(ctx, g, acmFunction())
		if err != nil {
			return err
		}
		_, err = g.ask(ctx, mux.Request{Write: &mux.Write{Path: node, Data: []byte(text)}})
		return err
	}
	return &lane{
		name: "port", serial: u.serial, config: fmt.Sprintf("driver: serial, port: /dev/serial/by-id/usb-%s_%s_%s-if02, %s", u.maker, u.product, u.serial, idle),
		body:  b,
		scan:  func(ctx context.Context, code string) error { return write(ctx, code+"\r") },
		begin: write,
	}
}

// engine is a keyboard scanner read by driver evdev, as a built-in one is.
func engine(u *gadget, g *guest) *lane {
	b := gadgetBody(u, g)
	b.tear = func(ctx context.Context, half string) error {
		return u.send(ctx, g, keyboardFunction(), append(keyReports(half, false), make([]byte, 8)), true)
	}
	return &lane{
		name: u.name, serial: u.serial, config: fmt.Sprintf("driver: evdev, path: /dev/input/by-id/usb-%s_%s_%s-event-kbd, %s", u.maker, u.product, u.serial, idle),
		body: b,
		scan: func(ctx context.Context, code string) error {
			return u.send(ctx, g, keyboardFunction(), keyReports(code, true), false)
		},
	}
}

// until tries again until it works, or tells why it did not in time.
func until(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
