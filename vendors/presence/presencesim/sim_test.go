package presencesim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/vendors/presence/presencesim"
)

// desk talks to a simulator as a person with a manual does.
type desk struct {
	t   *testing.T
	sim *presencesim.Sim
	at  time.Time
}

func newDesk(t *testing.T, o presencesim.Options) *desk {
	d := &desk{t: t, at: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return d.at }
	d.sim = presencesim.New(o)
	d.sim.Demo(10)
	return d
}

// call gives the HTTP status, result.status and the message.
func (d *desk) call(method, path, body string) (int, string, map[string]any) {
	d.t.Helper()
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	r := httptest.NewRequest(method, presencesim.Base+path+sign+"apikey=demo", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return d.do(r)
}

func (d *desk) do(r *http.Request) (int, string, map[string]any) {
	d.t.Helper()
	rec := httptest.NewRecorder()
	d.sim.Handler().ServeHTTP(rec, r)
	var out struct {
		Result struct {
			Status string `json:"status"`
		} `json:"result"`
		Message map[string]any `json:"message"`
	}
	_ = json.Unmarshal(rec.Body.Bytes(), &out)
	return rec.Code, out.Result.Status, out.Message
}

const goodInit = `{"venueId":"KovZpZAFF17J","name":"n","mac":"00:11:22:33:44:55","ip":"192.0.2.7","gateName":"Gate 7","serial":"s","model":"m"}`

func (d *desk) configure() {
	d.t.Helper()
	if _, status, m := d.call("POST", "/device/init", goodInit); status != "OKAY" || m["id"] != 101.0 || m["gateId"] != 1.0 {
		d.t.Fatalf("configure: %s %v", status, m)
	}
}

func (d *desk) scanBody(token string) string {
	return fmt.Sprintf(`{"deviceOs":"Printed","gateName":"Gate 7","token":%q,"venueId":"KovZpZAFF17J","deviceId":101,"gateId":1,"scanTime":%d}`, token, d.at.UnixMilli())
}

// Whatever the tables do not allow is refused, and nothing of it is recorded.
func TestStrict(t *testing.T) {
	d := newDesk(t, presencesim.Options{})
	if _, status, _ := d.call("POST", "/ticket/enter", d.scanBody("721744537954")); status != "BAD_REQUEST" {
		t.Errorf("a device that is not configured: %s", status)
	}
	for _, field := range []string{"venueId", "name", "mac", "ip", "gateName", "serial", "model"} {
		for _, wrong := range []string{"null", `""`, "5"} {
			if _, status, _ := d.call("POST", "/device/init", changed(t, goodInit, field, wrong)); status != "BAD_REQUEST" {
				t.Errorf("init with %s %s: %s", field, wrong, status)
			}
		}
	}
	if _, status, _ := d.call("POST", "/device/init", changed(t, goodInit, "venueId", `"other"`)); status != "NOT_FOUND" {
		t.Errorf("another venue: %s", status)
	}
	if len(d.sim.Devices()) != 0 {
		t.Errorf("devices %+v", d.sim.Devices())
	}
	d.configure()
	good := d.scanBody("721744537954")
	for field, values := range map[string][]string{
		"deviceOs": {"null", `"Linux"`, "1"}, "gateName": {"null", `"Gate 8"`}, "token": {"null", `""`, "7"}, "venueId": {"null", `"other"`},
		"deviceId": {"null", `"101"`, "102"}, "gateId": {"null", `"1"`, "2"}, "channelId": {"null", `"AB"`, "1"},
		"scanTime": {"null", fmt.Sprint(d.at.Unix()), fmt.Sprint(d.at.UnixMicro()), `"now"`},
	} {
		for _, wrong := range values {
			if _, status, _ := d.call("POST", "/ticket/enter", changed(t, good, field, wrong)); status != "BAD_REQUEST" {
				t.Errorf("%s %s: %s", field, wrong, status)
			}
		}
	}
	for _, q := range []string{"", "?venue=KovZpZAFF17J", "?mac=00:11:22:33:44:55", "?venue=KovZpZAFF17J&mac=00:11:22:33:44:55&device=101"} {
		if _, status, _ := d.call("GET", "/device"+q, ""); status != "BAD_REQUEST" {
			t.Errorf("device%s: %s", q, status)
		}
	}
	for _, q := range []string{"venue=KovZpZAFF17J&mac=00:11:22:33:44:99", "venueId=other&mac=00:11:22:33:44:55"} {
		if _, status, _ := d.call("GET", "/device?"+q, ""); status != "NOT_FOUND" {
			t.Errorf("device?%s: %s", q, status)
		}
	}
	if _, status, m := d.call("GET", "/device?venueId=KovZpZAFF17J&device=101", ""); status != "OKAY" || m["gateName"] != "Gate 7" {
		t.Errorf("device: %s %v", status, m)
	}
	for _, key := range []string{"", "?apikey=other", "?apikey=demo&apikey=other"} {
		r := httptest.NewRequest("POST", presencesim.Base+"/ticket/enter"+key, strings.NewReader(good))
		if code, status, _ := d.do(r); code != http.StatusUnauthorized || status != "" {
			t.Errorf("%q: %d %s", key, code, status)
		}
	}
	for path, method := range map[string]string{"/device/init": "GET", "/device": "POST", "/ticket/enter": "GET", "/ticket/exit": "PUT"} {
		if code, _, _ := d.call(method, path, ""); code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, path, code)
		}
	}
	if code, _, _ := d.call("POST", "/ticket/validate", good); code != http.StatusNotFound {
		t.Errorf("the deprecated call: %d", code)
	}
	if len(d.sim.Entries()) != 0 {
		t.Errorf("entries %+v", d.sim.Entries())
	}
	if _, status, m := d.call("POST", "/ticket/enter", changed(t, good, "channelId", `"A"`)); status != "OKAY" || len(m["tickets"].([]any)) != 1 {
		t.Errorf("good: %s %v", status, m)
	}
}

