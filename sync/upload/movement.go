package upload

import (
	"time"

	"usher/scanner"
)

// margin keeps a scan made just now out of the vendor's future.
const margin = time.Second

func movement(rec *scanner.Record, at time.Time) scanner.Movement {
	return scanner.Movement{
		Seq: rec.Seq, ID: rec.ID, Scope: rec.Scope, Origin: rec.Origin, Code: rec.Code, Direction: rec.Direction,
		At: at, TicketID: rec.TicketID, Data: rec.Upload,
	}
}

// corrected is the record's true time as well as is known now, and whether that
// is well: what was trusted at the scan is not given up for what is not.
func (u *Uploader) corrected(rec *scanner.Record) (time.Time, bool) {
	best := u.o.Clock.True(rec.At)
	if !best.Trusted && rec.True.Trusted {
		best = rec.True
	}
	at := best.At
	if !best.Latest.IsZero() && at.After(best.Latest) {
		at = best.Latest
	}
	if at.Before(best.Earliest) {
		at = best.Earliest
	}
	return at.UTC(), best.Trusted
}

// times gives each entry of a window its time: uncertain ones between their
// certain neighbours, none in the vendor's future.
func (u *Uploader) times(window []Entry) []time.Time {
	at := make([]time.Time, len(window))
	sure := make([]bool, len(window))
	for i := range window {
		at[i], sure[i] = u.corrected(&window[i].Record)
	}
	latest := u.horizon()
	bound := latest
	for i := len(at) - 1; i >= 0; i-- {
		if at[i].After(bound) && !sure[i] {
			at[i] = bound
		} else if sure[i] && at[i].Before(bound) {
			bound = at[i]
		}
	}
	var earliest time.Time
	for i := range at {
		if window[i].Seq > u.newest.seq && earliest.Before(u.newest.at) {
			earliest = u.newest.at
		}
		if at[i].Before(earliest) && !sure[i] {
			at[i] = earliest
		}
		if at[i].After(latest) {
			at[i] = latest
		}
		earliest = at[i]
	}
	return at
}

// horizon is the latest time that is certainly past at the vendor.
func (u *Uploader) horizon() time.Time {
	now := u.o.Clock.True(u.o.Clock.Now())
	latest := now.At.Add(-margin)
	if now.Trusted && !now.Earliest.IsZero() && now.Earliest.Before(latest) {
		latest = now.Earliest
	}
	return latest.UTC()
}
