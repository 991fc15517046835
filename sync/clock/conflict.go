package clock

import (
	"fmt"
	"time"

	"usher/scanner"
)

// enough is how many Dates in a row, all saying the same, displace what was
// believed before where no NTP speaks.
const enough = 3

// dispute is what the vendor's Dates say against what is believed.
type dispute struct {
	// rival is the newest Date that contradicts, and votes how many in a row said
	// the same.
	rival anchor
	votes int
	// heard counts the Dates that agreed with what is believed.
	heard int
	// ahead is how far the vendor's last Date was ahead of what is believed; zero:
	// it agreed. ntp: NTP is what it contradicts.
	ahead time.Duration
	ntp   bool
}

// contradiction is what an anchor of the present boot speaks against.
type contradiction struct {
	old anchor
	// ahead is how far the new one is ahead.
	ahead time.Duration
	// here: it is of the present boot too.
	here bool
}

// against finds what an anchor of the present boot contradicts, NTP before
// others; nil: nothing. All that is known of earlier boots lies before this one
// began.
func (b boots) against(a anchor) (found *contradiction) {
	own := len(b) - 1
	for _, old := range b[own].Anchors {
		if !old.agrees(a) && (found == nil || old.NTP) {
			found = &contradiction{old, a.At.Sub(old.when(a.Up)), true}
		}
	}
	if found != nil {
		return found
	}
	began := a.began()
	for _, life := range b[:own] {
		for _, old := range life.moments() {
			if early := began.Sub(old.At.Add(-old.Off)); early < 0 && (found == nil || early < found.ahead) {
				found = &contradiction{old, early, false}
			}
		}
	}
	return found
}

// drop removes every anchor that the given one of the present boot contradicts.
func (b boots) drop(a anchor) {
	own := len(b) - 1
	b[own].drop(func(old anchor) bool { return !old.agrees(a) })
	began := a.began()
	for i := range b[:own] {
		b[i].drop(func(old anchor) bool { return old.At.Add(-old.Off).After(began) })
	}
}

// learn keeps an anchor of the present boot, if it tells anything new. Where it
// contradicts what is believed, NTP is right and the vendor is not; of two words
// of NTP the later is right; and of two Dates the one that is said several times
// in a row. NTP of another life does not outweigh what is said in this one.
func (c *Clock) learn(a anchor) {
	no := c.boots.against(a)
	switch {
	case no != nil && a.NTP:
		c.dispute = dispute{}
		if no.here && !no.old.NTP {
			c.dispute = dispute{ahead: -no.ahead, ntp: true}
		}
		c.boots.drop(a)
	case no != nil:
		byNTP := no.here && no.old.NTP
		c.dispute.hear(a, no.ahead, byNTP)
		if byNTP || c.dispute.votes < enough {
			return
		}
		c.boots.drop(a)
		c.dispute = dispute{heard: enough}
	case !a.NTP:
		c.dispute = dispute{heard: c.dispute.heard + 1}
	}
	own := c.boots.of(c.boot)
	first := len(own.Anchors) == 0
	own.see(a)
	if own.add(a, c.drift) {
		c.drift = c.boots.drift()
		if first || no != nil {
			c.save()
		}
	}
}

// hear notes a Date that contradicts what is believed.
func (d *dispute) hear(a anchor, ahead time.Duration, ntp bool) {
	if d.votes > 0 && !d.rival.agrees(a) {
		d.votes = 0
	}
	d.rival, d.ahead, d.ntp = a, ahead, ntp
	d.votes++
}

// doubted widens an instant of the present boot while a Date contradicts all that
// it rests on, and as much speaks for the one as for the other.
func (c *Clock) doubted(out scanner.Instant, best anchor, s scanner.Stamp) scanner.Instant {
	d := c.dispute
	if s.Boot != c.boot || best.NTP || d.votes == 0 || d.heard > d.votes {
		return out
	}
	at, off := d.rival.when(s.Up), d.rival.errorAt(s.Up, c.drift)
	if early := at.Add(-off).UTC(); early.Before(out.Earliest) {
		out.Earliest = early
	}
	if late := at.Add(off).UTC(); late.After(out.Latest) {
		out.Latest = late
	}
	return out
}

// Problem says in words why the time may be wrong though it is known; empty: it
// is not.
func (c *Clock) Problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.dispute
	if d.ahead == 0 {
		return ""
	}
	way := "ahead of"
	if d.ahead < 0 {
		way = "behind"
	}
	off := d.ahead.Abs().Round(time.Second)
	if d.ntp {
		return fmt.Sprintf("the vendor's clock is %v %s NTP, and NTP is believed: look whether the device's NTP server is right, otherwise tell the vendor", off, way)
	}
	return fmt.Sprintf("the vendor's clock is %v %s what it said before: tickets with a check-in window may be amber; turn NTP on (timedatectl set-ntp true)", off, way)
}
