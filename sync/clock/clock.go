// Package clock tells the time of a scan on a device whose own clock may be
// wrong: no RTC battery, hours off, stepped by NTP in the middle of a queue.
//
// Every stamp carries the boot-time clock (CLOCK_BOOTTIME: it goes on through
// suspend and no one can set it). The moments at which the kernel said that its
// clock was synchronised are kept as an anchor; a true time is the anchor plus
// the difference of boot-time clocks, so that stepping the wall clock changes
// nothing, also for scans made before the anchor.
package clock

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix" // clock_gettime(CLOCK_BOOTTIME) and adjtimex, which the standard library lacks

	"usher/scanner"
)

// Trust is the site's word on the device's own clock.
type Trust string

// The two kinds of trust.
const (
	// Kernel trusts the wall clock while the kernel says that NTP keeps it.
	Kernel Trust = "kernel"
	// Wall trusts it always: an isolated site with a set real-time clock.
	Wall Trust = "wall"
)

const (
	// drift bounds how far a quartz strays, per elapsed time: 100 ppm.
	drift = 100e-6
	// wallError is what a clock set by hand is taken to be off by.
	wallError = 2 * time.Second
	// askEvery is how often the kernel is asked about NTP: asking takes longer
	// than reading a clock, and every scan reads one.
	askEvery = time.Second
	// pairWithin is how far apart the two clocks of an anchor may be read.
	pairWithin = 20 * time.Millisecond
)

// Clock implements scanner.Clock on the kernel's clocks.
type Clock struct {
	boot string
	read source

	mu     sync.Mutex // guards what follows; never held across I/O
	trust  Trust
	floor  time.Time
	anchor anchor
	// asked is when the kernel was last asked whether NTP keeps its clock, and
	// what it said.
	asked  time.Duration
	synced bool
	off    time.Duration
}

// source is how the kernel is asked; tests stand in for it.
type source interface {
	wall() time.Time
	up() time.Duration
	// synced is the kernel's word on its clock: kept by NTP, and the most it may
	// be off.
	synced() (bool, time.Duration)
}

// anchor ties one moment of the boot-time clock to a true time.
type anchor struct {
	up   time.Duration
	at   time.Time
	off  time.Duration
	good bool
	// byHand: the site vouches for it, not the kernel.
	byHand bool
}

// New reads the boot id. Errors: the kernel has none to give.
func New(trust Trust) (*Clock, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("clock: read the boot id: %w; usher needs /proc", err)
	}
	return newClock(trust, strings.TrimSpace(string(id)), kernel{}), nil
}

func newClock(trust Trust, boot string, read source) *Clock {
	return &Clock{boot: boot, read: read, trust: trust}
}

// Remember gives the clock what was known before a restart: a stamp and its true
// time, such as the journal's newest. Of this boot it is an anchor, as good as it
// was then; of another it is a time that is certainly past.
func (c *Clock) Remember(s scanner.Stamp, truth scanner.Instant) {
	if !truth.Trusted {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Boot != c.boot {
		c.floor = truth.Earliest
		return
	}
	if old := (anchor{up: s.Up, at: truth.At, off: truth.Latest.Sub(truth.At), good: true}); !c.anchor.good || old.errorAt(s.Up) < c.anchor.errorAt(s.Up) {
		c.anchor = old
	}
}

// SetTrust changes the site's word, on a reload of the configuration.
func (c *Clock) SetTrust(t Trust) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust = t
	if t == Kernel && c.anchor.byHand {
		c.anchor = anchor{}
	}
}

// Now is the present moment.
func (c *Clock) Now() scanner.Stamp {
	up := c.read.up()
	wall := c.read.wall()
	apart := c.read.up() - up
	c.mu.Lock()
	defer c.mu.Unlock()
	// An anchor takes a wall clock that was read before the kernel vouched for
	// it: a step in between makes the kernel say no.
	vouched := false
	if c.asked == 0 || up-c.asked >= askEvery {
		c.asked = up
		c.synced, c.off = c.read.synced()
		vouched = c.synced
	}
	synced, off := c.synced, c.off
	if !synced && c.trust == Wall {
		synced, vouched, off = true, true, wallError
	}
	// Two clocks read around a suspend or a long wait make no pair.
	if vouched && apart <= pairWithin {
		fresh := anchor{up: up, at: wall, off: off + apart, good: true, byHand: !c.synced}
		if !c.anchor.good || fresh.off <= c.anchor.errorAt(up) {
			c.anchor = fresh
		}
	}
	return scanner.Stamp{Wall: wall.UTC(), Boot: c.boot, Up: up, Trusted: synced}
}

// True is the stamp's true time as well as is known now: from the anchor where
// the stamp is of this boot, from a wall clock that was trusted, else bounded
// below by the floor alone.
func (c *Clock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	a, floor := c.anchor, c.floor
	c.mu.Unlock()
	switch {
	case a.good && s.Boot == c.boot:
		at := a.at.Add(s.Up - a.up)
		return around(at, a.errorAt(s.Up))
	case s.Trusted:
		return around(s.Wall, wallError)
	}
	if s.Boot != c.boot {
		return scanner.Instant{At: s.Wall}
	}
	return scanner.Instant{At: s.Wall, Earliest: floor}
}

// Offset is how far the wall clock is ahead of the true time, as well as is
// known, and whether it is known.
func (c *Clock) Offset() (time.Duration, bool) {
	now := c.Now()
	truth := c.True(now)
	return now.Wall.Sub(truth.At), truth.Trusted
}

func around(at time.Time, off time.Duration) scanner.Instant {
	return scanner.Instant{At: at.UTC(), Earliest: at.Add(-off).UTC(), Latest: at.Add(off).UTC(), Trusted: true}
}

// errorAt is the anchor's error at another moment of its boot.
func (a anchor) errorAt(up time.Duration) time.Duration {
	return a.off + time.Duration(drift*float64((up-a.up).Abs()))
}

type kernel struct{}

func (kernel) wall() time.Time { return time.Now() }

func (kernel) up() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // Linux has had this clock since 2.6.39: it cannot fail
	}
	return time.Duration(ts.Nano())
}

func (kernel) synced() (bool, time.Duration) {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil || state == unix.TIME_ERROR || tx.Status&unix.STA_UNSYNC != 0 {
		return false, 0
	}
	return true, time.Duration(tx.Maxerror) * time.Microsecond
}
