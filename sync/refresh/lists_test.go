package refresh_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
	"usher/sync/refresh"
)

// bubble is a clock that goes with the test's own time.
type bubble struct{}

func (bubble) Now() scanner.Stamp {
	return scanner.Stamp{Wall: time.Now(), Boot: "boot", Up: time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))}
}

func (bubble) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// fleeting is a store that keeps no list.
type fleeting struct{ refresh.Store }

func (fleeting) Source(scanner.Scope) (string, []byte, bool) { return "", nil, false }

func (fleeting) Build(_ context.Context, _ *refresh.Meta, feed func(func(scanner.Ticket, string) error) error, _ func(int)) error {
	return feed(func(scanner.Ticket, string) error { return nil })
}

// sluggish is a vendor that takes its time and then says err.
type sluggish struct {
	takes time.Duration
	err   error
	asked chan time.Time
}

func (v *sluggish) List(_ context.Context, add func(scanner.Ticket, string) error) (scanner.ListPage, error) {
	v.asked <- time.Now()
	time.Sleep(v.takes)
	if v.err != nil {
		return scanner.ListPage{}, v.err
	}
	return scanner.ListPage{Complete: true}, add(scanner.Ticket{Code: "T1"}, "1")
}

// TestWhatALinksReturnAsks: a list that came slowly is not asked for again at
// once; one that hung until it failed is, whatever time that took.
func TestWhatALinksReturnAsks(t *testing.T) {
	for _, c := range []struct {
		name    string
		fails   error
		atLeast time.Duration // from the first fetch's end to the next one
		atMost  time.Duration
	}{
		{"came", nil, 10 * time.Minute, 12 * time.Minute},
		{"hung", errors.New("no whole answer in time"), 5 * time.Second, 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				vendor := &sluggish{takes: 30 * time.Second, err: c.fails, asked: make(chan time.Time)}
				lists := refresh.NewLists(refresh.ListOptions{
					Lister: vendor, Scope: scope, Store: fleeting{}, Clock: bubble{},
					Every: time.Hour, Online: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
				})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- lists.Run(ctx) }()
				began := <-vendor.asked
				time.Sleep(29 * time.Second)
				lists.Kick() // the link is back
				ended := began.Add(vendor.takes)
				if rest := (<-vendor.asked).Sub(ended); rest < c.atLeast || rest > c.atMost {
					t.Errorf("asked again after %v, want %v to %v", rest, c.atLeast, c.atMost)
				}
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
