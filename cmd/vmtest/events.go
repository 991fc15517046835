package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"usher/cmd/internal/control"
)

// witness follows the events of the daemon, over its restarts.
type witness struct {
	mu     sync.Mutex // guards what follows
	events []control.Event
	change chan struct{}
}

func newWitness() *witness { return &witness{change: make(chan struct{})} }

// follow notes every event until the context ends.
func (w *witness) follow(ctx context.Context, client *control.Client) {
	for ctx.Err() == nil {
		if stream, err := client.FollowFrom(ctx, w.newest()); err == nil {
			w.take(stream)
			_ = stream.Close() // read to its end
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (w *witness) take(stream *control.Stream) {
	for {
		e, err := stream.Next()
		if err != nil {
			return // the daemon ended
		}
		w.mu.Lock()
		w.events = append(w.events, e)
		close(w.change)
		w.change = make(chan struct{})
		w.mu.Unlock()
	}
}

func (w *witness) newest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var newest uint64
	for _, e := range w.events {
		newest = max(newest, e.Seq)
	}
	return newest
}

// all are the events so far; changed is closed with the next.
func (w *witness) all() (events []control.Event, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[:len(w.events):len(w.events)], w.change
}

// told is how long a verdict may take on an emulated machine.
const told = 15 * time.Second

// verdict waits for the event of a code at a scanner. The event shows the code's
// last characters only; the books at the end know the whole.
func (w *witness) verdict(ctx context.Context, scanner, code string, limit time.Duration) (control.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		events, changed := w.all()
		for _, e := range events {
			if e.Scanner == scanner && shows(e, code) {
				return e, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return control.Event{}, fmt.Errorf("scanner %s: no verdict on %s: %w", scanner, code, errors.Join(ctx.Err(), summary(events)))
		}
	}
}

// shows tells whether an event may be of a code.
func shows(e control.Event, code string) bool {
	return strings.HasSuffix(e.Code, code[len(code)-digits:])
}

// summary tells what the last events were instead.
func summary(events []control.Event) error {
	var texts []string
	for _, e := range events[max(0, len(events)-5):] {
		texts = append(texts, fmt.Sprintf("%s %s %s %s", e.Scanner, e.Code, e.Verdict, e.Reason))
	}
	return fmt.Errorf("last events: %s", strings.Join(texts, "; "))
}
