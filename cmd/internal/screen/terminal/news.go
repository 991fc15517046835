package terminal

import (
	"context"
	"errors"
	"io"
	"time"

	"usher/cmd/internal/control"
)

const (
	// askEvery and askTime keep the news of a lost daemon under a second.
	askEvery = 400 * time.Millisecond
	askTime  = 500 * time.Millisecond
	// againTime is between two attempts to follow.
	againTime = 250 * time.Millisecond
)

// news is what reaches the loop that draws.
type news struct {
	// following is set where the stream's state changed; round tells one stream
	// from the next.
	following *bool
	round     int
	event     *control.Event
	status    *control.Status
	err       error
}

// followNews follows the daemon's events and begins anew when the stream ends or
// is given up. What happened in between is over, and not told.
func followNews(ctx context.Context, client *control.Client, feed chan<- news, restart <-chan struct{}) {
	tell := func(n news) {
		select {
		case feed <- n:
		case <-ctx.Done():
		}
	}
	yes, no := true, false
	for round := 1; ctx.Err() == nil; round++ {
		err := followOnce(ctx, client, restart, func() { tell(news{following: &yes, round: round}) },
			func(e control.Event) { tell(news{event: &e, round: round}) })
		tell(news{following: &no, err: err})
		if err != nil {
			pause(ctx, againTime)
		}
	}
}

// followOnce follows until the stream ends, or without an error until it is given
// up.
func followOnce(ctx context.Context, client *control.Client, restart <-chan struct{}, up func(), tell func(control.Event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	givenUp := errors.New("given up")
	go func() {
		select {
		case <-restart:
			cancel(givenUp)
		case <-ended:
		}
	}()
	stream, err := client.Follow(ctx)
	if err == nil {
		defer stream.Close()
		up()
	}
	for err == nil {
		var e control.Event
		if e, err = stream.Next(); err == nil {
			tell(e)
		}
	}
	if context.Cause(ctx) == givenUp {
		return nil
	}
	return err
}

// statusNews asks for the status again and again.
func statusNews(ctx context.Context, client *control.Client, feed chan<- news) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, askTime)
		status, err := client.Status(asked)
		cancel()
		n := news{status: &status}
		if err != nil {
			n = news{err: err}
		}
		select {
		case feed <- n:
		case <-ctx.Done():
		}
		pause(ctx, askEvery)
	}
}

// Loss says why the daemon does not answer, in English: for support.
func Loss(err error) string {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the daemon stopped"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the daemon does not answer"
	}
	return err.Error()
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
