package audienceview_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
)

// printed is one of the document's examples.
func printed(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("audienceviewsim", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// requests keeps what was asked, and answers one body.
type requests struct {
	body string
	seen []*http.Request
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	r.seen = append(r.seen, req)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(r.body)), Request: req,
	}, nil
}

// client asks r in the name of the document's client.
func (r *requests) client(t *testing.T) *audienceview.Client {
	t.Helper()
	c, err := audienceview.NewClient(map[string]any{"username": user, "client_id": clientID}, audienceview.Deps{
		Transport: r, Environ: []string{"USHER_VENDOR_PASSWORD=" + password}, Zone: time.UTC,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// set gives a text of an answer.
func set[T ~string](field *T, text string) { *field = T(text) }

// documented is the performance of the document's examples, every field of it but
// the one that is withheld.
func documented() audienceview.Performance {
	entry := func(id int, at, formatted, hour string) audienceview.EntryTime {
		e := audienceview.EntryTime{Minute: "45"}
		set(&e.Time, at)
		set(&e.Formatted, formatted)
		if id == 11 {
			e.ID, e.Hour = 11, "14"
		} else {
			e.ID, e.Hour = 12, "13"
		}
		return e
	}
	return audienceview.Performance{
		ID: 10145563, StartMillis: 1498669200000, Date: "06/28/2017", Time: "1:00 PM", Time24: "13:00:00",
		StartDate: "Wed, Jun 28, 2017 - 1:00 PM", SuperTitle: "Tom McNeal Far Far Away", SubTitle: "Far Away.......",
		Notes: "Performance specific notes", Availability: audienceview.AvailableToAll, Display: audienceview.ShowNormal,
		Production: 962459, ProductionName: "Far Far Away", Available: true, ShutoffHours: 2, GeneralAdmission: true,
		DoorsOpenDate: "01/17/2018", DoorsOpenTime: "2:00 PM", DoorsCloseDate: "01/17/2018", DoorsCloseTime: "4:00 PM",
		ProductionLogo:        "https://web.ovationtix.com/trs/clientFile/303987",
		ProductionDescription: "Some description of the entire run of the show",
		Entries:               []audienceview.EntryTime{entry(11, "14:45:00", "2:45 PM", "14"), entry(12, "13:45:00", "1:45 PM", "13")},
	}
}

// same compares performances but for what is withheld.
func same(t *testing.T, got []audienceview.Performance) {
	t.Helper()
	want := documented()
	if len(got) != 1 {
		t.Fatalf("%d performances", len(got))
	}
	want.Remaining = got[0].Remaining
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

func checkHead(t *testing.T, head audienceview.FutureHead, err error) {
	t.Helper()
	if err != nil || head.Client != clientID || head.ClientName != "00-TestAccount" || head.Active == nil || !*head.Active || head.Department != 0 || len(head.Warnings) != 0 {
		t.Errorf("head %+v, %v", head, err)
	}
}

func TestEveryFieldOfTheDocumentsCalendar(t *testing.T) {
	var got []audienceview.Performance
	r := requests{body: printed(t, "calendar.json")}
	head, err := r.client(t).Calendar(t.Context(), audienceview.Part{}, audienceview.MonthAndYear(2017, time.June), func(day string, p audienceview.Performance) error {
		if day != "2017-06-28" {
			t.Errorf("day %q", day)
		}
		got = append(got, p)
		return nil
	})
	checkHead(t, head, err)
	same(t, got)
}

func TestEveryFieldOfTheDocumentsEvents(t *testing.T) {
	var got []audienceview.Performance
	r := requests{body: printed(t, "events.json")}
	head, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(p audienceview.Performance) error {
		got = append(got, p)
		return nil
	})
	checkHead(t, head, err)
	same(t, got)
}

func TestEveryFieldOfTheDocumentsSeries(t *testing.T) {
	want := audienceview.Series{
		ID: 942036, Name: "Rise of the Pandas", Status: audienceview.NormalProduction, Style: 0,
		Venue: &audienceview.Venue{Name: "Jonas James", Address: &audienceview.VenueAddress{
			City: "Redding", Country: "United States", CountryShort: "US", Line1: "55 Washington St", State: "Connecticut", StateShort: "CT", ZIP: "06896",
		}},
		Available: true, NoneRemaining: "There are no tickets remaining for this event.", ShutoffHours: 2,
		ShutoffHoursMessage: "Web sales are closed for this event. However, tickets may still be available at the box office.",
		LogoFile:            263062, Logo: "https://web.ovationtix.com/trs/clientFile/263062",
		FirstMillis: 1433959200000, LastMillis: 1440705600000, ShowLink: true,
	}
	var got []audienceview.Series
	r := requests{body: printed(t, "series.json")}
	head, err := r.client(t).Series(t.Context(), audienceview.Part{}, func(s audienceview.Series) error {
		got = append(got, s)
		return nil
	})
	checkHead(t, head, err)
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if name, rgb, ok := got[0].Style.Colour(); name != "white" || rgb != 0xffffff || !ok {
		t.Errorf("style 0 is %s %06x %v", name, rgb, ok)
	}
	if name, rgb, ok := audienceview.ProductionStyle(9).Colour(); name != "dark green" || rgb != 0xdcecdc || !ok {
		t.Errorf("style 9 is %s %06x %v", name, rgb, ok)
	}
	for _, odd := range []audienceview.ProductionStyle{-1, 10} {
		if _, _, ok := odd.Colour(); ok {
			t.Errorf("style %d has a colour", odd)
		}
	}
}

// No name in the document's examples is left without a field, and none of the
// fields is of somebody else's invention.
func TestNoNameOfTheDocumentIsForgotten(t *testing.T) {
	names := func(types ...any) []string {
		var out []string
		for _, v := range types {
			for i := range reflect.TypeOf(v).NumField() {
				if tag := reflect.TypeOf(v).Field(i).Tag.Get("json"); tag != "" {
					out = append(out, tag)
				}
			}
		}
		return out
	}
	show := append(names(audienceview.Performance{}, audienceview.EntryTime{}, audienceview.FutureHead{}), "infoMessages", "allMessages")
	for name, have := range map[string][]string{
		"calendar.json": append([]string{"performancesByDateDisplay", "2017-06-28"}, show...),
		"events.json":   append([]string{"performances"}, show...),
		"series.json": append(names(audienceview.Series{}, audienceview.Venue{}, audienceview.VenueAddress{}, audienceview.FutureHead{}),
			"seriesInformation", "infoMessages", "allMessages"),
	} {
		var v any
		if err := json.Unmarshal([]byte(printed(t, name)), &v); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		collect(v, seen)
		for in := range seen {
			if !slices.Contains(have, in) {
				t.Errorf("%s: %s has no field", name, in)
			}
		}
		for _, field := range have {
			if !seen[field] {
				t.Errorf("%s: %s is not in the document", name, field)
			}
		}
	}
}

func collect(v any, seen map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			seen[name] = true
			collect(inner, seen)
		}
	case []any:
		for _, inner := range v {
			collect(inner, seen)
		}
	}
}

// The number of tickets left is in no print, no JSON and no log.
func TestRemainingTicketsAreWithheld(t *testing.T) {
	r := requests{body: printed(t, "events.json")}
	var p audienceview.Performance
	if _, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(got audienceview.Performance) error {
		p = got
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "p", p, "n", p.Remaining)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "p", p, "n", p.Remaining)
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(raw), fmt.Sprint(p), fmt.Sprintf("%+v %#v %d %x %s %q", p, p, p.Remaining, p.Remaining, p.Remaining, &p.Remaining)} {
		if strings.Contains(text, "445") || strings.Contains(text, "1bd") || !strings.Contains(text, "withheld") {
			t.Errorf("shown: %s", text)
		}
	}
}

