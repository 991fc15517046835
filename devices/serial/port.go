package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tarm/serial" // reads the line; see the package comment for what is wrapped
	"golang.org/x/sys/unix"  // poll, flock and the terminal ioctls that tarm/serial lacks

	"usher/devices/report"
	"usher/scanner"
)

const (
	// readTimeout is tarm's VTIME. A read that finds nothing ends after it, or at
	// once when the line has hung up.
	readTimeout = 100 * time.Millisecond
	// readSize is the size of the kernel's line buffer.
	readSize = 4 << 10
	// backlog is how many codes may wait for a slow emit. Beyond it bytes stay in
	// the kernel, whose flow control holds the scanner.
	backlog = 64
	// quiet is how long the line must be silent at the opening, longer than an
	// adapter gathers bytes; stale bounds how long that is waited for.
	quiet = 50 * time.Millisecond
	stale = 500 * time.Millisecond
)

const (
	// writeWithin is how long a line may take to accept what the scanner is told.
	writeWithin = 100 * time.Millisecond
	// drainWithin is how long a closing port waits for what was accepted to leave.
	drainWithin = 50 * time.Millisecond
)

// port is one opened serial port.
type port struct {
	name   string
	frames framer
	// hand is nil where there is nothing to tell the scanner.
	hand  *hand
	line  *serial.Port
	side  *os.File
	probe syscall.RawConn // of side
	// tap takes a recording; nil: none is made.
	tap func(raw []byte)
	// suffix is what is known of the scanner's terminator.
	suffix *report.Suffix
	report.Adviser
}

// framer makes codes of bytes, as [report.Framer] does.
type framer interface {
	Push(at time.Time, read []byte) []string
	Wait(at time.Time) time.Duration
	Silence() []string
}

