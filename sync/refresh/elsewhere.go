package refresh

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4" // the pauses between attempts at a vendor that does not answer

	"usher/scanner"
)

// ElsewhereOptions configure Elsewhere. All fields are required.
type ElsewhereOptions struct {
	Watcher scanner.Watcher
	// What it watches, for people.
	What  string
	Clock scanner.Clock
	// Online tells whether the vendor can be asked now; where it cannot, nothing is
	// asked until Kick.
	Online func() bool
	Log    *slog.Logger
}

// Elsewhere learns from the vendor, every so often, what was scanned elsewhere. It
// is safe for concurrent use.
type Elsewhere struct {
	o    ElsewhereOptions
	kick chan struct{}
	// turn holds one token: one call at a time.
	turn chan struct{}

	mu sync.Mutex // guards what follows; never held across I/O
	// failing is why the newest call failed; nil: it did not.
	failing *scanner.CallError
	// begun is when this began, known when the vendor last told all it knew; zero:
	// never.
	begun, known scanner.Stamp
	pauses       backoff.BackOff
	// due is when it is asked next, soonest when it may be if the link returns before.
	due, soonest time.Time
}

// NewElsewhere makes it; Run starts it.
func NewElsewhere(o ElsewhereOptions) *Elsewhere {
	// A vendor with a quota is asked no more often in trouble than retryMin, and no
	// more rarely than without.
	every := o.Watcher.Every()
	return &Elsewhere{
		o: o, kick: make(chan struct{}, 1), turn: make(chan struct{}, 1), begun: o.Clock.Now(),
		pauses: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(min(retryMin, every)), backoff.WithMaxInterval(every), backoff.WithMaxElapsedTime(0)),
	}
}

// Kick says that the vendor can be asked again. It never waits.
func (e *Elsewhere) Kick() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// Run asks every so often, and when kicked if that is overdue, until the context
// ends; it returns nil then.
func (e *Elsewhere) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-e.kick:
			if wait := e.rest(); wait > 0 {
				timer.Reset(wait)
				continue
			}
		}
		if !e.o.Online() {
			timer.Reset(retryMax) // the link's return kicks, unless it went for a moment
			continue
		}
		if err := e.watch(ctx); err != nil && ctx.Err() != nil {
			return nil
		}
		timer.Reset(e.pause())
	}
}

// pause is how long until the vendor is asked next, rest how long it is left alone
// though the link has just returned.
func (e *Elsewhere) pause() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Until(e.due)
}

func (e *Elsewhere) rest() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Until(e.soonest)
}

// Now asks at once, as a person wanted. Where the vendor cannot be asked the link's
// return does it.
func (e *Elsewhere) Now(ctx context.Context) error {
	if !e.o.Online() {
		return nil
	}
	return e.watch(ctx)
}

func (e *Elsewhere) watch(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	asked := e.o.Clock.Now()
	err := e.o.Watcher.Watch(ctx)
	if err != nil && ctx.Err() != nil {
		return err // nobody waits for it any more
	}
	e.ended(asked, err)
	return err
}

// ended notes how a call went; a fault is logged once. The jitter shortens the pause
// only: what another gate admits is refused here within one of them.
func (e *Elsewhere) ended(asked scanner.Stamp, err error) {
	every, now := e.o.Watcher.Every(), time.Now()
	e.mu.Lock()
	before := e.failing
	if err == nil {
		e.failing, e.known = nil, asked
		e.pauses.Reset()
		e.due = now.Add(every*8/10 + rand.N(every/5+1))
		e.soonest = e.due
	} else {
		e.failing = scanner.CallErrorOf(err)
		e.soonest = now.Add(max(min(retryMin, every), e.failing.Rest()))
		e.due = now.Add(e.pauses.NextBackOff())
		if e.due.Before(e.soonest) {
			e.due = e.soonest
		}
	}
	e.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		e.o.Log.Warn("not fetched", "what", e.o.What, "err", err)
	}
}

// Problem says in words why what was scanned elsewhere is not known; empty: it is,
// or not being so is nothing yet: one that waits for its turn in a quota is told
// after two pauses.
func (e *Elsewhere) Problem() string {
	now := e.o.Clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failing == nil {
		return ""
	}
	since, ever := e.known, e.known != scanner.Stamp{}
	if !ever {
		since = e.begun
	}
	age, _ := now.Since(since)
	switch {
	case e.failing.Trouble == scanner.Throttled && age <= 2*e.o.Watcher.Every():
		return ""
	case !ever:
		return fmt.Sprintf("not known: %s: %v", e.o.What, e.failing)
	}
	return fmt.Sprintf("known as of %v ago: %s: %v", age.Round(time.Second), e.o.What, e.failing)
}
