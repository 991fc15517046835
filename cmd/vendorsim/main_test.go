package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors"
)

// start runs the command and gives the two URLs that it prints.
func start(t *testing.T, args ...string) (vendor, control string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, args, w, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	lines := bufio.NewScanner(r)
	for _, into := range []*string{&vendor, &control} {
		if !lines.Scan() {
			t.Fatal("no URL is printed")
		}
		_, *into, _ = strings.Cut(lines.Text(), " ")
	}
	return vendor, strings.TrimSuffix(control, "/")
}

func do(t *testing.T, method, where string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Errorf("%s %s: %d %s, %v", method, where, resp.StatusCode, body, err)
	}
	return string(body)
}

// A whole story: a client of the real thing against the command, its network
// switched off and on.
func TestStory(t *testing.T) {
	base, control := start(t, "-tickets", "5")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v, err := vendors.New("audienceview", map[string]any{
		"base_url": base, "username": "gate7@example.org", "client_id": 284, "performance_id": 49182,
	}, vendors.Deps{Environ: []string{"USHER_VENDOR_PASSWORD=demo"}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	validate := func(code scanner.Code) (scanner.Answer, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return v.Validator.Validate(ctx, scanner.Ask{Code: code, Direction: scanner.Entry})
	}
	if got, err := validate("6nwmw29eo"); err != nil || got.Verdict != scanner.Admit {
		t.Fatalf("%+v, %v", got, err)
	}
	do(t, "POST", control+"/faults?kind=refuse", 204)
	transport.CloseIdleConnections()
	if _, err := validate("aj00ymskl"); scanner.CallErrorOf(err).Trouble != scanner.Unreachable {
		t.Errorf("off: %v", err)
	}
	if got := do(t, "GET", control+"/faults", 200); !strings.Contains(got, `"refuse"`) {
		t.Errorf("faults %s", got)
	}
	do(t, "DELETE", control+"/faults", 204)
	if got, err := validate("aj00ymskl"); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("on again: %+v, %v", got, err)
	}
	do(t, "POST", control+"/faults?kind=status&status=503&times=1&call=validateTicket", 204)
	if _, err := validate("k2voided"); scanner.CallErrorOf(err).Status != 503 {
		t.Errorf("503: %v", err)
	}
	n := 0
	page, err := v.Lister.List(t.Context(), func(scanner.Ticket, string) error { n++; return nil })
	if err != nil || n != 9 || !page.Complete {
		t.Errorf("%d tickets, %+v, %v", n, page, err)
	}
	var scans []struct {
		Barcode string `json:"barcode"`
		Synced  bool   `json:"synced"`
	}
	aside, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	aside.Path = "/_sim/scans"
	if err := json.Unmarshal([]byte(do(t, "GET", aside.String(), 200)), &scans); err != nil || len(scans) != 2 || scans[1].Barcode != "aj00ymskl" {
		t.Errorf("scans %+v, %v", scans, err)
	}
	if err := v.Session.SignOut(t.Context()); err != nil {
		t.Error(err)
	}
}

// ACME's simulator as well: checked in, undone, uploaded, listed, by the statuses that
// the command's description names.
func TestStoryOfACME(t *testing.T) {
	base, control := start(t, "-vendor", "acme", "-tickets", "5")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v, err := vendors.New("acme", map[string]any{
		"base_url": base, "tenant_id": "57113d507947cc39efb44200", "terminal_id": 7, "event_instance": "63d08b46c9092f6d5ed46389",
		"admit_statuses": []any{555}, "refuse_statuses": map[string]any{"already_entered": 20, "wrong_event": 60},
	}, vendors.Deps{Environ: []string{"USHER_VENDOR_API_KEY=demo"}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := v.Session.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	if w, known := v.Window(); !known || w.OpensAt.IsZero() || w.ClosesAt.IsZero() {
		t.Errorf("window %+v, %v", w, known)
	}
	for _, want := range []scanner.Reason{scanner.OK, scanner.AlreadyEntered} {
		if got, err := v.Validator.Validate(ctx, scanner.Ask{Code: "721744537954", Direction: scanner.Entry}); err != nil || got.Reason != want {
			t.Errorf("%+v, %v; want %s", got, err, want)
		}
	}
	if err := v.Undoer.Undo(ctx, scanner.Movement{Code: "721744537954", Direction: scanner.Entry}); err != nil {
		t.Error(err)
	}
	m := scanner.Movement{Seq: 1, Code: "830000000004", Direction: scanner.Entry, Data: v.Freeze()}
	if got, err := v.Uploader.Upload(ctx, []scanner.Movement{m}); err != nil || got[0].Delivery != scanner.Taken {
		t.Errorf("%+v, %v", got, err)
	}
	if events, err := v.Events.Events(ctx, time.Now(), time.Now().AddDate(0, 0, 1)); err != nil || len(events) != 2 || events[0].Series != "Planetarium" {
		t.Errorf("%+v, %v", events, err)
	}
	if text := do(t, "GET", control+"/scans", 200); !strings.Contains(text, `"undone":true`) || !strings.Contains(text, "830000000004") {
		t.Errorf("scans %s", text)
	}
}

// Presence's simulator as well: configured, one in, one out, one uploaded.
func TestStoryOfPresence(t *testing.T) {
	base, control := start(t, "-vendor", "presence", "-tickets", "5")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v, err := vendors.New("presence", map[string]any{
		"base_url": base, "venue_id": "KovZpZAFF17J", "upload_path": "/ticket/upload/{direction}",
	}, vendors.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=demo"}, Transport: transport,
		Device: vendors.Device{Name: "handheld 7", GateName: "Gate 7", MAC: "00:11:22:33:44:55", Serial: "S-1", Model: "Janam XT2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Session.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, direction := range []scanner.Direction{scanner.Entry, scanner.Exit} {
		got, err := v.Validator.Validate(t.Context(), scanner.Ask{Code: "830000000004", Direction: direction})
		if err != nil || got.Verdict != scanner.Admit {
			t.Errorf("%s: %+v, %v", direction, got, err)
		}
	}
	got, err := v.Uploader.Upload(t.Context(), []scanner.Movement{
		{Seq: 1, Code: "721744537954", Direction: scanner.Entry, At: time.Now(), Data: v.Freeze()},
	})
	if err != nil || got[0].Delivery != scanner.Taken {
		t.Errorf("upload: %+v, %v", got, err)
	}
	scans := do(t, "GET", control+"/scans", 200)
	if n := strings.Count(scans, `"exit":true`); n != 1 || strings.Count(scans, `"uploaded":true`) != 1 || strings.Count(scans, `"token"`) != 3 {
		t.Errorf("scans %s", scans)
	}
	do(t, "POST", control+"/forget", 204)
	if devices := do(t, "GET", control+"/devices", 200); strings.TrimSpace(devices) != "[]" {
		t.Errorf("devices %s", devices)
	}
}

// Archtics' simulator as well: looked up, entered elsewhere, refused by a result.
func TestStoryOfArchtics(t *testing.T) {
	base, control := start(t, "-vendor", "archtics", "-tickets", "5")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v, err := vendors.New("archtics", map[string]any{
		"base_url": base, "product": "sth-customer", "uid": "user99", "dsn": "apigee",
	}, vendors.Deps{Environ: []string{"USHER_VENDOR_API_KEY=demo"}, Transport: transport, Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Session.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	find := func(code scanner.Code, want scanner.Status) {
		t.Helper()
		got, found, err := v.Finder.Find(t.Context(), scanner.Ask{Code: code})
		if err != nil || found != scanner.Listed || got.Status != want {
			t.Errorf("%s: %v, %+v, %v", code, found, got, err)
		}
	}
	find("840000000004", scanner.StatusValid)
	find("721744537956", scanner.StatusVoided)
	resp, err := http.Post(control+"/attendance", "application/json", strings.NewReader(`[{"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":7,"gate":"North"}]`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := v.Watcher.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	find("721744537954", scanner.StatusUsed)
	do(t, "POST", control+"/result?call=verify_barcode&result=5011&times=1", 204)
	if got, found, err := v.Finder.Find(t.Context(), scanner.Ask{Code: "721744537955"}); err != nil || found != scanner.Damaged || !strings.Contains(got.Detail, "result 5011") {
		t.Errorf("%v, %v, %+v", err, found, got)
	}
	if requests := do(t, "GET", control+"/requests", 200); !strings.Contains(requests, `"721744537956":1`) {
		t.Errorf("requests %s", requests)
	}
}

// And TickeTing's: a token exchanged, one in, one uploaded, the list and what changed.
func TestStoryOfTicketing(t *testing.T) {
	base, control := start(t, "-vendor", "ticketing", "-tickets", "5")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v, err := vendors.New("ticketing", map[string]any{"base_url": base, "admission_token": "FR0NT001", "event": 16993717817996}, vendors.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=demo"}, Transport: transport, Device: vendors.Device{ID: "7hx-9kq-2mp", Name: "handheld 7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Session.SignIn(t.Context()); err != nil || len(v.Sections()) != 1 {
		t.Fatalf("%v, sections %q", err, v.Sections())
	}
	got, err := v.Validator.Validate(t.Context(), scanner.Ask{Code: "DAWIER-FRNT75580348", Direction: scanner.Entry})
	if err != nil || got.Verdict != scanner.Admit {
		t.Errorf("%+v, %v", got, err)
	}
	receipts, err := v.Uploader.Upload(t.Context(), []scanner.Movement{{
		Seq: 1, Code: "DAWIER-GENR00000000", Direction: scanner.Entry, At: time.Now(), Data: v.Freeze(), Origin: scanner.Origin{Device: "7hx-9kq-2mp"},
	}})
	if err != nil || receipts[0].Delivery != scanner.Taken {
		t.Errorf("upload: %+v, %v", receipts, err)
	}
	n := 0
	count := func(scanner.Ticket, string) error { n++; return nil }
	page, err := v.Lister.List(t.Context(), count)
	if err != nil || n != 10 || !page.Complete {
		t.Errorf("%d tickets, %+v, %v", n, page, err)
	}
	do(t, "POST", control+"/clock?offset=1h", 204)
	do(t, "POST", control+"/status?serial=DAWIER-GENR00000002&status=Refunded", 204)
	n = 0
	if _, err := v.Changes.Changes(t.Context(), page.Cursor, count); err != nil || n < 1 || n > 10 {
		t.Errorf("%d changed, %v", n, err)
	}
	scans := do(t, "GET", control+"/scans", 200)
	if strings.Count(scans, `"device":"7hx-9kq-2mp"`) != 2 {
		t.Errorf("scans %s", scans)
	}
	if err := v.Session.SignOut(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSwitches(t *testing.T) {
	_, control := start(t)
	for _, bad := range []string{
		"/faults", "/faults?kind=nonsense", "/faults?kind=slow&delay=soon", "/faults?kind=status", "/faults?kind=html&times=-1",
		"/clock?offset=x", "/list?mode=x", "/fail?id=x&times=1", "/generate?performance=1", "/password?user=nobody",
	} {
		do(t, "POST", control+bad, 400)
	}
	for _, good := range []string{
		"/faults?kind=slow&delay=1ms", "/clock?offset=-2h", "/list?mode=empty", "/fail?id=16&times=1&call=validateTicket", "/expire",
		"/generate?performance=49182&count=7", "/password?user=gate7@example.org&password=new",
	} {
		do(t, "POST", control+good, 204)
	}
	resp, err := http.Post(control+"/tickets", "application/json", strings.NewReader(`[{"performance":49182,"barcode":"new1"}]`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 204 {
		t.Errorf("tickets: %d", resp.StatusCode)
	}
	if got := do(t, "GET", control+"/calls", 200); strings.TrimSpace(got) != `{"calls":0}` {
		t.Errorf("calls %s", got)
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, args := range [][]string{
		{"-listen", "0.0.0.0:0"}, {"-listen", ":0"}, {"-listen", "192.0.2.1:0"}, {"-control", "0.0.0.0:0"}, {"-listen", "nonsense"},
		{"-vendor", "nobody"}, {"more"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(ctx, args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
