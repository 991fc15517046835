// Package clock tells the time of a scan on a device whose own clock may be
// wrong: no RTC battery, hours off, stepped by NTP in the middle of a queue.
//
// Every stamp carries the boot-time clock (CLOCK_BOOTTIME: it goes on through
// suspend and no one can set it). Moments at which a true time was known are
// kept as anchors: the kernel's clock while NTP keeps it, and the Date of vendor
// answers. A true time is the best anchor plus the difference of boot-time
// clocks, so that stepping the wall clock changes nothing, also for scans made
// before the first anchor of their boot. Anchors outlive a reboot.
//
// # What is promised
//
// Where a boot has one anchor, each of its scans is within the stated error of
// its true time: the anchor's own error and 100 ppm of the distance. A quartz
// that is worse than 100 ppm is found out by two anchors of one boot that lie far
// enough apart; from then on the error is stated with what they prove, up to
// 500 ppm, for this boot and all others that are remembered. Until then, and
// beyond that, the statement is too good by the excess.
//
// The true time is the kernel's where NTP keeps it. A vendor whose Date is hours
// off does not displace it; [Clock.Problem] says so, and what such a vendor calls
// the future waits in the outbox. Without NTP the vendor's own time is the true
// one: a Date that contradicts the ones before must be heard three times in a
// row, and while as much speaks for the one as for the other, an instant covers
// both.
//
// NTP bends the boot-time clock's pace, by at most 500 ppm, while it pulls the
// wall clock in; half a second of every anchor's error is kept for it.
package clock

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

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
	// leastError is what a clock kept by NTP is off by, whatever the kernel says:
	// systemd-timesyncd calls its error 0 while it still bends the clock by up to
	// 0.4 s.
	leastError = 500 * time.Millisecond
	// mostError is where the kernel itself stops to call its clock kept
	// (NTP_PHASE_LIMIT).
	mostError = 16 * time.Second
	// askEvery is how often the kernel is asked about NTP while the wall clock is
	// not stepped: asking takes longer than reading a clock, and every scan reads
	// one.
	askEvery = time.Second
	// stepped is how far the wall clock may have gone from where it was, when the
	// kernel was asked, before it must be asked again.
	stepped = 100 * time.Millisecond
	// pairWithin is how far apart the two clocks of an anchor may be read.
	pairWithin = 20 * time.Millisecond
	// longestTrip is the round trip beyond which an answer's Date says too little.
	longestTrip = 30 * time.Second
)

// Clock implements scanner.Clock on the kernel's clocks. It is safe for
// concurrent use.
type Clock struct {
	boot string
	read Source
	// floor is a time that is certainly past.
	floor time.Time
	// changed is filled when there is something new to save.
	changed chan struct{}

	mu    sync.Mutex // guards what follows; never held across I/O
	trust Trust
	boots boots
	// drift is how far the quartz strays, see [boots.drift].
	drift   float64
	dispute dispute
	// byHand is the anchor that the site vouches for.
	byHand anchor
	// asked is when the kernel was last asked whether NTP keeps its clock, began
	// what the wall clock showed, then, of the boot's beginning, and synced what
	// the kernel said.
	asked  time.Duration
	began  time.Time
	synced bool
}

// Source is how the kernel is asked; a simulated world stands in for it.
type Source interface {
	Wall() time.Time
	// Up is CLOCK_BOOTTIME.
	Up() time.Duration
	// NTP is the kernel's word on its clock: what it shows, whether NTP keeps it,
	// and the most it may be off, all of one moment.
	NTP() (wall time.Time, kept bool, off time.Duration)
}

// New reads the boot id. Errors: the kernel has none to give.
func New(trust Trust) (*Clock, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("clock: read the boot id: %w; usher needs /proc", err)
	}
	return On(trust, strings.TrimSpace(string(id)), kernel{shift: namespaceShift()}), nil
}

// On makes a clock of a life of another kernel.
func On(trust Trust, bootID string, kernel Source) *Clock {
	c := &Clock{boot: bootID, read: kernel, changed: make(chan struct{}, 1), trust: trust, boots: boots{{ID: bootID}}, drift: quartz, floor: unset}
	if info, ok := debug.ReadBuildInfo(); ok {
		c.floor = written(info.Settings)
	}
	return c
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
	up := c.read.Up()
	wall := c.read.Wall()
	apart := c.read.Up() - up
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := wall.Add(-up); c.asked == 0 || up-c.asked >= askEvery || began.Sub(c.began).Abs() > stepped {
		c.asked, c.began = up, began
		c.ask()
	}
	// Two clocks read around a suspend or a long wait make no pair.
	if c.trust == Wall && apart <= pairWithin {
		c.byHand = anchor{Up: up, At: wall.UTC(), Off: wallError}
	}
	return scanner.Stamp{Wall: wall.UTC(), Boot: c.boot, Up: up, Trusted: c.synced || c.trust == Wall}
}

// ask learns whether NTP keeps the kernel's clock. The time is taken from the
// same answer: a wall clock read by itself may be stepped before the kernel is
// asked.
func (c *Clock) ask() {
	up := c.read.Up()
	wall, synced, off := c.read.NTP()
	apart := c.read.Up() - up
	c.synced = synced && off <= mostError
	if c.synced && apart <= pairWithin {
		c.learn(anchor{Up: up, At: wall.UTC(), Off: max(off, leastError) + apart, NTP: true})
	}
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
	c.learn(anchor{Up: sent.Up + trip/2, At: date.UTC().Add(time.Second / 2), Off: trip/2 + time.Second/2})
}

// True is the stamp's true time as well as is known now: from the best anchor of
// its boot, from a wall clock that was trusted, else bounded by what is known of
// the boots before and after.
func (c *Clock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, ok := c.boots.best(s, c.drift)
	// The site vouches for its clock where nothing better speaks against it.
	if s.Boot == c.boot && c.byHand != (anchor{}) &&
		(!ok || best.agrees(c.byHand) && c.byHand.errorAt(s.Up, c.drift) < best.errorAt(s.Up, c.drift)) {
		best, ok = c.byHand, true
	}
	switch {
	case ok:
		return c.doubted(around(best.when(s.Up), best.errorAt(s.Up, c.drift)), best, s)
	case s.Trusted:
		return around(s.Wall, mostError)
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
