package main

import (
	"context"
	"fmt"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// patience is what online.patience is by default, and some for an emulated machine:
// nobody at the gate waits longer.
const patience = 1500*time.Millisecond + time.Second

// cut pulls the network's cable, scans, and plugs it in again.
func (w *world) cut(ctx context.Context) error {
	loaded := func(s control.Status) string {
		if s.Tickets.Count < stock {
			return fmt.Sprintf("%d tickets on the device, want %d", s.Tickets.Count, stock)
		}
		return ""
	}
	if err := w.await(ctx, loaded); err != nil {
		return err
	}
	if err := w.machine.qmp.link(false); err != nil {
		return err
	}
	before, _ := w.witness.all()
	// The first round meets a link that was online a moment ago, the second one that
	// is known to be gone.
	for range 2 {
		if err := w.green(ctx, scanner.Offline, w.lanes...); err != nil {
			return err
		}
		if err := w.online(ctx, control.LinkOffline); err != nil {
			return err
		}
	}
	events, _ := w.witness.all()
	for _, e := range events[len(before):] {
		if took := time.Duration(e.TookMS * float64(time.Millisecond)); took > patience {
			return fmt.Errorf("a person waited %s: %w", took, summary([]control.Event{e}))
		}
	}
	status, err := w.client.Status(ctx)
	if err != nil {
		return err
	}
	if want := 2 * len(w.lanes); status.Outbox.Pending != want {
		return fmt.Errorf("%d in the outbox, want %d", status.Outbox.Pending, want)
	}
	if err := w.machine.qmp.link(true); err != nil {
		return err
	}
	if err := w.online(ctx, control.LinkOnline); err != nil {
		return err
	}
	return w.await(ctx, func(s control.Status) string {
		if s.Outbox.Pending > 0 {
			return fmt.Sprintf("%d still in the outbox", s.Outbox.Pending)
		}
		return ""
	})
}
