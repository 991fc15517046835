package archtics_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// Events are told in the venue's time, soonest first, between two moments.
func TestEvents(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{}, tapped(p))
	zone := newYork(t)
	evening := time.Date(2026, 11, 21, 20, 0, 0, 0, zone)
	g.sim.AddEvent(
		archticssim.Event{Name: "LATE", Description: "Finals", Starts: evening.AddDate(0, 0, 2), Minutes: 90, Venue: "Arena", Season: "2026"},
		archticssim.Event{Name: "EVENT01", Starts: evening, Minutes: 150},
		archticssim.Event{Name: "RUNNING", Starts: start.Add(-time.Hour), Minutes: 120},
		archticssim.Event{Name: "OVER", Starts: start.Add(-5 * time.Hour), Minutes: 120},
		archticssim.Event{Name: "FAR", Starts: evening.AddDate(0, 0, 9)},
	)
	got, err := g.client.Events(t.Context(), start, start.AddDate(0, 0, 3))
	if err != nil {
		t.Fatal(err)
	}
	ids := func(name string) map[string]string {
		return map[string]string{"event_name": name, "archtics_venue_id": "1"}
	}
	want := []scanner.Event{
		{ID: "RUNNING", IDs: ids("RUNNING"), Name: "RUNNING", StartsAt: start.Add(-time.Hour), EndsAt: start.Add(time.Hour)},
		{ID: "EVENT01", IDs: ids("EVENT01"), Name: "EVENT01", StartsAt: evening, EndsAt: evening.Add(150 * time.Minute)},
		{ID: "LATE", IDs: ids("LATE"), Name: "Finals", Series: "2026", Venue: "Arena", StartsAt: evening.AddDate(0, 0, 2), EndsAt: evening.AddDate(0, 0, 2).Add(90 * time.Minute)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	all := p.take()
	if len(all) != 2 || !strings.Contains(all[0].body, `"start_date":"2026-11-20","end_date":"2026-11-24"`) || !strings.Contains(all[1].body, `"event_filter":"EVENT01,LATE,OVER,RUNNING","event_filter_type":"L"`) {
		t.Errorf("asked %+v", all)
	}
	if got, err := g.client.Events(t.Context(), start.AddDate(1, 0, 0), start.AddDate(1, 0, 1)); err != nil || len(got) != 0 {
		t.Errorf("none: %+v, %v", got, err)
	}
	if g.client.Status().Ready == false {
		t.Error("not ready")
	}
}

// Details come in pages, each after the last name of the one before.
func TestEventDetailsPages(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{}, tapped(p))
	var names []string
	for i := range 230 {
		names = append(names, fmt.Sprintf("E%03d", i))
		g.sim.AddEvent(archticssim.Event{Name: names[i], Starts: start})
	}
	got, err := g.client.EventDetails(t.Context())
	if err != nil || len(got) != 230 || got[229].Name != "E229" || len(p.take()) != 3 {
		t.Errorf("%d events, %v", len(got), err)
	}
	if got, err := g.client.EventDetails(t.Context(), "E001", "E007", "NONE"); err != nil || len(got) != 2 || got[1].Name != "E007" {
		t.Errorf("%d events, %v", len(got), err)
	}
	// One that does not know pages gives the same again.
	var same []string
	for _, name := range names[:100] {
		same = append(same, `{"event_name":"`+name+`"}`)
	}
	p.take()
	g.sim.SetAnswer("event_details", `{"command1":{"result":0,"events":[`+strings.Join(same, ",")+`]}}`)
	if got, err := g.client.EventDetails(t.Context()); err != nil || len(got) != 100 || len(p.take()) != 2 {
		t.Errorf("%d events, %v", len(got), err)
	}
}

