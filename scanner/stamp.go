package scanner

import "time"

// Stamp is the moment of a scan as the device saw it, kept raw for ever: the
// wall clock may be wrong or stepped, the boot-time clock is neither but means
// something only within its boot.
type Stamp struct {
	// Wall is what the device's clock said, UTC.
	Wall time.Time `json:"wall"`
	// Boot is the kernel's boot id.
	Boot string `json:"boot"`
	// Up is CLOCK_BOOTTIME: time since boot, suspend included.
	Up time.Duration `json:"up_ns"`
	// Trusted says that the wall clock was known to be right when the stamp was
	// taken: the kernel reported it synchronised, or the site vouches for it.
	Trusted bool `json:"trusted"`
}

// Since is the time that passed from earlier to s on the boot-time clock. It is
// false where the two stamps are not of the same boot.
func (s Stamp) Since(earlier Stamp) (time.Duration, bool) {
	if s.Boot == "" || s.Boot != earlier.Boot {
		return 0, false
	}
	return s.Up - earlier.Up, true
}

// Instant is the best knowledge of a true time: somewhere from Earliest to
// Latest, At being the estimate. A zero bound means that side is unknown.
type Instant struct {
	At       time.Time `json:"at"`
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
	// Trusted says that the bounds come from an anchor of the stamp's own boot or
	// from a wall clock that was trusted when it was taken.
	Trusted bool `json:"trusted"`
}

// window is where an instant lies in a check-in window.
type window int

const (
	windowInside window = iota
	windowEarly
	windowLate
	windowUnknown
)

// sharpest is how sharp the edge of a window is to people: an instant that is
// known better decides by its estimate.
const sharpest = time.Minute

// in places the instant in the window [from, until], both ends inclusive, zero
// ends open. The answer is windowUnknown when it differs across the
// uncertainty, unless that is small and vouched for.
func (i Instant) in(from, until time.Time) window {
	if from.IsZero() && until.IsZero() {
		return windowInside
	}
	early := !from.IsZero() && !i.Latest.IsZero() && i.Latest.Before(from)
	late := !until.IsZero() && !i.Earliest.IsZero() && i.Earliest.After(until)
	begun := from.IsZero() || !i.Earliest.IsZero() && !i.Earliest.Before(from)
	open := until.IsZero() || !i.Latest.IsZero() && !i.Latest.After(until)
	switch {
	case early:
		return windowEarly
	case late:
		return windowLate
	case begun && open:
		return windowInside
	case i.Trusted && i.Latest.Sub(i.At) <= sharpest && i.At.Sub(i.Earliest) <= sharpest:
		return i.estimate(from, until)
	}
	return windowUnknown
}

// estimate decides by the best guess.
func (i Instant) estimate(from, until time.Time) window {
	switch {
	case !from.IsZero() && i.At.Before(from):
		return windowEarly
	case !until.IsZero() && i.At.After(until):
		return windowLate
	}
	return windowInside
}
