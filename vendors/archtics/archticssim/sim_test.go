package archticssim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/vendors/archtics/archticssim"
)

// desk talks to a simulator as a person with a manual does.
type desk struct {
	t   *testing.T
	sim *archticssim.Sim
	at  time.Time
}

func newDesk(t *testing.T, o archticssim.Options) *desk {
	d := &desk{t: t, at: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return d.at }
	d.sim = archticssim.New(o)
	d.sim.Demo(10)
	return d
}

const (
	path   = "/" + archticssim.Product + "/ticketing_services.aspx?dsn=apigee"
	head   = `"header":{"ver":1,"src_sys_type":2,"src_sys_name":"testing","archtics_version":"V999"}`
	verify = `"cmd":"verify_barcode","uid":"user99","dsn":"apigee","barcode":"721744537954"`
)

func request(method, path, command string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(`{`+head+`,"command1":{`+command+`}}`))
	r.Header.Set("apikey", "demo")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// do gives the HTTP status, command1 and the cookies that were set.
func (d *desk) do(r *http.Request) (int, map[string]any, []*http.Cookie) {
	d.t.Helper()
	rec := httptest.NewRecorder()
	d.sim.ServeHTTP(rec, r)
	var out struct {
		Command map[string]any `json:"command1"`
	}
	_ = json.Unmarshal(rec.Body.Bytes(), &out)
	return rec.Code, out.Command, rec.Result().Cookies()
}

// ask gives the result of a command.
func (d *desk) ask(command string) (float64, map[string]any) {
	d.t.Helper()
	code, command1, _ := d.do(request("POST", path, command))
	if code != http.StatusOK {
		d.t.Fatalf("HTTP %d", code)
	}
	result, ok := command1["result"].(float64)
	if !ok {
		d.t.Fatalf("%v", command1)
	}
	return result, command1
}

// Whatever the document does not allow is refused, and looked at no further.
func TestStrict(t *testing.T) {
	d := newDesk(t, archticssim.Options{})
	for want, r := range map[int]*http.Request{
		405: request("GET", path, verify), 404: request("POST", "/sth-buy/ticketing_services.aspx?dsn=apigee", verify),
	} {
		if code, _, _ := d.do(r); code != want {
			t.Errorf("%s %s: %d, want %d", r.Method, r.URL, code, want)
		}
	}
	for _, p := range []string{"/sth-customer/ticketing_services.aspx", "/sth-customer/ticketing_services.aspx?dsn=other"} {
		if code, _, _ := d.do(request("POST", p, verify)); code != 404 {
			t.Errorf("%s: %d", p, code)
		}
	}
	for _, keys := range [][]string{{}, {"other"}, {"demo", "demo"}} {
		r := request("POST", path+"&apikey=demo", verify)
		r.Header["Apikey"] = keys
		if code, _, _ := d.do(r); code != http.StatusUnauthorized {
			t.Errorf("keys %q: %d", keys, code)
		}
	}
	r := request("POST", path, verify)
	r.Header.Set("Content-Type", "text/plain")
	if code, _, _ := d.do(r); code != http.StatusBadRequest {
		t.Errorf("text: %d", code)
	}
	for _, body := range []string{"", "{", `{"command1":{` + verify + `}}`, `{"header":{"ver":1},"command1":{` + verify + `}}`, `{` + head + `}`} {
		r := request("POST", path, "")
		r.Body = http.NoBody
		if body != "" {
			r = httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header = request("POST", path, "").Header
		}
		if _, c, _ := d.do(r); c["result"] != 5011.0 {
			t.Errorf("%s: %v", body, c)
		}
	}
	for command, want := range map[string]float64{
		strings.Replace(verify, "verify_barcode", "customer_query", 1): 9999, strings.Replace(verify, `"apigee"`, `"other"`, 1): 5014,
		strings.Replace(verify, "user99", "user1", 1): 5014, strings.Replace(verify, `"uid":"user99",`, "", 1): 5014,
		verify + `,"ref":"` + strings.Repeat("x", 33) + `"`:    5014,
		`"cmd":"verify_barcode","uid":"user99","dsn":"apigee"`: 5011, `"cmd":"seats_sold","uid":"user99","dsn":"apigee"`: 5061,
		`"cmd":"get_attendance","uid":"user99","dsn":"apigee","page":"0"`:                                     5011,
		`"cmd":"get_attendance","uid":"user99","dsn":"apigee","page":"x","event_name":"E"`:                    5014,
		`"cmd":"get_attendance_incremental","uid":"user99","dsn":"apigee","page":"0"`:                         5011,
		`"cmd":"event_search","uid":"user99","dsn":"apigee","start_date":"tomorrow"`:                          5211,
		`"cmd":"event_details","uid":"user99","dsn":"apigee","event_filter":"A, B","event_filter_type":"L"`:   5211,
		`"cmd":"event_details","uid":"user99","dsn":"apigee","event_filter":"EVENT01"`:                        5211,
		`"cmd":"event_details","uid":"user99","dsn":"apigee","event_filter":"NONE","event_filter_type":"L"`:   5231,
		`"cmd":"event_search","uid":"user99","dsn":"apigee","start_date":"2020-01-01","end_date":"2020-1-02"`: 5211,
	} {
		if result, _ := d.ask(command); result != want {
			t.Errorf("%s: %v, want %v", command, result, want)
		}
	}
	if n := d.sim.Lookups("721744537954"); n != 0 {
		t.Errorf("looked up %d times", n)
	}
	if result, c := d.ask(verify + `,"ref":"r1"`); result != 0 || c["ref"] != "r1" || c["event_name"] != "EVENT01" || c["seat_num"] != 7.0 {
		t.Errorf("%v %v", result, c)
	}
}

