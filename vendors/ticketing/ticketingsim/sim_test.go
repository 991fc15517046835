package ticketingsim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/vendors/ticketing/ticketingsim"
)

// desk asks a simulator as a client does.
type desk struct {
	sim  *ticketingsim.Sim
	base string
}

func newDesk(t *testing.T, o ticketingsim.Options) *desk {
	t.Helper()
	d := &desk{sim: ticketingsim.New(o)}
	d.sim.Demo(0)
	server := httptest.NewServer(d.sim)
	t.Cleanup(server.Close)
	d.base = server.URL + ticketingsim.Base
	return d
}

// ask makes a call; headers are "Name: value" and replace the usual ones, an empty
// value takes one away.
func (d *desk) ask(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append([]string{"X-API-Key: " + ticketingsim.DemoKey, "X-Client-Version: 3.0.0", "Content-Type: application/json"}, headers...) {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/json" || resp.Header.Get("Date") == "" {
		t.Errorf("%s %s: headers %v", method, path, resp.Header)
	}
	return resp.StatusCode, string(text)
}

// key exchanges a token.
func (d *desk) key(t *testing.T, code string) string {
	t.Helper()
	status, body := d.ask(t, "GET", "/tokens/"+code, "")
	var reply struct{ Key string }
	if err := json.Unmarshal([]byte(body), &reply); err != nil || status != 200 || reply.Key == "" {
		t.Fatalf("%d %s", status, body)
	}
	return "X-API-Key: " + reply.Key
}

const (
	event    = "/events/" + ticketingsim.DemoEvent
	restrict = `{"message":"You are restricted from accessing this resource."}`
	resource = `{"error":"There is presently no resource with the given URI."}`
	upgrade  = `{"error":"Please upgrade your client to complete this request"}`
)

// The document's words, for each way in which it refuses.
func TestWhatIsRefused(t *testing.T) {
	d := newDesk(t, ticketingsim.Options{})
	front := d.key(t, ticketingsim.DemoFront)
	const admit = `{"redeemer":"Billy","device":"x","serials":["DAWIER-FRNT75580348"]}`
	for _, tt := range []struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		{"GET", event, "", []string{"X-API-Key: "}, 401, `{"message":"Your request could not be authenticated."}`},
		{"GET", event, "", []string{"X-API-Key: wrong"}, 403, restrict},
		{"GET", event, "", []string{"X-Client-Version: "}, 412, upgrade},
		{"GET", event, "", []string{"X-Client-Version: 2.9.9"}, 412, upgrade},
		{"GET", event, "", []string{"X-Client-Version: latest"}, 412, upgrade},
		{"GET", event, "", []string{"X-Client-Version: 3.1.3"}, 200, ""},
		{"GET", "/invalid/endpoint", "", nil, 404, `{"message":"The requested endpoint /invalid/endpoint does not exist on this server."}`},
		{"PATCH", event, "", nil, 404, ""},
		{"GET", "/events/0000000", "", nil, 404, resource},
		{"GET", "/tokens/INVALID1", "", nil, 404, `{"error":"The provided code does not belong to any event token"}`},
		{"GET", "/tokens/" + ticketingsim.DemoFront, "", []string{front}, 403, restrict},
		{"GET", event + "/tokens", "", []string{front}, 403, restrict},
		{"GET", event + "/tokens/1", "", nil, 404, resource},
		{"GET", event + "/tokens?global=perhaps", "", nil, 400, ""},
		{"POST", event + "/tokens", `{}`, nil, 400, `{"error":"The following arguments are required, but have not been supplied: sections."}`},
		{"POST", event + "/tokens", `{"sections":["/sections/1"]}`, nil, 400, ""},
		{"POST", event + "/admissions", admit, nil, 403, restrict},
		{"POST", event + "/admissions", `{"redeemer":""}`, []string{front}, 400, `{"error":"The following arguments are required, but have not been supplied: redeemer, device, serials."}`},
		{"POST", event + "/admissions", `{"redeemer":"a","device":"b","serials":"c"}`, []string{front}, 400, `{"error":"The argument serials is invalid."}`},
		{"POST", event + "/admissions", `{"redeemer":"a"`, []string{front}, 400, ""},
		{"POST", event + "/admissions", admit, []string{front, "Content-Type: text/plain"}, 400, ""},
		{"POST", event + "/admissions", strings.Replace(admit, "FRNT75580348", "NOBO00000000", 1), []string{front}, 400,
			`{"error":"None of the provided ticket serials grants admission to this event"}`},
		{"POST", event + "/admissions", strings.Replace(admit, "FRNT75580348", "BACK75580352", 1), []string{front}, 400,
			`{"error":"None of the provided ticket serials grants admission to this event"}`},
		{"POST", event + "/admissions", strings.Replace(admit, "FRNT75580348", "FRNT75580351", 1), []string{front}, 400,
			`{"error":"None of the provided ticket serials grants admission to this event"}`},
		{"GET", event + "/tickets?records=0", "", []string{front}, 400, ""},
		{"GET", event + "/tickets?page=-1", "", []string{front}, 400, ""},
		{"GET", event + "/tickets?modified_since=yesterday", "", []string{front}, 400, ""},
		{"GET", event + "/tickets?page=99", "", []string{front}, 404, resource},
		{"POST", "/sessions", `{"identification":"gate7"}`, nil, 400, `{"error":"The following arguments are required, but have not been supplied: password."}`},
		{"POST", "/sessions", `{"identification":"gate7","password":"no"}`, nil, 401, `{"error":"A session cannot be started with the given password."}`},
		{"POST", "/sessions", `{"identification":"nobody","password":"demo"}`, nil, 404, `{"error":"The requested account could not be located"}`},
		{"POST", "/sessions", `{"identification":"gate7","password":"demo"}`, []string{"X-API-Key: wrong"}, 403, restrict},
		{"GET", "/sessions/active", "", nil, 401, ""},
		{"GET", "/sessions/active", "", []string{"X-API-Key: wrong"}, 401, ""},
		{"DELETE", "/sessions/active", "", []string{"X-API-Key: wrong"}, 401, ""},
	} {
		status, body := d.ask(t, tt.method, tt.path, tt.body, tt.headers...)
		if status != tt.status || tt.want != "" && body != tt.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
	}
	if n := d.sim.Count(); n != 0 {
		t.Errorf("%d admissions", n)
	}
}

