package audienceview_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
)

// A performance starts when the venue's own clocks show its time, whatever its
// epoch says.
func TestStartsByTheVenuesClocks(t *testing.T) {
	const summer, winter = 1498669200000, 1771547400000 // 13:00 and 19:30 in New York
	show := func(date, time24 string) audienceview.Performance {
		p := audienceview.Performance{StartMillis: summer}
		set(&p.Date, date)
		set(&p.Time24, time24)
		return p
	}
	for _, tt := range []struct {
		name string
		p    audienceview.Performance
		zone string
		want string
	}{
		{"the document's", documented(), "America/New_York", "2017-06-28T17:00:00Z"},
		{"the document's, elsewhere", documented(), "America/Los_Angeles", "2017-06-28T20:00:00Z"},
		{"before clocks go forward", show("03/28/2026", "19:30:00"), "Europe/Zurich", "2026-03-28T18:30:00Z"},
		{"after clocks went forward", show("03/29/2026", "19:30:00"), "Europe/Zurich", "2026-03-29T17:30:00Z"},
		{"in the hour that does not come", show("03/29/2026", "02:30:00"), "Europe/Zurich", "2026-03-29T01:30:00Z"},
		{"in the hour that comes twice", show("10/25/2026", "02:30:00"), "Europe/Zurich", "2026-10-25T00:30:00Z"},
		{"after it", show("10/25/2026", "03:00:00"), "Europe/Zurich", "2026-10-25T02:00:00Z"},
		{"twice, west of Greenwich", show("11/01/2026", "01:15:00"), "America/New_York", "2026-11-01T05:15:00Z"},
		{"half an hour's change", show("04/05/2026", "01:45:00"), "Australia/Lord_Howe", "2026-04-04T14:45:00Z"},
		{"midnight does not come", show("09/05/2027", "00:00:00"), "America/Santiago", "2027-09-05T04:00:00Z"},
		{"of twelve hours", audienceview.Performance{Date: "06/28/2017", Time: "1:00 pm"}, "America/New_York", "2017-06-28T17:00:00Z"},
		{"in one text alone", audienceview.Performance{StartDate: "Wed, Jun 28, 2017 - 1:00 PM"}, "America/New_York", "2017-06-28T17:00:00Z"},
		{"a date, and a text with a time", audienceview.Performance{Date: "6/28/2017", StartDate: "Wed, Jun 28, 2017 - 1:00 PM"}, "UTC", "2017-06-28T13:00:00Z"},
		{"an epoch alone", audienceview.Performance{StartMillis: summer}, "America/New_York", "2017-06-28T17:00:00Z"},
		{"an epoch alone, elsewhere", audienceview.Performance{StartMillis: winter}, "America/Los_Angeles", "2026-02-20T03:30:00Z"},
		{"a date that is none", audienceview.Performance{Date: "28.06.2017", Time24: "13:00:00"}, "UTC", "0001-01-01T00:00:00Z"},
		{"all day", audienceview.Performance{Date: "07/04/2026", Time24: "13:00:00", AllDay: true}, "America/New_York", "2026-07-04T04:00:00Z"},
		{"an epoch in microseconds", audienceview.Performance{StartMillis: 1536768000000000}, "Europe/Zurich", "0001-01-01T00:00:00Z"},
		{"an epoch in seconds", audienceview.Performance{StartMillis: 1771547400}, "Europe/Zurich", "0001-01-01T00:00:00Z"},
		{"an epoch before all", audienceview.Performance{StartMillis: -1536768000000000}, "Europe/Zurich", "0001-01-01T00:00:00Z"},
		{"a date beyond all", show("12/31/9999", "23:00:00"), "America/New_York", "0001-01-01T00:00:00Z"},
		{"nothing", audienceview.Performance{}, "UTC", "0001-01-01T00:00:00Z"},
	} {
		if got := tt.p.Start(zone(t, tt.zone)).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestDoorsAndEntryTimes(t *testing.T) {
	zurich := zone(t, "Europe/Zurich")
	p := documented()
	if open, shut := p.Doors(zurich); !open.IsZero() || !shut.IsZero() {
		t.Errorf("doors of a performance that has a start: %v, %v", open, shut)
	}
	p.AllDay = true
	open, shut := p.Doors(zurich)
	if got := fmt.Sprint(open.UTC(), shut.UTC()); got != "2018-01-17 13:00:00 +0000 UTC 2018-01-17 15:00:00 +0000 UTC" {
		t.Errorf("doors %s", got)
	}
	p.DoorsCloseTime = ""
	if _, shut := p.Doors(zurich); !shut.IsZero() {
		t.Errorf("doors shut %v", shut)
	}
	start := p.Start(zurich)
	for _, e := range []audienceview.EntryTime{{Time: "14:45:00"}, {Formatted: "2:45 PM"}, {Hour: "14", Minute: "45"}} {
		if got := e.At(start, zurich); !got.Equal(time.Date(2017, 6, 28, 12, 45, 0, 0, time.UTC)) {
			t.Errorf("%+v is %v", e, got)
		}
	}
	if got := (audienceview.EntryTime{}).At(start, zurich); !got.IsZero() {
		t.Errorf("no time is %v", got)
	}
}

// seaside is a venue in Zurich on the evening of Saturday 24 October 2026, the night
// in which the clocks go back: one performance has begun, others are to come.
func seaside(t *testing.T, change func(raw map[string]any)) (*venue, *audienceview.Client, time.Time) {
	t.Helper()
	zurich := zone(t, "Europe/Zurich")
	now := time.Date(2026, 10, 24, 20, 30, 0, 0, zurich)
	v := newVenue(t, nil)
	v.sim.SetZone(zurich)
	v.sim.SetClock(time.Until(now))
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 10, day, hour, minute, 0, 0, zurich) }
	later := at(30, 0, 0)
	v.sim.AddClient(audienceviewsim.Client{ID: 900, Name: "Seaside", Productions: []audienceviewsim.Production{
		{ID: 91, Name: "Hamlet", Venue: "Great Hall", Department: 5, Performances: []audienceviewsim.Performance{
			{ID: 911, Start: at(24, 20, 0), Remaining: 44501},
			{ID: 912, Start: at(25, 20, 0), Opens: later, Remaining: 44502},
			{ID: 913, Start: at(26, 20, 0), Opens: later, Display: "C", Availability: "N"},
			{ID: 914, Start: at(27, 20, 0), Opens: later, Display: "S"},
		}},
		{ID: 92, Name: "Night Fair", Status: "U", Performances: []audienceviewsim.Performance{
			{ID: 921, Start: at(25, 0, 0), Opens: later, AllDay: true, DoorsOpen: at(25, 1, 0), DoorsClose: at(25, 23, 0), Availability: "P", Display: "M", Message: "Bring <b>boots</b>"},
			{ID: 922, Start: at(28, 10, 0), Opens: later, Display: "I", EntryTimes: []time.Duration{11 * time.Hour, 10 * time.Hour}},
			{ID: 923, Start: at(28, 12, 0), Opens: later, Display: "Z", Availability: "Q"},
		}},
		{ID: 93, Name: "Far Away", Performances: []audienceviewsim.Performance{{ID: 931, Start: at(24, 20, 0).AddDate(0, 5, 0), Opens: later}}},
	}})
	v.sim.AddUser(audienceviewsim.User{Name: user, Password: password, Clients: []int64{clientID, 900}})
	c := v.again(t, func(raw map[string]any, deps *audienceview.Deps) {
		raw["client_id"], raw["production_id"], raw["performance_id"] = 900, 0, 0
		deps.Zone, deps.Clock = zurich, offClock(time.Until(now))
		if change != nil {
			change(raw)
		}
	})
	return v, c, now
}