// What goes over the wire is what the document prints.
func TestFutureRequests(t *testing.T) {
	ask := func(list string, part audienceview.Part, month audienceview.Month) *http.Request {
		r := requests{body: printed(t, list+".json")}
		c := r.client(t)
		var err error
		switch list {
		case "calendar":
			_, err = c.Calendar(t.Context(), part, month, func(string, audienceview.Performance) error { return nil })
		case "series":
			_, err = c.Series(t.Context(), part, func(audienceview.Series) error { return nil })
		case "events":
			_, err = c.Performances(t.Context(), part, func(audienceview.Performance) error { return nil })
		}
		if err != nil || len(r.seen) != 1 {
			t.Fatalf("%s: %d requests, %v", list, len(r.seen), err)
		}
		return r.seen[0]
	}
	for _, list := range []string{"calendar", "series", "events"} {
		for tail, part := range map[string]audienceview.Part{
			"": {}, "/production(962459)": {Production: 962459}, "/department(1219)": {Department: 1219},
		} {
			got := ask(list, part, audienceview.Month{})
			if want := "/public/" + list + "/client(284)" + tail; got.URL.RequestURI() != want || got.Host != "api.ovationtix.com" || got.URL.Scheme != "https" {
				t.Errorf("asked %s, want %s", got.URL, want)
			}
			var header bytes.Buffer
			if err := got.Header.Write(&header); err != nil {
				t.Fatal(err)
			}
			if text := header.String(); got.Method != http.MethodGet || !strings.Contains(text, "clientId: 284\r\n") || strings.Contains(text, "Authorization") || strings.Contains(text, "Origin") {
				t.Errorf("%s with %s", got.Method, text)
			}
		}
	}
	// The document's own example of a time: the first of December 2014, at midnight.
	eastern := zone(t, "America/New_York")
	for want, month := range map[string]audienceview.Month{
		"time=1417410000000": audienceview.MonthFrom(time.Date(2014, 12, 1, 0, 0, 0, 0, eastern)),
		"month=12&year=2014": audienceview.MonthAndYear(2014, time.December),
	} {
		if got := ask("calendar", audienceview.Part{}, month).URL.RawQuery; got != want {
			t.Errorf("query %s, want %s", got, want)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("install tzdata: %v", err)
	}
	return z
}

// Each list, for each part of the client, in both ways of a month, at a simulator
// that takes nothing else.
func TestFutureAtTheSimulator(t *testing.T) {
	v := newVenue(t, func(_ map[string]any, deps *audienceview.Deps) { deps.Zone = time.UTC })
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Truncate(24 * time.Hour).Add(13 * time.Hour)
	show := func(id int64) []audienceviewsim.Performance {
		return []audienceviewsim.Performance{{ID: id, Start: tomorrow, Remaining: 445}}
	}
	v.sim.AddClient(audienceviewsim.Client{ID: 700, Name: "Big", Productions: []audienceviewsim.Production{
		{ID: 71, Name: "One", Performances: show(711)}, {ID: 72, Name: "Two", Department: 9, Performances: show(721)},
	}})
	c := v.again(t, func(raw map[string]any, deps *audienceview.Deps) {
		raw["client_id"], raw["production_id"], raw["performance_id"] = 700, 0, 0
		deps.Zone = time.UTC
	})
	first := time.Date(tomorrow.Year(), tomorrow.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		part audienceview.Part
		want string
	}{{audienceview.Part{}, "[71 72]"}, {audienceview.Part{Production: 71}, "[71]"}, {audienceview.Part{Department: 9}, "[72]"}} {
		for name, ask := range map[string]func(func(id any)) (audienceview.FutureHead, error){
			"events": func(add func(any)) (audienceview.FutureHead, error) {
				return c.Performances(t.Context(), tt.part, func(p audienceview.Performance) error { add(p.Production); return nil })
			},
			"series": func(add func(any)) (audienceview.FutureHead, error) {
				return c.Series(t.Context(), tt.part, func(s audienceview.Series) error { add(s.ID); return nil })
			},
			"calendar by month": func(add func(any)) (audienceview.FutureHead, error) {
				return c.Calendar(t.Context(), tt.part, audienceview.MonthAndYear(first.Year(), first.Month()), func(_ string, p audienceview.Performance) error { add(p.Production); return nil })
			},
			"calendar by time": func(add func(any)) (audienceview.FutureHead, error) {
				return c.Calendar(t.Context(), tt.part, audienceview.MonthFrom(first), func(_ string, p audienceview.Performance) error { add(p.Production); return nil })
			},
		} {
			var got []string
			head, err := ask(func(id any) { got = append(got, fmt.Sprint(id)) })
			slices.Sort(got)
			if err != nil || fmt.Sprint(got) != tt.want || head.Client != 700 || int64(head.Department) != tt.part.Department {
				t.Errorf("%s of %+v: %v, %+v, %v", name, tt.part, got, head, err)
			}
		}
	}
}

// An error may come in a 200, in either of two places, as text or object.
func TestErrorsInA200(t *testing.T) {
	const list = `,"clientId":284,"performances":[]}`
	for body, want := range map[string]string{
		`{"errors":["No such client"]` + list:                                       "AudienceView says: No such client",
		`{"errors":[],"serviceMessages":{"errors":["<b>Down</b> for work"]}` + list: "AudienceView says: Down for work",
		`{"errors":[{"code":7,"message":"Not yours"}]` + list:                       "AudienceView says: Not yours",
		`{"errors":[{"odd":[1]}]` + list:                                            "AudienceView reports an error without words",
		`{"errors":["First",""],"performances":null}`:                               "AudienceView says: First",
	} {
		r := requests{body: body}
		_, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(audienceview.Performance) error { return nil })
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || call.Op != "events" || call.Err.Error() != want {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{
		`{}`, `{"performances":[]}`, `{"clientId":284}`, `{"clientId":284,"performances":null}`, `{"clientId":285,"performances":[]}`, `[]`, `<html>`,
		`{"clientId":284,"performances":[]} x`, `{"clientId":284,"performances":[]`, `{"clientId":284,"performances":["x"]}`, `{"clientId":284,"performances":{}}`,
	} {
		r := requests{body: body}
		_, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(audienceview.Performance) error { return nil })
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Nonsense {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// The document contradicts itself, and so do answers: none of that hides an event.
func TestContradictionsAreTaken(t *testing.T) {
	for change, check := range map[string]func(p audienceview.Performance) bool{
		`"performanceId":"10145563","tixRemaining":"445"`: func(p audienceview.Performance) bool { return p.ID == 10145563 },
		`"performanceId":10145563,"doorEntryStartDate":null,"doorEntryStartTime":null,"doorEntryEndDate":null,"allDayEvent":null,"shutoffHour":-0.50`: func(p audienceview.Performance) bool {
			return p.DoorsOpenDate == "" && !bool(p.AllDay) && p.ShutoffHours == -0.5
		},
		`"performanceId":1,"performanceEntryTimes":{"performanceEntryTimeId":"11","entryTime":"14:45:00","entryTimeHour":14,"entryTimeMinute":45}`: func(p audienceview.Performance) bool {
			return len(p.Entries) == 1 && p.Entries[0].ID == 11 && p.Entries[0].Hour == "14"
		},
		`"performanceId":1,"performanceEntryTimes":null,"shutoffHour":"2.00"`: func(p audienceview.Performance) bool { return p.Entries == nil && p.ShutoffHours == 2 },
		`"performanceId":1,"allDayEvent":"true","hasAvailableTickets":1,"generalAdmission":"N"`: func(p audienceview.Performance) bool {
			return bool(p.AllDay && p.Available && !p.GeneralAdmission)
		},
		`"performanceId":1.0,"tixRemaining":73.0`:      func(p audienceview.Performance) bool { return p.ID == 1 },
		`"performanceId":1,"tixRemaining":"lots"`:      func(p audienceview.Performance) bool { return p.ID == 1 },
		`"performanceId":1,"tixRemaining":{"n":[73]}`:  func(p audienceview.Performance) bool { return p.ID == 1 },
		`"performanceId":1,"productionName":1984`:      func(p audienceview.Performance) bool { return p.ProductionName == "1984" },
		`"performanceId":1,"productionName":{"a":"b"}`: func(p audienceview.Performance) bool { return p.ProductionName == "" },
		`"performanceId":1,"shutoffHour":"two","displayCode":1,"availabilityCode":true`: func(p audienceview.Performance) bool {
			return p.ShutoffHours == 0 && p.Display == "1" && p.Availability == ""
		},
		`"performanceId":1,"performanceEntryTimes":"","performanceTime24":130000`: func(p audienceview.Performance) bool { return p.Entries == nil },
		`"performanceId":1,"performanceEntryTimes":["x",{"performanceEntryTimeId":11,"displaySoldOut":"true"},null]`: func(p audienceview.Performance) bool {
			return len(p.Entries) == 1 && p.Entries[0].ID == 11 && bool(p.Entries[0].SoldOut)
		},
		`"performanceId":1,"somethingNew":{"a":[1]}`: func(p audienceview.Performance) bool { return p.ID == 1 },
	} {
		body := `{"successMessages":[],"clientId":"284","performances":[{` + change + `},{"performanceId":[]}]}`
		var got []audienceview.Performance
		r := requests{body: body}
		_, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(p audienceview.Performance) error {
			got = append(got, p)
			return nil
		})
		if err != nil || len(got) != 1 || !check(got[0]) {
			t.Errorf("%s: %+v, %v", change, got, err)
		}
	}
}

// Nor does it hide a series, or an answer.
func TestContradictionsOfASeriesAreTaken(t *testing.T) {
	body := `{"clientId":284.0,"clientActive":"true","clientName":1984,"seriesInformation":[{"productionId":"7","productionName":1984,"productionStatus":5,"productionStyle":"red","showLinkToBuyTickets":"true"}]}`
	var got []audienceview.Series
	r := requests{body: body}
	head, err := r.client(t).Series(t.Context(), audienceview.Part{}, func(s audienceview.Series) error {
		got = append(got, s)
		return nil
	})
	if err != nil || len(got) != 1 || head.Active == nil || !*head.Active || head.ClientName != "1984" {
		t.Fatalf("%+v, %+v, %v", head, got, err)
	}
	if s := got[0]; s.ID != 7 || s.Name != "1984" || s.Status != "5" || !s.ShowLink {
		t.Errorf("%+v", s)
	}
	if name, _, ok := got[0].Style.Colour(); ok {
		t.Errorf("the colour is %s", name)
	}
}

// What the caller's own function fails with comes back as it is.
func TestFutureGivesTheCallersError(t *testing.T) {
	r := requests{body: printed(t, "events.json")}
	_, err := r.client(t).Performances(t.Context(), audienceview.Part{}, func(audienceview.Performance) error { return context.Canceled })
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
