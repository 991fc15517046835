package serial

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/devices/devicetest"
	"usher/scanner"
)

// countingConn counts how often the port is looked at: every wake-up of the
// reader looks.
type countingConn struct {
	syscall.RawConn
	looks atomic.Int64
}

func (c *countingConn) Read(look func(fd uintptr) bool) error {
	return c.RawConn.Read(func(fd uintptr) bool {
		c.looks.Add(1)
		return look(fd)
	})
}

func openPty(t *testing.T) (*port, *devicetest.Pty) {
	t.Helper()
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "scanner"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pty.Close() })
	cfg := Defaults()
	cfg.Port, cfg.Idle = pty.Path(), 20*time.Millisecond
	p, err := open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, pty
}

// sendingConn has the scanner send something more each time that the port is waited
// for.
type sendingConn struct {
	syscall.RawConn
	send func()
}

func (c *sendingConn) Read(look func(fd uintptr) bool) error {
	c.send()
	return c.RawConn.Read(look)
}

// TestACodeUnderWayAtTheOpeningIsDropped: the rest of a code may be another ticket's.
func TestACodeUnderWayAtTheOpeningIsDropped(t *testing.T) {
	p, pty := openPty(t)
	probe, rest := p.probe, []string{"-7-", "1234", "56\r"}
	p.probe = &sendingConn{RawConn: probe, send: func() {
		if len(rest) > 0 {
			if _, err := pty.Write([]byte(rest[0])); err != nil {
				t.Error(err)
			}
			rest = rest[1:]
		}
	}}
	if err := p.quieten(t.Context()); err != nil || len(rest) > 0 {
		t.Fatalf("quiet with %q to come: %v", rest, err)
	}
	p.probe = probe
	ctx, cancel := context.WithCancel(t.Context())
	codes, ended := make(chan string, 4), make(chan error, 1)
	go func() { ended <- p.Run(ctx, func(raw string) { codes <- raw }) }()
	if _, err := pty.Write([]byte("NEW-1\r")); err != nil {
		t.Fatal(err)
	}
	if got := <-codes; got != "NEW-1" {
		t.Errorf("got %q, want only the code that began after the opening", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

func TestIdleCostsNoWakeUp(t *testing.T) {
	p, pty := openPty(t)
	counting := &countingConn{RawConn: p.probe}
	p.probe = counting

	ctx, cancel := context.WithCancel(t.Context())
	codes, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- p.Run(ctx, func(raw string) { codes <- raw }) }()
	for range 2 {
		if _, err := pty.Write([]byte("TICKET-1")); err != nil { // ended by silence: a timer has run
			t.Fatal(err)
		}
		if got := <-codes; got != "TICKET-1" {
			t.Fatalf("got %q", got)
		}
		before := counting.looks.Load()
		time.Sleep(time.Second) // the measure: what happens in a second in which nobody scans
		// One look may still follow the code, to find that nothing else is there.
		if looks := counting.looks.Load() - before; looks > 1 {
			t.Errorf("%d wake-ups in a second in which nobody scanned", looks)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

// TestAwaitSeesAnEndFromBefore: the deadline it sets must not undo the wake-up
// of a context that ended just then.
func TestAwaitSeesAnEndFromBefore(t *testing.T) {
	p, _ := openPty(t)
	defer p.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { _, err := p.await(ctx, -1); ended <- err }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("await returned %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("await waits for ever")
	}
}

// TestEmptyReads tells the three: a hang-up that poll saw, one that only the
// answer's quickness shows, and bytes that somebody else took.
func TestEmptyReads(t *testing.T) {
	p, pty := openPty(t)
	buf := make([]byte, 16)
	if n, err := p.take(buf, unix.POLLIN); n != 0 || err != nil {
		t.Errorf("somebody else took the bytes: %d, %v", n, err)
	}
	if _, err := p.take(buf, unix.POLLIN|unix.POLLHUP); !errors.Is(err, scanner.ErrUnplugged) {
		t.Errorf("poll saw a hang-up: %v", err)
	}
	if err := pty.Unplug(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.take(buf, unix.POLLIN); !errors.Is(err, scanner.ErrUnplugged) {
		t.Errorf("an empty answer at once: %v", err)
	}
	if err := p.close(); err != nil {
		t.Errorf("closing after a hang-up: %v", err)
	}
}
