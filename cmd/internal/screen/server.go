package screen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// The server's patience.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	// bodyTimeout is for a request's body, writeTimeout for an answer.
	bodyTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	// finishTime is what a scan being judged gets to end by itself when the page
	// ends, stopTime what it gets after it was told to.
	finishTime = 2 * time.Second
	stopTime   = time.Second

	// listenMin and listenMax are between two attempts to listen.
	listenMin = 500 * time.Millisecond
	listenMax = 15 * time.Second

	maxHeader = 16 << 10
	// maxConnections is for pages of a few lanes; a browser opens six a page.
	maxConnections = 64
)

// House is what the page asks of the daemon.
type House interface {
	// Status comes from memory: it waits for no disk or network.
	Status() control.Status
	// Newest gives the newest events above after, newest first.
	Newest(ctx context.Context, limit int, after uint64) ([]control.Event, error)
	// Scan judges a code typed by hand; direction "" is the gate's own.
	Scan(ctx context.Context, code scanner.Code, direction scanner.Direction) (control.Event, error)
	// Admit is a supervisor's admission, Undo takes a movement back.
	Admit(ctx context.Context, seq uint64, by string) (control.Event, error)
	Undo(ctx context.Context, seq uint64, by string) (control.Event, error)
	// Find searches by name, order or seat.
	Find(ctx context.Context, text string, limit int) ([]control.Ticket, error)
}

// Server is the daemon's end of the page. Fill the fields, then Run.
type Server struct {
	// Addr is host:port of the loopback interface.
	Addr  string
	House House
	Feed  *control.Feed
	Log   *slog.Logger
	// Zone is the venue's; nil: the device's own. Language is one of [Languages].
	Zone     *time.Location
	Language string
	// Hold is how long a verdict stays.
	Hold time.Duration

	problem atomic.Pointer[string]
}

// Problem says why nobody can see the page, and what to do; empty: it is served.
func (s *Server) Problem() string {
	if p := s.problem.Load(); p != nil {
		return *p
	}
	return ""
}

// Run serves the page until the context ends. A gate works without its page: what
// keeps it from being served is logged, told by Problem, and tried again; it never
// is an error that would end the daemon.
func (s *Server) Run(ctx context.Context) error {
	a, err := s.newApp()
	if err != nil {
		s.tell(err.Error())
		<-ctx.Done()
		return nil
	}
	pauses := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(listenMin), backoff.WithMaxInterval(listenMax),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.2), backoff.WithMaxElapsedTime(0))
	for ctx.Err() == nil {
		err := s.serve(ctx, a, pauses.Reset)
		if ctx.Err() != nil {
			break
		}
		s.tell(ProblemOf(s.Addr, err))
		timer := time.NewTimer(pauses.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	s.problem.Store(nil)
	return nil
}

// tell logs a problem that was not told before.
func (s *Server) tell(problem string) {
	if s.Problem() != problem {
		s.Log.Warn("the gate screen's page is not served", "problem", problem)
	}
	s.problem.Store(&problem)
}

// ProblemOf says what keeps the page from being served, and what to do.
func ProblemOf(addr string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("screen: %s is in use by another program; set status.screen to another port, or off", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("screen: %s: not permitted; set status.screen to a port above 1023, or off", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("screen: this device has no address %s; set status.screen to 127.0.0.1:8680, or off", addr)
	}
	return fmt.Sprintf("screen: %s: %v; set status.screen to another address of this device, or off", addr, err)
}

var errNotLoopback = errors.New("others than this device could reach it")

// Listen listens on an address of the loopback interface, and on no other: the
// page shows names.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, errNotLoopback
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

// serve listens once and answers until the context ends or the listener fails.
func (s *Server) serve(ctx context.Context, a *app, listening func()) error {
	listener, err := Listen(ctx, s.Addr)
	if err != nil {
		return err
	}
	listening()
	if s.problem.Swap(nil) != nil {
		s.Log.Info("the gate screen's page is served", "url", URL(s.Addr))
	}
	// Handlers outlive ctx for a moment, so that a scan being judged still gets its
	// answer; pages that follow watch stopping.
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var handlers sync.WaitGroup
	server := &http.Server{
		Handler:           a.handler(stopping.Done(), &handlers),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         (&control.Connections{Most: maxConnections, To: "the gate screen's page", Log: s.Log}).Changed,
		ConnContext:       shallow,
		BaseContext:       func(net.Listener) context.Context { return base },
		// The library's own complaints quote what a client sent.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
		stop()
	case <-ctx.Done():
		defer func() { <-served }()
	}
	finish, done := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer done()
	if server.Shutdown(finish) != nil {
		cancel()
		_ = server.Close()
	}
	ended := make(chan struct{})
	go func() {
		handlers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopTime):
		s.Log.Warn("a request of the gate screen did not end in time")
	}
	return err
}

// socketBuffer is what a browser that does not read may leave unread, in bytes:
// verdicts that wait there are old.
const socketBuffer = 32 << 10

// shallow keeps a connection from holding more than a moment's events.
func shallow(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBuffer)
	}
	return ctx
}

// URL is the page's address for a browser on the device.
func URL(addr string) string { return "http://" + addr + "/" }