// offClock is a true clock that is far from the machine's.
type offClock time.Duration

func (o offClock) Now() scanner.Stamp {
	return scanner.Stamp{Wall: time.Now(), Boot: "b"}
}

func (o offClock) True(s scanner.Stamp) scanner.Instant {
	return scanner.Instant{At: s.Wall.Add(time.Duration(o))}
}

// lines are events, one a line, times by the clocks of the venue.
func lines(events []scanner.Event, zone *time.Location) string {
	var out strings.Builder
	clock := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.In(zone).Format("02T15:04Z07")
	}
	for _, e := range events {
		fmt.Fprintf(&out, "%s|%s|%s|%s|doors %s to %s", e.ID, e.Name, e.Venue, clock(e.StartsAt), clock(e.DoorsAt), clock(e.ClosesAt))
		for _, at := range e.EntryTimes {
			fmt.Fprintf(&out, "|entry %s", clock(at))
		}
		fmt.Fprintf(&out, "|%v|%v|%s\n", e.AllDay, e.OpenNow, e.State)
	}
	return out.String()
}

func TestEventsJoinWhatCanBeScannedWithWhatComes(t *testing.T) {
	v, c, now := seaside(t, nil)
	from := time.Date(2026, 10, 24, 0, 0, 0, 0, now.Location())
	got, err := c.Events(t.Context(), from, from.AddDate(0, 0, 9))
	if err != nil {
		t.Fatal(err)
	}
	var own []scanner.Event
	for _, e := range got {
		if e.IDs["client_id"] == "900" {
			own = append(own, e)
		}
	}
	want := `911|Hamlet|Great Hall|24T20:00+02|doors - to -|false|true|
921|Night Fair||25T00:00+02|doors 25T01:00+02 to 25T23:00+01|true|false|Bring boots, on sale to package holders only, series under construction
912|Hamlet|Great Hall|25T20:00+01|doors - to -|false|false|
913|Hamlet|Great Hall|26T20:00+01|doors - to -|false|false|cancelled
914|Hamlet|Great Hall|27T20:00+01|doors - to -|false|false|sold out
922|Night Fair||28T10:00+01|doors - to -|entry 28T10:00+01|entry 28T11:00+01|false|false|not shown to the public, series under construction
923|Night Fair||28T12:00+01|doors - to -|false|false|display Z, availability Q, series under construction
`
	if text := lines(own, now.Location()); text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	if got := fmt.Sprint(own[0].IDs, own[2].IDs); got != "map[client_id:900 performance_id:911 production_id:91] map[client_id:900 department_id:5 performance_id:912 production_id:91]" {
		t.Errorf("ids %s", got)
	}
	// The user may scan for another client too, whose ids the configuration may want.
	other := 0
	for _, e := range got {
		if e.IDs["client_id"] == fmt.Sprint(clientID) && e.OpenNow {
			other++
		}
	}
	if other != 3 {
		t.Errorf("%d open performances of the other client, want 3", other)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(raw), v.log.String()} {
		if strings.Contains(text, "44501") || strings.Contains(text, "44502") {
			t.Errorf("the number of tickets left is told: %s", text)
		}
	}
	if n := v.sim.Calls("calendar"); n != 2 { // October, and the first of November
		t.Errorf("%d calendars were asked for", n)
	}
}

