package proxy_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/vendors/vendortest/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers each connection with all it sent, and what it heard to heard.
func echo(t *testing.T, heard chan<- string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got, err := io.ReadAll(c)
			if err != nil {
				got = append(got, "!"...)
			}
			_, _ = c.Write(got)
			_ = c.Close()
			heard <- string(got)
		}
	}()
	return l.Addr().String()
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault           proxy.Fault
		heard, answered string
		reset           bool
	}{
		{proxy.Fault{}, "abcdef", "abcdef", false},
		{proxy.Fault{Kind: proxy.FIN, At: 2}, "ab", "", false},
		{proxy.Fault{Kind: proxy.FIN, At: 6}, "abcdef", "", false},
		{proxy.Fault{Kind: proxy.RST, At: 2}, "ab!", "", true},
		{proxy.Fault{Kind: proxy.Half, At: 3}, "abc", "abc", false},
		{proxy.Fault{Kind: proxy.Delay, At: 3, Pause: time.Millisecond}, "abcdef", "abcdef", false},
		{proxy.Fault{Kind: proxy.Repeat, At: 1, Size: 2}, "abcbcdef", "abcbcdef", false},
		{proxy.Fault{Kind: proxy.Drop, At: 0, Size: 2}, "cdef", "cdef", false},
		{proxy.Fault{Kind: proxy.Flip, At: 5, Mask: 1}, "abcdeg", "abcdeg", false},
		{proxy.Fault{Kind: proxy.Flip, At: 6}, "abcdef", "abcdef", false},
		{proxy.Fault{Dir: proxy.Response, Kind: proxy.FIN, At: 1}, "abcdef", "a", false},
		{proxy.Fault{Dir: proxy.Response, Kind: proxy.RST, At: 1}, "abcdef", "a", true},
		{proxy.Fault{Dir: proxy.Response, Kind: proxy.Flip, At: 0, Mask: 2}, "abcdef", "cbcdef", false},
	} {
		heard := make(chan string, 1)
		p, err := proxy.Listen(echo(t, heard))
		if err != nil {
			t.Fatal(err)
		}
		p.Arm(tt.fault)
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "abcdef")
		_ = c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		if tt.reset != errors.Is(err, syscall.ECONNRESET) || !tt.reset && err != nil {
			t.Errorf("%+v: %v", tt.fault, err)
		}
		// A reset may overtake what came before it.
		if h := <-heard; h != tt.heard && !(tt.reset && tt.fault.Dir == proxy.Request) || string(got) != tt.answered && !tt.reset {
			t.Errorf("%+v: heard %q, answered %q", tt.fault, h, got)
		}
		_ = c.Close()
		p.Close()
	}
}

func TestHangAndInstead(t *testing.T) {
	p, err := proxy.Listen(echo(t, make(chan string, 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Arm(proxy.Fault{Kind: proxy.Hang, At: 1})
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "abc")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if !p.Fired() || p.Passed(proxy.Request) != 3 {
		t.Errorf("fired %v, passed %d", p.Fired(), p.Passed(proxy.Request))
	}
	p.Cut()
	p.Instead(func(c net.Conn) { _, _ = io.WriteString(c, "portal") })
	other, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got, err := io.ReadAll(other); err != nil || string(got) != "portal" {
		t.Errorf("%q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// TestCutWaitsForNobodyElse: who dials again at once does not keep Cut waiting.
func TestCutWaitsForNobodyElse(t *testing.T) {
	p, err := proxy.Listen(echo(t, make(chan string, 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Instead(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	first, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for p.Open() == 0 {
		runtime.Gosched()
	}
	again := make(chan net.Conn, 1)
	go func() {
		_, _ = first.Read(make([]byte, 1)) // until it is cut
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Error(err)
		}
		again <- c
	}()
	p.Cut()
	second := <-again
	_ = second.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := second.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("the connection made meanwhile: %v", err)
	}
	_ = second.Close()
}
