package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/scanner"
)

// drain compares the upload of a long queue with its round trips alone.
func (b *bench) drain(ctx context.Context) (err error) {
	const queued, batch, trip = 10_000, 100, 50 * time.Millisecond
	v, err := rig.StartVendor(ctx, b.sim, queued+100)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Stop()) }()
	dir, err := b.sub("v-")
	if err != nil {
		return err
	}
	options, err := v.Options(dir, b.bin)
	if err != nil {
		return err
	}
	r, err := rig.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	listed := func(s control.Status) bool { return s.Tickets.Count > queued && s.Link.State == control.LinkOnline }
	if err := r.Start(ctx, listed); err != nil {
		return err
	}
	if err := v.Tell(ctx, http.MethodPost, "faults?kind=close", nil); err != nil {
		return err
	}
	for i := range queued {
		e, err := r.Client.Scan(ctx, fmt.Sprintf("g49182x%07d", i), scanner.Entry)
		if err != nil || e.Verdict != scanner.Admit {
			return fmt.Errorf("scan %d: %s/%s: %w", i, e.Verdict, e.Reason, err)
		}
	}
	for _, step := range [][2]string{{http.MethodDelete, "faults"}, {http.MethodPost, "faults?kind=slow&delay=" + trip.String()}} {
		if err := v.Tell(ctx, step[0], step[1], nil); err != nil {
			return err
		}
	}
	// From the first batch that was taken: how long the link took to come back is
	// another matter.
	if err := r.Wait(ctx, func(s control.Status) bool { return s.Outbox.Pending < queued }); err != nil {
		return err
	}
	begun := time.Now()
	status, err := r.Client.Status(ctx)
	if err != nil {
		return err
	}
	left := status.Outbox.Pending
	if err := r.Wait(ctx, func(s control.Status) bool { return s.Outbox.Pending == 0 }); err != nil {
		return err
	}
	got := ratio(time.Since(begun), time.Duration(left/batch)*trip)
	b.report("drain 10 000 queued scans at 50 ms round trip", "at most 1.2 x", got <= 1.2, "%.2f x", got)
	return nil
}
