package acme_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
)

// An event in the words of all vendors: its window, its room, its state, and never how
// many tickets are left.
func TestAnEvent(t *testing.T) {
	body := `{"list":[` + string(sample(t, "instance.json")) + `]}`
	c := over(t, canned{body: body}, nil)
	from := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	got, err := c.Events(t.Context(), from, from.AddDate(0, 0, 1))
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	start := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	want := scanner.Event{
		ID: show, IDs: map[string]string{"event_instance": show, "templateId": acmesim.DemoTemplate}, Name: "Planetarium", Venue: "Dome",
		StartsAt: start, EndsAt: start.Add(90 * time.Minute), OpensAt: start.Add(-30 * time.Minute), ClosesAt: start.Add(45 * time.Minute), State: "canceled",
	}
	if diff := cmp.Diff(want, got[0], cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "119") || strings.Contains(text, "120") {
		t.Errorf("tells remaining tickets: %s", text)
	}
}

// A listing asks day by day, names the templates, and leaves nothing out twice.
func TestListing(t *testing.T) {
	now := time.Date(2026, 10, 31, 19, 0, 0, 0, time.UTC)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, acmesim.Options{Now: func() time.Time { return now }, Zone: zone}, func(_ map[string]any, d *acme.Deps) { d.Zone = zone })
	g.sim.AddEvents(acmesim.Event{ID: "midnight", Template: acmesim.DemoTemplate, Name: "Ghosts", Start: time.Date(2026, 11, 1, 0, 0, 0, 0, zone), State: "active"})
	got, err := g.client.Events(t.Context(), time.Date(2026, 10, 31, 0, 0, 0, 0, zone), time.Date(2026, 11, 2, 0, 0, 0, 0, zone))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range got {
		ids = append(ids, e.ID)
		if e.ID == show && (e.Series != "Planetarium shows" || e.Venue != "Dome") || e.ID == other && e.Series != "Films" || e.ID == "blocked" && e.State != "scanning blocked" || e.ID == "midnight" && e.State != "" {
			t.Errorf("%+v", e)
		}
	}
	if text := strings.Join(ids, " "); text != "late "+show+" "+other+" blocked early midnight" {
		t.Errorf("got %s", text)
	}
	if n := g.sim.Calls(acmesim.Instances); n != 9 {
		t.Errorf("%d calls for two days, and the week before", n)
	}
	if got, err := g.client.Events(t.Context(), time.Date(2026, 11, 1, 0, 30, 0, 0, zone), time.Date(2026, 11, 1, 0, 40, 0, 0, zone)); err != nil || len(got) != 0 {
		t.Errorf("between two events: %+v, %v", got, err)
	}
	g.sim.AddEvents(acmesim.Event{ID: "midnight", Template: acmesim.DemoTemplate, Start: time.Date(2026, 11, 1, 0, 0, 0, 0, zone), End: time.Date(2026, 11, 1, 4, 0, 0, 0, zone)})
	if got, err := g.client.Events(t.Context(), time.Date(2026, 11, 1, 2, 0, 0, 0, zone), time.Date(2026, 11, 1, 3, 0, 0, 0, zone)); err != nil || len(got) != 1 || got[0].ID != "midnight" {
		t.Errorf("during one: %+v, %v", got, err)
	}
	// Without the templates events are listed all the same.
	g.sim.SetFault(acmesim.Templates, http.StatusForbidden, 1)
	if got, err := g.client.Events(t.Context(), now, now.Add(time.Hour)); err != nil || len(got) == 0 || got[0].Series != "" || got[0].Name == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := g.client.Events(t.Context(), now, now.AddDate(1, 0, 0)); err == nil || !strings.Contains(err.Error(), "ask for fewer") || len(got) == 0 {
		t.Errorf("a year: %+v, %v", got, err)
	}
	g.sim.SetFault(acmesim.Instances, http.StatusInternalServerError, 1)
	if _, err := g.client.Events(t.Context(), now, now); scanner.CallErrorOf(err).Trouble != scanner.Failing {
		t.Errorf("got %v", err)
	}
}

