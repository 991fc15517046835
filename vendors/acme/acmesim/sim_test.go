package acmesim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/vendors/acme/acmesim"
)

// desk talks to a simulator as a person with a manual does.
type desk struct {
	t   *testing.T
	sim *acmesim.Sim
	at  time.Time
}

func newDesk(t *testing.T, o acmesim.Options) *desk {
	d := &desk{t: t, at: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return d.at }
	d.sim = acmesim.New(o)
	d.sim.Demo(10)
	return d
}

func (d *desk) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("x-acme-api-key", acmesim.DemoKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if strings.Contains(path, "/b2c/") {
		r.Header.Set("x-b2c-tenant-id", acmesim.DemoTenant)
	}
	return r
}

// do gives the HTTP status and the answer.
func (d *desk) do(r *http.Request) (int, any) {
	d.t.Helper()
	rec := httptest.NewRecorder()
	d.sim.Handler().ServeHTTP(rec, r)
	var out any
	_ = json.Unmarshal(rec.Body.Bytes(), &out)
	return rec.Code, out
}

const (
	checkIn = "/v2/willcall/checkinticketsexternal"
	undo    = "/v2/willcall/undocheckintickets"
)

// scan gives the check-in status; -1: another answer.
func (d *desk) scan(code, event string) int {
	d.t.Helper()
	body := `{"membershipBarcode":"` + code + `","eventInstance":"` + event + `","terminalId":7,"validate":true}`
	_, out := d.do(d.request("POST", checkIn, body))
	m, _ := out.(map[string]any)
	if n, ok := m["checkInStatus"].(float64); ok {
		return int(n)
	}
	return -1
}

// Whatever the documents want and is missing or wrong is refused, and nothing of it is
// recorded.
func TestStrict(t *testing.T) {
	d := newDesk(t, acmesim.Options{Terminals: []string{"7", "A"}})
	for body, want := range map[string]int{
		"": 415, "{}": 400, "[]": 400, `{"membershipBarcode":"721744537954","terminalId":7}`: 400,
		`{"membershipBarcode":"721744537954","validate":true}`: 400, `{"terminalId":7,"validate":true}`: 400,
		`{"membershipBarcode":"721744537954","terminalId":8,"validate":true}`:                        400,
		`{"membershipBarcode":"721744537954","terminalId":7,"validate":"yes"}`:                       400,
		`{"membershipBarcode":721744537954,"terminalId":7,"validate":true}`:                          400,
		`{"membershipBarcode":"721744537954","terminalId":7,"validate":true,"barcode":"x"}`:          400,
		`{"membershipBarcode":"721744537954","terminalId":7,"validate":true,"eventInstance":"none"}`: 404,
	} {
		if code, _ := d.do(d.request("POST", checkIn, body)); code != want {
			t.Errorf("%s: %d, want %d", body, code, want)
		}
	}
	for path, bodies := range map[string][]string{
		"/v2/b2b/willcall/checkinexternal": {`{}`, `{"ticketUUID":""}`, `{"ticketUUIDs":["1"]}`},
		"/v2/b2b/willcall/checkintickets":  {`{}`, `{"ticketUUIDs":[]}`, `{"ticketUUIDs":[""]}`, `{"ticketUUID":"1"}`},
		undo:                               {`{}`, `{"ticketUUIDs":["1"]}`, `{"terminalId":7}`, `{"terminalId":8,"ticketUUIDs":["1"]}`},
	} {
		for _, body := range bodies {
			if code, _ := d.do(d.request("POST", path, body)); code != http.StatusBadRequest {
				t.Errorf("%s %s: %d", path, body, code)
			}
		}
	}
	const templates = "/v2/b2c/event/templates"
	for _, path := range []string{
		templates + "?endTime=2026-11-21T19:00:00Z", templates + "?startTime=today", templates + "?type=some", templates + "?saleChannel=online",
		templates + "/slim?comboTemplateId=1", templates + "/" + acmesim.DemoTemplate + "?startTime=2026-11-21T19:00:00Z", templates + "/times?saleChannel=reseller",
		templates + "/calendar?page=1", "/v2/b2b/event/instances/" + acmesim.DemoEvent + "?type=all",
	} {
		if code, _ := d.do(d.request("GET", path, "")); code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, code)
		}
	}
	for path, headers := range map[string]map[string]string{
		templates: {"x-b2c-tenant-id": "other"}, templates + "/slim": {"x-b2c-tenant-id": ""}, "/v2/b2b/event/instances": {"x-acme-api-key": "other"}, templates + "/times": {"x-acme-api-key": ""},
	} {
		r := d.request("GET", path, "")
		want := http.StatusBadRequest
		for name, value := range headers {
			if r.Header.Set(name, value); name == "x-acme-api-key" {
				want = http.StatusUnauthorized
			}
		}
		if code, _ := d.do(r); code != want {
			t.Errorf("%s with %v: %d, want %d", path, headers, code, want)
		}
	}
	for path, want := range map[string]int{"/v2/b2c/events/none": 404, templates + "/none": 404, "/v2/b2b/event/instances/none": 404, "/v1/b2c/event/templates": 404, "/v2/b2c/events/none/nextAvailable": 404} {
		if code, _ := d.do(d.request("GET", path, "")); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if code, _ := d.do(d.request("GET", checkIn, "")); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
	if len(d.sim.Entries()) != 0 {
		t.Errorf("entries %+v", d.sim.Entries())
	}
	if code, out := d.do(d.request("POST", checkIn, `{"membershipBarcode":"721744537954","terminalId":"A","validate":true}`)); code != 200 || out.(map[string]any)["checkInStatus"] != 555.0 {
		t.Errorf("good: %d %v", code, out)
	}
}

