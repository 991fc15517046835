package audienceviewsim_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/vendors/audienceview/audienceviewsim"
)

// sample reads one of the document's examples, as printed there.
func sample(t *testing.T, name string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// alike compares names and types of two answers; null is of every type, and one
// element stands for a list. The values are each side's own.
func alike(at string, want, got any) []string {
	if want == nil || got == nil {
		return nil
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, want an object", at, got)}
		}
		var out []string
		for name := range w {
			if _, have := g[name]; !have {
				out = append(out, at+"."+name+" is missing")
			}
			out = append(out, alike(at+"."+name, w[name], g[name])...)
		}
		for name := range g {
			if _, have := w[name]; !have {
				out = append(out, at+"."+name+" is not in the document")
			}
		}
		return out
	case []any:
		g, ok := got.([]any)
		if ok && len(w) == 0 {
			return nil // the document shows none, and so no type
		}
		if !ok || len(g) == 0 {
			return []string{fmt.Sprintf("%s is %v, want a list", at, got)}
		}
		return alike(at+"[0]", w[0], g[0])
	}
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
		return []string{fmt.Sprintf("%s is %T, want %T", at, got, want)}
	}
	return nil
}

type house struct {
	t   *testing.T
	sim *audienceviewsim.Sim
	// auth is the header of later calls.
	auth string
}

// newHouse is the document's own: client 284, and its tickets.
func newHouse(t *testing.T, now func() time.Time) *house {
	sim := audienceviewsim.New(now)
	sim.AddUser(audienceviewsim.User{Name: "gate", Password: "pw", Clients: []int64{284, 1}, Patrons: true})
	sim.AddUser(audienceviewsim.User{Name: "late", Password: "pw", Expired: true})
	sim.AddUser(audienceviewsim.User{Name: "none", Password: "pw", NoScanning: true})
	start := time.UnixMilli(1536768000000)
	sim.AddClient(audienceviewsim.Client{ID: 284, Name: "TestAccount-300", Productions: []audienceviewsim.Production{
		{ID: 3622, Name: "Kinky Boots", Performances: []audienceviewsim.Performance{{ID: 10302127, Start: start}, {ID: 10302128, Start: start}}},
	}})
	sim.AddClient(audienceviewsim.Client{ID: 1, Name: "One", Productions: []audienceviewsim.Production{
		{ID: 1, Performances: []audienceviewsim.Performance{{ID: 1, Start: start}}},
	}})
	ticket := func(id int64, barcode string) audienceviewsim.Ticket {
		return audienceviewsim.Ticket{ID: id, Performance: 10302127, Barcode: barcode, Consumer: "Walkup Walkup", First: "Walkup", Last: "Walkup", Section: "Test Section I", Seat: "A1"}
	}
	void := ticket(3, "void")
	void.Voided = true
	sim.AddTickets(ticket(580768132, "6nwmw29eo"), ticket(580768141, "aj00ymskl"), void, audienceviewsim.Ticket{ID: 9, Performance: 1, Barcode: "one"})
	return &house{t: t, sim: sim}
}

func (h *house) call(method, path, body string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(method, "/public/scanning/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if h.auth != "" {
		r.Header.Set("Authorization", h.auth)
	}
	w := httptest.NewRecorder()
	h.sim.ServeHTTP(w, r)
	var v map[string]any
	if w.Body.Len() > 0 && strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			h.t.Fatalf("%s: %v", path, err)
		}
	}
	return w.Code, v
}

func (h *house) signIn() {
	_, v := h.call("POST", "authenticate", `{"username":"gate","password":"pw"}`)
	h.auth = basic("gate", fmt.Sprint(v["accessToken"]))
}

func basic(user, token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+token))
}

// id is the error id of an answer, 0: none.
func id(v map[string]any) int {
	d, _ := v["errorDetails"].(map[string]any)
	n, _ := d["errorCodeId"].(float64)
	return int(n)
}

func (h *house) like(name string, got map[string]any) {
	h.t.Helper()
	for _, fault := range alike(name, sample(h.t, name), got) {
		h.t.Error(fault)
	}
}

