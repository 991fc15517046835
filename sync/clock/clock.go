// Package clock tells the time of a scan on a device whose own clock may be
// wrong: no RTC battery, hours off, stepped by NTP in the middle of a queue.
//
// Every stamp carries the boot-time clock (CLOCK_BOOTTIME: it goes on through
// suspend and no one can set it). Moments at which a true time was known are
// kept as anchors: the kernel's clock while NTP keeps it, and the Date of vendor
// answers. A true time is the best anchor plus the difference of boot-time
// clocks, so that stepping the wall clock changes nothing, also for scans made
// before the first anchor of their boot. Anchors outlive a reboot.
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
	// wallError is what a clock set by hand is taken to be off by.
	wallError = 2 * time.Second
	// askEvery is how often the kernel is asked about NTP: asking takes longer
	// than reading a clock, and every scan reads one.
	askEvery = time.Second
	// pairWithin is how far apart the two clocks of an anchor may be read.
	pairWithin = 20 * time.Millisecond
	// longestTrip is the round trip beyond which an answer's Date says too little.
	longestTrip = 10 * time.Second
)

// Clock implements scanner.Clock on the kernel's clocks. It is safe for
// concurrent use.
type Clock struct {
	boot string
	read source
	// changed is filled when there is something new to save.
	changed chan struct{}

	mu    sync.Mutex // guards what follows; never held across I/O
	trust Trust
	boots boots
	// byHand is the anchor that the site vouches for.
	byHand anchor
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

// New reads the boot id. Errors: the kernel has none to give.
func New(trust Trust) (*Clock, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("clock: read the boot id: %w; usher needs /proc", err)
	}
	return newClock(trust, strings.TrimSpace(string(id)), kernel{}), nil
}

func newClock(trust Trust, id string, read source) *Clock {
	return &Clock{boot: id, read: read, changed: make(chan struct{}, 1), trust: trust, boots: boots{{ID: id}}}
}

// SetTrust changes the site's word, on a reload of the configuration.
func (c *Clock) SetTrust(t Trust) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust = t
	if t == Kernel {
		c.byHand = anchor{}
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
	// it: a step in between makes the kernel say no. Two clocks read around a
	// suspend or a long wait make no pair.
	if c.asked == 0 || up-c.asked >= askEvery {
		c.asked = up
		c.synced, c.off = c.read.synced()
		if c.synced && apart <= pairWithin {
			c.anchor(anchor{Up: up, At: wall.UTC(), Off: c.off + apart})
		}
	}
	if c.trust == Wall && apart <= pairWithin {
		c.byHand = anchor{Up: up, At: wall.UTC(), Off: wallError}
	}
	return scanner.Stamp{Wall: wall.UTC(), Boot: c.boot, Up: up, Trusted: c.synced || c.trust == Wall}
}

// Observe learns from the Date of a vendor's answer: it was written between the
// two stamps, and is cut to whole seconds (RFC 9110, 6.6.1).
func (c *Clock) Observe(date time.Time, sent, received scanner.Stamp) {
	trip, ok := received.Since(sent)
	if !ok || trip < 0 || trip > longestTrip || sent.Boot != c.boot {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchor(anchor{Up: sent.Up + trip/2, At: date.UTC().Add(time.Second / 2), Off: trip/2 + time.Second/2})
}

// Remember gives the clock what was known before a restart: a stamp and its true
// time, such as the journal's newest.
func (c *Clock) Remember(s scanner.Stamp, truth scanner.Instant) {
	if !truth.Trusted || s.Boot == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boots.of(s.Boot).add(anchor{Up: s.Up, At: truth.At, Off: truth.Latest.Sub(truth.At)})
}

// anchor keeps an anchor of this boot, if it tells anything new.
func (c *Clock) anchor(a anchor) {
	own := c.boots.of(c.boot)
	first := len(own.Anchors) == 0
	if own.add(a) && first {
		c.save()
	}
}

// True is the stamp's true time as well as is known now: from the best anchor of
// its boot, from a wall clock that was trusted, else bounded by what is known of
// the boots before and after.
func (c *Clock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, ok := c.boots.best(s)
	if s.Boot == c.boot && c.byHand != (anchor{}) && (!ok || c.byHand.errorAt(s.Up) < best.errorAt(s.Up)) {
		best, ok = c.byHand, true
	}
	switch {
	case ok:
		return around(best.At.Add(s.Up-best.Up), best.errorAt(s.Up))
	case s.Trusted:
		return around(s.Wall, wallError)
	}
	return c.boots.between(s)
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
