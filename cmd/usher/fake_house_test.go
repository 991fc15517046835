package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// fakeHouse stands behind a real socket, so that commands can be tested without
// stores, scanners or a vendor. It answers from a small history.
type fakeHouse struct {
	control.House // what no test asks for

	feed control.Feed

	mu     sync.Mutex // guards what follows
	state  control.State
	events []control.Event
	parked []uint64
	slow   chan struct{} // Status waits until it is closed
}

func newFakeHouse(state control.State) *fakeHouse {
	h := &fakeHouse{state: state, parked: []uint64{3, 8}}
	for i, e := range []control.Event{refused(), admitted()} {
		e.Seq = uint64(i + 1)
		h.events = append(h.events, e)
	}
	return h
}

func (h *fakeHouse) happen(e control.Event) control.Event {
	h.mu.Lock()
	e.Seq = uint64(len(h.events) + 1)
	h.events = append(h.events, e)
	h.mu.Unlock()
	h.feed.Publish(e)
	return e
}

func (h *fakeHouse) Status() control.Status {
	h.mu.Lock()
	slow := h.slow
	s := busyStatus()
	s.State = h.state
	h.mu.Unlock()
	if slow != nil {
		<-slow
	}
	if s.State == control.Ready {
		s.Problems, s.Parked, s.Scanners = nil, 0, s.Scanners[:1]
	}

	return s
}

func (h *fakeHouse) Newest(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := slices.Clone(h.events)
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

func (h *fakeHouse) Since(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.Event
	for _, e := range h.events {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (h *fakeHouse) Scan(_ context.Context, code scanner.Code, direction scanner.Direction) (control.Event, error) {
	e := refused()
	switch {
	case strings.HasPrefix(string(code), "GOOD"):
		e = admitted()
	case strings.HasPrefix(string(code), "AGAIN"):
		e = admitted()
		e.Repeat, e.AgoMS = true, 2000
	case strings.HasPrefix(string(code), "MAYBE"):
		e = reviewed()
	}
	e.Code, e.Direction, e.Scanner = code.Mask(), direction, "manual"
	return h.happen(e), nil
}

func (h *fakeHouse) Admit(_ context.Context, seq uint64, by string) (control.Event, error) {
	if seq != 1 {
		return control.Event{}, fmt.Errorf("scan %d: %w: it was admitted already", seq, scanner.ErrNotPossible)
	}
	e := admitted()
	e.Kind, e.By, e.Of, e.Overridden = scanner.KindOverride, by, seq, true
	return h.happen(e), nil
}

func (h *fakeHouse) Undo(_ context.Context, seq uint64, by string) (control.Event, error) {
	e := admitted()
	e.Kind, e.By, e.Of, e.Message = scanner.KindUndo, by, seq, "Withdrawn"
	return h.happen(e), nil
}

func (h *fakeHouse) Ticket(_ context.Context, code scanner.Code) (control.TicketView, error) {
	if code != "GOOD-1" {
		return control.TicketView{}, fmt.Errorf("ticket %s: %w", code.Mask(), scanner.ErrUnknown)
	}
	record := control.Ticket{Code: "GOOD-1", Name: "Ann\x1b[31m Lee", Order: "O-9", Section: "Stalls", Seat: "C12",
		Status: scanner.StatusUsed, UsedAt: control.At(evening.Add(-time.Hour)), UsedGate: "Gate 3"}
	return control.TicketView{Code: string(code), Record: &record,
		Mark: control.Mark{Entered: true, EnteredAt: control.At(evening.Add(-time.Minute)), EnteredGate: "Gate 7", Open: 1}, Scans: h.events[:2]}, nil
}

func (h *fakeHouse) Find(_ context.Context, text string, limit int) ([]control.Ticket, error) {
	if text != "ann lee" {
		return nil, nil
	}
	return []control.Ticket{{Code: "GOOD-1", Name: "Ann Lee", Order: "O-9", Section: "Stalls", Seat: "C12", Status: scanner.StatusValid}}, nil
}

func (h *fakeHouse) Import(_ context.Context, name string, manifest io.Reader) (control.ImportResult, error) {
	text, err := io.ReadAll(manifest)
	if err != nil {
		return control.ImportResult{}, err
	}
	if !strings.HasPrefix(string(text), "code") {
		return control.ImportResult{}, control.Faults{name + ":1: no column code", name + ":2: empty"}
	}
	return control.ImportResult{Tickets: strings.Count(string(text), "\n") - 1}, nil
}

func (h *fakeHouse) Sync(context.Context, control.SyncRequest) (control.SyncResult, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	result := control.SyncResult{Tickets: 12345, Uploaded: 4, Pending: 0}
	if h.state == control.Degraded {
		result.Problems = []string{"sign-in refused: check the password"}
	}
	return result, nil
}

func (h *fakeHouse) Reload(context.Context) (control.Reloaded, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == control.Degraded {
		return control.Reloaded{}, control.Faults{"gate.rule: unknown", "upload.batch: 0"}
	}
	return control.Reloaded{Changed: true, Notes: []string{"log.format takes effect at the next start"}}, nil
}

func (h *fakeHouse) VendorEvents(_ context.Context, of control.Period) (control.VendorEvents, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == control.Ready {
		return control.VendorEvents{Vendor: "manifest", Note: "A manifest lists tickets, not events."}, nil
	}
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		return control.VendorEvents{}, err
	}
	from, to, err := of.Between(evening, zone)
	out := control.VendorEvents{Vendor: "audienceview", From: control.At(from), To: control.At(to), Timezone: "Europe/Zurich"}
	if err != nil || of.From == "2027-01-01" {
		return out, err
	}
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, zone)
	for _, e := range []scanner.Event{
		{
			ID: "P1", IDs: map[string]string{"performance_id": "P1", "production_id": "7"}, Name: "Swan Lake", Series: "Swan Lake", Venue: "Opera", StartsAt: evening, OpenNow: true,
			DoorsAt: evening.Add(-time.Hour), OpensAt: evening.Add(-90 * time.Minute), ClosesAt: evening.Add(30 * time.Minute), EndsAt: evening.Add(2 * time.Hour),
		},
		{ID: "P2", Name: "Fair\x1b[31m", Series: "Autumn", StartsAt: day, AllDay: true, EntryTimes: []time.Time{day.Add(10 * time.Hour), day.Add(11 * time.Hour)}, ClosesAt: day.Add(23 * time.Hour)},
		{ID: "P3", Name: "Giselle", StartsAt: day.Add(20 * time.Hour), OpensAt: day.Add(19 * time.Hour), State: "cancelled", Sections: []scanner.Section{{ID: "1", Name: "Stalls"}, {ID: "2"}, {Name: "Box"}}},
	} {
		out.Events = append(out.Events, control.VendorEventOf(e, e.ID == "P1"))
	}
	if of.From != "" {
		out.Cached, out.Note = true, "audienceview could not be asked; shown is what it told 5 min ago."
	}
	return out, nil
}

func (h *fakeHouse) Outbox(context.Context, int) ([]control.OutboxEntry, error) {
	return []control.OutboxEntry{{Seq: 4, At: control.At(evening), Code: "WHOLE-CODE-4", Direction: scanner.Entry,
		Event: "Swan Lake", Attempts: 2, SentAt: control.At(evening.Add(time.Minute)), Detail: "503"}}, nil
}

func (h *fakeHouse) Parked(context.Context, int) ([]control.ParkedEntry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.ParkedEntry
	for _, seq := range h.parked {
		out = append(out, control.ParkedEntry{Seq: seq, At: control.At(evening), Code: fmt.Sprintf("WHOLE-%d", seq), Direction: scanner.Entry,
			Event: "Swan Lake", Reason: "unknown ticket", ParkedAt: control.At(evening.Add(time.Minute))})
	}
	return out, nil
}

func (h *fakeHouse) unpark(seq uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.parked, seq)
	if i < 0 {
		return fmt.Errorf("%d: %w is parked", seq, scanner.ErrUnknown)
	}
	h.parked = slices.Delete(h.parked, i, i+1)
	return nil
}

