package clock

import (
	"slices"
	"time"

	"usher/scanner"
)

const (
	// quartz bounds how far a quartz strays, per elapsed time: 100 ppm. Anchors of
	// one boot may prove a worse one.
	quartz = 100e-6
	// worstQuartz is what no quartz strays by: beyond it two anchors contradict
	// each other.
	worstQuartz = 500e-6
	// mostAnchors bounds what is kept of a boot, mostBoots of how many.
	mostAnchors = 32
	mostBoots   = 64
)

// unset is a time that no clock that is right can show: usher is younger.
var unset = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// anchor ties one moment of the boot-time clock to a true time, give or take
// Off.
type anchor struct {
	Up  time.Duration `json:"up_ns"`
	At  time.Time     `json:"at"`
	Off time.Duration `json:"off_ns"`
	// NTP: the kernel vouched for it; otherwise it is a vendor's Date.
	NTP bool `json:"ntp,omitempty"`
}

// when is the true time at another moment of the boot.
func (a anchor) when(up time.Duration) time.Time { return a.At.Add(up - a.Up) }

// errorAt is the anchor's error at another moment of its boot, with a quartz
// that strays by so much.
func (a anchor) errorAt(up time.Duration, drift float64) time.Duration {
	return a.Off + time.Duration(drift*float64((up-a.Up).Abs()))
}

// agrees tells whether both anchors of a boot can be true.
func (a anchor) agrees(b anchor) bool {
	return a.when(b.Up).Sub(b.At).Abs() <= a.errorAt(b.Up, worstQuartz)+b.Off
}

// sound tells an anchor that the clock itself may have made from one that was
// damaged on the way.
func (a anchor) sound() bool {
	const century = 100 * 365 * 24 * time.Hour
	return a.Up >= 0 && a.Up < century && a.Off >= 0 && a.Off < time.Hour && a.At.After(unset) && a.At.Before(unset.Add(century))
}

// boot is one life of the kernel.
type boot struct {
	ID      string   `json:"boot"`
	Anchors []anchor `json:"anchors"`
	// Last is the newest moment whose true time was known, though others tell more
	// of the time: all later boots began after it.
	Last anchor `json:"last,omitzero"`
	// Loose: its place among the lives is not known, but that it came before the
	// one that remembered it.
	Loose bool `json:"loose,omitempty"`
}

// moments are all those whose true time was known.
func (b *boot) moments() []anchor {
	if b.Last == (anchor{}) {
		return b.Anchors
	}
	return append(slices.Clip(b.Anchors), b.Last)
}

// see notes the anchor's moment.
func (b *boot) see(a anchor) {
	if b.Last == (anchor{}) || a.Up > b.Last.Up {
		b.Last = a
	}
}

// drop removes what is said to be wrong.
func (b *boot) drop(wrong func(anchor) bool) {
	b.Anchors = slices.DeleteFunc(b.Anchors, wrong)
	if b.Last != (anchor{}) && wrong(b.Last) {
		b.Last = anchor{}
	}
}

// began is the latest that the boot can have begun, as the anchor tells.
func (a anchor) began() time.Time { return a.when(0).Add(a.errorAt(0, worstQuartz)) }

// add keeps the anchor if it is better than all others at its own moment, and
// drops those that it makes useless.
func (b *boot) add(a anchor, drift float64) bool {
	for _, old := range b.Anchors {
		if old.errorAt(a.Up, drift) <= a.Off {
			return false
		}
	}
	b.Anchors = slices.DeleteFunc(b.Anchors, func(old anchor) bool { return a.errorAt(old.Up, drift) <= old.Off })
	b.Anchors = append(b.Anchors, a)
	if len(b.Anchors) > mostAnchors {
		// The first and the newest bound the boot; one in between goes.
		b.Anchors = slices.Delete(b.Anchors, 1, 2)
	}
	return true
}

// boots are the lives that are remembered, oldest first; the present one is
// last.
type boots []boot

// of gives the boot, remembered from now on.
func (b *boots) of(id string) *boot {
	for i := range *b {
		if (*b)[i].ID == id {
			return &(*b)[i]
		}
	}
	// What was not known before belongs before the present boot, which is last.
	at := max(0, len(*b)-1)
	*b = slices.Insert(*b, at, boot{ID: id, Loose: true})
	return &(*b)[at]
}

// trim forgets the oldest lives, first of all those of which nothing but their
// place is known: anchors correct scans and are a floor for all that came later.
func (b *boots) trim() {
	for len(*b) > mostBoots {
		earlier := (*b)[:len(*b)-1]
		i := max(0, slices.IndexFunc(earlier, func(life boot) bool { return len(life.Anchors) == 0 }))
		*b = slices.Delete(*b, i, i+1)
	}
}

// drift is how far this device's quartz strays: as little as its anchors allow,
// where they prove that it is worse than a quartz should be.
func (b boots) drift() float64 {
	least, most := quartz, worstQuartz
	for _, life := range b {
		for i, first := range life.Anchors {
			for _, second := range life.Anchors[i+1:] {
				passed := float64((second.Up - first.Up).Abs())
				off := first.when(second.Up).Sub(second.At).Abs()
				unsure := first.Off + second.Off
				if low := float64(off-unsure) / passed; passed > 0 && low > quartz {
					least = max(least, low)
					most = min(most, float64(off+unsure)/passed)
				}
			}
		}
	}
	if least == quartz {
		return quartz
	}
	return min(max(least, most), worstQuartz)
}

// best gives the anchor with the smallest error at the stamp's moment.
func (b boots) best(s scanner.Stamp, drift float64) (anchor, bool) {
	var best anchor
	found := false
	for _, life := range b {
		if life.ID != s.Boot {
			continue
		}
		for _, a := range life.Anchors {
			if !found || a.errorAt(s.Up, drift) < best.errorAt(s.Up, drift) {
				best, found = a, true
			}
		}
	}
	return best, found
}

// between bounds a stamp of a boot without an anchor by the boots around it. One
// that is not remembered came some time before the present.
func (b boots) between(s scanner.Stamp) scanner.Instant {
	i := slices.IndexFunc(b, func(life boot) bool { return life.ID == s.Boot })
	before, after := b[:max(0, i)], b[i+1:]
	if i < 0 {
		after = b[max(0, len(b)-1):]
	}
	out := scanner.Instant{At: s.Wall}
	for _, life := range before {
		if life.Loose && i < len(b)-1 {
			continue
		}
		for _, a := range life.moments() {
			// This boot began later, and has lasted since.
			if at := a.At.Add(s.Up - a.Off - time.Duration(worstQuartz*float64(s.Up))); at.After(out.Earliest) {
				out.Earliest = at
			}
		}
	}
	for _, life := range after {
		if life.Loose {
			continue
		}
		for _, a := range life.Anchors {
			// The later boot began after this stamp.
			if began := a.began(); out.Latest.IsZero() || began.Before(out.Latest) {
				out.Latest = began
			}
		}
	}
	// A wall clock that cannot be right is not the estimate: the boot-time clock
	// keeps the order.
	if out.At.Before(unset) && !out.Latest.IsZero() {
		out.At = out.Latest
	}
	if (out.At.Before(out.Earliest) || s.Wall.Before(unset)) && !out.Earliest.IsZero() {
		out.At = out.Earliest
	}
	if !out.Latest.IsZero() && out.At.After(out.Latest) {
		out.At = out.Latest
	}
	return out
}
