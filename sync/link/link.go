// Package link tells whether the vendor can be asked now, so that nobody at the
// gate waits for a network that is gone.
//
// One call that got no definite answer makes the link offline. A probe starts at
// once and then with a jittered backoff; the link is online again when a probe
// answers within the patience of a person at the gate, or within what is normal
// for the vendor where that is longer. Scans or no scans, it comes back by itself;
// while it is online nothing runs and no timer is set.
//
// The backoff starts anew only after three real scans were answered: a vendor
// that answers probes and no scans is asked ever more rarely, instead of making
// every scan wait.
//
// A call that the vendor calls wrong (4xx) was answered: that is the call's own
// fault and the link stays online. Three in a row are no coincidence and make it
// offline.
package link

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4" // the pauses between probes

	"usher/scanner"
)

const (
	// settled is how many real scans must be answered before the backoff starts
	// anew.
	settled = 3
	// tolerated is how many malformed calls in a row make the link offline.
	tolerated = 3
	// jitter spreads the probes of fifty devices that lost the same network.
	jitter = 0.2
)

// Options configure a Link. All but Normal, Timeout, Changed and Log are required.
type Options struct {
	// Probe is the vendor's cheapest authenticated call. Its error is a
	// scanner.CallError.
	Probe func(context.Context) error
	// Patience is how long a person at the gate may wait, Normal how long an answer
	// may take by the vendor's document (zero: it does not say): a probe that takes
	// longer than both leaves the link offline.
	Patience, Normal time.Duration
	// Timeout ends a probe. It may be longer than either, so that a slow sign-in
	// inside it comes to its end and the next probe is quick. Default: the longer one.
	Timeout time.Duration
	// Min and Max bound the pause between two probes.
	Min, Max time.Duration
	// Clock dates what Status tells.
	Clock scanner.Clock
	// Changed is told when the link goes or returns, from Run and never from a
	// scan. It must not wait.
	Changed func(Status)
	Log     *slog.Logger
}

// Status is how the link stands. The true time of its stamps is the clock's to
// tell.
type Status struct {
	Online bool
	// Reachable says that the vendor answers, in time or not: what has time, such
	// as an upload, may call it.
	Reachable bool
	// Since is when the link last went or returned.
	Since scanner.Stamp
	// Reason says in words why it is offline; empty while it is online.
	Reason string
	// NextProbeAt is when the vendor is asked again; the zero Stamp while online.
	NextProbeAt scanner.Stamp
}

// Link is the state of the link. It is safe for concurrent use and its methods
// never block, Run apart.
type Link struct {
	o    Options
	wake chan struct{}

	mu sync.Mutex // guards what follows; never held across I/O
	st Status
	// pauses is the backoff; fresh says that it has not begun: the next probe
	// starts at once.
	pauses backoff.BackOff
	fresh  bool
	// answered and malformed count real scans in a row.
	answered, malformed int
	// due is when the next probe starts, asked the time before which the vendor
	// wants none, began when the last one started.
	due, asked, began time.Time
	// kicked: asked for while a probe was running.
	kicked, probing bool
}

var _ scanner.Link = (*Link)(nil)

// New makes a link that is offline until its first probe; Run starts that.
func New(o Options) *Link {
	o.Timeout = max(o.Timeout, o.Patience, o.Normal)
	if o.Changed == nil {
		o.Changed = func(Status) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Link{o: o, wake: make(chan struct{}, 1), fresh: true}
	// Chosen so that the jitter never leaves the bounds.
	longest := time.Duration(float64(o.Max) / (1 + jitter))
	l.pauses = backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(time.Duration(float64(o.Min)/(1-jitter)), longest)),
		backoff.WithMaxInterval(longest),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(jitter), backoff.WithMaxElapsedTime(0))
	now := o.Clock.Now()
	l.st = Status{Since: now, Reason: "the vendor has not been asked yet", NextProbeAt: now}
	return l
}

// Online tells whether the next scan may ask the vendor.
func (l *Link) Online() bool { return l.Status().Online }

// Reachable tells whether the vendor answers, be it too slowly for a scan.
func (l *Link) Reachable() bool { return l.Status().Reachable }

// Status tells the state, from memory.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.st
}

// Answered notes that a scan's call got its definite answer, in time or in what is
// normal for the vendor.
func (l *Link) Answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.st.Online {
		return
	}
	l.malformed = 0
	if l.answered++; l.answered >= settled && !l.fresh {
		l.pauses.Reset()
		l.fresh = true
	}
}

