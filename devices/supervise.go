package devices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4" // jittered waits between attempts to open

	"usher/scanner"
)

// State is what a person needs to know of a scanner first.
type State string

// The states of a scanner.
const (
	// Connected: open and being read.
	Connected State = "connected"
	// Missing: not plugged in, or its input ended.
	Missing State = "missing"
	// Failed: there, but not usable: no permission, in use, not a scanner.
	Failed State = "error"
)

// Status is one scanner's line in the device's status.
type Status struct {
	Name   string
	Driver string
	State  State
	// Detail says what is wrong and what to do, also with a scanner that is read;
	// empty: nothing.
	Detail string
	// Scans counts the codes read since start, repeats included.
	Scans uint64
	// LastAt is the device's wall clock at the last code; zero: none yet.
	LastAt time.Time
}

const (
	// queued is how many readings may wait for the judge: minutes of work at a
	// gate, so that a driver never waits for a verdict.
	queued = 64

	// reopenMin and reopenMax bound the wait before a further attempt to open. With
	// the jitter no wait is longer than 1.92 s.
	reopenMin    = 250 * time.Millisecond
	reopenMax    = 1600 * time.Millisecond
	reopenJitter = 0.2
	// After a device came, it is tried for triedFor as often as every reopenSoon:
	// the kernel tells of it before udev lets anybody open it. No attempt follows
	// another sooner.
	reopenSoon = 50 * time.Millisecond
	triedFor   = 2 * time.Second
	// A scanner that stayed open this long works: what ends it then is news.
	worksAfter = 2 * time.Second
)

// Judge is given one scanner's readings, one at a time and in order. What it
// says is shown by the scanner itself, where it can; false: it was no scan, which
// the scanner shows as one to be looked at.
type Judge func(context.Context, scanner.Reading) (scanner.Outcome, bool)

// Supervisor keeps one scanner open: whatever ends it, it is opened again.
type Supervisor struct {
	scanner Scanner
	clock   scanner.Clock
	judge   Judge
	log     *slog.Logger
	hotplug *Hotplug
	claims  *Claims
	first   *start

	mu     sync.Mutex // guards what follows; never held across I/O
	status Status
	// device is what is open; nil: nothing is.
	device scanner.Device
}

// NewSupervisor prepares a supervisor; Run starts it. Without hotplug (nil) a
// scanner that comes back is found within two seconds. The claims are those of all
// scanners of the process, whose supervisors are made in the order of the
// configuration; nil: there is no other.
func NewSupervisor(s Scanner, clock scanner.Clock, judge Judge, hotplug *Hotplug, claims *Claims, log *slog.Logger) *Supervisor {
	if hotplug == nil {
		hotplug = NewHotplug()
	}
	if claims == nil {
		claims = NewClaims()
	}
	return &Supervisor{
		hotplug: hotplug,
		claims:  claims,
		first:   claims.enter(),
		scanner: s,
		clock:   clock,
		judge:   judge,
		log:     log.With("scanner", s.Name, "driver", s.Driver),
		status:  Status{Name: s.Name, Driver: s.Driver, State: Missing, Detail: "not opened yet"},
	}
}

// Status is the scanner's present state, from memory.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	status, device := s.status, s.device
	s.mu.Unlock()
	if adviser, ok := device.(scanner.Adviser); ok {
		status.Detail = adviser.Advice()
	}
	return status
}

