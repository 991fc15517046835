package host

import (
	"time"

	"usher/scanner"
)

// moment is a part of a pattern: which light is lit (empty: none), which tone
// sounds (0: none), and for how long.
type moment struct {
	light scanner.Signal
	hertz int32
	lasts time.Duration
}

// The tones, in Hz: small beepers are loudest between 2 and 4 kHz, and two pitches
// must be told apart in a crowd.
const (
	high = 2700
	low  = 900
)

// pattern is how a signal is shown.
func pattern(s scanner.Signal) []moment {
	const ms = time.Millisecond
	switch s {
	case scanner.SignalAdmit:
		return []moment{
			{scanner.SignalAdmit, high, 150 * ms},
			{scanner.SignalAdmit, 0, 850 * ms},
		}
	case scanner.SignalRefuse:
		return repeated(3,
			moment{scanner.SignalRefuse, low, 250 * ms},
			moment{"", 0, 100 * ms})
	case scanner.SignalReview:
		return repeated(2,
			moment{scanner.SignalReview, high, 150 * ms},
			moment{scanner.SignalReview, low, 150 * ms},
			moment{"", 0, 150 * ms})
	case scanner.SignalRepeat:
		return repeated(2,
			moment{scanner.SignalReview, high, 40 * ms},
			moment{"", 0, 80 * ms})
	}
	return nil
}

func repeated(n int, ms ...moment) []moment {
	var all []moment
	for range n {
		all = append(all, ms...)
	}
	return all
}
