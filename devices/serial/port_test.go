package serial

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/devices/devicetest"
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

func TestIdleCostsNoWakeUp(t *testing.T) {
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "scanner"))
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	p, err := open(Config{Port: pty.Path(), Baud: 9600, Idle: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
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