func open(ctx context.Context, cfg Config, suffix *report.Suffix) (*port, error) {
	node, err := filepath.EvalSymlinks(cfg.Port)
	if err != nil {
		return nil, err
	}
	side, err := openSidecar(node)
	if err != nil {
		return nil, err
	}
	p := &port{name: cfg.Port, frames: &report.Framer{Idle: cfg.Idle, Suffix: suffix}, side: side, suffix: suffix}
	if cfg.Feedback != "" || cfg.Protocol == protocolSSI {
		p.hand = newHand(feedbacks()[cfg.Feedback], p.write)
	}
	if cfg.Protocol == protocolSSI {
		p.frames = &ssi{gap: cfg.Idle, answer: p.hand.answer, heard: p.hand.replied}
	}
	err = p.setUp(node, cfg)
	if err == nil {
		err = p.quieten(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// Signal tells the hand that holds the scanner a verdict. It implements
// scanner.Signaller.
func (p *port) Signal(s scanner.Signal) {
	if p.hand != nil {
		p.hand.signal(s)
	}
}

// write puts bytes on the line, if it takes them in time.
func (p *port) write(b []byte) error {
	if err := p.side.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	_, err := p.side.Write(b)
	return err
}

// setUp opens the line behind the sidecar's lock. The exclusive flag comes after
// that: it would shut out our own second descriptor.
func (p *port) setUp(node string, cfg Config) error {
	var err error
	if p.probe, err = p.side.SyscallConn(); err != nil {
		return err
	}
	p.line, err = serial.OpenPort(&serial.Config{Name: node, Baud: standardBaud, ReadTimeout: readTimeout})
	if err != nil {
		return err
	}
	if err := sameNode(p.side, node); err != nil {
		return err
	}
	for _, do := range []func(fd int) error{takeLine, setSpeed(cfg.Baud), setLines(cfg.DTR, cfg.RTS)} {
		if err := p.control(do); err != nil {
			return err
		}
	}
	return nil
}

// quieten throws away what was scanned before anybody read it: a person got no
// answer to that and will have scanned again. So it does with the rest of a code that
// is under way, which may be another ticket's.
func (p *port) quieten(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < stale; {
		if err := p.line.Flush(); err != nil {
			return err
		}
		if events, err := p.await(ctx, quiet); err != nil || events&unix.POLLIN == 0 {
			return err
		}
	}
	return p.line.Flush()
}

// Run reads until the context ends, whose error it returns, or the line hangs
// up, an error wrapping [scanner.ErrUnplugged]. Codes wait in a queue while emit
// is busy; those framed before the end are all emitted. It implements
// scanner.Device.
func (p *port) Run(ctx context.Context, emit func(raw string)) (err error) {
	codes, end := report.Deliver(backlog, emit)
	defer end()
	// Closed before a slow emit is waited for: a scanner that is plugged in again
	// gets another name while its old port is held.
	defer func() { err = errors.Join(err, p.close()) }()
	defer p.talk()()

	defer report.Interrupt(ctx, p.side)()
	return p.read(ctx, codes)
}

// talk starts to tell the scanner things; what it returns ends that.
func (p *port) talk() (end func()) {
	if p.hand == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan struct{})
	go func() {
		defer close(told)
		p.hand.run(ctx)
	}()
	return func() {
		cancel()
		<-told
	}
}

func (p *port) read(ctx context.Context, codes chan<- string) error {
	frames := p.frames
	buf := make([]byte, readSize)
	for {
		events, err := p.await(ctx, frames.Wait(time.Now()))
		if err != nil {
			return err
		}
		var framed []string
		if events != 0 {
			n, err := p.take(buf, events)
			if err != nil {
				return err
			}
			framed = frames.Push(time.Now(), buf[:n])
		} else {
			framed = frames.Silence()
		}
		p.Unended(p.suffix.Missing())
		for _, code := range framed {
			select {
			case codes <- code:
				p.Taken()
				continue
			default:
			}
			// What comes from now on waits in the kernel, which drops what is too much.
			p.Dropped()
			select {
			case codes <- code:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// await blocks until the port has something to say, and gives the events of
// poll(2), or until it was silent for the duration, and gives none. Negative: for
// ever, without a wake-up.
func (p *port) await(ctx context.Context, silence time.Duration) (events int16, err error) {
	var deadline time.Time
	if silence >= 0 {
		deadline = time.Now().Add(silence)
	}
	if err := p.side.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	// After the deadline is set: an end of the context before this line is seen
	// here, a later one moves the deadline again.
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var failed error
	look := func(fd uintptr) bool {
		events, failed = pending(fd)
		return events != 0 || failed != nil
	}
	err = p.probe.Read(look)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// The reader may have been held up itself: what came meanwhile counts.
		err = p.probe.Control(func(fd uintptr) { look(fd) })
	}
	return events, errors.Join(err, failed)
}

// take reads what await found. An empty answer is a hang-up when poll said so or
// when it comes at once, and else a time-out: somebody took the bytes.
func (p *port) take(buf []byte, events int16) (int, error) {
	began := time.Now()
	n, err := p.line.Read(buf)
	switch {
	case n > 0:
		if p.tap != nil {
			p.tap(buf[:n])
		}
		return n, nil
	case err != nil && !errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%s: %w (%v)", p.name, scanner.ErrUnplugged, err)
	case events&^unix.POLLIN != 0 || time.Since(began) < readTimeout/2:
		return 0, fmt.Errorf("%s: %w", p.name, scanner.ErrUnplugged)
	}
	return 0, nil
}

// close gives the port back. Only the goroutine that reads may call it.
func (p *port) close() error {
	var err error
	if p.line != nil {
		if p.hand != nil {
			p.drain()
		}
		// Fails on a line that hung up, which holds no flag any more.
		_ = p.control(giveLine)
		err = p.line.Close()
	}
	return errors.Join(err, p.side.Close())
}

// drain lets the last bytes leave, and drops those that do not: the kernel's own
// close would wait for them, up to half a minute.
func (p *port) drain() {
	for end := time.Now().Add(drainWithin); time.Now().Before(end); time.Sleep(drainWithin / 10) {
		waiting := 0
		if err := p.control(func(fd int) (err error) {
			waiting, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
			return err
		}); err != nil || waiting == 0 {
			return
		}
	}
	_ = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) })
}

func (p *port) control(do func(fd int) error) error {
	var failed error
	if err := p.probe.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// pending asks the port without waiting.
func pending(fd uintptr) (int16, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return fds[0].Revents, err
		}
	}
}
