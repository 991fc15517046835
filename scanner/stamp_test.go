package scanner

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var gates = time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)

// A vouched-for time decides by its estimate only where the error is smaller
// than any window's edge; a boot-time clock that ran for weeks without an anchor
// is not.
func TestAnEdgeIsNotSharperThanAMinute(t *testing.T) {
	known := func(at time.Time, off time.Duration, trusted bool) Instant {
		return Instant{At: at, Earliest: at.Add(-off), Latest: at.Add(off), Trusted: trusted}
	}
	for _, tt := range []struct {
		name string
		at   Instant
		want window
	}{
		{"a second before, known to two", known(gates.Add(-time.Second), 2*time.Second, true), windowEarly},
		{"a second after, known to two", known(gates.Add(time.Second), 2*time.Second, true), windowInside},
		{"a second before, known to two minutes", known(gates.Add(-time.Second), 2*time.Minute, true), windowUnknown},
		{"a second after, known to two minutes", known(gates.Add(time.Second), 2*time.Minute, true), windowUnknown},
		{"an hour after, known to two minutes", known(gates.Add(time.Hour), 2*time.Minute, true), windowInside},
		{"doubted on one side alone", Instant{At: gates.Add(time.Second), Earliest: gates.Add(-3 * time.Hour), Latest: gates.Add(2 * time.Second), Trusted: true}, windowUnknown},
		{"vouched for by nobody, known to two seconds", known(gates.Add(time.Second), 2*time.Second, false), windowUnknown},
	} {
		if got := tt.at.in(gates, gates.Add(4*time.Hour)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Whatever is known of a time, every moment that it may be gives the same
// answer, or the answer is not given; and it is given where they all agree.
func TestAWindowDecidesWhereAllAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.IntRange(-300, 300)
		moment := func(label string) time.Time {
			if rapid.IntRange(0, 4).Draw(t, label+" open") == 0 {
				return time.Time{}
			}
			return gates.Add(time.Duration(minute.Draw(t, label)) * time.Minute)
		}
		i := Instant{At: gates, Earliest: moment("earliest"), Latest: moment("latest")}
		if !i.Earliest.IsZero() && !i.Latest.IsZero() && i.Latest.Before(i.Earliest) {
			i.Earliest, i.Latest = i.Latest, i.Earliest
		}
		from, until := moment("from"), moment("until")
		if !from.IsZero() && !until.IsZero() && until.Before(from) {
			from, until = until, from
		}
		place := func(at time.Time) window {
			switch {
			case !from.IsZero() && at.Before(from):
				return windowEarly
			case !until.IsZero() && at.After(until):
				return windowLate
			}
			return windowInside
		}
		lo, hi := i.Earliest, i.Latest
		if lo.IsZero() {
			lo = gates.Add(-9000 * time.Hour)
		}
		if hi.IsZero() {
			hi = gates.Add(9000 * time.Hour)
		}
		answers := map[window]bool{}
		for _, at := range []time.Time{lo, hi, from.Add(-1), from, until, until.Add(1)} {
			if !at.Before(lo) && !at.After(hi) {
				answers[place(at)] = true
			}
		}
		want := windowUnknown
		if len(answers) == 1 {
			for only := range answers {
				want = only
			}
		}
		if got := i.in(from, until); got != want {
			t.Errorf("%+v in [%v, %v]: %v, want %v of %v", i, from, until, got, want, answers)
		}
	})
}