// Failed notes that a scan's call got no definite answer; nil: it was still
// under way when patience, or what is normal for the vendor, ran out.
func (l *Link) Failed(err error) {
	now := l.o.Clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = 0
	call := callOf(err)
	if call.Trouble == scanner.Malformed && l.st.Online {
		if l.malformed++; l.malformed < tolerated {
			return
		}
	}
	l.malformed = 0
	l.heed(call)
	if !l.st.Online {
		// Judged already; only the vendor's wish to be left alone is news.
		l.postpone(now)
		return
	}
	l.st = Status{Since: now, Reason: l.reason(call)}
	atOnce := l.fresh && call.Trouble != scanner.Throttled
	l.fresh = false
	if atOnce {
		l.schedule(0)
	} else {
		l.schedule(l.pause())
	}
	l.signal()
}

// Kick asks for a probe now, as a person wants it: also of a vendor that asked to
// be left alone, once. It does nothing while the link is online.
func (l *Link) Kick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.st.Online {
		return
	}
	if l.probing {
		l.kicked = true
		return
	}
	l.asked = time.Time{}
	l.schedule(l.soon())
	l.signal()
}

// Run probes while the link is offline, until the context ends; then it returns
// nil.
func (l *Link) Run(ctx context.Context) error {
	told := Status{}
	news := func() (bool, time.Time) {
		st, due := l.next()
		if st.Online != told.Online || st.Reachable != told.Reachable {
			l.tell(st)
			told = st
		}
		return st.Online, due
	}
	for {
		online, due := news()
		if !l.wait(ctx, online, due) {
			return nil
		}
		// A loss is told before the probe that may heal it: what stopped on it must
		// hear of the return.
		news()
		if l.isDue() {
			l.probe(ctx)
		}
	}
}

// wait returns at the due time of an offline link or when something changed. It
// is false once the context ended.
func (l *Link) wait(ctx context.Context, online bool, due time.Time) bool {
	var timer <-chan time.Time
	if !online {
		t := time.NewTimer(time.Until(due))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-l.wake:
	case <-timer:
	}
	return ctx.Err() == nil
}

func (l *Link) next() (Status, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.st, l.due
}

func (l *Link) isDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.st.Online && !time.Now().Before(l.due)
}

func (l *Link) tell(st Status) {
	if st.Online {
		l.o.Log.Info("link: online")
	} else {
		l.o.Log.Warn("link: offline", "reason", st.Reason)
	}
	l.o.Changed(st)
}

// probe asks the vendor once.
func (l *Link) probe(ctx context.Context) {
	began := time.Now()
	l.mu.Lock()
	l.began, l.probing, l.kicked = began, true, false
	l.mu.Unlock()

	call, cancel := context.WithTimeout(ctx, l.o.Timeout)
	err := l.o.Probe(call)
	cancel()

	now, took := l.o.Clock.Now(), time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
	if err != nil && ctx.Err() != nil {
		return
	}
	if err == nil && took <= max(l.o.Patience, l.o.Normal) {
		l.st = Status{Online: true, Reachable: true, Since: now}
		l.asked, l.answered, l.malformed = time.Time{}, 0, 0
		return
	}
	l.fresh = false
	l.st.Reachable = err == nil
	if err == nil {
		l.st.Reason = tooSlow(took, max(l.o.Patience, l.o.Normal))
	} else {
		e := callOf(err)
		l.heed(e)
		l.st.Reason = l.reason(e)
	}
	wait := l.pause()
	if l.kicked {
		wait = l.soon()
	}
	l.schedule(wait)
}

// heed keeps the time before which the vendor wants to be left alone.
func (l *Link) heed(call *scanner.CallError) {
	if call.RetryAfter <= 0 {
		return
	}
	if until := time.Now().Add(call.Rest()); until.After(l.asked) {
		l.asked = until
	}
}

// schedule sets the next probe, the vendor's own wish heeded.
func (l *Link) schedule(in time.Duration) {
	now := time.Now()
	l.due = now.Add(in)
	if l.due.Before(l.asked) {
		l.due = l.asked
	}
	l.st.NextProbeAt = after(l.o.Clock.Now(), l.due.Sub(now))
}

// postpone moves the next probe where it lies before the vendor's wish.
func (l *Link) postpone(now scanner.Stamp) {
	if l.due.Before(l.asked) {
		l.due = l.asked
		l.st.NextProbeAt = after(now, time.Until(l.due))
	}
}

// pause is the backoff's next step.
func (l *Link) pause() time.Duration { return min(max(l.pauses.NextBackOff(), l.o.Min), l.o.Max) }

// soon is at once, but no closer to the last probe than the shortest pause: an
// interface that flaps is no reason to storm the vendor.
func (l *Link) soon() time.Duration { return max(0, time.Until(l.began.Add(l.o.Min))) }

func (l *Link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// after is the stamp of a moment to come.
func after(s scanner.Stamp, d time.Duration) scanner.Stamp {
	s.Wall, s.Up = s.Wall.Add(d), s.Up+d
	return s
}
