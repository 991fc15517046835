package report

import (
	"context"
	"os"
	"sync/atomic"
	"time"
)

// Deliver gives codes to emit, one after the other, in a goroutine of its own: the
// reader never waits for a verdict unless so many codes wait already. End closes
// the queue and returns once all that is in it was given.
func Deliver(waiting int, emit func(raw string)) (codes chan<- string, end func()) {
	queue, emitted := make(chan string, waiting), make(chan struct{})
	go func() {
		defer close(emitted)
		for code := range queue {
			emit(code)
		}
	}()
	return queue, func() {
		close(queue)
		<-emitted
	}
}

// Interrupt ends the reads of a non-blocking file when the context ends. End
// must be called before the file is closed.
func Interrupt(ctx context.Context, file *os.File) (end func()) {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		// The only failure is a closed file, whose reader has ended already.
		_ = file.SetReadDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-woken
		}
	}
}

// Flooding is the advice after codes were dropped.
const Flooding = "codes came faster than they can be judged and some were dropped; scan again, and look for a stuck trigger"

// NoSuffix is the advice where a terminator is waited for that does not come.
const NoSuffix = "its codes come without the Enter that is waited for; scan the maker's code for a suffix of Enter or CR, or set suffix: none"

const (
	// floodTold is how long after the last dropped code that is told.
	floodTold = time.Minute
	// floodOver is how long none was dropped when the next code shows that it is
	// over: while it lasts, some codes get through.
	floodOver = 5 * time.Second
)

// Adviser keeps what a person should know of a scanner that works, such as that its
// layout is another one. The zero value is ready; drivers embed it.
type Adviser struct {
	text atomic.Pointer[string]
	// dropped is when a code was last dropped; nil: it is over.
	dropped atomic.Pointer[time.Time]
	// unended: codes lack the terminator that is waited for.
	unended atomic.Bool
}

// Advise replaces it; empty: there is none.
func (a *Adviser) Advise(text string) { a.text.Store(&text) }

// Dropped tells that a code came which could not be taken. Flooding is the advice
// from then on, before any other, until that is over.
func (a *Adviser) Dropped() {
	now := time.Now()
	a.dropped.Store(&now)
}

// Taken tells that a code was taken.
func (a *Adviser) Taken() {
	if last := a.dropped.Load(); last != nil && time.Since(*last) >= floodOver {
		a.dropped.CompareAndSwap(last, nil)
	}
}

// Unended tells whether the last codes lacked the terminator that is waited for.
// NoSuffix is the advice while they do, where there is no other.
func (a *Adviser) Unended(missing bool) { a.unended.Store(missing) }

// Advice gives it. It implements scanner.Adviser.
func (a *Adviser) Advice() string {
	if last := a.dropped.Load(); last != nil && time.Since(*last) < floodTold {
		return Flooding
	}
	if text := a.text.Load(); text != nil && *text != "" {
		return *text
	}
	if a.unended.Load() {
		return NoSuffix
	}
	return ""
}
