// Package faults puts any vendor's simulator on loopback and lets the network
// between it and its callers fail in every way that a venue's does.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is a way to fail.
type Kind string

// The kinds of fault.
const (
	// Refuse closes the door: connections are refused, those there are cut.
	Refuse Kind = "refuse"
	// Close takes the request and closes the connection, acting on nothing.
	Close Kind = "close"
	// BlackHole takes the request and never answers.
	BlackHole Kind = "blackhole"
	// Slow answers after Delay.
	Slow Kind = "slow"
	// Status answers Status, with Retry-After where RetryAfter is set.
	Status Kind = "status"
	// HTML is a captive portal's page, with 200.
	HTML Kind = "html"
	// Redirect is a captive portal's 302.
	Redirect Kind = "redirect"
	// Truncate cuts the connection after the first bytes of the true answer.
	Truncate Kind = "truncate"
	// HalfJSON ends the JSON in the middle, in an answer that HTTP calls whole.
	HalfJSON Kind = "halfjson"
	// Foreign answers somebody else's JSON.
	Foreign Kind = "foreign"
	// Lost acts on the request and cuts the connection instead of answering.
	Lost Kind = "lost"
	// Garbage answers what is no HTTP.
	Garbage Kind = "garbage"
	// Endless answers JSON that never ends.
	Endless Kind = "endless"
	// Trickle sends the true answer a byte at a time, one each Delay.
	Trickle Kind = "trickle"
	// Date gives a Date that is off by Delay.
	Date Kind = "date"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{Refuse, Close, BlackHole, Slow, Status, HTML, Redirect, Truncate, HalfJSON, Foreign, Lost, Garbage, Endless, Trickle, Date}
}