// Each example of the document is served, and each request that it shows taken.
func TestDocumentedExamples(t *testing.T) {
	h := newHouse(t, nil)
	_, v := h.call("POST", "authenticate", `{"username": "gate","password": "pw"}`)
	h.like("authenticate.json", v)
	_, v = h.call("POST", "authenticate", `{"username": "late","password": "pw"}`)
	h.like("authenticate-failed.json", v)
	if want := sample(t, "authenticate-failed.json"); fmt.Sprint(v["errorMessageHTML"], v["errorDetails"]) != fmt.Sprint(want["errorMessageHTML"], want["errorDetails"]) {
		t.Errorf("got %v", v)
	}
	h.signIn()
	_, v = h.call("GET", "filterOptions", "")
	h.like("filterOptions.json", v)
	_, v = h.call("GET", "cache/validTickets?clientId=284", "")
	h.like("validTickets.json", v)
	_, v = h.call("POST", "validateTicket", `{"barcodeString": "6nwmw29eo","clientId": 284,"productionId": 3622,"performanceId": 10302127}`)
	h.like("validateTicket.json", v)
	_, v = h.call("POST", "validateTicket", `{"barcodeString": "nobody","clientId": 284}`)
	h.like("validateTicket-failed.json", v)
	if want := sample(t, "validateTicket-failed.json"); fmt.Sprint(v["errorMessageHTML"], v["errorDetails"]) != fmt.Sprint(want["errorMessageHTML"], want["errorDetails"]) {
		t.Errorf("got %v", v)
	}
	_, v = h.call("GET", "validateToken", "")
	h.like("validateToken.json", v)
	now := time.Now().UnixMilli()
	code, v := h.call("POST", "cache/syncScans", fmt.Sprintf(`{"clientId": 284,"productionId": null,"performanceId": null,
		"tickets": [{"ticketId": 580768141,"performanceId": 10302127,"barcode": "aj00ymskl","scanTime": %d},{"ticketId": 77,"performanceId": 1,"barcode": "CDEFG123","scanTime": %d}]}`, now, now))
	if code != 200 {
		t.Errorf("syncScans: %d", code)
	}
	h.like("syncScans.json", v)
	code, v = h.call("DELETE", "invalidateToken", "")
	if code != 200 || v != nil {
		t.Errorf("invalidateToken: %d %v", code, v)
	}
	if _, v = h.call("GET", "validateToken", ""); id(v) != 6 {
		t.Errorf("after invalidateToken: %v", v)
	}
	scans := h.sim.Scans()
	if len(scans) != 2 || scans[0].Barcode != "6nwmw29eo" || scans[0].Synced || scans[1].Barcode != "aj00ymskl" || !scans[1].Synced || scans[1].At.UnixMilli() != now {
		t.Errorf("scans %+v", scans)
	}
}

// What the document does not allow is refused, each by its id.
func TestRefusals(t *testing.T) {
	h := newHouse(t, nil)
	want := func(n int, method, path, body string) {
		t.Helper()
		if _, v := h.call(method, path, body); id(v) != n {
			t.Errorf("%s %s: got %v, want id %d", path, body, v, n)
		}
	}
	want(2, "POST", "authenticate", `{"username":"gate","password":"no"}`)
	want(3, "POST", "authenticate", `{"username":"none","password":"pw"}`)
	want(15, "POST", "authenticate", `{"username":"gate"}`)
	want(15, "POST", "authenticate", `{"username":"gate","password":5}`)
	want(15, "POST", "authenticate", `nonsense`)
	want(1, "GET", "validateToken", "")
	for auth, n := range map[string]int{"Bearer x": 1, "Basic ???": 1, "Basic " + base64.StdEncoding.EncodeToString([]byte("nocolon")): 1, basic("gate", "made-up"): 6} {
		h.auth = auth
		want(n, "GET", "validateToken", "")
	}
	h.signIn()
	for body, n := range map[string]int{
		`{"clientId":284}`:                                                 15,
		`{"barcodeString":"void"}`:                                         15,
		`{"barcodeString":"void","clientId":"284"}`:                        15,
		`{"barcodeString":null,"clientId":284}`:                            15,
		`{"barcodeString":"void","clientId":284,"productionId":"x"}`:       15,
		`{"barcodeString":"void","clientId":999}`:                          7,
		`{"barcodeString":"one","clientId":284}`:                           8,
		`{"barcodeString":"void","clientId":284,"productionId":1}`:         9,
		`{"barcodeString":"void","clientId":284,"performanceId":10302128}`: 10,
		`{"barcodeString":"void","clientId":284}`:                          13,
	} {
		want(n, "POST", "validateTicket", body)
	}
	want(15, "GET", "cache/validTickets", "")
	want(15, "GET", "cache/validTickets?clientId=x", "")
	want(7, "GET", "cache/validTickets?clientId=999", "")
	want(15, "POST", "cache/syncScans", `{"clientId":284}`)
	want(15, "POST", "cache/syncScans", `{"clientId":284,"tickets":[{"ticketId":1,"performanceId":1,"barcodeString":"x","scanTime":1}]}`)
	for _, wrong := range [][2]string{{"GET", "authenticate"}, {"POST", "validateToken"}, {"GET", "invalidateToken"}, {"GET", "cache/syncScans"}} {
		if code, _ := h.call(wrong[0], wrong[1], ""); code != http.StatusMethodNotAllowed {
			t.Errorf("%v: %d", wrong, code)
		}
	}
	if code, _ := h.call("GET", "cache/other", ""); code != http.StatusNotFound {
		t.Errorf("unknown path: %d", code)
	}
}

