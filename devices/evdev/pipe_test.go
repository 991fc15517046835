package evdev

import (
	"context"
	"os"
	"testing"
	"time"

	"usher/devices/keymap"
	"usher/scanner"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// testIdle is what scanners have that are configured no other way.
var testIdle = Defaults().Idle

// pipe is an input device made of a pipe: the kernel's end is written to by the
// test.
type pipe struct {
	t      *testing.T
	driver *Driver
	layout string
	kernel *os.File
	gone   bool
	// queued is typed between the opening and the first read.
	queued string
}

func (p *pipe) Open(context.Context) (scanner.Device, error) {
	if p.gone {
		return nil, os.ErrNotExist
	}
	if p.kernel != nil {
		_ = p.kernel.Close()
	}
	file, kernel, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.kernel = kernel
	device, err := p.driver.device(file)
	if err != nil {
		return nil, err
	}
	if p.queued != "" {
		device.queues = true
		return device, p.send(p.types(p.queued)...)
	}
	return device, nil
}

func (p *pipe) Unplug() error {
	p.gone = true
	return p.kernel.Close()
}

func (p *pipe) send(events ...event) error {
	_, err := p.kernel.Write(encode(events, wordSize))
	return err
}

// types are the events of a text, as the kernel makes them of a HID keyboard.
func (p *pipe) types(text string) (all []event) {
	l, err := keymap.ByName(p.layout)
	if err != nil {
		p.t.Fatal(err)
	}
	strokes, ok := l.Strokes(text)
	if !ok {
		p.t.Fatalf("layout %s cannot type %q", p.layout, text)
	}
	key := func(usage byte, value int32) {
		all = append(all, scan(int32(usage)), event{evKey, codeOf(usage), value}, report1)
	}
	for _, s := range strokes {
		for bit := range byte(8) {
			if s.Mods>>bit&1 == 1 {
				key(0xe0+bit, keyPressed)
			}
		}
		key(s.Key, keyPressed)
		key(s.Key, keyReleased)
		for bit := range byte(8) {
			if s.Mods>>bit&1 == 1 {
				key(0xe0+bit, keyReleased)
			}
		}
	}
	return all
}

// codeOf is the key code of a usage.
func codeOf(usage byte) uint16 {
	for c := uint16(1); c < 128; c++ {
		if usageOf(c) == usage {
			return c
		}
	}
	return 43 // the key beside Enter has two usages
}

// newPipe is a scanner with the keys of the United States, on which the driver's
// configuration may be changed.
func newPipe(t *testing.T, change ...func(*Config)) *pipe {
	t.Helper()
	cfg := Defaults()
	cfg.Path = "/dev/input/pipe"
	for _, c := range change {
		c(&cfg)
	}
	driver, err := New(cfg)
	must(t, err)
	p := &pipe{t: t, driver: driver, layout: cfg.Layout}
	t.Cleanup(func() {
		if p.kernel != nil {
			_ = p.kernel.Close() // closed by Unplug already
		}
	})
	return p
}

// running reads a device until the test ends.
type running struct {
	t      *testing.T
	device scanner.Device
	codes  chan string
	ended  chan error
}

func (p *pipe) read() *running {
	p.t.Helper()
	device, err := p.Open(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	r := &running{t: p.t, device: device, codes: make(chan string, 1024), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- device.Run(ctx, func(raw string) { r.codes <- raw })
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *running) next() string {
	r.t.Helper()
	select {
	case code := <-r.codes:
		return code
	case err := <-r.ended:
		r.t.Fatalf("Run returned %v", err)
	case <-time.After(patience):
		r.t.Fatal("no code came")
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
