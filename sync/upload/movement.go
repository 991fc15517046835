package upload

import (
	"time"

	"usher/scanner"
)

const (
	// margin keeps a scan made just now out of the vendor's future.
	margin = time.Second
	// mostMargin bounds what an unsure present takes off: a vendor that finds a
	// scan in its future takes it later, but what is changed stays changed.
	mostMargin = time.Minute
)

func movement(rec *scanner.Record, at time.Time) scanner.Movement {
	return scanner.Movement{
		Seq: rec.Seq, ID: rec.ID, Scope: rec.Scope, Origin: rec.Origin, Code: rec.Code, Direction: rec.Direction,
		At: at, TicketID: rec.TicketID, Data: rec.Upload,
	}
}

// span is what is known of an entry's time.
type span struct {
	at time.Time
	// earliest and latest bound it; zero: that side is unknown.
	earliest, latest time.Time
	// sure: the bounds are an anchor's. fixed: the vendor was told this time.
	sure, fixed bool
}

// span is the record's true time as well as is known now: what was trusted at
// the scan is not given up for what is not.
func (u *Uploader) span(rec *scanner.Record) span {
	best := u.o.Clock.True(rec.At)
	if !best.Trusted && rec.True.Trusted {
		best = rec.True
	}
	s := span{at: best.At.UTC(), earliest: best.Earliest.UTC(), latest: best.Latest.UTC(), sure: best.Trusted}
	if !best.Latest.IsZero() {
		s.at = earlier(s.at, s.latest)
	}
	s.at = later(s.at, s.earliest)
	return s
}

// corrected is the record's time by itself, and whether it is sure.
func (u *Uploader) corrected(rec *scanner.Record) (time.Time, bool) {
	s := u.span(rec)
	return s.at, s.sure
}

// times gives each entry of a window its time. None lies in the vendor's future.
// The entries are in the order of their scans: sure times follow it as far as
// their own error allows, uncertain ones lie between their sure neighbours, and
// of one ticket no time is before the one ahead of it.
func (u *Uploader) times(window []scanner.Recorded) []time.Time {
	spans := make([]span, len(window))
	for i := range window {
		spans[i] = u.span(&window[i].Record)
		if as, ok := u.frozen(&window[i]); ok {
			spans[i] = span{at: as, earliest: as, latest: as, sure: true, fixed: true}
		}
	}
	if len(window) > 0 {
		u.reported.forget(window[0].Seq)
	}
	horizon := u.horizon()
	u.order(window, spans, horizon)
	u.fit(window, spans, horizon)

	at := make([]time.Time, len(window))
	last := make(map[scanner.Code]time.Time, len(window))
	for i, s := range spans {
		key := ticket(window[i].Code)
		at[i] = later(s.at, last[key])
		if !s.fixed {
			at[i] = earlier(at[i], horizon)
		}
		last[key] = at[i]
	}
	return at
}

// order moves sure times within their own error so that they follow the order of
// the scans.
func (u *Uploader) order(window []scanner.Recorded, spans []span, horizon time.Time) {
	bound := horizon
	for i := len(spans) - 1; i >= 0; i-- {
		if s := &spans[i]; s.sure {
			s.at = earlier(s.at, later(bound, s.earliest))
			bound = earlier(bound, s.latest)
		}
	}
	var floor time.Time
	for i := range spans {
		s := &spans[i]
		if !s.sure {
			continue
		}
		floor = later(floor, u.reported.before(window[i].Seq))
		s.at = later(s.at, earlier(floor, earlier(s.latest, horizon)))
		floor = later(floor, s.at)
	}
}

// fit puts uncertain times between their neighbours.
func (u *Uploader) fit(window []scanner.Recorded, spans []span, horizon time.Time) {
	bound := horizon
	for i := len(spans) - 1; i >= 0; i-- {
		if s := &spans[i]; s.sure {
			bound = earlier(bound, s.at)
		} else {
			s.at = earlier(s.at, bound)
		}
	}
	var floor time.Time
	for i := range spans {
		s := &spans[i]
		floor = later(floor, u.reported.before(window[i].Seq))
		if !s.sure {
			s.at = later(s.at, floor)
		}
		floor = s.at
		if next, ok := u.held.after(window[i].Seq, ticket(window[i].Code)); ok && !s.sure {
			s.at = earlier(s.at, next)
		}
	}
}

// horizon is the latest time that is certainly past at the vendor. What was past
// stays so, unless it was a mistake: an answer may make the present less sure.
func (u *Uploader) horizon() time.Time {
	now := u.o.Clock.True(u.o.Clock.Now())
	latest := now.At.Add(-margin)
	if !now.Trusted {
		return latest.UTC()
	}
	latest = earlier(latest, later(now.Earliest, now.At.Add(-mostMargin)))
	if !u.certain.After(now.Latest) {
		latest = later(latest, u.certain)
	}
	u.certain = latest.UTC()
	return u.certain
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
