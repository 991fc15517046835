package main

import (
	"context"
	"math/rand/v2"
	"time"

	"usher/cmd/internal/control"
)

// screen follows as a gate's screen does: it sees what happens, and joins anew
// when the daemon is back. What one screen sees it sees once.
func (w *world) screen(ctx context.Context, _ *rand.Rand) {
	for ctx.Err() == nil {
		stream, err := w.rig.Client.Follow(ctx)
		if err != nil {
			sleep(ctx, 5*time.Millisecond)
			continue
		}
		shown := map[string]bool{}
		for {
			e, err := stream.Next()
			if err != nil {
				break
			}
			if shown[e.ID] && !e.Repeat {
				w.ledger.differs("event %s came twice on one screen: %s", e.ID, eventText(e))
			}
			shown[e.ID] = true
			w.ledger.show("screen", e)
		}
		_ = stream.Close()
	}
}

// tail follows as a program does that wants every record: from the last one it
// has seen.
func (w *world) tail(ctx context.Context, _ *rand.Rand) {
	var last uint64
	for ctx.Err() == nil {
		stream, err := w.rig.Client.FollowFrom(ctx, last)
		if err != nil {
			sleep(ctx, 20*time.Millisecond)
			continue
		}
		for {
			e, err := stream.Next()
			if err != nil {
				break
			}
			w.ledger.show("tail", e)
			last = max(last, e.Seq)
		}
		_ = stream.Close()
	}
}

// sleepers is how many followers hang at a time. Each holds a connection and what
// serves it, which is no leak.
const sleepers = 5

// stalled follows and does not read, as a program that hangs.
func (w *world) stalled(ctx context.Context, r *rand.Rand) {
	var held []*control.Stream
	defer func() {
		for _, s := range held {
			_ = s.Close()
		}
	}()
	for pause(ctx, r, 500*time.Millisecond, 3*time.Second) {
		stream, err := w.rig.Client.Follow(context.WithoutCancel(ctx))
		if err != nil {
			continue
		}
		w.ledger.count("followers stalled")
		if held = append(held, stream); len(held) > sleepers {
			_ = held[0].Close()
			held = held[1:]
		}
	}
}
