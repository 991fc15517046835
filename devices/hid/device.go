package hid

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"usher/devices/keymap"
	"usher/devices/report"
	"usher/scanner"
)

const (
	// longestRead bounds a read, and with it how late the end of the context is
	// noticed.
	longestRead = 250 * time.Millisecond
	// maxReport is more than a full-speed device can send at once.
	maxReport = 1024
	// backlog is how many codes may wait for a slow emit. Reports cannot wait: the
	// library would drop the oldest of them.
	backlog = 256
	// stale bounds how long reports from before the opening are thrown away.
	stale = 500 * time.Millisecond
	quiet = 30 * time.Millisecond
)

// decoder makes codes of reports. It is pure, in the manner of report.Framer.
type decoder interface {
	push(at time.Time, report []byte) []string
	// wait tells how long the scanner must stay silent until something is due;
	// negative: nothing is.
	wait(at time.Time) time.Duration
	silence() []string
	// advice is what the last codes told of the scanner's settings; false: nothing
	// new.
	advice() (string, bool)
	// unended tells that codes lack the terminator that is waited for.
	unended() bool
}

// device is one opened scanner.
type device struct {
	name    string
	handle  handle
	decoder decoder
	// tap takes a recording; nil: none is made.
	tap func(raw []byte)
	// spoilt: the code in hand began before anybody read it.
	spoilt bool
	report.Adviser
}

// Run reads until the context ends, whose error it returns, or the scanner is
// gone, an error wrapping [scanner.ErrUnplugged]. The calling goroutine owns the
// handle. It implements scanner.Device.
func (d *device) Run(ctx context.Context, emit func(raw string)) error {
	codes, end := report.Deliver(backlog, emit)
	defer end()
	defer func() {
		// Nothing can be done about a device that does not close: it is gone.
		_ = d.handle.Close()
	}()
	if err := d.drain(ctx); err != nil {
		return err
	}
	return d.read(ctx, codes)
}

// drain throws away what was scanned before anybody read it: a person got no
// answer to that and will have scanned again. A code that is under way then is
// not whole, and thrown away when it ends.
func (d *device) drain(ctx context.Context) error {
	buf := make([]byte, maxReport)
	defer func() { d.spoilt = d.decoder.wait(time.Now()) >= 0 }()
	for began := time.Now(); time.Since(began) < stale; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := d.handle.ReadTimeout(buf, int(quiet.Milliseconds()))
		if err != nil {
			return d.gone(err)
		}
		if n == 0 {
			return nil
		}
		d.decoder.push(time.Now(), buf[:n])
	}
	return nil
}

func (d *device) read(ctx context.Context, codes chan<- string) error {
	buf := make([]byte, maxReport)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := d.decoder.wait(time.Now())
		limit := longestRead
		if wait >= 0 {
			// Rounded up: a read of 0 ms does not wait at all.
			limit = min(limit, (wait + time.Millisecond).Truncate(time.Millisecond))
		}
		n, err := d.handle.ReadTimeout(buf, int(limit.Milliseconds()))
		if err != nil {
			return d.gone(err)
		}
		now := time.Now()
		switch {
		case n > 0:
			if d.tap != nil {
				d.tap(buf[:n])
			}
			d.hand(codes, d.decoder.push(now, buf[:n]))
		case wait >= 0 && limit >= wait:
			d.hand(codes, d.decoder.silence())
		}
	}
}

// hand gives codes on without ever waiting.
func (d *device) hand(codes chan<- string, framed []string) {
	switch {
	case d.spoilt && len(framed) > 0:
		framed, d.spoilt = framed[1:], false
	case d.spoilt:
		d.spoilt = d.decoder.wait(time.Now()) >= 0
	}
	for _, code := range framed {
		select {
		case codes <- code:
			d.Taken()
		default:
			d.Dropped()
		}
	}
	if advice, ok := d.decoder.advice(); ok {
		d.Advise(advice)
	}
	d.Unended(d.decoder.unended())
}

// gone is any failure to read: the library knows no reasons.
func (d *device) gone(err error) error {
	return fmt.Errorf("%s: %w (%v)", d.name, scanner.ErrUnplugged, err)
}