// The reasons of failedBarcodes are the document's, word by word.
func TestSyncReasons(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := newHouse(t, func() time.Time { return now })
	h.signIn()
	for _, tt := range []struct {
		id, performance int64
		barcode         string
		at              time.Time
		want            string
	}{
		{77, 10302127, "aj00ymskl", now, "Ticket ID not found."},
		{580768141, 10302127, "other", now, "Ticket ID not found."},
		{9, 1, "one", now, "Ticket does not belong to client #284"},
		{580768141, 1, "aj00ymskl", now, "Ticket does not belong to performance #1"},
		{3, 10302127, "void", now, "Ticket is refunded or voided."},
		{580768141, 10302127, "aj00ymskl", now.Add(time.Millisecond), "Scan time is in the future."},
		{580768141, 10302127, "aj00ymskl", now.Add(-48*time.Hour - time.Millisecond), "Scan time is more than 48 hours ago. We cannot process scans that old."},
		{580768141, 10302127, "aj00ymskl", now.Add(-48 * time.Hour), ""},
		{580768141, 10302127, "aj00ymskl", now, ""},
	} {
		_, v := h.call("POST", "cache/syncScans", fmt.Sprintf(`{"clientId":284,"tickets":[{"ticketId":%d,"performanceId":%d,"barcode":%q,"scanTime":%d}]}`,
			tt.id, tt.performance, tt.barcode, tt.at.UnixMilli()))
		got := ""
		for _, f := range v["failedBarcodes"].([]any) {
			got = f.(map[string]any)["reason"].(string)
		}
		if got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
	if n := h.sim.Counts()["aj00ymskl"]; n != 2 {
		t.Errorf("recorded %d times, want 2", n)
	}
}

// A token lives for an hour after each call.
func TestTokenSlides(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := newHouse(t, func() time.Time { return now })
	h.signIn()
	for range 3 {
		now = now.Add(59 * time.Minute)
		if _, v := h.call("GET", "validateToken", ""); id(v) != 0 || int64(v["accessTokenExpiration"].(float64)) != now.Add(time.Hour).UnixMilli() {
			t.Errorf("got %v", v)
		}
	}
	now = now.Add(time.Hour)
	if _, v := h.call("GET", "validateToken", ""); id(v) != 5 {
		t.Errorf("got %v", v)
	}
}

// A performance can be scanned in its window alone.
func TestWindow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := newHouse(t, func() time.Time { return now })
	h.sim.AddClient(audienceviewsim.Client{ID: 284, Productions: []audienceviewsim.Production{{ID: 8, Performances: []audienceviewsim.Performance{
		{ID: 80, Opens: now.Add(time.Minute), Closes: now.Add(2 * time.Minute)},
	}}}})
	h.sim.AddTickets(audienceviewsim.Ticket{ID: 80, Performance: 80, Barcode: "window"})
	h.signIn()
	for _, want := range []int{0, 1, 1, 0} {
		_, v := h.call("GET", "cache/validTickets?clientId=284&performanceId=80", "")
		if got := len(v["tickets"].([]any)); got != want {
			t.Errorf("%v: %d tickets, want %d", now, got, want)
		}
		now = now.Add(time.Minute)
	}
}
