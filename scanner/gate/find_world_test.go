package gate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/cache"
	"usher/scanner"
	"usher/scanner/gate"
)

// entry is what the archive does with a question about a code.
type entry struct {
	takes  time.Duration
	ticket scanner.Ticket
	found  scanner.Found
	err    error
	panics bool
}

// known is a ticket of that status that is found at once.
func known(status scanner.Status) entry {
	return entry{found: scanner.Listed, ticket: scanner.Ticket{ID: "seat-9", Section: "B", Seat: "9", Status: status}}
}

func after(takes time.Duration, e entry) entry {
	e.takes = takes
	return e
}

var (
	unknown      = entry{found: scanner.Missing}
	unreadable   = entry{found: scanner.Damaged}
	gone         = entry{err: &scanner.CallError{Op: "find", Trouble: scanner.Unreachable, Err: errors.New("no route")}}
	enteredThere = entry{found: scanner.Listed, ticket: scanner.Ticket{Status: scanner.StatusUsed, UsedGate: "Gate 1", UsedAt: evening}}
)

// archive is a Finder that answers as the test says.
type archive struct {
	mu    sync.Mutex // guards what follows
	holds map[scanner.Code]entry
	// asked counts the questions, at once those of one code that ran together.
	asked  map[scanner.Code]int
	runs   map[scanner.Code]int
	atOnce int
}

func (a *archive) says(code scanner.Code, e entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds[code] = e
}

func (a *archive) calls(code scanner.Code) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[code]
}

func (a *archive) begin(code scanner.Code) entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[code]++
	a.runs[code]++
	a.atOnce = max(a.atOnce, a.runs[code])
	return a.holds[code]
}

func (a *archive) end(code scanner.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs[code]--
}

func (a *archive) Find(ctx context.Context, ask scanner.Ask) (scanner.Ticket, scanner.Found, error) {
	e := a.begin(ask.Code)
	defer a.end(ask.Code)
	if e.panics {
		panic("no")
	}
	select {
	case <-time.After(e.takes):
		return e.ticket, e.found, e.err
	case <-ctx.Done():
		return scanner.Ticket{}, scanner.Missing, &scanner.CallError{Op: "find", Trouble: scanner.Silent, Err: ctx.Err()}
	}
}

// witness is a link that notes what it is told, and goes only when the test says.
type witness struct {
	mu   sync.Mutex // guards what follows
	off  bool
	told []string
}

func (w *witness) Online() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.off
}

func (w *witness) goes(off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = off
}

func (w *witness) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, what)
}

func (w *witness) Answered() { w.note("answered") }

func (w *witness) Failed(err error) {
	if err == nil {
		w.note("overdue")
		return
	}
	w.note(string(scanner.CallErrorOf(err).Trouble))
}

// heard gives what it was told since the last call.
func (w *witness) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.told
	w.told = nil
	return list
}

// hall is a gate whose vendor looks tickets up.
type hall struct {
	*venue
	archive *archive
	link    *witness
}

// inHall runs a test in a bubble. Its list is complete and fresh, and holds listed;
// where there are none, no list was ever loaded.
func inHall(t *testing.T, listed []scanner.Ticket, change func(*gate.Config), fn func(t *testing.T, h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hall{
			archive: &archive{holds: map[scanner.Code]entry{}, asked: map[scanner.Code]int{}, runs: map[scanner.Code]int{}},
			link:    &witness{},
		}
		h.venue = openVenue(t, nil, map[scanner.Code]fullness{}, func(v *venue) {
			v.cfg.Validator, v.cfg.Finder, v.cfg.Uploads = nil, h.archive, false
			v.cfg.Timeout = time.Minute
			v.cfg.Lists = scanner.Scope{Vendor: "nothing loaded"}
			if listed != nil {
				v.cfg.Lists = scanner.Scope{Vendor: "manifest", Event: "loaded"}
			}
			change(&v.cfg)
		})
		h.load(listed)
		h.open()
		fn(t, h)
		h.close()
	})
}

func asIs(*gate.Config) {}

// open gives the gate the link that this test watches.
func (h *hall) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = gate.New(h.cfg, gate.Deps{
		Clock: h.clock, Tickets: h.tickets, Journal: h.journal, Link: h.link, NewID: h.id, Show: h.show, Ended: func() {}, Log: slog.New(slog.DiscardHandler),
	})
}

// want scans and holds the verdict against told's words.
func (h *hall) want(lane string, code scanner.Code, want string) scanner.Outcome {
	h.t.Helper()
	out, took := h.scan(lane, code)
	if got := told(out); got != want {
		h.t.Fatalf("%s at %s: %s (%s), want %s", code, lane, got, out.Message, want)
	}
	if took > h.cfg.Patience {
		h.t.Errorf("%s at %s waited %v", code, lane, took)
	}
	return out
}

func (h *hall) heard(want ...string) {
	h.t.Helper()
	synctest.Wait()
	if got := h.link.heard(); !slices.Equal(got, want) {
		h.t.Errorf("the link was told %q, want %q", got, want)
	}
}

func (h *hall) calls(code scanner.Code, want int) {
	h.t.Helper()
	if got := h.archive.calls(code); got != want {
		h.t.Errorf("asked %d times about %s, want %d", got, code, want)
	}
}

// stored holds an admission to what this device owes it: it is on the disk, and kept.
func (h *hall) stored(out scanner.Outcome) {
	h.t.Helper()
	if e := h.entry(out.Seq); out.Fate != scanner.FateKept || e.Fate != scanner.FateKept || e.ID != out.ID {
		h.t.Errorf("%+v is stored as %+v", out, e)
	}
	if m, err := h.journal.Mark(scope, out.Code); err != nil || !m.Entered || !m.Kept || m.Last != out.Seq {
		h.t.Errorf("mark %+v, %v", m, err)
	}
}

func (h *hall) conflicts() []scanner.Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []scanner.Outcome
	for _, out := range h.shown {
		if out.Kind == scanner.KindConflict {
			list = append(list, out)
		}
	}
	return list
}

// pass lets time go by and everything that waits for it come to its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// load fills the list.
func (h *hall) load(tickets []scanner.Ticket) {
	h.t.Helper()
	if tickets == nil {
		return
	}
	meta := cache.Meta{Scope: h.cfg.Lists, Complete: true, Checked: h.clock.Now(), Repeats: true}
	err := h.tickets.Build(h.t.Context(), &meta, func(add func(scanner.Ticket, string) error) error {
		for i, tk := range tickets {
			if err := add(tk, fmt.Sprint("row ", i)); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
}
