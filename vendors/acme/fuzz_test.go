package acme_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/vendortest"
)

// checkText: what goes to a screen, a log or support is one line that prints, and no
// secret.
func checkText(t *testing.T, text string) {
	t.Helper()
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, unseen) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > 800 || strings.Contains(text, key) {
		t.Errorf("to be shown: %q", text)
	}
}

// Nothing but a named status admits, and that of a check-in of now.
func FuzzValidate(f *testing.F) {
	f.Add(`{"checkInStatus":555,"orderId":88001,"checkInDate":"2026-11-21T19:00:00Z","ticketEventName":"Planetarium"}`, 200, 0)
	f.Add(`{"checkInStatus":20,"checkInDate":"2026-11-21T18:00:00Z","cardStanding":"lapsed"}`, 200, 1)
	f.Add(`[{"uuid":"721744537954","checkInDate":"2026-11-21T19:00:00Z"}]`, 200, 2)
	f.Add(`{"message":"no"}`, 404, 0)
	date := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string, status, kind int) {
		paths := []string{"/v2/willcall/checkinticketsexternal", singlePath, batchPath}
		p := paths[uint(kind)%3]
		c := over(t, canned{body: body, status: status, date: date}, path(p))
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		checkText(t, c.Status().Problem)
		if err != nil {
			checkText(t, err.Error())
			if got.Verdict != "" {
				t.Errorf("a verdict and an error: %v", err)
			}
			return
		}
		checkText(t, got.Detail)
		if got.Ticket != nil {
			for _, text := range []string{got.Ticket.ID, got.Ticket.Name, got.Ticket.Section, got.Ticket.Seat, got.Ticket.Event} {
				checkText(t, text)
			}
		}
		if got.Verdict != scanner.Admit {
			return
		}
		if status >= 200 && status <= 599 && status/100 != 2 {
			t.Errorf("admitted by HTTP %d", status)
		}
		if p == batchPath {
			if !strings.Contains(body, "uuid") {
				t.Errorf("admitted by %q", body)
			}
			return
		}
		var raw map[string]any
		if err := json.Unmarshal([]byte(body), &raw); err != nil {
			t.Fatalf("a verdict out of %q", body)
		}
		if s := raw["checkInStatus"]; s != 555.0 && s != "555" && s != "555.0" && s != "5.55e2" {
			t.Errorf("admitted by %q", body)
		}
		if text, ok := raw["checkInDate"].(string); ok {
			if at, err := time.Parse(time.RFC3339, text); err == nil && at.Year() >= 1970 && date.Sub(at) > 2*time.Minute {
				t.Errorf("an entry of %v admits again", at)
			}
		}
	})
}

// Whatever ACME says of an event, and whatever is kept of it, is a window or none.
func FuzzWindow(f *testing.F) {
	f.Add(instanceBody(`"2026-11-21T19:00:00Z"`, `{"checkInWindow":{"minutesBefore":90,"minutesAfter":60,"blockScan":true,"autoRebook":false}}`), []byte(nil))
	f.Add(`{}`, []byte(`{"url":"https://api.acmeticketing.com","tenant":"57113d507947cc39efb44200","id":"63d08b46c9092f6d5ed46389","start":"2026-11-21T19:00:00Z","window":{"minutesBefore":90,"minutesAfter":60,"blockScan":true,"autoRebook":false}}`))
	f.Fuzz(func(t *testing.T, body string, kept []byte) {
		mem := &vendortest.Memory{Kept: map[string][]byte{"event": kept}}
		c := over(t, canned{body: body}, func(raw map[string]any, d *acme.Deps) { raw["event_instance"], d.Memory = show, mem })
		look := func() (scanner.Window, bool) {
			w, known := c.Window()
			checkText(t, w.Detail)
			if known && w.Event != show || !known && w != (scanner.Window{}) {
				t.Errorf("%+v, %v", w, known)
			}
			return w, known
		}
		before, had := look()
		err := c.Probe(t.Context())
		if err != nil {
			checkText(t, err.Error())
		}
		after, has := look()
		if err != nil && (has != had || after != before) || err == nil && !has {
			t.Errorf("%v: %+v, %v; before %+v, %v", err, after, has, before, had)
		}
	})
}

// Lists of events and templates are read or refused; what is shown of them prints.
func FuzzEvents(f *testing.F) {
	f.Add(`[{"id":"1","templateId":2,"name":"Show","startTime":"2026-11-21T19:00:00Z","state":"canceled"}]`)
	f.Add(`{"list":[{"id":1,"eventResourceSummary":{"place":{"resourceNames":["Dome"]}}}]}`)
	f.Add(`[{"templateId":"123","times":[{"id":"789","startTime":"2014-11-18T09:30:00-05:00","seatsAvailable":100}]}]`)
	f.Fuzz(func(t *testing.T, body string) {
		c := over(t, canned{body: body}, nil)
		at := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
		events, err := c.Events(t.Context(), at, at.Add(time.Hour))
		if err != nil {
			checkText(t, err.Error())
		}
		for _, e := range events {
			for _, text := range []string{e.Name, e.Series, e.Venue, e.State} {
				checkText(t, text)
			}
		}
		_, _ = c.Templates(t.Context(), acme.Query{})
		_, _ = c.AllTimes(t.Context(), acme.Query{})
		_, _ = c.Calendar(t.Context(), acme.Query{})
	})
}

// No upload counts as taken, and no undo as done, without ACME's word.
func FuzzTaken(f *testing.F) {
	f.Add(`{"checkInStatus":555}`, []byte(`{"t":"7"}`))
	f.Add(`[{"uuid":"721744537954"}]`, []byte(nil))
	f.Fuzz(func(t *testing.T, body string, data []byte) {
		c := over(t, canned{body: body}, nil)
		m := movement(1, "721744537954")
		m.Data = data
		got, err := c.Upload(t.Context(), []scanner.Movement{m})
		if err == nil && (len(got) != 1 || got[0].Seq != 1 || got[0].Delivery == scanner.Taken && !strings.Contains(body, "checkInStatus")) {
			t.Errorf("%+v out of %q", got, body)
		}
		if err == nil {
			checkText(t, got[0].Detail)
		}
		if err := c.Undo(t.Context(), m); err == nil && !strings.Contains(body, "uuid") {
			t.Errorf("undone by %q", body)
		}
	})
}
