package archtics

import (
	"context"
	"encoding/json"
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
	// Raw is command1 as it came.
	Raw json.RawMessage
	// rows are the scans in it that name a seat; others are objects that do not.
	rows   []sighting
	others int
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
	return c.attendancePage(ctx, base, attendanceRequest{base, strconv.Itoa(page), event, account})
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
	return c.attendancePage(ctx, base, fields)
}

func (c *Client) attendancePage(ctx context.Context, base common, command any) (AttendancePage, error) {
	a, err := c.ask(ctx, attendance, base, command)
	if err == nil {
		err = a.must()
	}
	if err != nil || a.empty() {
		return AttendancePage{Raw: a.command}, err
	}
	page := AttendancePage{Raw: a.command, rows: seatsIn(a.command)}
	if len(page.rows) == 0 {
		var top object
		if json.Unmarshal(a.command, &top) == nil {
			page.others = len(objectsOf(top))
		}
	}
	return page, nil
}

// The names under which a scan's fields may come, as in seatsIn.
var (
	scanTimes  = []string{"action_time", "action_date_time", "scan_time", "scan_date_time", "attend_time"}
	scanDates  = []string{"event_date", "action_date", "scan_date"}
	scanGates  = []string{"gate", "gate_name"}
	scanResult = []string{"result_code"}
	scanKinds  = []string{"scan_type", "access_type", "result_type", "action_type", "direction"}
)

// entry is what a row says of its seat; false: nobody entered by it. Without a
// result_code it counts as an entry, which keeps a second person out.
func (s sighting) entry(zone *time.Location) (entryAt, bool) {
	when := s.first(scanTimes)
	if code := s.first(scanResult); when == "" || code != "" && canonical(code) != "0" {
		return entryAt{}, false
	}
	for _, kind := range scanKinds {
		switch said := strings.ToUpper(s.fields[kind]); {
		case strings.Contains(said, "EXIT"), said == "OUT", said == "EGRESS":
			return entryAt{}, false
		}
	}
	return entryAt{at: scanTime(s.first(scanDates), when, zone), gate: s.first(scanGates)}, true
}

// scanLayouts are how a moment may be written; those without a zone are the venue's
// time.
var scanLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04",
	"2006-01-02 3:04:05 PM", "2006-01-02 3:04 PM", "1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM",
}

// scanTime reads a moment, or a time of day on a date; zero: neither.
func scanTime(date, when string, zone *time.Location) time.Time {
	if day, _, found := strings.Cut(date, "T"); found {
		date = day
	}
	date, _, _ = strings.Cut(date, " ")
	for _, text := range []string{when, date + " " + when} {
		for _, layout := range scanLayouts {
			if at, err := time.ParseInLocation(layout, strings.TrimSpace(text), zone); err == nil {
				return at
			}
		}
	}
	return time.Time{}
}
