package archtics

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
)

const (
	cmdAttendance  = "get_attendance"
	cmdIncremental = "get_attendance_incremental"
)

// sinceLayout is how the public tables write a moment, in the venue's time.
const sinceLayout = "2006-01-02 15:04"

// AttendancePage is one page of attendance. No public page names its fields.
type AttendancePage struct {
	// Rows is how many scans it has that name a seat. Others are objects in it that do
	// not.
	Rows, Others int

	// seats are those that somebody entered by, newest the time of the newest entry that
	// has one.
	seats  *entries
	newest time.Time
	// timeless is how many rows have no field that usher knows as a time, early how
	// many are from well before the moment asked for.
	timeless, early int
	// sum tells one page from another.
	sum [32]byte
}

type attendanceRequest struct {
	common
	Page    string `json:"page"`
	Event   string `json:"event_name,omitempty"`
	Account int64  `json:"acct_id,omitempty"`
}

// Attendance gives a page, from 0 on, of the scans of an event, an account or both.
func (c *Client) Attendance(ctx context.Context, event string, account int64, page int) (AttendancePage, error) {
	base := c.common(cmdAttendance)
	return c.attendancePage(ctx, base, attendanceRequest{base, strconv.Itoa(page), event, account}, time.Time{})
}

// AttendanceSince gives a page of all entry scans since a moment.
func (c *Client) AttendanceSince(ctx context.Context, since time.Time, page int) (AttendancePage, error) {
	base := c.common(cmdIncremental)
	raw, err := json.Marshal(attendanceRequest{common: base, Page: strconv.Itoa(page)})
	if err != nil {
		return AttendancePage{}, fault(cmdIncremental, scanner.Malformed, "the request cannot be written as JSON")
	}
	fields := map[string]any{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return AttendancePage{}, fault(cmdIncremental, scanner.Malformed, "the request cannot be written as JSON")
	}
	fields[c.cfg.AttendanceSince] = since.In(c.zone).Format(sinceLayout)
	return c.attendancePage(ctx, base, fields, since)
}

func (c *Client) attendancePage(ctx context.Context, base common, command any, since time.Time) (AttendancePage, error) {
	r := &rowReader{client: c, since: since}
	a, err := c.askBy(ctx, r.fetch, attendance, base, command)
	if err == nil {
		err = a.must()
	}
	if err != nil || a.empty() {
		return AttendancePage{seats: newEntries()}, err
	}
	return r.page(), nil
}

// The names under which a scan's fields may come, as in seatsIn.
var (
	scanTimes = []string{
		"action_time", "action_date_time", "action_datetime", "scan_time", "scan_date_time", "scan_datetime", "attend_time", "attend_date_time", "attend_datetime",
		"entry_time", "time", "date_time", "datetime", "timestamp", "action_date", "scan_date", "attend_date",
	}
	scanDates  = []string{"event_date", "action_date", "scan_date", "attend_date"}
	scanGates  = []string{"gate", "gate_name"}
	scanResult = []string{"result_code"}
	scanKinds  = []string{"scan_type", "access_type", "result_type", "action_type", "direction"}
)

// entry is what a row says of its seat; false: nobody entered by it. A result that
// is no number, or none, counts as an entry: that keeps a second person out, and a
// supervisor may lift it.
func (s sighting) entry(zone *time.Location) (e entryAt, dated, entered bool) {
	if code, err := strconv.ParseFloat(s.first(scanResult), 64); err == nil && code != 0 && !math.IsNaN(code) && !math.IsInf(code, 0) {
		return entryAt{}, false, false
	}
	for _, kind := range scanKinds {
		switch said := strings.ToUpper(s.fields[kind]); {
		case strings.Contains(said, "EXIT"), said == "OUT", said == "EGRESS":
			return entryAt{}, false, false
		}
	}
	e.gate = s.first(scanGates)
	e.at, dated = scanTime(s.first(scanDates), s.first(scanTimes), zone)
	return e, dated, true
}

// timed tells whether a row has a field for its time, with or without one in it.
func timed(o object, depth int) bool {
	for name := range o {
		if slices.Contains(scanTimes, strings.ToLower(name)) {
			return true
		}
	}
	return depth < deepest && slices.ContainsFunc(objectsOf(o), func(inner object) bool { return timed(inner, depth+1) })
}

// scanLayouts are how a moment may be written; those without a zone are the venue's
// time.
var scanLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04",
	"2006-01-02 3:04:05 PM", "2006-01-02 3:04 PM", "1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM",
}

// firstYear is that of the first date that is one: programs write a time of day with
// the day that they count from, such as 1899-12-30, 1900-01-01 or 1970-01-01.
const firstYear = 2000

// scanTime reads a moment, or a time of day on a date; zero: neither. dated: when
// has a date of its own.
func scanTime(date, when string, zone *time.Location) (at time.Time, dated bool) {
	if at := moment(when, zone); at.Year() >= firstYear {
		return at, true
	} else if !at.IsZero() {
		when = at.Format(time.TimeOnly)
	}
	day, _, _ := strings.Cut(date, "T")
	day, _, _ = strings.Cut(day, " ")
	if at := moment(day+" "+when, zone); at.Year() >= firstYear {
		return at, false
	}
	return time.Time{}, false
}

func moment(text string, zone *time.Location) time.Time {
	for _, layout := range scanLayouts {
		if at, err := time.ParseInLocation(layout, strings.TrimSpace(text), zone); err == nil {
			return at
		}
	}
	return time.Time{}
}