// changed sets a field of a body.
func changed(t *testing.T, body, field, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	m[field] = json.RawMessage(value)
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A ticket is known while its event is active, and scanned once in 2 seconds.
func TestWindows(t *testing.T) {
	d := newDesk(t, presencesim.Options{})
	d.configure()
	d.sim.AddEvent(presencesim.Event{ID: "E", Opens: d.at.Add(time.Hour), Closes: d.at.Add(2 * time.Hour)})
	d.sim.AddTickets(presencesim.Ticket{Token: "window", Event: "E", Place: "A:1:1"})
	scan := func(want string) {
		t.Helper()
		if _, status, _ := d.call("POST", "/ticket/enter", d.scanBody("window")); status != want {
			t.Errorf("%s: %s, want %s", d.at.Format(time.TimeOnly), status, want)
		}
	}
	scan("NOT_FOUND")
	d.at = d.at.Add(time.Hour)
	scan("OKAY")
	d.at = d.at.Add(2 * time.Second)
	scan("DUPLICATE")
	d.at = d.at.Add(2*time.Second + time.Millisecond)
	scan("ALREADY_ENTERED")
	d.at = d.at.Add(time.Hour)
	scan("NOT_FOUND")
}

// An upload is taken whole or not at all, whatever its tickets are.
func TestUpload(t *testing.T) {
	d := newDesk(t, presencesim.Options{})
	d.configure()
	good, nobody := d.scanBody("721744537954"), d.scanBody("nobody")
	for _, bad := range []string{"", "{}", "[]", "[1]", "[" + good + `,{"token":"x"}]`} {
		if _, status, _ := d.call("POST", "/ticket/upload/enter", bad); status != "BAD_REQUEST" {
			t.Errorf("%q: %s", bad, status)
		}
	}
	for _, way := range []string{"enter", "exit"} {
		if _, status, _ := d.call("POST", "/ticket/upload/"+way, "["+good+","+nobody+"]"); status != "OKAY" {
			t.Errorf("%s: %s", way, status)
		}
	}
	in, out := d.sim.Counts()
	if len(d.sim.Entries()) != 4 || in["nobody"] != 1 || out["721744537954"] != 1 || !d.sim.Entries()[0].Uploaded || d.sim.Calls("ticket/upload") != 7 {
		t.Errorf("entries %+v", d.sim.Entries())
	}
	d.at = d.at.Add(time.Minute)
	if _, status, _ := d.call("POST", "/ticket/exit", d.scanBody("721744537954")); status != "EXIT_NOT_PERMITTED" {
		t.Errorf("after an uploaded exit: %s", status)
	}
}

// A story can be staged from outside, and nonsense is refused.
func TestControl(t *testing.T) {
	d := newDesk(t, presencesim.Options{})
	control := d.sim.Control()
	do := func(method, path, body string) (int, string) {
		rec := httptest.NewRecorder()
		control.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
		raw, _ := io.ReadAll(rec.Body)
		return rec.Code, string(raw)
	}
	for _, bad := range []string{"/generate", "/clock?offset=x", "/fail?times=1", "/fail?times=x&status=A", "/http?status=9", "/gate?name=x", "/gate?kind=internal"} {
		if code, _ := do("POST", bad, ""); code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, code)
		}
	}
	if code, _ := do("POST", "/tickets", `[{"place":"A"}]`); code != http.StatusBadRequest {
		t.Errorf("a ticket without a token: %d", code)
	}
	for path, body := range map[string]string{
		"/generate?count=3": "", "/clock?offset=-1h": "", "/http?status=403": "", "/gate?name=Bar&kind=internal": "", "/tickets": `[{"token":"t1","status":"TRANSFER"}]`,
	} {
		if code, text := do("POST", path, body); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	d.configure()
	if code, status, _ := d.call("POST", "/ticket/enter", d.scanBody("t1")); code != 403 || status != "TRANSFER" {
		t.Errorf("%d %s", code, status)
	}
	if code, _ := do("POST", "/fail?call=ticket/enter&status=GENERAL_ERROR&times=1&http=200", ""); code != http.StatusNoContent {
		t.Errorf("fail: %d", code)
	}
	for _, want := range []string{"GENERAL_ERROR", "OKAY"} {
		if _, status, _ := d.call("POST", "/ticket/enter", d.scanBody("721744537954")); status != want {
			t.Errorf("got %s, want %s", status, want)
		}
	}
	if _, text := do("GET", "/scans", ""); !strings.Contains(text, `"token":"721744537954"`) {
		t.Errorf("scans %s", text)
	}
	if code, _ := do("POST", "/forget", ""); code != http.StatusNoContent || len(d.sim.Devices()) != 0 {
		t.Errorf("forget: %d, %+v", code, d.sim.Devices())
	}
	if code, _ := do("POST", "/key?key=new", ""); code != http.StatusNoContent {
		t.Errorf("key: %d", code)
	}
	if code, _, _ := d.call("POST", "/device/init", goodInit); code != http.StatusUnauthorized {
		t.Errorf("the old key: %d", code)
	}
}