// Fault is one fault that is switched on.
type Fault struct {
	Kind Kind `json:"kind"`
	// Call restricts it to the calls of one name; empty: all.
	Call string `json:"call,omitempty"`
	// Times is how many calls it befalls; 0: until it is cleared.
	Times int `json:"times,omitempty"`
	// Delay is for Slow, Trickle and Date.
	Delay time.Duration `json:"delay,omitempty"`
	// Status is for Status, RetryAfter its header.
	Status     int    `json:"status,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
	// Bytes is how much Truncate lets through; 0: 20.
	Bytes int `json:"bytes,omitempty"`
}

// Server is a simulator on loopback.
type Server struct {
	handler http.Handler
	name    func(*http.Request) string
	addr    string
	prefix  string
	aside   http.Handler

	mu     sync.Mutex // guards what follows
	faults []Fault
	http   *http.Server
	hung   chan struct{} // closed where black holes must let go
	seen   int
}

// Listen serves handler on a loopback address (port 0: any). Name gives a
// request's call, for faults of one call alone.
func Listen(addr string, handler http.Handler, name func(*http.Request) string, options ...Option) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want 127.0.0.1:PORT", addr)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: a simulator is for this machine only: use 127.0.0.1 or ::1", host)
	}
	s := &Server{handler: handler, name: name, addr: addr, hung: make(chan struct{})}
	for _, option := range options {
		option(s)
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// Option changes a server.
type Option func(*Server)

// Aside serves what begins with prefix by another handler, which no fault
// befalls and which counts as no call.
func Aside(prefix string, handler http.Handler) Option {
	return func(s *Server) { s.prefix, s.aside = prefix, handler }
}

// URL is where the server is, without a path.
func (s *Server) URL() string { return "http://" + s.addr }

// Calls counts the requests that came.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Set switches a fault on, behind those there are.
func (s *Server) Set(f Fault) error {
	if f.Kind == Refuse {
		s.shut()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return nil
}

// Faults are those switched on, with the times that are left.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault{}, s.faults...)
}

// Clear ends all faults; what hangs lets go.
func (s *Server) Clear() error {
	s.mu.Lock()
	s.faults = nil
	close(s.hung)
	s.hung = make(chan struct{})
	shut := s.http == nil
	s.mu.Unlock()
	if shut {
		return s.open()
	}
	return nil
}

// Close ends the server and all its connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.faults = nil
	close(s.hung)
	s.hung = make(chan struct{})
	s.mu.Unlock()
	s.shut()
}

func (s *Server) open() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = l.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	server := s.http
	go func() { _ = server.Serve(l) }()
	return nil
}

func (s *Server) shut() {
	s.mu.Lock()
	server := s.http
	s.http = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// take gives the fault for a call, and what ends its hanging.
func (s *Server) take(call string) (Fault, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	for i := range s.faults {
		f := s.faults[i]
		if f.Call != "" && f.Call != call {
			continue
		}
		if f.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times > 1 {
			s.faults[i].Times--
		}
		return f, s.hung
	}
	return Fault{}, s.hung
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if s.aside != nil && strings.HasPrefix(r.URL.Path, s.prefix) {
		s.aside.ServeHTTP(w, r)
		return
	}
	f, hung := s.take(s.name(r))
	switch f.Kind {
	case "":
		s.handler.ServeHTTP(w, r)
	case Close, Refuse:
		panic(http.ErrAbortHandler)
	case BlackHole:
		// Reading to the end lets the server notice that the caller left.
		_, _ = io.Copy(io.Discard, r.Body)
		wait(r.Context(), hung, 0)
		panic(http.ErrAbortHandler)
	case Slow:
		wait(r.Context(), hung, f.Delay)
		s.handler.ServeHTTP(w, r)
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, "simulated", f.Status)
	case HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, portal)
	case Redirect:
		http.Redirect(w, r, "http://portal.invalid/login", http.StatusFound)
	case Foreign:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok","login":"http://portal.invalid/","result":[]}`)
	case Lost:
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case Date:
		w.Header().Set("Date", time.Now().Add(f.Delay).UTC().Format(http.TimeFormat))
		s.handler.ServeHTTP(w, r)
	case Garbage:
		garbage(w)
	case Endless:
		endless(w, r.Context(), hung)
	case Truncate, HalfJSON, Trickle:
		s.spoil(w, r, f, hung)
	default:
		http.Error(w, "unknown fault "+string(f.Kind), http.StatusNotImplemented)
	}
}

const portal = `<!DOCTYPE html><html><head><title>Venue WiFi</title></head><body><h1>Welcome</h1><p>Please log in.</p></body></html>`

// wait ends after d, or with the caller or the fault; d 0: only with those.
func wait(ctx context.Context, hung <-chan struct{}, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
	case <-hung:
	case <-ctx.Done():
	}
}

func garbage(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, "SSH-2.0-portal\r\n")
	_ = conn.Close()
}

func endless(w http.ResponseWriter, ctx context.Context, hung <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, `{"a":[0`)
	chunk := make([]byte, 0, 4<<10)
	for len(chunk) < 4<<10 {
		chunk = append(chunk, ",0"...)
	}
	for err == nil && ctx.Err() == nil {
		select {
		case <-hung:
			panic(http.ErrAbortHandler)
		default:
			_, err = w.Write(chunk)
		}
	}
}

// spoil sends the true answer badly.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f Fault, hung <-chan struct{}) {
	if f.Kind == Truncate {
		bytes := f.Bytes
		if bytes == 0 {
			bytes = 20
		}
		s.handler.ServeHTTP(&cutter{ResponseWriter: w, left: bytes}, r)
		panic(http.ErrAbortHandler)
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	if f.Kind == HalfJSON {
		body = body[:len(body)/2]
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.Code)
	if f.Kind == HalfJSON {
		_, _ = w.Write(body)
		return
	}
	flush := http.NewResponseController(w)
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil || errors.Join(flush.Flush(), r.Context().Err()) != nil {
			return
		}
		wait(r.Context(), hung, f.Delay)
	}
}

// cutter lets the first bytes through and cuts the connection.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}
