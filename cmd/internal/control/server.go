package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The server's patience.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	// bodyTimeout is for a small body, and for each piece of a large one.
	bodyTimeout = 10 * time.Second
	// writeTimeout is for an answer, and for each piece of a stream.
	writeTimeout = 10 * time.Second
	// finishTime is what requests in flight get to end by themselves when the
	// daemon stops (a scan being judged waits 1.5 s at most), stopTime what they
	// get after they were told to.
	finishTime = 2 * time.Second
	stopTime   = time.Second

	maxHeader = 64 << 10
)

// VersionHeader carries the daemon's version in every answer.
const VersionHeader = "Usher-Version"

// Server is the daemon's end of the socket. Fill the fields, then Run.
type Server struct {
	// Path is the socket's; "" is [DefaultSocket].
	Path string
	// Version is the daemon's.
	Version string
	House   House
	Feed    *Feed
	Log     *slog.Logger

	socket *socket
}

// Listen claims the socket, so that a second daemon learns of the first one
// before it touches any store. Clients that connect wait for Run. Run listens by
// itself where Listen was not called.
func (s *Server) Listen(ctx context.Context) error {
	path := s.Path
	if path == "" {
		path = DefaultSocket
	}
	l, err := listen(ctx, path)
	if err != nil {
		return err
	}
	s.socket = l
	return nil
}

// Close gives up a socket that was claimed by Listen and never run.
func (s *Server) Close() error {
	if s.socket == nil {
		return nil
	}
	err := s.socket.Close()
	s.socket = nil
	return err
}

// Run answers until the context ends. It gives requests in flight a short time,
// ends every follower at once, and has removed the socket when it returns.
func (s *Server) Run(ctx context.Context) error {
	if s.socket == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	// Handlers outlive ctx for a moment, so that a scan being judged still gets
	// its answer; followers watch ctx itself.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var handlers sync.WaitGroup
	server := &http.Server{
		Handler:           s.handler(ctx, &handlers),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         (&Connections{Most: maxConnections, To: "the socket", Log: s.Log}).Changed,
		BaseContext:       func(net.Listener) context.Context { return base },
		// The library's own complaints quote what a client sent.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	listener := s.socket // stop clears the field, maybe before this begins to serve
	go func() { served <- server.Serve(listener) }()

	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("status.socket: %w", err)
	case <-ctx.Done():
		// It ends as soon as stop closes the socket.
		defer func() { <-served }()
	}
	return errors.Join(err, s.stop(server, cancel, &handlers))
}

// stop ends everything Run started.
func (s *Server) stop(server *http.Server, cancel context.CancelFunc, handlers *sync.WaitGroup) error {
	closeErr := s.Close()
	finish, done := context.WithTimeout(context.Background(), finishTime)
	defer done()
	if server.Shutdown(finish) == nil {
		return closeErr
	}
	cancel()
	_ = server.Close()
	ended := make(chan struct{})
	go func() {
		handlers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return closeErr
	case <-time.After(stopTime):
		return errors.Join(closeErr, errors.New("status.socket: a request did not end in time"))
	}
}

// api holds what the handlers share.
type api struct {
	house   House
	feed    *Feed
	log     *slog.Logger
	version string
	// stopping is closed when the daemon stops, before a request's context ends.
	stopping <-chan struct{}
	// unreplayed: the last replay failed, and that was logged.
	unreplayed atomic.Bool
}

func (s *Server) handler(ctx context.Context, handlers *sync.WaitGroup) http.Handler {
	a := &api{house: s.House, feed: s.Feed, log: s.Log, version: s.Version, stopping: ctx.Done()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.feed == nil {
		a.feed = &Feed{}
	}
	mux := http.NewServeMux()
	for pattern, h := range a.routes() {
		mux.Handle(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		w.Header().Set(VersionHeader, a.version)
		a.guarded(&tracked{ResponseWriter: w}, r, mux)
	})
}

func (a *api) routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /v1/status":                    a.answer(a.status),
		"GET /v1/scans":                     http.HandlerFunc(a.scans),
		"POST /v1/scans":                    a.answer(a.scan),
		"POST /v1/scans/{seq}/admit":        a.answer(a.admit),
		"POST /v1/scans/{seq}/undo":         a.answer(a.undo),
		"GET /v1/tickets":                   a.answer(a.findTickets),
		"GET /v1/tickets/{code}":            a.answer(a.ticket),
		"POST /v1/tickets/import":           a.answer(a.importTickets),
		"GET /v1/events":                    a.answer(a.vendorEvents),
		"POST /v1/sync":                     a.answer(a.sync),
		"POST /v1/reload":                   a.answer(a.reload),
		"GET /v1/outbox":                    a.answer(a.outbox),
		"GET /v1/parked":                    a.answer(a.parked),
		"POST /v1/parked/requeue":           a.answer(a.requeueAll),
		"POST /v1/parked/{seq}/requeue":     a.answer(a.requeue),
		"POST /v1/parked/{seq}/acknowledge": a.answer(a.acknowledge),
		"GET /v1/export":                    http.HandlerFunc(a.export),
		"GET /metrics":                      a.metrics(),
		"GET /healthz":                      http.HandlerFunc(a.health),
	}
}

func (a *api) isStopping() bool {
	select {
	case <-a.stopping:
		return true
	default:
		return false
	}
}

// guarded turns a panic, an unknown path and a wrong method into JSON errors.
func (a *api) guarded(w *tracked, r *http.Request, mux *http.ServeMux) {
	h, pattern := mux.Handler(r)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p != http.ErrAbortHandler {
			a.log.Error("a request to the socket failed", "route", pattern, "panic", fmt.Sprint(p))
		}
		if p == http.ErrAbortHandler || w.begun {
			// The answer has begun: a broken connection is how the client learns
			// that it is not whole.
			panic(http.ErrAbortHandler)
		}
		writeError(w, http.StatusInternalServerError, "internal error: see the daemon's log")
	}()
	// Each deadline is renewed where more is read or written: the connection still
	// has those of the request before.
	now := time.Now()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(now.Add(writeTimeout))
	if r.ContentLength != 0 {
		_ = control.SetReadDeadline(now.Add(bodyTimeout))
	}
	if pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	var probe probe
	h.ServeHTTP(&probe, r)
	if allow := probe.Header().Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
	}
	writeError(w, probe.status, unrouted(r, probe.status))
}

// tracked knows whether an answer has begun.
type tracked struct {
	http.ResponseWriter
	begun bool
}

func (t *tracked) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func unrouted(r *http.Request, status int) string {
	if status == http.StatusMethodNotAllowed {
		return fmt.Sprintf("method %s is not allowed here", r.Method)
	}
	return "no such path"
}

// probe records what the mux would answer to a request it has no route for.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }
