package archtics_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// rows answers both kinds of attendance with these rows once, and look-ups with the
// seat A7.
func rows(t *testing.T, all ...string) scanner.Ticket {
	t.Helper()
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[`+strings.Join(all, ",")+`]}}`)
	g.watch(t)
	return g.listed(t, "good00000001")
}

// Which rows say that somebody entered, when and where.
func TestRows(t *testing.T) {
	at := func(text string) time.Time {
		one, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	evening := at("2026-11-20T19:23:11-05:00")
	for row, want := range map[string]time.Time{
		`"result_code":0,"event_date":"2026-11-20","action_time":"19:23:11","gate":"N"`:                  evening,
		`"result_code":"0","event_date":"2026-11-20T00:00:00","action_time":"19:23:11","gate":"N"`:       evening,
		`"result_code":0,"event_date":"2026-11-20 00:00:00","action_time":"7:23:11 PM","gate":"N"`:       evening,
		`"result_code":0,"event_date":"11/20/2026","action_time":"19:23:11","gate":"N"`:                  evening,
		`"result_code":0,"action_time":"2026-11-20 19:23:11.000","gate":"N"`:                             evening,
		`"result_code":0,"event_date":"2026-11-19","action_time":"2026-11-21T00:23:11Z","gate_name":"N"`: evening,
		`"result_code":0,"event_date":"2026-11-20","action_time":"19:23:11","gate":"N","scan_type":"S"`:  evening,
		`"action_time":"2026-11-20T19:23:11","gate":"N"`:                                                 evening,
		`"result_code":0,"action_time":"a while ago","gate":"N"`:                                         {},
		// The day that a program counts from is no date.
		`"result_code":0,"event_date":"2026-11-20","action_time":"1899-12-30 19:23:11","gate":"N"`:  evening,
		`"result_code":0,"event_date":"2026-11-20","action_time":"1900-01-01T19:23:11","gate":"N"`:  evening,
		`"result_code":0,"event_date":"2026-11-20","action_time":"1970-01-01T19:23:11Z","gate":"N"`: evening,
		`"result_code":0,"event_date":"1900-01-01","action_time":"1900-01-01 19:23:11","gate":"N"`:  {},
		`"result_code":"OK","event_date":"2026-11-20","action_time":"19:23:11","gate":"N"`:          evening,
		`"result_code":"Success","event_date":"2026-11-20","action_time":"19:23:11","gate":"N"`:     evening,
		`"result_code":"0.0","event_date":"2026-11-20","action_time":"19:23:11","gate":"N"`:         evening,
		`"result_code":"NaN","event_date":"2026-11-20","action_time":"19:23:11","gate":"N"`:         evening,
		`"result_code":0,"event_date":"2026-11-20","time":"19:23:11","gate":"N"`:                    evening,
		`"result_code":0,"scan_datetime":"2026-11-20 19:23:11","gate":"N"`:                          evening,
		`"result_code":0,"Action_Time":"2026-11-20 19:23:11","gate":"N"`:                            evening,
		`"result_code":0,"gate":"N"`:                           {}, // this call tells scans alone
		`"result_code":0,"gate":"N","event_date":"2026-11-20"`: {},
		`"result_code":0,"action_time":"2026-11-20 19:23","gate":"N","access_type":"premium","valid":"odd"`: at("2026-11-20T19:23:00-05:00"),
	} {
		got := rows(t, `{`+place+`,`+row+`}`)
		if got.Status != scanner.StatusUsed || !got.UsedAt.Equal(want) || got.UsedGate != "N" {
			t.Errorf("%s: %s at %v, gate %s", row, got.Status, got.UsedAt, got.UsedGate)
		}
	}
	for _, row := range []string{
		`"result_code":0,"action_time":null`, `"result_code":0,"action_time":""`, `"result_code":3,"action_time":"19:23:11"`,
		`"result_code":"07","action_time":"19:23:11"`, `"result_code":1.0,"action_time":"19:23:11"`, `"result_code":0,"action_time":"19:23:11","scan_type":"Exit"`,
		`"result_code":0,"action_time":"19:23:11","access_type":"OUT"`, `"result_code":0,"action_time":"19:23:11","event_name":"EVENT02"`,
	} {
		edited := `{` + place + `,` + row + `}`
		if strings.Contains(row, "event_name") {
			edited = `{` + strings.Replace(place, `"event_name":"EVENT01",`, "", 1) + `,` + row + `}`
		}
		if got := rows(t, edited); got.Status != scanner.StatusValid {
			t.Errorf("%s: %s", row, got.Status)
		}
	}
}

// The first entry is the one that is told, an exit does not undo it, and a time that
// is readable is worth more than none.
func TestSeveralRowsOfASeat(t *testing.T) {
	row := func(when, more string) string {
		return `{` + place + `,"result_code":0,"gate":"N","action_time":"` + when + `"` + more + `}`
	}
	first := time.Date(2026, 11, 20, 18, 0, 0, 0, newYork(t))
	for _, all := range [][]string{
		{row("2026-11-20 18:00", ""), row("2026-11-20 19:00", "")}, {row("2026-11-20 19:00", ""), row("2026-11-20 18:00", "")},
		{row("2026-11-20 18:00", ""), row("2026-11-20 19:00", `,"scan_type":"exit"`)}, {row("soon", ""), row("2026-11-20 18:00", ""), row("late", "")},
	} {
		if got := rows(t, all...); got.Status != scanner.StatusUsed || !got.UsedAt.Equal(first) {
			t.Errorf("%v: %s at %v", all, got.Status, got.UsedAt)
		}
	}
}

// since is what an incremental call asked for, page by page.
func since(t *testing.T, p *tap) []string {
	t.Helper()
	var all []string
	for _, one := range p.take() {
		var body struct {
			Command map[string]any `json:"command1"`
		}
		if err := json.Unmarshal([]byte(one.body), &body); err != nil {
			t.Fatal(err)
		}
		switch body.Command["cmd"] {
		case "get_attendance_incremental":
			all = append(all, fmt.Sprintf("since %v page %v", body.Command["start_date_time"], body.Command["page"]))
		case "get_attendance":
			all = append(all, fmt.Sprintf("%v page %v", body.Command["event_name"], body.Command["page"]))
		}
	}
	return all
}

func tapped(p *tap) change {
	return func(_ map[string]any, d *archtics.Deps) { p.next, d.Transport = d.Transport, p }
}

// A device without a mark looks back, then asks since shortly before the newest entry
// it knows, in the venue's time, over a restart too; and takes all pages.
func TestMark(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{PageSize: 2}, tapped(p))
	fetch := func(want ...string) {
		t.Helper()
		g.watch(t)
		if got := since(t, p); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
	fetch("since 2026-11-20 14:00 page 0") // start is 14:00 in New York
	for i := range 5 {
		g.sim.Attend(scan(i+1, start.Add(time.Duration(i-9)*time.Minute)))
	}
	g.clock.step(3 * time.Minute)
	fetch("since 2026-11-20 14:03 page 0", "since 2026-11-20 14:03 page 1", "since 2026-11-20 14:03 page 2", "since 2026-11-20 14:03 page 3")
	g.clock.step(3 * time.Minute)
	// The newest was at 13:55.
	fetch("since 2026-11-21 13:40 page 0", "since 2026-11-21 13:40 page 1", "since 2026-11-21 13:40 page 2", "since 2026-11-21 13:40 page 3")
	g.client = g.again(t, tapped(p))
	p.next = g.transport
	g.sim.Attend(scan(7, start))
	fetch("since 2026-11-21 13:40 page 0", "since 2026-11-21 13:40 page 1", "since 2026-11-21 13:40 page 2", "since 2026-11-21 13:40 page 3")
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("%+v", got)
	}
	// An entry in the future is somebody's wrong clock.
	g.sim.Attend(archticssim.Scan{Event: event, Section: "1", Row: "1", Seat: 1, At: start.AddDate(1, 0, 0), Gate: "S"})
	g.watch(t)
	since(t, p)
	g.watch(t)
	if got := since(t, p); len(got) == 0 || got[0] != "since 2026-11-21 13:51 page 0" { // the true time is 14:06
		t.Errorf("asked %q", got)
	}
}

// A server that does not know pages gives the same one again, but for the reference
// of the call: that is the end.
func TestNoPages(t *testing.T) {
	for _, said := range []string{"", `"cmd":"get_attendance_incremental","ref":"{ref}",`} {
		p := &tap{}
		g := newGate(t, archticssim.Options{}, tapped(p))
		g.sim.SetAnswer("get_attendance_incremental", `{"command1":{`+said+`"result":0,"rows":[{`+place+`,"result_code":0,"action_time":"2026-11-20 19:23","gate":"N"}]}}`)
		g.watch(t)
		if n := len(p.take()); n != 2 {
			t.Errorf("%q: %d requests", said, n)
		}
	}
}

// A fetch that the quota ends goes on where it stopped, and keeps what it has.
func TestAFetchThatStops(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{PageSize: 1}, func(raw map[string]any, d *archtics.Deps) {
		tapped(p)(raw, d)
		raw["calls_per_minute"] = 8
	})
	for i := range 6 {
		g.sim.Attend(scan(i+2, start.Add(time.Duration(i-9)*time.Minute)))
	}
	err := g.client.Watch(t.Context())
	call := scanner.CallErrorOf(err)
	if call.Trouble != scanner.Throttled || call.RetryAfter != time.Minute || !strings.Contains(err.Error(), "quota: half of 8 calls a minute is kept for scans") {
		t.Errorf("%v", err)
	}
	if got := since(t, p); len(got) != 4 {
		t.Errorf("asked %q", got)
	}
	g.clock.step(time.Minute)
	if err := g.client.Watch(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
	if got := since(t, p); len(got) != 3 || !strings.HasSuffix(got[0], "page 4") {
		t.Errorf("asked %q", got)
	}
	g.clock.step(time.Minute)
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("seat 7 was on page 5: %+v", got)
	}
}

// Where Archtics does not take the question, the whole attendance of each event is
// asked for; without an event, a person is told what to do.
func TestWithoutIncremental(t *testing.T) {
	for _, result := range []int{9999, 5011, 5014} {
		p := &tap{}
		g := newGate(t, archticssim.Options{}, func(raw map[string]any, d *archtics.Deps) {
			tapped(p)(raw, d)
			raw["events"] = []any{"EVENT01", "EVENT02"}
		})
		g.sim.Attend(scan(7, start))
		g.sim.SetResult("get_attendance_incremental", result, "what?", 9)
		g.watch(t)
		if got := strings.Join(since(t, p), "; "); !strings.HasSuffix(got, "page 0; EVENT01 page 0; EVENT01 page 1; EVENT02 page 0") {
			t.Errorf("asked %s", got)
		}
		if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
			t.Errorf("%+v", got)
		}
	}
	// What the quota ends goes on where it stopped, event and page.
	p := &tap{}
	g := newGate(t, archticssim.Options{PageSize: 1}, func(raw map[string]any, d *archtics.Deps) {
		tapped(p)(raw, d)
		raw["events"], raw["calls_per_minute"] = []any{"EVENT02", "EVENT01"}, 8
	})
	for seat := range 4 {
		g.sim.Attend(scan(seat+4, start))
	}
	g.sim.SetResult("get_attendance_incremental", 9999, "what?", 99)
	for _, want := range []string{"since 2026-11-20 14:00 page 0; EVENT02 page 0; EVENT01 page 0; EVENT01 page 1", "EVENT01 page 2; EVENT01 page 3; EVENT01 page 4"} {
		_ = g.client.Watch(t.Context())
		if got := strings.Join(since(t, p), "; "); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		g.clock.step(time.Minute)
	}
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("%+v", got)
	}

	g = newGate(t, archticssim.Options{}, nil)
	g.sim.SetResult("get_attendance_incremental", 9999, "what?", 9)
	err := g.client.Watch(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Malformed || !strings.Contains(err.Error(), "vendor.attendance_since") || !strings.Contains(err.Error(), "vendor.events") {
		t.Errorf("%v", err)
	}
	if !g.client.Status().Ready {
		t.Error("the attendance stops the scans")
	}
}

// Rows of another shape are an error, not an empty attendance.
func TestRowsThatNobodyUnderstands(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[{"where":"101-A-7","when":"19:23"}]}}`)
	err := g.client.Watch(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Nonsense || call.MaybeSent || !strings.Contains(err.Error(), "usher does not understand the attendance") {
		t.Errorf("%v", err)
	}
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[]}}`)
	g.watch(t)
}
