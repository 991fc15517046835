package refresh

import (
	"math/rand/v2"
	"time"

	"usher/scanner"
)

const (
	// FullEvery is how often a whole list is fetched where the site says nothing.
	FullEvery = 30 * time.Minute
	// DeltaEvery is how often the changes of a list are fetched, where they can be.
	DeltaEvery = 5 * time.Minute
	// restFactor keeps a slow vendor from being asked all the time: the rest
	// between two fetches is at least so many times the last one's duration.
	restFactor = 20
	// retryMin and retryMax bound the wait after a fetch that failed.
	retryMin = 5 * time.Second
	retryMax = 5 * time.Minute
)

// kind is what is fetched: a whole list, or what changed of it.
type kind int

const (
	whole kind = iota
	delta
	kinds
)

// plan says what is fetched next, and when.
type plan struct {
	// every is how often each kind is fetched; deltas tells whether there are any.
	every  [kinds]time.Duration
	deltas bool
	// due is when each kind is, rest until when the vendor is spared it.
	due, rest [kinds]time.Time
	// retry is until when a failure is waited out; failures are those in a row.
	retry    time.Time
	failures int
	// wanted: the vendor gave no delta for the list that is there. forced: the last
	// whole list was fetched for that, and no delta has gone on from it.
	wanted, forced bool
}

// next says what is fetched next and how long that has to wait. based tells whether
// a delta may go on from the list that is there; called, that the link is back or
// that something is wrong with the list: then nothing but the vendor's rest is waited
// for.
func (p *plan) next(now time.Time, based, called bool) (kind, time.Duration) {
	must := !p.deltas || !based || p.wanted
	at := p.due
	if called {
		at[delta] = now
	}
	if must && called || p.wanted {
		at[whole] = now
	}
	for k := range at {
		at[k] = latest(at[k], p.rest[k])
		if !called {
			at[k] = latest(at[k], p.retry)
		}
	}
	if must || !at[whole].After(latest(now, at[delta])) {
		return whole, max(0, at[whole].Sub(now))
	}
	return delta, max(0, at[delta].Sub(now))
}

// loaded notes, at the start, how old the whole list is that is there.
func (p *plan) loaded(now time.Time, age time.Duration) {
	p.due[whole] = now.Add(jittered(p.every[whole]) - age)
}

// ended notes how a fetch ended and how long it took.
func (p *plan) ended(now time.Time, k kind, took time.Duration, err error) {
	rest := restFactor * took
	if err != nil {
		// How long a silence was says nothing of the vendor's work: a list that
		// hung while the network was bad must not wait once it is good.
		rest = min(rest, retryMin)
	}
	p.rest[k] = now.Add(rest)
	if err != nil {
		wait := min(retryMax, retryMin<<min(p.failures, 10))
		p.failures++
		p.retry = now.Add(jittered(max(wait, scanner.CallErrorOf(err).Rest())))
		p.due[k] = earliest(p.due[k], p.retry)
		return
	}
	p.failures, p.retry = 0, time.Time{}
	p.due[delta] = now.Add(jittered(p.every[delta]))
	if k == delta {
		p.forced = false
		return
	}
	p.wanted = false
	p.due[whole] = now.Add(jittered(p.every[whole]))
}

// refused notes that the vendor gave no delta for the list that is there. A whole list
// is fetched for that at once, and where that helped nothing, in its time.
func (p *plan) refused(now time.Time) {
	if p.forced {
		p.due[delta] = latest(now, p.due[whole])
		return
	}
	p.wanted, p.forced = true, true
}

// jittered is the time, more or less: fifty devices must not come at once.
func jittered(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