// A ticket enters once, in its window by the simulator's clock, until that is undone.
func TestWindowsAndUndo(t *testing.T) {
	d := newDesk(t, acmesim.Options{})
	is := func(code, event string, want int) {
		t.Helper()
		if got := d.scan(code, event); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	is("nobody", "", 70)
	is("721744537956", "", 30)
	is("721744537956", acmesim.DemoEvent, 60)
	d.sim.SetClock(-90*time.Minute - time.Second)
	is("721744537954", "", 30)
	d.sim.SetClock(-90 * time.Minute)
	is("721744537954", "", 555)
	is("721744537954", "", 20)
	d.sim.SetClock(180 * time.Minute)
	is("721744537955", "", 555)
	d.sim.SetClock(180*time.Minute + time.Second)
	is("830000000003", "", 40)
	is("830000000010", "", 70)
	code, out := d.do(d.request("POST", undo, `{"terminalId":7,"ticketUUIDs":["721744537954","nobody"]}`))
	if all, _ := out.([]any); code != 200 || len(all) != 1 || all[0].(map[string]any)["checkInDate"] != nil {
		t.Errorf("undo: %d %v", code, out)
	}
	d.sim.SetClock(0)
	is("721744537954", "", 555)
	if e := d.sim.Entries(); len(e) != 3 || !e[0].Undone || e[2].Undone || d.sim.Entered("721744537954") != 2 || d.sim.Calls(acmesim.Undo) != 1 {
		t.Errorf("entries %+v", e)
	}
}

// A story can be staged from outside, and nonsense is refused.
func TestControl(t *testing.T) {
	d := newDesk(t, acmesim.Options{})
	control := d.sim.Control()
	do := func(method, path, body string) (int, string) {
		rec := httptest.NewRecorder()
		control.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
		return rec.Code, rec.Body.String()
	}
	for _, bad := range []string{"/generate", "/clock?offset=x", "/fail?times=1", "/fail?times=1&http=200", "/fail?times=x&http=500", "/status?times=1&status=x", "/status?status=1"} {
		if code, _ := do("POST", bad, ""); code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, code)
		}
	}
	for path, body := range map[string]string{"/tickets": `[{"event":"x"}]`, "/events": `[{"id":"x"}]`} {
		for _, b := range []string{body, "x"} {
			if code, _ := do("POST", path, b); code != http.StatusBadRequest {
				t.Errorf("%s %s: %d", path, b, code)
			}
		}
	}
	for path, body := range map[string]string{
		"/generate?count=3": "", "/clock?offset=-1h": "", "/tickets": `[{"code":"t1","event":"e1"}]`, "/events": `[{"id":"e1","start":"2026-11-21T18:00:00Z"}]`,
		"/fail?call=checkin&http=503&times=1": "",
	} {
		if code, text := do("POST", path, body); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if got := d.scan("t1", ""); got != -1 || len(d.sim.Entries()) != 0 {
		t.Errorf("by a fault: %d", got)
	}
	if code, _ := do("POST", "/status?status=7&times=2", ""); code != http.StatusNoContent {
		t.Errorf("status: %d", code)
	}
	if got := d.scan("t1", ""); got != 7 || len(d.sim.Entries()) != 0 {
		t.Errorf("by order: %d", got)
	}
	if code, _ := do("POST", "/status?times=0", ""); code != http.StatusNoContent {
		t.Errorf("no more: %d", code)
	}
	if got := d.scan("t1", ""); got != 555 {
		t.Errorf("afterwards: %d", got)
	}
	if _, text := do("GET", "/scans", ""); !strings.Contains(text, `"code":"t1"`) {
		t.Errorf("scans %s", text)
	}
	if code, _ := do("POST", "/key?key=new", ""); code != http.StatusNoContent || d.scan("t1", "") != -1 {
		t.Errorf("key: %d", code)
	}
}
