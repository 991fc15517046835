// Package upload brings what was admitted offline to the vendor, each scan with
// its own time, for as long as it takes.
//
// # Order
//
// Entries go oldest first, in batches of one [scanner.Uploader] group, a ticket
// at most once in each: a ticket's later movement leaves only after its earlier
// one got its answer. Entries of another vendor or account than the configured
// one stay where they are.
//
// Entries are marked as sent before their batch leaves, so that after a crash a
// vendor that says "already scanned" is understood: it was our own call. While a
// batch is on its way, the answers to the one before are settled and the next
// one is made ready, so that a drain costs its round trips and no more.
//
// # Trouble
//
// Whatever goes wrong keeps every entry. What says nothing against the entries
// themselves (no connection, no sign-in, a quota) is tried again after a pause.
// What may be one entry's fault (the vendor calls the request wrong; three calls
// in a row fail or get no proper answer while it answers a probe) halves the
// batch, down to the entry that fails alone: one scan in a hundred costs some
// fifteen calls more. That one is parked if it failed by the vendor's own word and
// the vendor took another entry right before; otherwise it waits behind all others,
// and is parked if one of them was taken and it fails alone again. So neither an
// outage nor a vendor that refuses everything parks anything, nor does a network
// that swallows calls, and no entry keeps the rest from the vendor.
//
// # Time
//
// A scan's time is worked out as it leaves, when more is known of the device's
// clock than at the scan. It never lies in the vendor's future, an uncertain
// time never contradicts the order of the scans, and a sure one follows it as far
// as its own error allows. It is stored with the mark that the scan leaves, and
// while nobody knows what became of a sending, the next one carries the same time:
// to a vendor that tells scans apart by their time, a resend after a lost answer
// is no second scan.
package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4" // the pauses after a failure

	"usher/scanner"
)

const (
	defaultBatch   = 100
	defaultTimeout = 30 * time.Second
)

// Options configure an Uploader. Journal, Vendor, Scope, Clock and the pauses
// are required.
type Options struct {
	Journal Journal
	Vendor  scanner.Uploader
	// Probe tells, by nil, that the vendor answers at all. Without one a vendor's
	// own faults never divide a batch.
	Probe func(context.Context) error
	// Scope is what is configured now: entries of its vendor and account are sent.
	Scope scanner.Scope
	Clock scanner.Clock
	// Busy tells, by the record's id, that an entry's own online call still runs: it
	// is not sent.
	Busy func(id string) bool
	// Ready tells that the vendor can be reached. Run makes no call while it
	// cannot; Now does.
	Ready func() bool
	// Batch is the most entries in a call, where the vendor's own limit is not
	// lower (default 100).
	Batch int
	// Timeout ends a call (default 30 s).
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause after a failure: a random part of it
	// passes, so that fifty devices do not return at once.
	RetryMin, RetryMax time.Duration
	Log                *slog.Logger
}

// Counts say what became of entries.
type Counts struct {
	// Taken counts those the vendor has, Conflicts those of them it had from
	// another gate, Parked those it will not take, Later those it put off.
	Taken, Conflicts, Parked, Later int
}

// Status is how the upload is doing. The true time of a stamp is the clock's to
// tell.
type Status struct {
	Uploading bool
	// Totals count since the start.
	Totals Counts
	// Problem says in words why entries are still here; empty: nothing is wrong.
	Problem string
	// NextTryAt is when it is tried again; the zero Stamp: nothing is waited for,
	// or only the link.
	NextTryAt scanner.Stamp
	// Deadline is when the oldest entry grows too old for the vendor; nil: there
	// is none, or no limit.
	Deadline *time.Time
	// Warning says in words that the deadline is near or past; empty: it is not.
	Warning string
}

