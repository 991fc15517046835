package refresh

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"usher/scanner"
)

const (
	// EventsEvery is how often the vendor is asked for its events.
	EventsEvery = 30 * time.Minute
	// eventsAgain is how long an answer is good enough for a link that comes and goes.
	eventsAgain = 5 * time.Minute
	// eventsTime bounds one round of questions that nobody waits for.
	eventsTime = 2 * time.Minute
	// eventsBefore and eventsAhead are the time around now of which the events are
	// known without a network: since yesterday, and for a week.
	eventsBefore = 24 * time.Hour
	eventsAhead  = 8 * 24 * time.Hour
)

// Told is one answer of the vendor. It has the fields of the store's own type, so
// that one converts to the other.
type Told struct {
	From, To time.Time
	Events   []scanner.Event
	At       time.Time
	Partial  bool
}

// EventStore keeps what the vendor told. The error says that it will not outlive
// the daemon.
type EventStore interface {
	Told(scanner.Scope, Told) error
}

// EventOptions configure Events. All fields but Every are required.
type EventOptions struct {
	Lister scanner.EventLister
	Scope  scanner.Scope
	Store  EventStore
	Clock  scanner.Clock
	// Online tells whether the vendor can be asked now; where it cannot, the question
	// waits for Kick.
	Online func() bool
	// Every is how often it is asked (default 30 min), jittered.
	Every time.Duration
	Log   *slog.Logger
}

// Events keeps the next events up to date with the vendor, so that they can be
// named without a network. It is safe for concurrent use.
type Events struct {
	o    EventOptions
	kick chan struct{}
	// turn holds one token: one question at a time.
	turn chan struct{}

	mu sync.Mutex // guards what follows; never held across I/O
	// problem is why the last question got no whole answer.
	problem  string
	failures int
	// notBefore is until when the vendor is left alone, answered when it last told
	// what Run asks for; zero: never.
	notBefore, answered time.Time
}

// NewEvents makes Events; Run starts them.
func NewEvents(o EventOptions) *Events {
	if o.Every <= 0 {
		o.Every = EventsEvery
	}
	return &Events{o: o, kick: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// Kick asks for the events soon: the link is back. It never waits.
func (e *Events) Kick() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// Run asks now, then every so often and when kicked, until the context ends.
func (e *Events) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-e.kick:
			wait, fresh := e.rest()
			if fresh {
				continue
			}
			if wait > 0 {
				timer.Reset(wait)
				continue
			}
		}
		if !e.o.Online() {
			timer.Reset(retryMax) // the link's return kicks, unless it went for a moment
			continue
		}
		timer.Reset(e.after(e.next(ctx)))
	}
}

// rest is how long the vendor is left alone yet; fresh tells that its last answer
// is new enough.
func (e *Events) rest() (wait time.Duration, fresh bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Until(e.notBefore), !e.answered.IsZero() && time.Since(e.answered) < eventsAgain
}

// next asks for the events around now.
func (e *Events) next(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, eventsTime)
	defer cancel()
	now := e.now()
	_, err := e.Ask(ctx, now.Add(-eventsBefore), now.Add(eventsAhead))
	if err == nil {
		e.mu.Lock()
		e.answered = time.Now()
		e.mu.Unlock()
	}
	return err
}

// after is how long to wait after a question.
func (e *Events) after(err error) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait := e.o.Every
	if err != nil {
		wait = min(e.o.Every, retryMin<<min(e.failures, 10))
		e.failures++
		rest := scanner.CallErrorOf(err).Rest()
		e.notBefore = time.Now().Add(rest)
		wait = max(wait, rest)
	} else {
		e.failures = 0
	}
	return wait*9/10 + rand.N(wait/5+1)
}

// Ask asks the vendor for the events between two moments and stores what it tells.
// Events that come with an error are what could be had all the same.
func (e *Events) Ask(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, &scanner.CallError{Op: "events", Trouble: scanner.Silent, Err: errors.New("another question is still under way")}
	}
	events, err := e.o.Lister.Events(ctx, from, to)
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.noted(err)
	}
	if err != nil && len(events) == 0 {
		return nil, err
	}
	if stored := e.o.Store.Told(e.o.Scope, Told{From: from, To: to, Events: events, At: e.now(), Partial: err != nil}); stored != nil {
		e.o.Log.Warn("the names of events will not outlive the daemon", "err", stored)
	}
	return events, err
}

func (e *Events) now() time.Time { return e.o.Clock.True(e.o.Clock.Now()).At }

// noted keeps how a question went; a fault is logged once.
func (e *Events) noted(err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	e.mu.Lock()
	news := problem != "" && problem != e.problem
	e.problem = problem
	e.mu.Unlock()
	if news {
		e.o.Log.Warn("the vendor did not tell its events", "err", err)
	}
}