// Run opens and reads the scanner until the context ends, and returns nil then;
// nothing that happens to a scanner ends it before. Readings that wait for the
// judge at the end are dropped: nobody was shown a verdict on them.
func (s *Supervisor) Run(ctx context.Context) error {
	readings, judged := make(chan scanner.Reading, queued), make(chan struct{})
	go func() {
		defer close(judged)
		s.judgeAll(ctx, readings)
	}()
	defer func() {
		close(readings)
		<-judged
	}()

	retry := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(reopenMin),
		backoff.WithMaxInterval(reopenMax),
		backoff.WithRandomizationFactor(reopenJitter),
		backoff.WithMaxElapsedTime(0), // never gives up
	)
	var soon time.Time
	for ctx.Err() == nil {
		changed := s.hotplug.Changed()
		opened, err := s.attempt(ctx, readings)
		if ctx.Err() != nil {
			break
		}
		s.ended(err)
		if errors.Is(err, io.EOF) {
			<-ctx.Done()
			break
		}
		if !opened.IsZero() && time.Since(opened) >= worksAfter {
			retry.Reset()
		}
		var wait time.Duration
		switch {
		case errors.Is(err, scanner.ErrSettling):
			wait = reopenSoon
		case opened.IsZero() && time.Now().Before(soon):
			wait = min(retry.NextBackOff(), reopenSoon)
		default:
			wait = retry.NextBackOff()
		}
		pause(ctx, reopenSoon)
		if !opened.IsZero() {
			// Opening and closing a scanner are changes themselves, and no reason to
			// try again: one that fails at once would be opened without an end.
			pause(ctx, wait-reopenSoon)
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
			soon = time.Now().Add(triedFor)
			retry.Reset()
		case <-time.After(wait - reopenSoon):
		}
	}
	return nil
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// attempt opens the scanner once and reads it until it ends, and tells when it was
// opened; zero: it was not. A panic of the driver is an error like any other.
func (s *Supervisor) attempt(ctx context.Context, readings chan<- scanner.Reading) (opened time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicError{value: r, stack: debug.Stack()}
		}
	}()
	s.first.wait(ctx)
	release, err := s.claims.take(s.scanner)
	s.first.done()
	if err != nil {
		return opened, err
	}
	defer release()
	device, err := s.scanner.Opener.Open(ctx)
	if err != nil {
		return opened, err
	}
	opened = time.Now()
	s.hold(device)
	defer s.hold(nil)
	if s.turn(Connected, "") {
		s.log.Info("scanner connected", "source", s.scanner.Opener.Source())
	}
	err = device.Run(ctx, func(raw string) { readings <- s.read(raw) })
	if err == nil {
		err = errors.New("driver ended without a cause")
	}
	return opened, err
}

// hold keeps what is open within reach of signals.
func (s *Supervisor) hold(device scanner.Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device = device
}

// show lets the scanner tell the verdict to the hand, if it is still there.
func (s *Supervisor) show(signal scanner.Signal) {
	s.mu.Lock()
	device := s.device
	s.mu.Unlock()
	if signaller, ok := device.(scanner.Signaller); ok {
		signaller.Signal(signal)
	}
}

// read stamps a code at the moment it was framed and counts it.
func (s *Supervisor) read(raw string) scanner.Reading {
	at := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Scans++
	s.status.LastAt = at.Wall
	return scanner.Reading{Scanner: s.scanner.Name, Raw: raw, Direction: s.scanner.Direction, At: at}
}

// judgeAll takes readings until there can be no more, so that no driver waits for
// ever; after the context's end it judges none.
func (s *Supervisor) judgeAll(ctx context.Context, readings <-chan scanner.Reading) {
	dropped := 0
	for reading := range readings {
		if ctx.Err() != nil {
			dropped++
			continue
		}
		// Also what is no scan is answered: a scanner that waits for its host reads
		// nothing more until then.
		signal := scanner.SignalReview
		if out, ok := s.judge(ctx, reading); ok {
			signal = out.Signal()
		}
		s.show(signal)
	}
	if dropped > 0 {
		s.log.Warn("stopped before codes were judged; scan them again", "codes", dropped)
	}
}

// ended records why the scanner is not being read, and logs it once, not at
// every further attempt.
func (s *Supervisor) ended(err error) {
	state, detail := describe(err)
	if !s.turn(state, detail) {
		return
	}
	s.log.Warn("scanner "+string(state), "detail", detail)
	if crash, ok := errors.AsType[panicError](err); ok {
		s.log.Error("driver panicked", "stack", string(crash.stack))
	}
}

// turn records a state and tells whether it is a new one.
func (s *Supervisor) turn(state State, detail string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status
	s.status.State, s.status.Detail = state, detail
	return before != s.status
}

// panicError is a panic of a driver.
type panicError struct {
	value any
	stack []byte
}

func (p panicError) Error() string {
	return fmt.Sprintf("driver failed: %v; unplug the scanner, plug it in again, and report this", p.value)
}

// describe tells a scanner that is not there from one that does not work.
func describe(err error) (State, string) {
	for _, gone := range []error{scanner.ErrUnplugged, scanner.ErrSettling, io.EOF, fs.ErrNotExist, syscall.ENODEV, syscall.ENXIO} {
		if errors.Is(err, gone) {
			return Missing, err.Error()
		}
	}
	return Failed, err.Error()
}