// Uploader drains the outbox. It is safe for concurrent use; Kick, Resume and
// Status never block.
type Uploader struct {
	o     Options
	batch int
	age   time.Duration
	wake  chan struct{}

	// turn holds one token: one upload at a time. Its holder owns pauses,
	// doubts, reported, held and certain.
	turn     chan struct{}
	pauses   *backoff.ExponentialBackOff
	doubts   doubts
	reported reported
	held     held
	// certain is what was certainly past when times were last told.
	certain time.Time

	mu sync.Mutex // guards what follows; never held across I/O
	st Status
	// want: there may be something to send; kicks counts who said so.
	want  bool
	kicks uint64
	// until ends the pause, which began at paused. asked: the vendor wished for
	// it. lone: it was a single entry that failed.
	until, paused time.Time
	asked, lone   bool
	oldest        *scanner.Record
}

// New makes an Uploader; Run starts it.
func New(o Options) *Uploader {
	if o.Busy == nil {
		o.Busy = func(string) bool { return false }
	}
	if o.Ready == nil {
		o.Ready = func() bool { return true }
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	batch, age := o.Vendor.Limits()
	if batch <= 0 || batch > o.Batch {
		batch = o.Batch
	}
	return &Uploader{
		o: o, batch: batch, age: age,
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), want: true,
		// Each pause is drawn from the whole of it: full jitter.
		pauses: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(o.RetryMin), backoff.WithMaxInterval(o.RetryMax),
			backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0)),
		doubts: doubts{of: map[uint64]*doubt{}},
	}
}

// Kick says that an entry was added, or that an entry's own call ended. A pause
// goes on, unless all that failed was an entry by itself.
func (u *Uploader) Kick() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.want = true
	u.kicks++
	if soon := u.paused.Add(u.o.RetryMin); u.lone && !u.asked && soon.Before(u.until) {
		u.until = soon
	}
	u.signal()
}

// Resume says that the link returned: it ends a pause that the vendor did not
// ask for.
func (u *Uploader) Resume() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.want = true
	u.kicks++
	if !u.asked {
		u.until = time.Time{}
	}
	u.signal()
}