func TestEventsBetweenTwoMoments(t *testing.T) {
	v, c, now := seaside(t, nil)
	ids := func(from, to time.Time) string {
		t.Helper()
		got, err := c.Events(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range got {
			if e.IDs["client_id"] == "900" {
				out = append(out, e.ID)
			}
		}
		return strings.Join(out, " ")
	}
	day := func(d int) time.Time { return time.Date(2026, 10, d, 0, 0, 0, 0, now.Location()) }
	// Of tomorrow on, nothing that is open tonight; the fair of the 25th is on at ten.
	if got := ids(day(25).Add(11*time.Hour), day(27)); got != "921 912 913" {
		t.Errorf("got %s", got)
	}
	if got := ids(day(27).Add(20*time.Hour), day(28).Add(10*time.Hour)); got != "914" {
		t.Errorf("the first moment counts, the last does not: %s", got)
	}
	// A year is no matter for calendars.
	before := v.sim.Calls("calendar")
	if got := ids(day(24), day(24).AddDate(1, 0, 0)); !strings.HasSuffix(got, "931") || v.sim.Calls("calendar") != before || v.sim.Calls("events") != 1 {
		t.Errorf("%s, by %d calendars", got, v.sim.Calls("calendar")-before)
	}
}

func TestEventsOfTheConfiguredPart(t *testing.T) {
	for key, want := range map[string]string{"production_id: 92": "911 921 922 923", "department_id: 5": "911 912 913 914"} {
		_, c, now := seaside(t, func(raw map[string]any) {
			name, id, _ := strings.Cut(key, ": ")
			raw[name] = map[string]int{"92": 92, "5": 5}[id]
		})
		got, err := c.Events(t.Context(), now.Add(-time.Hour), now.AddDate(0, 0, 8))
		var ids []string
		for _, e := range got {
			if e.IDs["client_id"] == "900" {
				ids = append(ids, e.ID)
			}
		}
		if strings.Join(ids, " ") != want || err != nil {
			t.Errorf("%s: %v, %v", key, ids, err)
		}
	}
}

// What one API tells is given though the other fails; the error says which.
func TestHalfOfTheEventsIsBetterThanNone(t *testing.T) {
	v, c, now := seaside(t, nil)
	from, to := now.Add(-time.Hour), now.AddDate(0, 0, 8)
	for _, call := range []string{"calendar", "series"} {
		v.sim.FailFuture(call, "Closed for <i>repairs</i>", 1)
		got, err := c.Events(t.Context(), from, to)
		if len(got) != 4 || err == nil || scanner.CallErrorOf(err).Op != call || !strings.Contains(err.Error(), "AudienceView says: Closed for repairs") {
			t.Errorf("%s: %d events, %v", call, len(got), err)
		}
	}
	v.sim.Fail("filterOptions", 16, false, 1)
	got, err := c.Events(t.Context(), from, to)
	if len(got) != 6 || err == nil || scanner.CallErrorOf(err).Op != "filterOptions" {
		t.Errorf("%d events, %v", len(got), err)
	}
	v.server.Close()
	if got, err := c.Events(t.Context(), from, to); len(got) != 0 || scanner.CallErrorOf(err).Trouble != scanner.Unreachable {
		t.Errorf("%d events, %v", len(got), err)
	}
}

// Whatever comes in a listing, its texts print, and what is told lies in the time
// that was asked for.
func FuzzEvents(f *testing.F) {
	for _, name := range []string{"calendar.json", "series.json", "events.json", "filterOptions.json"} {
		f.Add(printed(f, name))
	}
	f.Add(`{"clientId":284,"errors":["x"],"performancesByDateDisplay":{"":[null]}}`)
	f.Add(`{"clientId":284,"seriesInformation":[],"performancesByDateDisplay":{"x":[{"performanceId":1,"performanceDate":"06/28/2017","performanceTime24":"13:00:00","displayCode":"\u0000M","customMessage":"<b>"}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		from := time.Date(2017, 6, 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, 1, 0)
		got, err := cannedClient(t, body).Events(t.Context(), from, to)
		if err != nil {
			checkText(t, err.Error())
		}
		for _, e := range got {
			for _, text := range []string{e.ID, e.Name, e.Series, e.Venue, e.State} {
				checkText(t, text)
			}
			if e.ID == "" || e.ID == "0" || !e.During(from, to) {
				t.Errorf("event %+v out of %q", e, body)
			}
		}
	})
}
