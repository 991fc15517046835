package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"usher/cache"
	"usher/cache/manifest"
	"usher/cmd/internal/control"
	"usher/configs"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
	"usher/sync/refresh"
)

// house is the daemon's rooms as the local socket sees them. It implements
// control.House.
type house struct {
	clock   houseClock
	tickets *cache.Store
	events  *cache.Events
	journal *journal.Journal
	gate    *gate.Gate
	feed    *control.Feed
	log     *slog.Logger

	// parley is with the vendor, where it can be asked.
	parley parley
	// configured is the name of the event that is scanned here, as last worked out.
	configured atomic.Pointer[configured]
	// live is what a reload replaces as a whole.
	live atomic.Pointer[setup]
	// faults are those of a configuration file that is therefore not the one
	// that runs.
	faults atomic.Pointer[configs.Faults]
	// unkept is why the running configuration could not be kept; nil: it was.
	unkept atomic.Pointer[string]
	// reload swaps a new configuration in.
	reload func(context.Context) (control.Reloaded, error)
	// notes are what was found at start and a person should know.
	notes []string
}

// houseClock is what the house asks of its clock.
type houseClock interface {
	scanner.Clock
	Offset() (time.Duration, bool)
	Problem() string
}

var _ control.House = (*house)(nil)

// keep stores the configuration as the last that ran.
func (h *house) keep(cfg *configs.Config) {
	if err := configs.Keep(cfg.StateDir, cfg.Source()); err != nil {
		text := "the configuration that runs was not kept for a bad day: " + err.Error()
		h.log.Warn(text)
		h.unkept.Store(&text)
		return
	}
	h.unkept.Store(nil)
}

// Newest gives the newest events, newest first.
func (h *house) Newest(_ context.Context, limit int, after uint64) ([]control.Event, error) {
	entries, err := h.journal.Scans(after, limit)
	return h.eventsOf(entries), err
}

// Since gives the oldest events above after, oldest first.
func (h *house) Since(ctx context.Context, limit int, after uint64) ([]control.Event, error) {
	entries, err := h.journal.Since(ctx, after, limit)
	return h.eventsOf(entries), err
}

// Scan judges a code typed by hand. Who asked may go away: a scan that was begun
// is ended.
func (h *house) Scan(ctx context.Context, code scanner.Code, direction scanner.Direction) (control.Event, error) {
	if live := h.live.Load(); direction == scanner.Exit && !live.vendor.Exits {
		return control.Event{}, fmt.Errorf("%w: %s knows no exits", control.ErrBadRequest, live.cfg.Vendor.Name)
	}
	out, ok := h.gate.Judge(context.WithoutCancel(ctx), scanner.Reading{Scanner: gate.Manual, Raw: string(code), Direction: direction, At: h.clock.Now()})
	if !ok {
		return control.Event{}, fmt.Errorf("%w: the code is empty", control.ErrBadRequest)
	}
	return h.eventOf(out), nil
}

// Admit is a supervisor's admission.
func (h *house) Admit(ctx context.Context, seq uint64, by string) (control.Event, error) {
	out, err := h.gate.Admit(context.WithoutCancel(ctx), seq, by)
	if err != nil {
		return control.Event{}, err
	}
	return h.eventOf(out), nil
}

// Undo takes back a movement whose person did not pass.
func (h *house) Undo(ctx context.Context, seq uint64, by string) (control.Event, error) {
	out, err := h.gate.Undo(context.WithoutCancel(ctx), seq, by)
	if err != nil {
		return control.Event{}, err
	}
	return h.eventOf(out), nil
}

// Ticket is all that is known of the code, under any of its forms.
func (h *house) Ticket(ctx context.Context, code scanner.Code) (control.TicketView, error) {
	live := h.live.Load()
	scope := live.vendor.Scope
	code = scanner.Clean(string(code))
	ticket, found := h.tickets.Lookup(live.lists, code)
	forms := code.Forms()
	if found == scanner.Listed {
		forms = []scanner.Code{ticket.Code}
	}
	view := control.TicketView{Code: string(code), Damaged: found == scanner.Damaged, Scans: []control.Event{}}
	if found == scanner.Listed {
		record := h.ticketOf(ticket)
		view.Record = &record
	}
	known := found != scanner.Missing
	for _, form := range forms {
		mark, err := h.journal.Mark(scope, form)
		if err != nil {
			return control.TicketView{}, err
		}
		if mark.Rev > 0 {
			view.Mark, known = control.MarkOf(mark), true
		}
		entries, err := h.journal.OfTicket(ctx, scope, form)
		if err != nil {
			return control.TicketView{}, err
		}
		view.Scans = append(view.Scans, h.eventsOf(entries)...)
	}
	if !known && len(view.Scans) == 0 {
		return control.TicketView{}, fmt.Errorf("ticket %s: %w here", code.Mask(), scanner.ErrUnknown)
	}
	return view, nil
}

// Find searches the list by name, order or seat.
func (h *house) Find(ctx context.Context, text string, limit int) ([]control.Ticket, error) {
	tickets, err := h.tickets.Search(ctx, h.live.Load().lists, text, limit)
	out := make([]control.Ticket, 0, len(tickets))
	for _, t := range tickets {
		out = append(out, h.ticketOf(t))
	}
	return out, err
}