func (h *fakeHouse) Requeue(_ context.Context, seq uint64, by string) error { return h.unpark(seq) }

func (h *fakeHouse) Acknowledge(_ context.Context, seq uint64, by string) error { return h.unpark(seq) }

func (h *fakeHouse) RequeueAll(context.Context, string) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.parked)
	h.parked = nil
	return n, nil
}

func (h *fakeHouse) Export(_ context.Context, yield func(control.ExportRow) error) error {
	for i := range 3 {
		row := control.ExportRow{Record: scanner.Record{Seq: uint64(i + 1), ID: "x", Kind: scanner.KindScan, Code: "=WHOLE",
			At: scanner.Stamp{Wall: evening}, Verdict: scanner.Admit, Reason: scanner.OK}}
		if err := yield(row); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == control.NotReady {
		return errors.New("disk gone")
	}
	return nil
}

// socketDir is short: a socket's path holds 107 bytes.
func socketDir(t interface {
	Fatal(...any)
	Cleanup(func())
}) string {
	dir, err := os.MkdirTemp("", "ush")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// claiming is held while a socket is claimed in this process, which has one umask: two
// at a time could leave it with the socket's.
var claiming sync.Mutex

// serveFake runs the socket at the path; stop returns once it is gone.
func serveFake(path string, h *fakeHouse) (stop func(), err error) {
	server := &control.Server{Path: path, Version: version(), House: h, Feed: &h.feed}
	claiming.Lock()
	err = server.Listen(context.Background())
	claiming.Unlock()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Run(ctx)
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-ended
	}), nil
}

func startFake(t *testing.T, h *fakeHouse) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(socketDir(t), "u.sock")
	stop, err := serveFake(path, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return path, stop
}