// A call admits those that it may, and names them; each ticket enters once.
func TestAdmissions(t *testing.T) {
	d := newDesk(t, ticketingsim.Options{})
	front := d.key(t, ticketingsim.DemoFront)
	const body = `{"redeemer":"Billy","device":"x","serials":["DAWIER-FRNT75580348","DAWIER-BACK75580352","DAWIER-NOBO00000000","DAWIER-FRNT75580348","DAWIER-FRNT75580349"]}`
	status, text := d.ask(t, "POST", event+"/admissions", body, front)
	var made []struct {
		Self, Redeemer, Device, Ticket, Admitted string
		Patron                                   struct{ Username, FirstName string }
		Section                                  struct{ Self string }
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 || len(made) != 2 {
		t.Fatalf("%d %s", status, text)
	}
	if made[0].Ticket != "DAWIER-FRNT75580348" || made[0].Patron.FirstName != "Marvin" || made[0].Section.Self != event+"/sections/"+ticketingsim.SectionFront {
		t.Errorf("%+v", made[0])
	}
	if at, err := time.Parse(time.RFC3339, made[0].Admitted); err != nil || time.Since(at).Abs() > time.Minute || !strings.HasSuffix(made[0].Admitted, "+00:00") {
		t.Errorf("admitted %s", made[0].Admitted)
	}
	if status, _ = d.ask(t, "POST", event+"/admissions", body, front); status != 400 || d.sim.Admitted("DAWIER-FRNT75580348") != 1 {
		t.Errorf("again: %d", status)
	}
	for query, want := range map[string]int{
		"": 2, "?redeemer=Billy": 2, "?redeemer=Annie": 0, "?device=x&ticket=DAWIER-FRNT75580349": 1, "?section=" + ticketingsim.SectionBack: 0,
		"?section=" + event + "/sections/" + ticketingsim.SectionFront: 2, "?patron=" + made[0].Patron.Username: 1, "?records=1": 2,
	} {
		_, text := d.ask(t, "GET", event+"/admissions"+query, "", front)
		var list struct{ Total, Page, Records int }
		if err := json.Unmarshal([]byte(text), &list); err != nil || list.Total != want || list.Page != 1 {
			t.Errorf("%s: %s", query, text)
		}
	}
}

// The two ways in which sections are written, which a client must bring together.
func TestHowSectionsAreWritten(t *testing.T) {
	d := newDesk(t, ticketingsim.Options{})
	_, text := d.ask(t, "GET", event, "")
	var shown struct{ Sections []struct{ Self string } }
	if err := json.Unmarshal([]byte(text), &shown); err != nil || shown.Sections[0].Self != "/sections/"+ticketingsim.SectionFront {
		t.Errorf("event: %s", text)
	}
	_, text = d.ask(t, "GET", "/tokens/"+ticketingsim.DemoGlobal, "")
	var token struct {
		Event    string
		Sections []string
	}
	want := []string{event + "/sections/" + ticketingsim.SectionFront, event + "/sections/" + ticketingsim.SectionBack}
	if err := json.Unmarshal([]byte(text), &token); err != nil || token.Event != event {
		t.Errorf("token: %s", text)
	}
	if diff := cmp.Diff(want, token.Sections); diff != "" {
		t.Error(diff)
	}
}

// Whoever stages a story does it through the control, and is told what he got wrong.
func TestControl(t *testing.T) {
	sim := ticketingsim.New(ticketingsim.Options{})
	sim.Demo(3)
	server := httptest.NewServer(sim.Control())
	defer server.Close()
	post := func(path, body string, want int) {
		t.Helper()
		resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	get := func(path string, into any) {
		t.Helper()
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	serial := ticketingsim.GeneratedSerial(1)
	post("/status?serial="+serial+"&status=Refunded", "", 204)
	post("/admit?serial="+ticketingsim.GeneratedSerial(0)+"&redeemer=Hughie&device=d", "", 204)
	post("/admit?serial="+serial+"&redeemer=Hughie&device=d", "", 400)
	post("/remove?serial="+ticketingsim.GeneratedSerial(2), "", 204)
	post("/tickets", `[{"serial":"DAWIER-SOLD00000001","section":"`+ticketingsim.SectionBack+`"}]`, 204)
	post("/tickets", `[{"serial":"x"}]`, 400)
	post("/tickets", `{}`, 400)
	post("/generate?count=2", "", 204)
	post("/generate?count=-2", "", 400)
	post("/touch?count=1&from=3&status=Cancelled", "", 204)
	post("/touch?count=1", "", 400)
	post("/token?code=BACK0001&sections="+ticketingsim.SectionBack, "", 204)
	post("/token?code=BACK0001&sections="+ticketingsim.SectionFront, "", 204)
	post("/token?code=short", "", 400)
	post("/invalidate?code="+ticketingsim.DemoFront, "", 204)
	post("/clock?offset=2h", "", 204)
	post("/clock?offset=later", "", 400)
	post("/version?least=3.1.0", "", 204)
	post("/version?least=new", "", 400)
	post("/fail?call=admit&status=500&times=1", "", 204)
	post("/fail?call=admit&status=200&times=1", "", 400)
	post("/key?key=K", "", 204)
	post("/expire", "", 204)
	var scans []ticketingsim.Admission
	get("/scans", &scans)
	if len(scans) != 1 || scans[0].Redeemer != "Hughie" || scans[0].Ticket != ticketingsim.GeneratedSerial(0) {
		t.Errorf("scans %+v", scans)
	}
	var tokens []ticketingsim.Token
	get("/tokens", &tokens)
	if len(tokens) != 2 || tokens[1].Code != "BACK0001" || tokens[1].Sections[0] != ticketingsim.SectionFront {
		t.Errorf("tokens %+v", tokens)
	}
	for serial, want := range map[string]string{
		serial: "Refunded", ticketingsim.GeneratedSerial(0): "Redeemed", ticketingsim.GeneratedSerial(2): "", ticketingsim.GeneratedSerial(3): "Cancelled",
		ticketingsim.GeneratedSerial(4): "Issued", "DAWIER-SOLD00000001": "Issued",
	} {
		var one *ticketingsim.Ticket
		get("/ticket?serial="+serial, &one)
		if have := one; have == nil != (want == "") || have != nil && have.Status != want {
			t.Errorf("%s: %+v, want %q", serial, one, want)
		}
	}
}

// The list is what it is asked for, page by page, whatever changes.
func TestLists(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	d := newDesk(t, ticketingsim.Options{Now: func() time.Time { return now }})
	d.sim.Generate(10)
	front := d.key(t, ticketingsim.DemoFront)
	serials := func(query string, headers ...string) []string {
		t.Helper()
		var all []string
		for page := 1; ; page++ {
			status, text := d.ask(t, "GET", fmt.Sprintf("%s/tickets?records=3&page=%d%s", event, page, query), "", headers...)
			if status == 404 {
				return all
			}
			var list struct {
				Total   int
				Entries []struct{ Serial string }
			}
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				t.Fatalf("%s: %s", query, text)
			}
			for _, e := range list.Entries {
				all = append(all, e.Serial)
			}
			if page == 1 && list.Total == 0 {
				return all
			}
		}
	}
	if got := serials(""); len(got) != 15 {
		t.Errorf("all sections: %q", got)
	}
	if got := serials("", front); len(got) != 9 {
		t.Errorf("the front: %q", got)
	}
	now = now.Add(time.Hour)
	d.sim.Remove(ticketingsim.GeneratedSerial(0))
	if err := d.sim.SetStatus(ticketingsim.GeneratedSerial(2), "Refunded"); err != nil {
		t.Fatal(err)
	}
	if got := serials("", front); len(got) != 8 {
		t.Errorf("one less: %q", got)
	}
	want := []string{ticketingsim.GeneratedSerial(2)}
	if diff := cmp.Diff(want, serials("&modified_since=2026-11-21T20:30:00%2B00:00", front)); diff != "" {
		t.Error(diff)
	}
	if got := serials("&modified_since=2026-11-21T21:30:00Z", front); len(got) != 0 {
		t.Errorf("nothing: %q", got)
	}
	if got := serials("&modified_since=2026-11-21T19:30:00Z", front); len(got) != 8 {
		t.Errorf("everything: %q", got)
	}
	only := newDesk(t, ticketingsim.Options{ValidOnly: true})
	if _, text := only.ask(t, "GET", event+"/tickets", ""); strings.Contains(text, "Refunded") || !strings.Contains(text, `"total":4`) {
		t.Errorf("valid ones alone: %s", text)
	}
}
