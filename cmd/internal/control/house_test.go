package control_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/cmd/internal/control"
	"usher/scanner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a small journal in memory behind the socket. It is no model of the
// daemon: it answers as it is told, so that the wire can be looked at.
type house struct {
	feed control.Feed

	// mu guards events and the notes of what was asked.
	mu       sync.Mutex
	events   []control.Event
	asked    []string
	manifest []byte

	status  control.Status
	fail    error
	sincing func()
	rows    []control.ExportRow
	parked  int
}

func (h *house) note(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
	return h.fail
}

func (h *house) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) == 0 {
		return ""
	}
	return h.asked[len(h.asked)-1]
}

// happen commits and publishes an event, in that order, as the daemon does.
func (h *house) happen(e control.Event) control.Event {
	h.mu.Lock()
	if !e.Repeat {
		e.Seq = uint64(len(h.events) + 1)
		h.events = append(h.events, e)
	}
	h.mu.Unlock()
	h.feed.Publish(e)
	return e
}

func (h *house) Status() control.Status { return h.status }

func (h *house) Newest(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	err := h.note("newest %d %d", limit, after)
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.Event
	for i := len(h.events) - 1; i >= 0 && len(out) < limit && h.events[i].Seq > after; i-- {
		out = append(out, h.events[i])
	}
	return out, err
}

func (h *house) Since(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	if h.sincing != nil {
		h.sincing()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.Event
	for _, e := range h.events {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, h.fail
}

func (h *house) Scan(_ context.Context, code scanner.Code, d scanner.Direction) (control.Event, error) {
	if err := h.note("scan %q %s", string(code), d); err != nil {
		return control.Event{}, err
	}
	return h.happen(control.Event{ID: "id", Code: code.Mask(), Verdict: scanner.Admit, Reason: scanner.OK}), nil
}

func (h *house) Admit(_ context.Context, seq uint64, by string) (control.Event, error) {
	return control.Event{Seq: 9, Of: seq, By: by, Kind: scanner.KindOverride}, h.note("admit %d %s", seq, by)
}

func (h *house) Undo(_ context.Context, seq uint64, by string) (control.Event, error) {
	return control.Event{Seq: 9, Of: seq, By: by, Kind: scanner.KindUndo}, h.note("undo %d %s", seq, by)
}

func (h *house) Ticket(_ context.Context, code scanner.Code) (control.TicketView, error) {
	return control.TicketView{Code: string(code)}, h.note("ticket %q", string(code))
}

func (h *house) Find(_ context.Context, text string, limit int) ([]control.Ticket, error) {
	return []control.Ticket{{Code: "C1", Name: "Ann"}}, h.note("find %q %d", text, limit)
}

func (h *house) Import(_ context.Context, name string, r io.Reader) (control.ImportResult, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return control.ImportResult{}, err
	}
	h.mu.Lock()
	h.manifest = body
	h.mu.Unlock()
	return control.ImportResult{Tickets: len(body)}, h.note("import %s %d", name, len(body))
}

func (h *house) VendorEvents(_ context.Context, of control.Period) (control.VendorEvents, error) {
	return control.VendorEvents{Vendor: "manifest", Events: []control.VendorEvent{{ID: "E1"}}}, h.note("events %q %q", of.From, of.To)
}

func (h *house) Sync(_ context.Context, what control.SyncRequest) (control.SyncResult, error) {
	return control.SyncResult{Uploaded: 3}, h.note("sync %v", what.Whole)
}

func (h *house) Reload(context.Context) (control.Reloaded, error) {
	return control.Reloaded{Changed: true}, h.note("reload")
}

func (h *house) Outbox(_ context.Context, limit int) ([]control.OutboxEntry, error) {
	return []control.OutboxEntry{{Seq: 4, Code: "WHOLE-CODE"}}, h.note("outbox %d", limit)
}

func (h *house) Parked(_ context.Context, limit int) ([]control.ParkedEntry, error) {
	return nil, h.note("parked %d", limit)
}

func (h *house) Requeue(_ context.Context, seq uint64, by string) error {
	return h.note("requeue %d %s", seq, by)
}

func (h *house) RequeueAll(_ context.Context, by string) (int, error) {
	return h.parked, h.note("requeue all %s", by)
}

func (h *house) Acknowledge(_ context.Context, seq uint64, by string) error {
	return h.note("acknowledge %d %s", seq, by)
}

func (h *house) Export(_ context.Context, yield func(control.ExportRow) error) error {
	for _, row := range h.rows {
		if err := yield(row); err != nil {
			return err
		}
	}
	return h.note("export")
}

// directory is short: a unix socket's path holds 107 bytes.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ush")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve runs a server for the house until the test ends or stop is called.
func serve(t *testing.T, h *house) (client *control.Client, stop func()) {
	t.Helper()
	return serveLogging(t, h, io.Discard)
}

func serveLogging(t *testing.T, h *house, log io.Writer) (client *control.Client, stop func()) {
	t.Helper()
	path := filepath.Join(directory(t), "u.sock")
	server := &control.Server{Path: path, Version: "1.2.3", House: h, Feed: &h.feed, Log: slog.New(slog.NewTextHandler(log, nil))}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	client = &control.Client{Path: path}
	stop = sync.OnceFunc(func() {
		cancel()
		client.Close()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	return client, stop
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	deadline := time.After(5 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-look.C:
		}
	}
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
