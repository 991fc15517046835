package audienceviewsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/vendors/audienceview/audienceviewsim"
)

// seasons is the document's client with a series that plays tomorrow.
func seasons(t *testing.T) *house {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := newHouse(t, func() time.Time { return now })
	h.sim.AddClient(audienceviewsim.Client{ID: 700, Name: "00-TestAccount", Productions: []audienceviewsim.Production{{
		ID: 962459, Name: "Far Far Away", Venue: "Jonas James", Department: 1219, Performances: []audienceviewsim.Performance{
			{ID: 1, Start: now.Add(-time.Minute)},
			{ID: 10145563, Start: now.Add(25 * time.Hour), Remaining: 445, AllDay: true, DoorsOpen: now, DoorsClose: now, EntryTimes: []time.Duration{15 * time.Hour}},
		},
	}}})
	return h
}

// future asks with headers in pairs; errors are those of the answer.
func (h *house) future(target string, header ...string) (code int, v map[string]any, errors string) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.sim.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			h.t.Fatalf("%s: %v", target, err)
		}
		for _, text := range v["errors"].([]any) {
			errors += text.(string)
		}
	}
	return w.Code, v, errors
}

// Each example of the document is served, for each part of a client.
func TestFutureExamples(t *testing.T) {
	h := seasons(t)
	for _, tail := range []string{"", "/production(962459)", "/department(1219)"} {
		for _, list := range []string{"calendar", "series", "events"} {
			code, v, _ := h.future("/public/"+list+"/client(700)"+tail, "clientId", "700")
			if code != http.StatusOK {
				t.Errorf("%s%s: %d", list, tail, code)
			}
			if days, ok := v["performancesByDateDisplay"].(map[string]any); ok {
				v["performancesByDateDisplay"] = map[string]any{"2017-06-28": days["2026-11-22"]}
			}
			h.like(list+".json", v)
			if text := fmt.Sprint(v); strings.Contains(text, "performanceId:1 ") {
				t.Errorf("what has begun is listed: %s", text)
			}
		}
	}
}

// What the document does not allow is refused: the path by 404, all else in a 200.
func TestFutureRefusals(t *testing.T) {
	h := seasons(t)
	for _, path := range []string{"calendar/client%28700%29", "events/client(700)/", "events/client700", "series/client(x)", "events/client(700)/venue(1)", "events/client(700)/production()"} {
		if code, _, _ := h.future("/public/"+path, "clientId", "700"); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _, _ := h.future("/public/events/client(700)", "clientId", "700", "Origin", "https://elsewhere.example"); code != http.StatusForbidden {
		t.Errorf("another domain: %d", code)
	}
	for target, want := range map[string]string{
		"events/client(700)?page=2":                       "unknown parameter",
		"series/client(700)?month=1":                      "unknown parameter",
		"calendar/client(700)?day=1":                      "unknown parameter day",
		"calendar/client(700)?month=11":                   "go together",
		"calendar/client(700)?year=2026":                  "go together",
		"calendar/client(700)?month=0&year=2026":          "from 1 to 12",
		"calendar/client(700)?month=1&year=2026&time=1":   "either",
		"calendar/client(700)?time=1763683200001":         "midnight",
		"calendar/client(701)?time=1763683200000":         "header",
		"calendar/client(700)?time=1793491200000":         "", // the first of November 2026
		"calendar/client(700)?month=11&year=2026":         "",
		"calendar/client(700)/production(5)":              "",
		"calendar/client(700)/department(5)?month=&year=": "",
	} {
		code, _, errors := h.future("/public/"+target, "clientId", "700")
		if code != http.StatusOK || (want == "") != (errors == "") || !strings.Contains(errors, want) {
			t.Errorf("%s: %d %q, want %q", target, code, errors, want)
		}
	}
	if _, _, errors := h.future("/public/events/client(700)"); !strings.Contains(errors, "clientId") {
		t.Errorf("without the header: %q", errors)
	}
	r := httptest.NewRequest(http.MethodPost, "/public/events/client(700)", nil)
	w := httptest.NewRecorder()
	if h.sim.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