func (u *Uploader) signal() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Status tells the state, from memory.
func (u *Uploader) Status() Status {
	u.mu.Lock()
	st, oldest := u.st, u.oldest
	u.mu.Unlock()
	if oldest == nil || u.age == 0 {
		return st
	}
	at, _ := u.corrected(oldest)
	deadline := at.Add(u.age)
	st.Deadline = &deadline
	left := deadline.Sub(u.o.Clock.True(u.o.Clock.Now()).At)
	switch {
	case left <= 0:
		st.Warning = fmt.Sprintf("the oldest scan is from %s and the vendor takes none older than %v: it will be tried, and parked with the vendor's reason",
			at.UTC().Format(time.RFC3339), u.age)
	case left <= u.age/4:
		st.Warning = fmt.Sprintf("the vendor takes no scan older than %v: bring this device online before %s, the oldest scan is from %s",
			u.age, deadline.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	return st
}

// Run uploads whenever there is something to send and the vendor can be reached,
// until the context ends; then it returns nil. It makes no last attempt: a
// caller that stops may call Now once Run has returned, with a context as short
// as it likes.
func (u *Uploader) Run(ctx context.Context) error {
	for {
		u.look()
		wait, ok := u.plan()
		if ok && wait <= 0 {
			// What went wrong is told in Status and planned for.
			_, _ = u.drain(ctx)
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		if !u.wait(ctx, wait, ok) {
			return nil
		}
	}
}

// plan tells when to drain; false: not before something happens.
func (u *Uploader) plan() (time.Duration, bool) {
	ready := u.o.Ready()
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.want || !ready {
		return 0, false
	}
	return time.Until(u.until), true
}

// wait returns after the time, where there is one, or when something changed. It
// is false once the context ended.
func (u *Uploader) wait(ctx context.Context, d time.Duration, timed bool) bool {
	var timer <-chan time.Time
	if timed {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-u.wake:
	case <-timer:
	}
	return ctx.Err() == nil
}

// look notes the oldest entry, for its deadline.
func (u *Uploader) look() {
	if u.age == 0 {
		return
	}
	first, err := u.o.Journal.Pending(u.mine, 0, 1)
	if err != nil {
		return // the drain meets it too, and tells
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.oldest = nil
	if len(first) > 0 {
		u.oldest = &first[0].Record
	}
}

// Now uploads at once, pause or none, link or none, and says what became of the
// entries. Errors: the vendor asked to be left alone, or what stopped it, in
// words.
func (u *Uploader) Now(ctx context.Context) (Counts, error) {
	u.mu.Lock()
	asked, wait := u.asked, time.Until(u.until)
	u.mu.Unlock()
	if asked && wait > 0 {
		return Counts{}, fmt.Errorf("upload: the vendor asks to be left alone for another %v", wait.Round(time.Second))
	}
	counts, err := u.drain(ctx)
	u.look()
	u.mu.Lock()
	u.signal() // Run's plan may have changed
	u.mu.Unlock()
	if err != nil {
		return counts, fmt.Errorf("upload: %w", err)
	}
	return counts, nil
}

// mine accepts the entries that the configured vendor is owed, whatever their
// event.
func (u *Uploader) mine(s scanner.Scope) bool {
	return s.Vendor == u.o.Scope.Vendor && s.Account == u.o.Scope.Account
}

// drain uploads until nothing is left that can go, and plans what comes then.
func (u *Uploader) drain(ctx context.Context) (Counts, error) {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return Counts{}, ctx.Err()
	}
	defer func() { <-u.turn }()

	u.mu.Lock()
	u.st.Uploading = true
	kicks := u.kicks
	u.mu.Unlock()

	d := &drain{Uploader: u, putOff: map[uint64]struct{}{}}
	err := d.run(ctx)
	u.finish(d, kicks, err, ctx.Err() != nil)
	return d.counts, err
}

// finish tells how a drain ended and when to try again.
func (u *Uploader) finish(d *drain, kicks uint64, err error, stopped bool) {
	now := u.o.Clock.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.st.Uploading = false
	if stopped {
		u.want = true
		return
	}
	u.st.NextTryAt = scanner.Stamp{}
	u.until, u.asked, u.lone = time.Time{}, false, false
	var wait time.Duration
	switch {
	case err != nil:
		wait = u.draw()
		if asked := retryAfter(err); asked > 0 {
			wait, u.asked = max(wait, asked), true
		}
		u.lone = d.lone
	case d.counts.Later > 0:
		wait = u.draw()
	case d.busy:
		wait = u.o.RetryMin
	default:
		u.want = u.kicks != kicks
		u.told("", d.counts)
		return
	}
	u.want = true
	u.paused = time.Now()
	u.until = u.paused.Add(wait)
	u.st.NextTryAt = after(now, wait)
	switch {
	case err != nil:
		u.told(err.Error(), d.counts)
	case d.counts.Later > 0:
		u.told(d.later, d.counts)
	default:
		u.told("", d.counts)
	}
}

// told keeps the problem for Status, and logs it once.
func (u *Uploader) told(problem string, c Counts) {
	if problem != "" && problem != u.st.Problem {
		u.o.Log.Warn("upload paused", "problem", problem)
	}
	if c.Taken+c.Parked > 0 {
		u.o.Log.Info("uploaded", "taken", c.Taken, "conflicts", c.Conflicts, "parked", c.Parked, "later", c.Later)
	}
	u.st.Problem = problem
}

// draw is the next pause: any part of a backoff that grows.
func (u *Uploader) draw() time.Duration { return rand.N(u.pauses.NextBackOff()) + 1 }

func retryAfter(err error) time.Duration {
	if call, ok := errors.AsType[*scanner.CallError](err); ok {
		return call.Rest()
	}
	return 0
}

// after is the stamp of a moment to come.
func after(s scanner.Stamp, d time.Duration) scanner.Stamp {
	s.Wall, s.Up = s.Wall.Add(d), s.Up+d
	return s
}
