package refresh

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"usher/scanner"
)

const (
	// FullEvery is how often a whole list is fetched where the site says nothing.
	FullEvery = 30 * time.Minute
	// restFactor keeps a slow vendor from being asked all the time: the rest
	// between two fetches is at least so many times the last one's duration.
	restFactor = 20
	// retryMin and retryMax bound the wait after a fetch that failed.
	retryMin = 5 * time.Second
	retryMax = 5 * time.Minute
)

// ListOptions configure Lists. All fields but Every are required.
type ListOptions struct {
	Lister scanner.Lister
	Scope  scanner.Scope
	Store  Store
	Clock  scanner.Clock
	// Online tells whether the vendor can be asked now; where it cannot, a fetch
	// waits for Kick.
	Online func() bool
	// Every is how often the list is fetched (default 30 min), jittered.
	Every time.Duration
	Log   *slog.Logger
}

// Lists keeps the ticket list up to date with the vendor. It is safe for
// concurrent use.
type Lists struct {
	o    ListOptions
	kick chan struct{}
	// turn holds one token: one fetch at a time.
	turn chan struct{}

	mu sync.Mutex // guards what follows; never held across I/O
	st Status
	// notBefore is until when the vendor is left alone.
	notBefore time.Time
	failures  int
}

// NewLists makes Lists; Run starts them.
func NewLists(o ListOptions) *Lists {
	if o.Every <= 0 {
		o.Every = FullEvery
	}
	return &Lists{o: o, kick: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
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

// Run fetches the list now, then every so often and when kicked, until the
// context ends.
func (l *Lists) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.kick:
			if wait := l.rest(); wait > 0 {
				timer.Reset(wait)
				continue
			}
		}
		if !l.o.Online() {
			timer.Reset(retryMax) // the link's return kicks, unless it went for a moment
			continue
		}
		timer.Reset(l.after(l.fetch(ctx, nil)))
	}
}

// rest is how long the vendor is left alone yet.
func (l *Lists) rest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.notBefore)
}

// after is how long to wait after a fetch.
func (l *Lists) after(err error) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := l.o.Every
	if err != nil {
		wait = min(retryMax, retryMin<<min(l.failures, 10))
		l.failures++
		wait = max(wait, scanner.CallErrorOf(err).Rest())
	} else {
		l.failures = 0
	}
	wait = wait*9/10 + rand.N(wait/5+1)
	return max(wait, time.Until(l.notBefore))
}

// Now fetches the list at once, as a person asked. It tells progress, where that
// is not nil, how many tickets came so far.
func (l *Lists) Now(ctx context.Context, progress func(n int)) error { return l.fetch(ctx, progress) }

// errEmpty ends a build of a list that says nothing: outside its window a vendor
// lists no tickets, which is no reason to forget those it listed before.
var errEmpty = errors.New("empty list")

// errUnchanged ends a build whose list is the one that is there.
var errUnchanged = errors.New("list unchanged")

func (l *Lists) fetch(ctx context.Context, progress func(int)) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l.running(true)
	begun := l.o.Clock.Now()
	err := l.load(ctx, begun, progress)
	l.running(false)
	took, _ := l.o.Clock.Now().Since(begun)
	switch {
	case errors.Is(err, errUnchanged):
		l.o.Store.Checked(l.o.Scope, begun)
		err = nil
	case errors.Is(err, errEmpty):
		l.o.Log.Info("the vendor lists no tickets now; the list before stays")
		err = nil
	}
	rest := restFactor * took
	if err != nil {
		// How long a silence was says nothing of the vendor's work: a list that
		// hung while the network was bad must not wait once it is good.
		rest = min(rest, retryMin)
	}
	l.mu.Lock()
	l.notBefore = time.Now().Add(rest)
	l.mu.Unlock()
	l.ended(err)
	return err
}

// load has the store replace the list, unless what the vendor gave is what is
// there: the sum of all tickets' hashes tells, in whatever order they came.
func (l *Lists) load(ctx context.Context, begun scanner.Stamp, progress func(int)) error {
	var sum [sha256.Size]byte
	meta := Meta{Scope: l.o.Scope, GeneratedAt: l.o.Clock.True(begun).At, Checked: begun, Repeats: true}
	feed := func(add func(scanner.Ticket, string) error) error {
		page, err := l.o.Lister.List(ctx, func(t scanner.Ticket, place string) error {
			if err := mix(&sum, t); err != nil {
				return err
			}
			return add(t, place)
		})
		if err != nil {
			return err
		}
		if sum == ([sha256.Size]byte{}) && !page.Complete {
			return errEmpty
		}
		print := hex.EncodeToString(sum[:])
		if page.Complete {
			print += " complete"
		}
		if stored, _, ok := l.o.Store.Source(l.o.Scope); ok && stored == print && !l.o.Store.Damaged(l.o.Scope) {
			return errUnchanged
		}
		meta.Complete, meta.Source = page.Complete, print
		return nil
	}
	return l.o.Store.Build(ctx, &meta, feed, func(n int) {
		l.progress(n)
		if progress != nil {
			progress(n)
		}
	})
}

// mix adds the ticket's hash to the sum.
func mix(sum *[sha256.Size]byte, t scanner.Ticket) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("ticket %s: %w", t.Code.Mask(), err)
	}
	carry := uint16(0)
	for i, b := range sha256.Sum256(text) {
		carry += uint16(sum[i]) + uint16(b)
		sum[i] = byte(carry)
		carry >>= 8
	}
	return nil
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