// What an event does not have is empty, days without a time count as days, and odd
// values spoil their own field alone.
func TestOddEvents(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetAnswer("event_search", `{"command1":{"result":0,"events":[{"event_name":"A"},{"event_name":"A,B"},{"event_name":""}]}}`)
	g.sim.SetAnswer("event_details", `{"command1":{"result":0,"Count":9,"events":[
		{"event_name":"A","event_date":"2026-11-22","event_duration":"K50","archtics_venue_id":7},
		{"event_name":"B"},
		{"event_name":"C","event_date":"11/22/2026","event_time":"8:00 PM","event_duration":"60","event_name_inet":"The <b>C</b>\n"}]}}`)
	got, err := g.client.Events(t.Context(), start, start.AddDate(0, 0, 3))
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, newYork(t))
	want := []scanner.Event{
		{ID: "B", IDs: map[string]string{"event_name": "B"}, Name: "B"},
		{ID: "A", IDs: map[string]string{"event_name": "A", "archtics_venue_id": "7"}, Name: "A", StartsAt: day, EndsAt: day.AddDate(0, 0, 1), AllDay: true},
		{ID: "C", IDs: map[string]string{"event_name": "C"}, Name: "The <b>C</b>", StartsAt: day.Add(20 * time.Hour), EndsAt: day.Add(21 * time.Hour)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// seats_sold gives the blocks of its public table, and what has none keeps all it
// had.
func TestTheOtherCalls(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{}, tapped(p))
	g.sim.AddTickets(archticssim.Ticket{Barcode: "7217", Event: event, Section: "101", Row: "A", Seat: 7, Account: 100479})
	sold, err := g.client.SeatsSold(t.Context(), archtics.SeatsSold{
		Account: 100479, Status: "A", Events: []archtics.EventFilter{{Event: "EVENT01"}}, Sections: []archtics.SectionFilter{{Section: "101"}},
	})
	if err != nil || sold.Count != 1 || len(sold.Blocks) != 1 || len(sold.Raw) == 0 {
		t.Fatalf("%+v, %v", sold, err)
	}
	b := sold.Blocks[0]
	if b.Event != event || b.Section != "101" || b.Row != "A" || b.Seat != 7 || b.Status != "A" || b.Atomic[0].Barcode != "7217" || b.Atomic[0].Status != "PB" {
		t.Errorf("%+v", b)
	}
	if body := p.take()[0].body; !strings.Contains(body, `"acct_id":100479,"status_filter":"A","event_filter":[{"event_filter":"EVENT01"}],"section_filter":[{"section_filter":"101"}]`) {
		t.Errorf("asked %s", body)
	}
	if sold, err := g.client.SeatsSold(t.Context(), archtics.SeatsSold{Account: 5}); err != nil || len(sold.Blocks) != 0 {
		t.Errorf("an account without seats: %+v, %v", sold, err)
	}
	for name, call := range map[string]func() (json.RawMessage, error){
		"ticket_types": func() (json.RawMessage, error) { return g.client.SystemOptions(t.Context()) },
		"seats":        func() (json.RawMessage, error) { return g.client.EventManifest(t.Context(), event) },
		"price_code":   func() (json.RawMessage, error) { return g.client.VerifyBarcode(t.Context(), "7217") },
	} {
		raw, err := call()
		if err != nil || !strings.Contains(string(raw), `"`+name+`"`) {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
	g.sim.Attend(scan(7, start))
	if page, err := g.client.Attendance(t.Context(), event, 100479, 0); err != nil || page.Rows != 1 || page.Others != 0 {
		t.Errorf("attendance: %+v, %v", page, err)
	}
	if raw, err := g.client.EventManifest(t.Context(), "NONE"); err != nil || raw != nil {
		t.Errorf("no such event: %s, %v", raw, err)
	}
	if raw, err := g.client.VerifyBarcode(t.Context(), "nobody"); err != nil || raw != nil {
		t.Errorf("no such barcode: %s, %v", raw, err)
	}
	g.sim.SetResult("event_details", 11075, "data too large", 1)
	if _, err := g.client.EventDetails(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Malformed || !strings.Contains(err.Error(), "11075") {
		t.Errorf("too large: %v", err)
	}
}