// keyboardDecoder reads a scanner that plays a keyboard.
type keyboardDecoder struct {
	keys   report.Keyboard
	layout *keymap.Layout
	boot   *keymap.Boot
	tester *keymap.Tester
	frames report.Framer
	// mods and held are what the last report told, last is when it changed.
	mods byte
	held []byte
	last time.Time
	// text is what the last self-test told, fresh that it was not passed on.
	text  string
	fresh bool
}

func newKeyboardDecoder(keys report.Keyboard, layout *keymap.Layout, frames report.Framer) *keyboardDecoder {
	return &keyboardDecoder{
		keys: keys, layout: layout, boot: keymap.NewBoot(layout), tester: keymap.NewTester(layout),
		frames: frames,
	}
}

func (k *keyboardDecoder) push(at time.Time, raw []byte) []string {
	mods, held, ok := k.keys.Read(raw)
	if !ok {
		return nil
	}
	text := k.boot.Keys(mods, held)
	// A report that some keyboards repeat all the time says nothing.
	changed := mods != k.mods || !bytes.Equal(held, k.held)
	k.mods, k.held = mods, held
	if text == "" {
		if changed {
			k.last = at
			k.frames.Touch(at)
		}
		return nil
	}
	k.last = at
	return k.tested(k.frames.Push(at, []byte(text)))
}

func (k *keyboardDecoder) wait(at time.Time) time.Duration {
	wait := k.frames.Wait(at)
	switch {
	case wait >= 0:
		return wait
	case k.boot.Pending():
		// A dead key alone: a person's, which must not become a part of the next code.
		return max(0, k.last.Add(report.ByHand).Sub(at))
	case k.boot.Caps():
		// The silence behind a code switches it off.
		return max(0, k.last.Add(k.frames.Idle).Sub(at))
	}
	return -1
}

func (k *keyboardDecoder) silence() []string {
	codes := k.frames.Push(time.Now(), []byte(k.boot.Silence()))
	return k.tested(append(codes, k.frames.Silence()...))
}

func (k *keyboardDecoder) advice() (string, bool) {
	fresh := k.fresh
	k.fresh = false
	return k.text, fresh
}

func (k *keyboardDecoder) unended() bool { return k.frames.Suffix.Missing() }

// tested takes the self-test out: it is for the installer, not for the gate.
func (k *keyboardDecoder) tested(codes []string) []string {
	var tickets []string
	for _, code := range codes {
		if found, ok := k.tester.Diagnose(code); ok {
			k.text, k.fresh = found.Advice(k.layout), true
			continue
		}
		tickets = append(tickets, code)
	}
	return tickets
}

// posDecoder reads a point-of-sale scanner.
type posDecoder struct {
	layout    report.POS
	described bool
	parts     *report.Assembler
}

func (p *posDecoder) push(at time.Time, raw []byte) []string {
	if p.parts == nil {
		if !p.described {
			p.layout = report.FallbackPOS(len(raw))
		}
		if !p.layout.Carries(raw) {
			return nil // the next one may be of another length
		}
		p.parts = report.NewAssembler(p.layout)
	}
	return p.parts.Push(at, raw)
}

func (p *posDecoder) wait(at time.Time) time.Duration {
	if p.parts == nil {
		return -1
	}
	return p.parts.Wait(at)
}

func (p *posDecoder) silence() []string      { return p.parts.Silence() }
func (p *posDecoder) advice() (string, bool) { return "", false }
func (p *posDecoder) unended() bool          { return false }

// guessDecoder reads a device that nothing describes: its first report tells
// what it is.
type guessDecoder struct {
	keyboard, pos decoder
	chosen        decoder
}

func (g *guessDecoder) push(at time.Time, raw []byte) []string {
	// The longest keyboard's has a bit for each key.
	const longestKeyboard = 40
	if g.chosen == nil {
		g.chosen = g.pos
		if len(raw) < longestKeyboard {
			g.chosen = g.keyboard
		}
	}
	return g.chosen.push(at, raw)
}

func (g *guessDecoder) wait(at time.Time) time.Duration {
	if g.chosen == nil {
		return -1
	}
	return g.chosen.wait(at)
}

func (g *guessDecoder) silence() []string { return g.chosen.silence() }

func (g *guessDecoder) advice() (string, bool) {
	if g.chosen == nil {
		return "", false
	}
	return g.chosen.advice()
}

func (g *guessDecoder) unended() bool { return g.chosen != nil && g.chosen.unended() }
