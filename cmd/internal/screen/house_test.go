package screen

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// house stands behind a real server.
type house struct {
	mu     sync.Mutex // guards what follows
	status control.Status
	events []control.Event // newest first
	found  []control.Ticket
	asked  []string
	fails  error
	polls  int
	panics bool
}

func (h *house) note(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
	if h.panics {
		panic("as the test wants")
	}
	return h.fails
}

func (h *house) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

func (h *house) change(f func(*house)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h)
}

func (h *house) Status() control.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.polls++
	return h.status
}

func (h *house) Newest(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	err := h.note("newest %d %d", limit, after)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[:min(limit, len(h.events))], err
}

func (h *house) Scan(_ context.Context, code scanner.Code, d scanner.Direction) (control.Event, error) {
	return sample(7, Manual), h.note("scan %s %s", code, d)
}

func (h *house) Admit(_ context.Context, seq uint64, by string) (control.Event, error) {
	return sample(seq+1, "lane-1"), h.note("admit %d %s", seq, by)
}

func (h *house) Undo(_ context.Context, seq uint64, by string) (control.Event, error) {
	return sample(seq+1, "lane-1"), h.note("undo %d %s", seq, by)
}

func (h *house) Find(_ context.Context, text string, limit int) ([]control.Ticket, error) {
	err := h.note("find %s %d", text, limit)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.found[:min(limit, len(h.found))], err
}

// wholeCode is what no answer may hold.
const wholeCode = "WHOLE-CODE-0123456789"

func sample(seq uint64, lane string) control.Event {
	return control.Event{
		Seq: seq, At: control.At(time.Date(2026, 11, 21, 18, 42, 7, 0, time.UTC)), Scanner: lane, Code: scanner.Code(wholeCode).Mask(),
		Verdict: scanner.Admit, Reason: scanner.OK, Direction: scanner.Entry, Mode: scanner.Online,
		Ticket: &scanner.TicketInfo{ID: "1", Name: "Ada Lovelace", Section: "North", Seat: "A12"},
	}
}

// logged is a log that a test may read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a server that runs until the test ends.
type rig struct {
	*Server
	house *house
	log   *logged
	stop  func() error
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func serve(t *testing.T) *rig {
	t.Helper()
	r := run(t, freeAddr(t))
	until(t, "the page is served", func() bool {
		conn, err := net.Dial("tcp", r.Addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return r
}

// run runs a server, whether it can listen or not.
func run(t *testing.T, addr string) *rig {
	t.Helper()
	r := &rig{house: &house{status: control.Status{
		State: control.Ready, Device: control.DeviceStatus{Gate: "Gate 7"},
		Scanners: []control.ScannerStatus{{Name: "lane-1", State: control.ScannerConnected}},
	}}, log: &logged{}}
	r.Server = &Server{
		Addr: addr, House: r.house, Feed: &control.Feed{}, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Zone: time.UTC, Language: "en", Hold: 5 * time.Second,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Second):
			return fmt.Errorf("it does not end")
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
		if log := r.log.String(); strings.Contains(log, wholeCode) || strings.Contains(log, "Lovelace") {
			t.Errorf("the log holds what it must not: %s", log)
		}
	})
	return r
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
