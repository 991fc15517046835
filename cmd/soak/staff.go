package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// asks is how long staff wait for an answer of the socket.
const asks = 8 * time.Second

// staff does what people at the gate and support do, at random.
func (w *world) staff(ctx context.Context, r *rand.Rand) {
	acts := []func(context.Context, *rand.Rand) error{
		w.override, w.override, w.undo, w.undo, w.typed, w.typed, w.typed,
		w.requeue, w.acknowledge, w.ask, w.ask, w.sync, w.exportNow, w.oneCommand,
	}
	for pause(ctx, r, 50*time.Millisecond, 500*time.Millisecond) {
		within, cancel := context.WithTimeout(ctx, asks)
		err := acts[r.IntN(len(acts))](within, r)
		cancel()
		w.complain(err)
	}
}

// complain takes an error of the socket: the daemon may be gone, busy or right to
// say no, but it has no faults of its own.
func (w *world) complain(err error) {
	var api *control.APIError
	if !errors.As(err, &api) {
		return
	}
	w.ledger.count(fmt.Sprintf("socket answers %d", api.Status))
	if api.Status == 500 {
		w.ledger.differs("the socket answered 500: %v", err)
	}
}

func (w *world) override(ctx context.Context, r *rand.Rand) error {
	list := w.ledger.recent(50, func(e control.Event) bool {
		return e.Kind == "" && (e.Verdict == scanner.Refuse || e.Verdict == scanner.Review) && e.Seq > 0
	})
	if len(list) == 0 {
		return nil
	}
	of := list[r.IntN(len(list))]
	defer w.ledger.begin("act: admit %d", of.Seq)()
	e, err := w.rig.Client.Admit(ctx, of.Seq, "Eve")
	if err == nil {
		w.ledger.show("admit", e)
	}
	return err
}

func (w *world) undo(ctx context.Context, r *rand.Rand) error {
	list := w.ledger.recent(50, green)
	if len(list) == 0 {
		return nil
	}
	of := list[r.IntN(len(list))]
	defer w.ledger.begin("act: undo %d", of.Seq)()
	e, err := w.rig.Client.Undo(ctx, of.Seq, "Sam")
	if err == nil {
		w.ledger.show("undo", e)
	}
	return err
}

func (w *world) typed(ctx context.Context, r *rand.Rand) error {
	t := w.office.good()
	switch r.IntN(4) {
	case 0:
		t = w.office.forge()
	case 1:
		t = w.office.any(r, good)
	}
	_, err := w.typeIn(ctx, t)
	if err != nil && t.kind == good {
		w.again.add(holder{t, time.Now(), tries})
	}
	return err
}

func (w *world) typeIn(ctx context.Context, t *ticket) (control.Event, error) {
	reading := w.ledger.read("manual", t.code, t)
	e, err := w.rig.Client.Scan(ctx, t.code, "")
	if err != nil {
		w.ledger.answered(reading, nil)
		return e, err
	}
	w.ledger.answered(reading, &e)
	w.ledger.show("typed", e)
	return e, nil
}

func (w *world) requeue(ctx context.Context, r *rand.Rand) error {
	if r.IntN(4) == 0 {
		defer w.ledger.begin("act: requeue all")()
		_, err := w.rig.Client.RequeueAll(ctx, "Sue")
		return err
	}
	list, err := w.rig.Client.Parked(ctx, 100)
	if err != nil || len(list) == 0 {
		return err
	}
	p := list[r.IntN(len(list))]
	defer w.ledger.begin("act: requeue %d", p.Seq)()
	_, err = w.rig.Client.Requeue(ctx, p.Seq, "Sue")
	return err
}

// acknowledge takes off a person's list what the vendor is right not to take.
func (w *world) acknowledge(ctx context.Context, r *rand.Rand) error {
	list, err := w.rig.Client.Parked(ctx, 100)
	if err != nil {
		return err
	}
	for _, p := range list {
		if t := w.office.of(p.Code); t != nil && (t.kind == good || t.kind == walkUp) || r.IntN(2) == 0 {
			continue
		}
		defer w.ledger.begin("act: acknowledge %d", p.Seq)()
		_, err := w.rig.Client.Acknowledge(ctx, p.Seq, "Sue")
		return err
	}
	return nil
}

// ask looks at every other surface.
func (w *world) ask(ctx context.Context, r *rand.Rand) error {
	switch r.IntN(4) {
	case 0:
		s, err := w.rig.Client.Status(ctx)
		if err == nil && s.LastScan != nil {
			w.ledger.show("status", *s.LastScan)
		}
		return err
	case 1:
		list, err := w.rig.Client.Newest(ctx, 50, 0)
		for _, e := range list {
			w.ledger.show("newest", e)
		}
		return err
	case 2:
		v, err := w.rig.Client.Ticket(ctx, w.office.any(r, good).code)
		for _, e := range v.Scans {
			w.ledger.show("ticket", e)
		}
		var api *control.APIError
		if errors.As(err, &api) && api.Status == 404 {
			return nil
		}
		return err
	}
	_, err := w.rig.Client.Find(ctx, fmt.Sprint("Stalls ", r.IntN(1000)), 5)
	return err
}

func (w *world) sync(ctx context.Context, _ *rand.Rand) error {
	defer w.ledger.begin("act: sync")()
	_, err := w.rig.Client.Sync(ctx, control.SyncRequest{})
	return err
}

// exportNow exports while everything goes on: it must hold every green light seen
// before it began.
func (w *world) exportNow(ctx context.Context, _ *rand.Rand) error {
	began := time.Now()
	var out bytes.Buffer
	if err := w.rig.Client.Export(ctx, control.JSONLines, &out); err != nil {
		return err
	}
	rows, err := readRows(&out)
	if err != nil {
		w.ledger.differs("an export while running: %v", err)
		return nil
	}
	w.ledger.count("exports while running")
	w.exportHolds(rows, began)
	return nil
}

// exportHolds checks an export that was made while the daemon ran.
func (w *world) exportHolds(rows []row, began time.Time) {
	have := map[string]bool{}
	for _, r := range w.whole(rows) {
		have[r.ID] = true
	}
	w.ledger.keep(rows)
	w.ledger.mu.Lock()
	var missing []sighting
	for id, s := range w.ledger.seen {
		if s.at.Before(began) && green(s.event) && !have[id] && !w.ledger.missed[id] {
			missing = append(missing, s)
			w.ledger.missed[id] = true
		}
	}
	w.ledger.mu.Unlock()
	for _, s := range missing {
		if !w.noted(s, began) {
			w.ledger.differs("an export begun at %s lacks a green light seen on %s at %s: %s", clock(began), s.surface, clock(s.at), eventText(s.event))
		}
	}
}

// oneCommand runs a command of the shipped binary beside the daemon.
func (w *world) oneCommand(ctx context.Context, r *rand.Rand) error {
	args := [][]string{{"status", "--json"}, {"outbox"}, {"parked"}, {"devices"}, {"check"}}
	cmd := w.rig.Command(ctx, args[r.IntN(len(args))]...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() > 4 || exit.ExitCode() == 2) && ctx.Err() == nil {
		w.ledger.differs("`usher %v` exits %d: %s", cmd.Args[5:], exit.ExitCode(), out)
	}
	return nil
}
