package refresh

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"usher/scanner"
)

// ListOptions configure Lists. All fields but Changes and Every are required.
type ListOptions struct {
	Lister scanner.Lister
	// Changes gives what changed of a list; nil: it is always fetched whole.
	Changes scanner.Changes
	Scope   scanner.Scope
	Store   Store
	Clock   scanner.Clock
	// Online tells whether the vendor can be asked now; where it cannot, a fetch
	// waits for Kick.
	Online func() bool
	// Every is how often the whole list is fetched (default 30 min), jittered; its
	// changes are fetched every 5 min.
	Every time.Duration
	Log   *slog.Logger
}

// Lists keeps the ticket list up to date with the vendor: whole every so often, and
// in between by what changed of it, where the vendor tells. It is safe for concurrent
// use.
type Lists struct {
	o    ListOptions
	kick chan struct{}
	// turn holds one token: one fetch at a time.
	turn chan struct{}

	mu   sync.Mutex // guards what follows; never held across I/O
	st   Status
	plan plan
}

// NewLists makes Lists; Run starts them.
func NewLists(o ListOptions) *Lists {
	if o.Every <= 0 {
		o.Every = FullEvery
	}
	return &Lists{
		o: o, kick: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		plan: plan{every: [kinds]time.Duration{whole: o.Every, delta: DeltaEvery}, deltas: o.Changes != nil},
	}
}

// Status tells the state, from memory.
func (l *Lists) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.st
}

// Kick asks for a fetch soon: the link is back. It never waits.
func (l *Lists) Kick() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Run fetches the list now, or what changed of the one that is there, then every so
// often and when kicked, until the context ends.
func (l *Lists) Run(ctx context.Context) error {
	l.begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	called := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.kick:
			called = true
		}
		if !l.o.Online() {
			timer.Reset(retryMax) // the link's return kicks, unless it went for a moment
			continue
		}
		what, wait := l.next(called)
		if wait == 0 {
			// A failure, or that only the whole list will do, is noted and planned for.
			_ = l.fetch(ctx, func() kind { return what }, false, nil)
			called = false
			_, wait = l.next(false)
		}
		timer.Reset(wait)
	}
}

// begin takes it into account that a list of the last run may be fresh.
func (l *Lists) begin() {
	b, ok := l.base()
	if !ok {
		return
	}
	if age, ok := l.o.Clock.Now().Since(b.place.Full); ok && age < l.o.Every {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.plan.loaded(time.Now(), age)
	}
}

func (l *Lists) next(called bool) (kind, time.Duration) {
	_, based := l.base()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan.next(time.Now(), based, called)
}

// Now brings the list up to date at once, as a person asked: by what changed, where
// a whole list is not due. It tells progress, where that is not nil, how many tickets
// came so far.
func (l *Lists) Now(ctx context.Context, progress func(n int)) error {
	return l.fetch(ctx, func() kind {
		what, _ := l.next(true)
		return what
	}, true, progress)
}

// Whole fetches the whole list at once, as a person asked, and tells progress as Now
// does.
func (l *Lists) Whole(ctx context.Context, progress func(n int)) error {
	return l.fetch(ctx, func() kind { return whole }, true, progress)
}

// fetch waits for its turn, and fetches what is wanted then. Where the vendor gives no
// delta, a person gets the whole list; Run's turn for it comes.
func (l *Lists) fetch(ctx context.Context, what func() kind, person bool, progress func(int)) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := l.round(ctx, what(), progress)
	if errors.Is(err, errWhole) && person {
		return l.round(ctx, whole, progress)
	}
	return err
}

// round fetches once. Errors: errWhole, and all that makes a fetch fail.
func (l *Lists) round(ctx context.Context, k kind, progress func(int)) error {
	l.running(true)
	defer l.running(false)
	begun := l.o.Clock.Now()
	tell := func(n int) {
		l.progress(n)
		if progress != nil {
			progress(n)
		}
	}
	var err error
	if k == whole {
		err = l.load(ctx, begun, tell)
	} else {
		err = l.amend(ctx, begun, tell)
	}
	took, _ := l.o.Clock.Now().Since(begun)
	if errors.Is(err, errEmpty) {
		l.o.Log.Info("the vendor lists no tickets now; the list before stays")
		err = nil
	}
	l.mu.Lock()
	if errors.Is(err, errWhole) {
		l.plan.refused(time.Now())
	} else {
		l.plan.ended(time.Now(), k, took, err)
	}
	l.mu.Unlock()
	if !errors.Is(err, errWhole) {
		l.ended(err)
	}
	return err
}

func (l *Lists) running(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st.Running, l.st.Progress = on, 0
}

func (l *Lists) progress(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st.Progress = n
}

// ended notes how a fetch went; a fault is logged once.
func (l *Lists) ended(err error) {
	l.mu.Lock()
	news := err != nil && l.st.Problem != err.Error()
	if err == nil {
		l.st.Problem = ""
	} else {
		l.st.Problem = err.Error()
	}
	l.mu.Unlock()
	if news {
		l.o.Log.Warn("ticket list not refreshed", "err", err)
	}
}