// A call at work wants the same body and all cookies, the newest QTKN among them.
func TestPolling(t *testing.T) {
	d := newDesk(t, archticssim.Options{})
	d.sim.SetDelay("verify_barcode", time.Second)
	begin := func() []*http.Cookie {
		code, _, cookies := d.do(request("POST", path, verify))
		if code != http.StatusAccepted || len(cookies) != 3 {
			t.Fatalf("HTTP %d, cookies %v", code, cookies)
		}
		return cookies
	}
	again := func(command string, cookies ...*http.Cookie) (int, map[string]any, []*http.Cookie) {
		r := request("POST", path, command)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		return d.do(r)
	}
	for name, spoil := range map[string]func(all []*http.Cookie) (string, []*http.Cookie){
		"another body": func(all []*http.Cookie) (string, []*http.Cookie) { return verify + " ", all },
		"one missing":  func(all []*http.Cookie) (string, []*http.Cookie) { return verify, all[:2] },
		"another":      func(all []*http.Cookie) (string, []*http.Cookie) { all[1].Value += "x"; return verify, all },
	} {
		command, cookies := spoil(begin())
		if _, c, _ := again(command, cookies...); !strings.HasPrefix(fmt.Sprint(c["error_detail"]), "No data for token '{s") {
			t.Errorf("%s: %v", name, c)
		}
	}
	first := begin()
	code, _, second := again(verify, first...)
	if code != http.StatusAccepted || fmt.Sprint(first) == fmt.Sprint(second) {
		t.Errorf("HTTP %d, %v", code, second)
	}
	if _, c, _ := again(verify, first...); c["result"] == 0.0 {
		t.Error("an old QTKN was taken")
	}
	d.at = d.at.Add(time.Second)
	if code, c, _ := again(verify, second...); code != http.StatusOK || c["result"] != 0.0 {
		t.Errorf("HTTP %d, %v", code, c)
	}
	if code, c, _ := again(verify, second...); code != http.StatusOK || c["result"] == 0.0 {
		t.Errorf("it is told twice: %v", c)
	}
}

// Every request counts, over the last minute and the last day.
func TestQuota(t *testing.T) {
	d := newDesk(t, archticssim.Options{PerMinute: 3, PerDay: 5})
	get := func(want int) {
		t.Helper()
		if code, _, _ := d.do(request("POST", path, verify)); code != want {
			t.Errorf("HTTP %d, want %d", code, want)
		}
	}
	for range 3 {
		get(200)
	}
	get(429)
	d.at = d.at.Add(time.Minute)
	get(200)
	get(429) // five today
	d.at = d.at.Add(24 * time.Hour)
	get(200)
}

// The demonstration, the attendance's pages, and what a script can stage.
func TestStory(t *testing.T) {
	d := newDesk(t, archticssim.Options{PageSize: 2})
	control := func(method, path, body string) (int, string) {
		rec := httptest.NewRecorder()
		d.sim.Control().ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
		return rec.Code, rec.Body.String()
	}
	for path, body := range map[string]string{
		"/tickets": `[{"barcode":"7218","event_name":"EVENT01","section_name":"1","row_name":"A","seat_num":1}]`, "/generate?count=3": "",
		"/attendance":             `[{"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":7,"gate":"North"},{"event_name":"EVENT01","seat_num":8},{"event_name":"E2","seat_num":9}]`,
		"/delay?call=ping&for=1s": "", "/result?call=system_options&result=7&words=no&times=1": "", "/answer?call=seats_sold": `{"x":1}`, "/quota?minute=90&day=900": "",
		"/clock?offset=1h": "", "/key?key=demo": "",
	} {
		if code, text := control("POST", path, body); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", path, code, text)
		}
		if bad, _, _ := strings.Cut(path, "?"); bad != "/key" && bad != "/answer" {
			if code, _ := control("POST", bad, "{"); code != http.StatusBadRequest {
				t.Errorf("%s without what it wants: %d", bad, code)
			}
		}
	}
	const who = `,"uid":"user99","dsn":"apigee"`
	if code, _, _ := d.do(request("POST", path, `"cmd":"ping"`+who)); code != http.StatusAccepted {
		t.Errorf("delay: HTTP %d", code)
	}
	if result, _ := d.ask(`"cmd":"system_options"` + who); result != 7 {
		t.Errorf("result %v", result)
	}
	if result, c := d.ask(`"cmd":"verify_barcode","barcode":"840000000002"` + who); result != 0 || c["seat_num"] != 3.0 {
		t.Errorf("generated: %v", c)
	}
	if result, _ := d.ask(`"cmd":"verify_barcode","barcode":"840000000003"` + who); result != 5024 {
		t.Errorf("one too many: %v", result)
	}
	page := func(n string, want int) {
		t.Helper()
		_, c := d.ask(`"cmd":"get_attendance","event_name":"EVENT01","page":"` + n + `"` + who)
		if rows, _ := c["attendance"].([]any); len(rows) != want {
			t.Errorf("page %s: %v", n, c)
		}
	}
	page("0", 2)
	page("1", 0)
	if _, c := d.ask(`"cmd":"get_attendance_incremental","page":"0","` + archticssim.SinceField + `":"2026-11-21 18:30"` + who); len(c["attendance"].([]any)) != 2 {
		t.Errorf("incremental: %v", c)
	}
	if _, c := d.ask(`"cmd":"get_attendance_incremental","page":"0","` + archticssim.SinceField + `":"2026-11-21 21:30"` + who); c["sql_code"] != 100.0 {
		t.Errorf("incremental: %v", c)
	}
	if _, text := control("GET", "/requests", ""); !strings.Contains(text, `"840000000002":1`) {
		t.Errorf("%s", text)
	}
}
