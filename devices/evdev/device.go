package evdev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

const (
	// readEvents is how many events one read takes: more than the kernel keeps.
	readEvents = 256
	// backlog is how many codes may wait for a slow emit: what is not read is
	// lost.
	backlog = 256
	// quiet is how long after the opening a code may turn out to be under way.
	quiet = 30 * time.Millisecond
	// drains is how many reads of what was queued are thrown away.
	drains = 16
)

// device is one grabbed input device.
type device struct {
	name  string
	file  *os.File
	probe syscall.RawConn
	// tap takes a recording; nil: none is made.
	tap func(raw []byte)

	keys   keys
	frames report.Framer
	tester *keymap.Tester
	layout *keymap.Layout
	report.Adviser
	// last is when a key last went down or up.
	last time.Time
	// queues: what the kernel holds when reading begins came before it.
	queues bool
	// spoilt: the code in hand began before anybody read it, or so soon after the
	// opening that it may have.
	opened time.Time
	spoilt bool
}

func newDevice(name string, file *os.File, layout *keymap.Layout, frames report.Framer) (*device, error) {
	probe, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &device{
		name: name, file: file, probe: probe, layout: layout,
		keys:   newKeys(layout),
		frames: frames,
		tester: keymap.NewTester(layout),
	}, nil
}

// Run reads until the context ends, whose error it returns, or the device is
// gone, an error wrapping [scanner.ErrUnplugged]. It implements scanner.Device.
func (d *device) Run(ctx context.Context, emit func(raw string)) (err error) {
	codes, end := report.Deliver(backlog, emit)
	defer end()
	// The kernel lets go of the grab with the file.
	defer func() { err = errors.Join(err, d.file.Close()) }()

	defer report.Interrupt(ctx, d.file)()
	return d.read(ctx, codes)
}

func (d *device) read(ctx context.Context, codes chan<- string) error {
	buf := make([]byte, readEvents*(2*wordSize+8))
	if d.queues {
		d.drain(buf)
	}
	for {
		n, err := d.next(ctx, buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			d.silent(codes)
			continue
		case err != nil:
			return d.gone(err)
		}
		events := decode(buf[:n], wordSize)
		if d.tap != nil {
			d.tap(timeless(events))
		}
		d.heard(time.Now(), events, codes)
	}
}

// drain throws away what was scanned before anybody read it: a person got no
// answer to that and will have scanned again. The start of a code is among it, if
// the reader was slow to come, and the rest of that is thrown away when it ends.
func (d *device) drain(buf []byte) {
	// Bounded: keys that come without end must not keep the reader here.
	for range drains {
		n := d.late(buf)
		if n == 0 {
			break
		}
		now := time.Now()
		d.last = now
		d.frames.Push(now, []byte(d.keys.push(decode(buf[:n], wordSize))))
	}
	d.opened = time.Now()
	d.spoilt = d.wait(d.opened) >= 0
}

// heard takes events.
func (d *device) heard(now time.Time, events []event, codes chan<- string) {
	text := d.keys.push(events)
	if text == "" && !slices.ContainsFunc(events, event.moves) {
		return
	}
	d.last = now
	var framed []string
	if text == "" {
		d.frames.Touch(now)
	} else {
		framed = d.frames.Push(now, []byte(text))
	}
	if now.Sub(d.opened) < quiet {
		d.spoilt = d.wait(now) >= 0
		return
	}
	d.hand(codes, framed)
}

// silent ends what waits for more.
func (d *device) silent(codes chan<- string) {
	framed := d.frames.Push(time.Now(), []byte(d.keys.typist.Silence()))
	d.hand(codes, append(framed, d.frames.Silence()...))
}

// next reads what there is, or waits for as long as the code in hand may wait.
func (d *device) next(ctx context.Context, buf []byte) (int, error) {
	var deadline time.Time
	wait := d.wait(time.Now())
	if wait >= 0 {
		deadline = time.Now().Add(wait)
	}
	if err := d.file.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	// After the deadline is set: an end of the context before this line is seen
	// here, a later one moves the deadline again.
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.file.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		// The reader may have been held up itself: what came meanwhile counts.
		if late := d.late(buf); late > 0 {
			return late, nil
		}
	}
	return n, err
}

// wait tells how long the scanner must stay silent until something is due;
// negative: nothing is.
func (d *device) wait(at time.Time) time.Duration {
	wait := d.frames.Wait(at)
	switch {
	case wait >= 0:
		return wait
	case d.keys.typist.Pending():
		// A dead key alone: a person's, which must not become a part of the next code.
		return max(0, d.last.Add(report.ByHand).Sub(at))
	case d.keys.typist.Caps():
		// The silence behind a code switches it off.
		return max(0, d.last.Add(d.frames.Idle).Sub(at))
	}
	return -1
}

// late takes what there is, without waiting.
func (d *device) late(buf []byte) int {
	n := 0
	// A file that is closed has nothing.
	_ = d.probe.Control(func(fd uintptr) { n, _ = unix.Read(int(fd), buf) })
	return max(0, n)
}

// hand gives codes on without ever waiting: the kernel's queue is short.
func (d *device) hand(codes chan<- string, framed []string) {
	switch {
	case d.spoilt && len(framed) > 0:
		framed, d.spoilt = framed[1:], false
	case d.spoilt:
		d.spoilt = d.wait(time.Now()) >= 0
	}
	for _, code := range framed {
		if found, ok := d.tester.Diagnose(code); ok {
			d.Advise(found.Advice(d.layout))
			continue
		}
		select {
		case codes <- code:
			d.Taken()
		default:
			d.Dropped()
		}
	}
	d.Unended(d.frames.Suffix.Missing())
}

func (d *device) gone(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w (%v)", d.name, scanner.ErrUnplugged, err)
	}
	return fmt.Errorf("%s: %w", d.name, err)
}

// keys follows the events of a keyboard.
type keys struct {
	typist *keymap.Typist
	// scan is the scan code that the next key event belongs to.
	scan int32
	// lost: the kernel dropped events, up to the end of the packet it is in.
	lost bool
}

func newKeys(layout *keymap.Layout) keys {
	return keys{typist: keymap.NewLossyTypist(layout)}
}

// push gives the text that events type.
func (k *keys) push(events []event) string {
	var text string
	for _, e := range events {
		switch {
		case e.kind == evSyn && e.code == synDropped:
			k.lost = true
		case k.lost && e.kind == evSyn && e.code == synReport:
			// Which keys are held is not known any more; the code in hand is spoilt, so
			// that nothing depends on it.
			k.lost, k.scan = false, 0
			k.typist.Forget()
			text += string(keymap.Nothing)
		case k.lost:
		case e.kind == evSyn:
			k.scan = 0
		case e.kind == evMsc && e.code == mscScan:
			k.scan = e.value
		case e.kind == evKey:
			text += k.key(e)
		}
	}
	return text
}

func (k *keys) key(e event) string {
	usage := usageOf(e.code)
	if k.scan>>16 == usagePage && k.scan&0xff00 == 0 {
		// A HID keyboard names the key itself, whatever a site maps it to.
		usage = byte(k.scan)
	}
	k.scan = 0
	switch e.value {
	case keyPressed:
		if usage == 0 {
			return string(keymap.Nothing)
		}
		return k.typist.Press(usage)
	case keyReleased:
		return k.typist.Release(usage)
	}
	return "" // the kernel's own repeat of a held key
}