// A span holds what starts at its first moment, not at its last, and what is on in it
// since days before.
func TestTheEdgesOfASpan(t *testing.T) {
	from := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	g := newGate(t, acmesim.Options{Now: func() time.Time { return from.AddDate(0, 1, 0) }}, nil)
	for id, span := range map[string][2]time.Time{
		"at from": {from, from}, "at to": {to, to.Add(time.Hour)}, "over by from": {from.Add(-time.Hour), from}, "since days": {from.AddDate(0, 0, -5), from.Add(time.Minute)},
		"before to": {to.Add(-time.Second), to.Add(time.Hour)},
	} {
		g.sim.AddEvents(acmesim.Event{ID: id, Template: acmesim.DemoTemplate, Start: span[0], End: span[1]})
	}
	got, err := g.client.Events(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range got {
		ids = append(ids, e.ID)
	}
	if text := strings.Join(ids, ", "); text != "since days, at from, before to" {
		t.Errorf("got %s", text)
	}
}

// A page of a longer list is listed, and never taken for all.
func TestAPageOfMany(t *testing.T) {
	from := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	page := func(pages string) string {
		return `{"list":[{"id":"a","name":"A","startTime":"2026-11-21T20:00:00Z"}],"pagination":` + pages + `}`
	}
	for _, pages := range []string{`{"page":1,"pageSize":1,"totalCount":300,"totalPages":300}`, `{"count":"300"}`, `{"page":{},"totalCount":300}`} {
		c := over(t, canned{body: page(pages)}, nil)
		got, err := c.Events(t.Context(), from, from.AddDate(0, 0, 1))
		if err == nil || !strings.Contains(err.Error(), "1 of 300") || len(got) != 1 || got[0].ID != "a" || got[0].Series != "" {
			t.Errorf("%s: %+v, %v", pages, got, err)
		}
		if got, err := c.Templates(t.Context(), acme.Query{}); err == nil || len(got) != 1 {
			t.Errorf("%s: templates %+v, %v", pages, got, err)
		}
		if got, err := c.Summaries(t.Context(), acme.Range{From: from, To: from}); err == nil || len(got) != 1 {
			t.Errorf("%s: summaries %+v, %v", pages, got, err)
		}
		if err := c.Probe(t.Context()); err != nil {
			t.Errorf("%s: ACME answers: %v", pages, err)
		}
	}
	for _, pages := range []string{`{"totalCount":1}`, `{"totalCount":"many"}`, `[]`, `null`, `7`, `{"count":0}`} {
		c := over(t, canned{body: page(pages)}, nil)
		if got, err := c.Events(t.Context(), from, from.AddDate(0, 0, 1)); err != nil || len(got) != 1 {
			t.Errorf("%s: %+v, %v", pages, got, err)
		}
	}
}

// Times that are told otherwise than by ISO 8601 keep no event from being listed.
func TestOddTimes(t *testing.T) {
	from := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	ms := from.Add(time.Hour).UnixMilli()
	for start, want := range map[string]time.Time{
		`"2026-11-21T01:00Z"`: from.Add(time.Hour), `"2026-11-21T01:00:00.123Z"`: from.Add(time.Hour + 123*time.Millisecond),
		fmt.Sprint(ms): from.Add(time.Hour), `"June 1"`: {}, `null`: {}, `""`: {},
	} {
		c := over(t, canned{body: `[{"id":5,"name":"Show","startTime":` + start + `}]`}, nil)
		got, err := c.Events(t.Context(), from, from.Add(2*time.Hour))
		if err != nil || len(got) != 1 || !got[0].StartsAt.Equal(want) || got[0].ID != "5" {
			t.Errorf("%s: %+v, %v", start, got, err)
		}
	}
	for _, odd := range []string{`"startTime":[]`, `"startTime":1.5`, `"ticketDetails":{"checkInWindow":{"minutesBefore":"x"}}`, `"ticketDetails":{"checkInWindow":{"minutesBefore":1.5}}`,
		`"ticketDetails":{"checkInWindow":{"blockScan":1}}`, `"name":{}`} {
		c := over(t, canned{body: `[{"id":1,` + odd + `},{"id":2}]`}, nil)
		if got, err := c.Events(t.Context(), from, from.Add(time.Hour)); err != nil || len(got) != 2 || !got[0].OpensAt.IsZero() || !got[0].StartsAt.IsZero() {
			t.Errorf("%s: %+v, %v", odd, got, err)
		}
	}
	for _, bad := range []string{`[{"id":{}}]`, `[{"id":true}]`, `[1]`, `{"events":[]}`} {
		c := over(t, canned{body: bad}, nil)
		if got, err := c.Events(t.Context(), from, from); scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
			t.Errorf("%s: %+v, %v", bad, got, err)
		}
	}
}
