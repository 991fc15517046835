package control

import (
	"net/http"
	"strings"
	"time"

	"usher/scanner"
)

// VendorEvents is what the vendor says can be scanned. Note says in words why
// events are missing, where they are: the vendor tells none, or could not be asked.
type VendorEvents struct {
	Vendor string        `json:"vendor"`
	Note   string        `json:"note"`
	Events []VendorEvent `json:"events"`

	// From and To are the time that the events are of.
	From Time `json:"from"`
	To   Time `json:"to"`
	// Timezone is the venue's, in IANA names; empty: the device's own.
	Timezone string `json:"timezone"`
	// ToldAt is when the vendor told them, null where it never did, and AgeS how long
	// ago. Cached: it was not now.
	ToldAt Time   `json:"told_at"`
	AgeS   *int64 `json:"age_s"`
	Cached bool   `json:"cached"`
}

// VendorEvent is one event, by the vendor's own id, as configuration wants it. How
// many tickets are left is never told.
type VendorEvent struct {
	ID string `json:"id"`
	// IDs are all of the vendor's, by the configuration's key or the vendor's own name.
	IDs    map[string]string `json:"ids"`
	Name   string            `json:"name"`
	Series string            `json:"series"`
	Venue  string            `json:"venue"`
	// StartsAt and EndsAt are the event's own, DoorsAt when its doors open, OpensAt and
	// ClosesAt the window in which tickets are admitted; EntryTimes are those that
	// tickets are sold for.
	StartsAt   Time   `json:"starts_at"`
	EndsAt     Time   `json:"ends_at"`
	DoorsAt    Time   `json:"doors_at"`
	OpensAt    Time   `json:"opens_at"`
	ClosesAt   Time   `json:"closes_at"`
	EntryTimes []Time `json:"entry_times"`
	// AllDay: only the day of StartsAt counts, in the venue's zone.
	AllDay bool `json:"all_day"`
	// OpenNow: the vendor said that it could be scanned as it was asked.
	OpenNow  bool           `json:"open_now"`
	Sections []EventSection `json:"sections"`
	// State is empty where it takes place as planned.
	State string `json:"state"`
	// Configured: it is an event that this device scans.
	Configured bool `json:"configured"`
}

// EventSection is a part of the house.
type EventSection struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// VendorEventOf is the event for the wire.
func VendorEventOf(e scanner.Event, configured bool) VendorEvent {
	out := VendorEvent{
		ID: e.ID, IDs: map[string]string{}, Name: e.Name, Series: e.Series, Venue: e.Venue,
		StartsAt: At(e.StartsAt), EndsAt: At(e.EndsAt), DoorsAt: At(e.DoorsAt), OpensAt: At(e.OpensAt), ClosesAt: At(e.ClosesAt),
		EntryTimes: []Time{}, AllDay: e.AllDay, OpenNow: e.OpenNow, Sections: []EventSection{}, State: e.State, Configured: configured,
	}
	for name, id := range e.IDs {
		out.IDs[name] = id
	}
	for _, t := range e.EntryTimes {
		out.EntryTimes = append(out.EntryTimes, At(t))
	}
	for _, s := range e.Sections {
		out.Sections = append(out.Sections, EventSection(s))
	}
	return out
}

// filled makes every list a list.
func (v VendorEvents) filled() VendorEvents {
	v.Events = list(v.Events)
	for i := range v.Events {
		e := &v.Events[i]
		e.EntryTimes, e.Sections = list(e.EntryTimes), list(e.Sections)
		if e.IDs == nil {
			e.IDs = map[string]string{}
		}
	}
	return v
}

// Period is the time that events are asked for, as a person writes it: dates, or
// dates and times, by the venue's clocks unless they have an offset. An end that is
// a date includes its day. Empty: from today on, for a week.
type Period struct{ From, To string }

const (
	// periodDays is how many days follow the first where no end is given.
	periodDays = 7
	longestDay = 400
	// firstYear and lastYear are of what may be asked for; what follows from it can
	// be written yet.
	firstYear, lastYear = 1970, 9998
)

// Between gives the period's first moment, and the first after it. now is the
// present. Errors: ErrBadRequest, in words.
func (p Period) Between(now time.Time, venue *time.Location) (from, to time.Time, err error) {
	from = midnight(now.In(venue), 0)
	if p.From != "" {
		if from, _, err = moment("from", p.From, venue); err != nil {
			return from, to, err
		}
	}
	to = midnight(from.In(venue), periodDays+1)
	if p.To != "" {
		day := false
		if to, day, err = moment("to", p.To, venue); err != nil {
			return from, to, err
		}
		if day {
			to = midnight(to, 1)
		}
	}
	switch {
	case !from.Before(to):
		return from, to, BadRequest("to=%q is not after from, %s", p.To, from.In(venue).Format(time.RFC3339))
	case to.Sub(from) > longestDay*24*time.Hour:
		return from, to, BadRequest("from and to are more than %d days apart", longestDay)
	}
	return from, to, nil
}

// Check finds what cannot be read as a moment, wherever the venue is.
func (p Period) Check() error {
	for name, text := range map[string]string{"from": p.From, "to": p.To} {
		if text == "" {
			continue
		}
		if _, _, err := moment(name, text, time.UTC); err != nil {
			return err
		}
	}
	return nil
}

// moment reads a date, or a date and a time, of a year that events can be in.
func moment(name, text string, venue *time.Location) (at time.Time, day bool, err error) {
	at, day, ok := read(strings.TrimSpace(text), venue)
	switch {
	case !ok:
		return at, false, BadRequest("%s=%q: want a date such as 2026-11-21, or a date and a time such as 2026-11-21T18:00", name, text)
	case at.Year() < firstYear || at.Year() > lastYear:
		return at, false, BadRequest("%s=%q: want a year from %d to %d", name, text, firstYear, lastYear)
	}
	return at, day, nil
}

func read(text string, venue *time.Location) (at time.Time, day, ok bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.In(venue), false, true
	}
	for _, format := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(format, text, venue); err == nil {
			return at, format == time.DateOnly, true
		}
	}
	return at, false, false
}

// midnight is the beginning of the day so many days later.
func midnight(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
}

func (a *api) vendorEvents(_ http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	result, err := a.house.VendorEvents(r.Context(), Period{From: query.Get("from"), To: query.Get("to")})
	return result.filled(), err
}
