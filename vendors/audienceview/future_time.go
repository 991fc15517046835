package audienceview

import (
	"strings"
	"time"
)

// vendorZone is where performanceStart was reckoned from the venue's time of day:
// all of the document's examples, and answers seen from venues elsewhere, show the
// venue's wall clock as if it hung in New York.
const vendorZone = "America/New_York"

// The document's formats of dates, as Go writes them.
const (
	dateFormat      = "1/2/2006"
	startDateFormat = "Mon, Jan 2, 2006 - 3:04 PM"
)

// Start is when the performance starts, by the clocks of the venue; the zero time
// where the answer holds none. Of an all-day performance only the day counts.
func (p Performance) Start(venue *time.Location) time.Time {
	day, dated := parsed(dateFormat, p.Date)
	of, timed := timeOfDay(p.Time24, p.Time)
	if whole, ok := parsed(startDateFormat, p.StartDate); ok {
		if !dated {
			day, dated = whole, true
		}
		if !timed {
			of, timed = whole, true
		}
	}
	switch {
	case dated && bool(p.AllDay):
		return wall(day, time.Time{}, venue)
	case dated && timed:
		return wall(day, of, venue)
	}
	return agnostic(int64(p.StartMillis), venue)
}

// Doors are when the doors of an all-day performance open and close, by the clocks
// of the venue; zero: not told.
func (p Performance) Doors(venue *time.Location) (open, shut time.Time) {
	if !p.AllDay {
		return
	}
	at := func(date, clock words) time.Time {
		day, ok := parsed(dateFormat, date)
		of, ok2 := timeOfDay(clock)
		if !ok || !ok2 {
			return time.Time{}
		}
		return wall(day, of, venue)
	}
	return at(p.DoorsOpenDate, p.DoorsOpenTime), at(p.DoorsCloseDate, p.DoorsCloseTime)
}

// At is the entry time on the day of the performance; zero: it cannot be told.
func (e EntryTime) At(start time.Time, venue *time.Location) time.Time {
	of, ok := timeOfDay(e.Time, e.Formatted, e.Hour+":"+e.Minute)
	if !ok || start.IsZero() {
		return time.Time{}
	}
	return wall(start.In(venue), of, venue)
}

// timeOfDay is the first of the texts that is one.
func timeOfDay(texts ...words) (time.Time, bool) {
	for _, text := range texts {
		for _, format := range []string{"15:4:5", "3:4 PM", "15:4"} {
			if t, ok := parsed(format, text); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

func parsed(format string, text words) (time.Time, bool) {
	t, err := time.Parse(format, strings.ToUpper(strings.TrimSpace(string(text))))
	return t, err == nil
}

// agnostic reads performanceStart as the venue's clocks show it; zero: none, or
// not milliseconds.
func agnostic(ms int64, venue *time.Location) time.Time {
	at := time.UnixMilli(ms)
	if ms == 0 || mad(at.UTC().Year()) {
		return time.Time{}
	}
	zone, err := time.LoadLocation(vendorZone)
	if err != nil {
		return at.UTC() // a device without time zones
	}
	shown := at.In(zone)
	return wall(shown, shown, venue)
}

// wall is the moment at which the clocks of the venue show that day and that time
// of day. An hour that comes twice, as clocks go back, is the first one; in an hour
// that does not come, they show one hour later. Zero: in that year nothing plays.
func wall(day, of time.Time, venue *time.Location) time.Time {
	y, m, d := day.Date()
	if mad(y) {
		return time.Time{}
	}
	utc := time.Date(y, m, d, of.Hour(), of.Minute(), of.Second(), 0, time.UTC)
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(venue).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := utc.Add(-offset(utc.Add(-26*time.Hour))), utc.Add(-offset(utc.Add(26*time.Hour)))
	if before.After(after) {
		before, after = after, before
	}
	shows := func(at time.Time) bool { return at.Add(offset(at)).Equal(utc) }
	if shows(before) {
		return before.UTC()
	}
	return after.UTC()
}

// mad tells a year in which no performance is: a slip of the vendor's, or of its
// units. Seconds taken for milliseconds all lie in 1970.
func mad(year int) bool { return year <= 1970 || year > 9998 }