// Import loads a manifest that a person brings.
func (h *house) Import(ctx context.Context, name string, body io.Reader) (control.ImportResult, error) {
	live := h.live.Load()
	if err := live.refresh.Import(ctx, name, body); err != nil {
		var faults *manifest.Faults
		if errors.As(err, &faults) {
			return control.ImportResult{}, control.Faults(strings.Split(faults.Error(), "\n"))
		}
		if errors.Is(err, refresh.ErrBusy) {
			err = fmt.Errorf("%w: %w", control.ErrUnavailable, err)
		}
		return control.ImportResult{}, err
	}
	info := h.tickets.List(live.lists)
	return control.ImportResult{Tickets: info.Count, GenerationAt: control.At(info.GeneratedAt)}, nil
}

// Sync does now what is otherwise done in its time.
func (h *house) Sync(ctx context.Context, what control.SyncRequest) (control.SyncResult, error) {
	live := h.live.Load()
	result := control.SyncResult{Problems: []string{}}
	h.syncVendor(ctx, live, what, &result)
	if err := live.refresh.Now(ctx); err != nil {
		result.Problems = append(result.Problems, err.Error())
	}
	info := h.tickets.List(live.lists)
	result.Tickets, result.GenerationAt = info.Count, control.At(info.GeneratedAt)
	result.Pending = h.journal.Status().Pending
	return result, nil
}

// Reload validates the configuration file and swaps it in.
func (h *house) Reload(ctx context.Context) (control.Reloaded, error) { return h.reload(ctx) }

// Outbox gives what the vendor has not acknowledged, oldest first.
func (h *house) Outbox(_ context.Context, limit int) ([]control.OutboxEntry, error) {
	entries, err := h.journal.Outbox(limit)
	out := make([]control.OutboxEntry, 0, len(entries))
	for _, e := range entries {
		out = append(out, control.OutboxEntry{
			Seq: e.Seq, ID: e.ID, At: control.At(h.timeOf(e.Record)), Scanner: e.Scanner, Code: string(e.Code), Direction: e.Direction,
			Vendor: e.Scope.Vendor, Account: e.Scope.Account, Event: e.Scope.Event, TicketID: e.TicketID,
			Attempts: e.Sent, SentAt: control.At(e.FateAt), Detail: e.Detail,
		})
	}
	return out, err
}

// Parked gives what the vendor will not take, oldest first.
func (h *house) Parked(_ context.Context, limit int) ([]control.ParkedEntry, error) {
	entries, err := h.journal.Parked()
	out := make([]control.ParkedEntry, 0, len(entries))
	for _, e := range entries[:min(limit, len(entries))] {
		out = append(out, control.ParkedEntry{
			Seq: e.Seq, ID: e.ID, At: control.At(h.timeOf(e.Record)), Scanner: e.Scanner, Code: string(e.Code), Direction: e.Direction,
			Vendor: e.Scope.Vendor, Account: e.Scope.Account, Event: e.Scope.Event, TicketID: e.TicketID,
			Reason: e.Detail, ParkedAt: control.At(e.FateAt),
		})
	}
	return out, err
}

// Requeue puts a parked entry back into the outbox.
func (h *house) Requeue(ctx context.Context, seq uint64, by string) error {
	err := h.journal.Requeue(ctx, seq, by)
	h.wakeUpload()
	return err
}

// RequeueAll does so with all of them.
func (h *house) RequeueAll(ctx context.Context, by string) (int, error) {
	n, err := h.journal.RequeueAll(ctx, by)
	h.wakeUpload()
	return n, err
}

// Acknowledge says that a person has taken care of a parked entry.
func (h *house) Acknowledge(ctx context.Context, seq uint64, by string) error {
	return h.journal.Acknowledge(ctx, seq, by)
}

// Export gives every record in history, oldest first.
func (h *house) Export(ctx context.Context, yield func(control.ExportRow) error) error {
	return h.journal.Each(ctx, func(e scanner.Recorded) error { return yield(exportRow(e, h.clock.True(e.At))) })
}

func exportRow(e scanner.Recorded, truth scanner.Instant) control.ExportRow {
	if !truth.Trusted || e.True.Trusted && uncertainty(e.True) < uncertainty(truth) {
		truth = e.True
	}
	detail := e.Detail
	if e.Fate == scanner.FateKept {
		detail = cmp.Or(detail, "vendor takes none")
	}
	return control.ExportRow{Record: e.Record, True: truth, SentAs: e.SentAs, VendorAt: e.VendorAt, Fate: e.Fate, FateAt: e.FateAt, FateBy: e.FateBy, Detail: detail}
}

// uncertainty is how uncertain the instant is.
func uncertainty(i scanner.Instant) time.Duration { return i.Latest.Sub(i.Earliest) }

// show tells every follower and the device's own lights, and wakes the upload of
// what it owes.
func (h *house) show(out scanner.Outcome) {
	if live := h.live.Load(); live != nil && (out.Kind == scanner.KindScan || out.Kind == scanner.KindOverride) {
		live.host.Show(out.Signal())
	}
	h.feed.Publish(h.eventOf(out))
	if out.Fate == scanner.FatePending && !out.Repeat {
		h.wakeUpload()
	}
}

// wakeUpload says that there is something to send.
func (h *house) wakeUpload() {
	if h.parley.upload != nil {
		h.parley.upload.Kick()
	}
}

// timeOf is the record's true time as known now.
func (h *house) timeOf(r scanner.Record) time.Time { return h.clock.True(r.At).At }
