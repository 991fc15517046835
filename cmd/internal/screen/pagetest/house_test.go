package pagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// evening is when the gates are open, in the venue's zone.
var evening = time.Date(2026, 11, 21, 18, 42, 7, 0, time.UTC)

// house stands behind a real page server, so that every kind of event can be had at
// will. Codes typed by hand are judged by how they begin.
type house struct {
	control.House // what no page asks for

	feed control.Feed

	mu     sync.Mutex // guards what follows
	status control.Status
	events []control.Event // oldest first
	found  []control.Ticket
	asked  []string

	// slow is closed to let codes that begin with SLOW have their answer.
	slow chan struct{}
}

func newHouse() *house {
	age := int64(720)
	return &house{slow: make(chan struct{}), status: control.Status{
		Version: "1.2.3", State: control.Ready,
		Device:   control.DeviceStatus{ID: "d-1", Name: "handheld-7", Gate: "Gate 7", Direction: "entry"},
		Link:     control.LinkStatus{State: control.LinkOnline},
		Vendor:   control.VendorStatus{Name: "audienceview"},
		Tickets:  control.TicketsStatus{Count: 4321, AgeS: &age},
		Scanners: []control.ScannerStatus{{Name: "lane-1", Driver: "serial", State: control.ScannerConnected}, {Name: "lane-2", Driver: "hid", State: control.ScannerConnected}},
		Counts:   control.Counts{Admit: 12, Refuse: 3, Review: 1, Repeat: 2, Offline: 4},
		Clock:    control.ClockStatus{Trusted: true},
		Screen:   control.ScreenStatus{Language: "en", HoldMS: 60_000, Timezone: "Europe/Zurich"},
	}}
}

// change is how a test makes the status another one.
func (h *house) change(f func(*control.Status)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.status)
}

// happen records the event as the next one and tells it.
func (h *house) happen(e control.Event) control.Event {
	h.mu.Lock()
	if e.Seq == 0 {
		e.Seq = uint64(len(h.events) + 1)
	}
	e.ID = fmt.Sprintf("d-1-%d", e.Seq)
	if !e.Repeat {
		h.events = append(h.events, e)
	}
	h.mu.Unlock()
	h.feed.Publish(e)
	return e
}

// wasAsked is what a person did with the page, in order.
func (h *house) wasAsked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

func (h *house) asks(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
}

func (h *house) Status() control.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.status
	s.Scanners, s.Problems = slices.Clone(s.Scanners), slices.Clone(s.Problems)
	return s
}

func (h *house) Newest(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.Event
	for _, e := range slices.Backward(h.events) {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (h *house) Since(_ context.Context, limit int, after uint64) ([]control.Event, error) {
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

func (h *house) Scan(_ context.Context, code scanner.Code, direction scanner.Direction) (control.Event, error) {
	h.asks("scan %s %s", code, direction)
	e := refused(scanner.NotFound)
	switch {
	case strings.HasPrefix(string(code), "GOOD"):
		e = admitted()
	case strings.HasPrefix(string(code), "SLOW"):
		<-h.slow
		if strings.HasSuffix(string(code), "GOOD") {
			e = admitted()
		}
	case strings.HasPrefix(string(code), "BROKEN"):
		return control.Event{}, fmt.Errorf("the journal: %w", control.ErrUnavailable)
	}
	e.Code, e.Scanner = code.Mask(), "manual"
	return h.happen(e), nil
}

func (h *house) Admit(_ context.Context, seq uint64, by string) (control.Event, error) {
	h.asks("admit %d by %s", seq, by)
	if by == "Nobody" {
		return control.Event{}, fmt.Errorf("scan %d: %w: it was admitted already", seq, scanner.ErrNotPossible)
	}
	return h.happen(overridden(seq, by)), nil
}

func (h *house) Undo(_ context.Context, seq uint64, by string) (control.Event, error) {
	h.asks("undo %d by %s", seq, by)
	return h.happen(undone(seq, by)), nil
}

func (h *house) Find(_ context.Context, text string, limit int) ([]control.Ticket, error) {
	h.asks("find %s", text)
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []control.Ticket
	for _, t := range h.found {
		if strings.Contains(strings.ToLower(t.Name), strings.ToLower(text)) && len(out) < limit {
			out = append(out, t)
		}
	}
	return out, nil
}

func (h *house) Ticket(_ context.Context, code scanner.Code) (control.TicketView, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.found {
		if t.Code == string(code) {
			return control.TicketView{Code: t.Code, Record: &t}, nil
		}
	}
	return control.TicketView{}, fmt.Errorf("ticket %s: %w", code.Mask(), scanner.ErrUnknown)
}

// ada is a harmless made-up ticket.
func ada() *scanner.TicketInfo {
	return &scanner.TicketInfo{ID: "77", Name: "Ada Palmer", Section: "Stalls", Seat: "C12", Event: "9"}
}

func event(v scanner.Verdict, why scanner.Reason) control.Event {
	return control.Event{
		At: control.At(evening), Scanner: "lane-1", Code: "…0042", Verdict: v, Reason: why,
		Mode: scanner.Online, Direction: scanner.Entry, TookMS: 12,
		EventName: "The Tragedy of Hamlet", EventStartsAt: control.At(evening.Add(time.Hour)),
	}
}

func admitted() control.Event {
	e := event(scanner.Admit, scanner.OK)
	e.Ticket = ada()
	return e
}

func exited() control.Event {
	e := admitted()
	e.Reason, e.Direction = scanner.Exited, scanner.Exit
	return e
}

func refused(why scanner.Reason) control.Event {
	e := event(scanner.Refuse, why)
	switch why {
	case scanner.AlreadyEntered:
		e.Ticket, e.FirstEnteredAt, e.FirstEnteredGate = ada(), control.At(evening.Add(-39*time.Minute)), "Gate 2"
	case scanner.TooEarly:
		e.Ticket, e.OpensAt = ada(), control.At(evening.Add(time.Hour))
	case scanner.TooLate:
		e.Ticket, e.ClosedAt = ada(), control.At(evening.Add(-time.Hour))
	case scanner.Restricted:
		e.Ticket, e.Detail = ada(), "Seat moved to the balcony"
	}
	return e
}

func reviewed(why scanner.Reason) control.Event {
	e := event(scanner.Review, why)
	e.Mode = scanner.Offline
	return e
}

func repeated() control.Event {
	e := admitted()
	e.Seq, e.Repeat, e.AgoMS = 1, true, 2000
	return e
}

func late() control.Event {
	e := admitted()
	e.Late = true
	return e
}

func offline() control.Event {
	e := admitted()
	e.Mode, e.Queued = scanner.Offline, true
	return e
}

func overridden(seq uint64, by string) control.Event {
	e := admitted()
	e.Kind, e.By, e.Of, e.Overridden = scanner.KindOverride, by, seq, true
	return e
}

func undone(seq uint64, by string) control.Event {
	e := admitted()
	e.Kind, e.By, e.Of, e.Verdict, e.Reason = scanner.KindUndo, by, seq, "", ""
	return e
}

func conflicting() control.Event {
	e := refused(scanner.AlreadyEntered)
	e.Kind, e.Conflict, e.Of, e.Verdict = scanner.KindConflict, true, 1, ""
	return e
}
