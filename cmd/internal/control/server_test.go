package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// raw speaks HTTP to the socket without the typed client.
func raw(t *testing.T, path, method, target, body string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://usher"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestEachCallReachesTheHouse(t *testing.T) {
	h := &house{parked: 7}
	client, _ := serve(t, h)
	ctx := t.Context()
	calls := []struct {
		asked string
		call  func() (any, error)
		want  string
	}{
		{"newest 50 0", func() (any, error) { return client.Newest(ctx, 0, 0) }, `[]`},
		{"newest 1000 12", func() (any, error) { return client.Newest(ctx, 5000, 12) }, `[]`},
		{`scan "ABC1234" exit`, func() (any, error) {
			e, err := client.Scan(ctx, " ABC1234\r\n", scanner.Exit)
			return []any{e.Seq, e.Code, e.Verdict}, err
		}, `[1,"…34","admit"]`},
		{"admit 5 Eve", func() (any, error) { e, err := client.Admit(ctx, 5, " Eve "); return e.Of, err }, `5`},
		{"undo 6 Eve", func() (any, error) { e, err := client.Undo(ctx, 6, "Eve"); return e.Of, err }, `6`},
		{`find "row 3" 20`, func() (any, error) { f, err := client.Find(ctx, "row 3", 20); return f[0].Name, err }, `"Ann"`},
		{`events "2026-11-21" "2026-11-22T18:00:00+01:00"`, func() (any, error) {
			v, err := client.VendorEvents(ctx, control.Period{From: "2026-11-21", To: "2026-11-22T18:00:00+01:00"})
			if len(v.Events) != 1 || v.Events[0].Sections == nil || v.Events[0].EntryTimes == nil || v.Events[0].IDs == nil {
				return nil, fmt.Errorf("not filled: %+v, %w", v, err)
			}
			v.Events = v.Events[:0]
			return v, err
		}, `{"vendor":"manifest","note":"","events":[],"from":null,"to":null,"timezone":"","told_at":null,"age_s":null,"cached":false}`},
		{"sync false", func() (any, error) { r, err := client.Sync(ctx, control.SyncRequest{}); return r.Uploaded, err }, `3`},
		{"sync true", func() (any, error) { return client.Sync(ctx, control.SyncRequest{Whole: true}) },
			`{"uploaded":3,"pending":0,"tickets":0,"generation_at":null,"problems":[]}`},
		{"reload", func() (any, error) { return client.Reload(ctx) }, `{"changed":true,"notes":[]}`},
		{"outbox 1000", func() (any, error) { o, err := client.Outbox(ctx, 0); return o[0].Code, err }, `"WHOLE-CODE"`},
		{"parked 10", func() (any, error) { return client.Parked(ctx, 10) }, `[]`},
		{"requeue 3 Eve", func() (any, error) { return client.Requeue(ctx, 3, "Eve") }, `{"moved":1}`},
		{"requeue all Eve", func() (any, error) { return client.RequeueAll(ctx, "Eve") }, `{"moved":7}`},
		{"acknowledge 3 Eve", func() (any, error) { return client.Acknowledge(ctx, 3, "Eve") }, `{"moved":1}`},
		{"import list.csv 6", func() (any, error) {
			r, err := client.Import(ctx, "list.csv", strings.NewReader("code\nA"))
			return r.Tickets, err
		}, `6`},
	}
	for _, c := range calls {
		t.Run(c.asked, func(t *testing.T) {
			got, err := c.call()
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(got)
			if string(text) != c.want || h.last() != c.asked {
				t.Errorf("got %s, asked %q; want %s, %q", text, h.last(), c.want, c.asked)
			}
		})
	}
}

func TestEveryCodeFitsIntoAPath(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	for _, code := range []string{"A", ".", "..", "a/b", "//", "a//../b", "50%", "%2F", "a?b=c#d", "ü ☂", "]C101\x1d21", "import", `\000026x`} {
		view, err := client.Ticket(t.Context(), code)
		if err != nil || view.Code != code {
			t.Errorf("%q: got %q, %v", code, view.Code, err)
		}
		if want := fmt.Sprintf("ticket %q", code); h.last() != want {
			t.Errorf("%q: asked %s", code, h.last())
		}
	}
}

func TestErrorsAreJSONWithAFittingStatus(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	big := strings.Repeat("x", 65<<10)
	tests := []struct {
		method, target, body string
		status               int
		text                 string
	}{
		{"GET", "/", "", 404, "no such path"},
		{"GET", "/v2/status", "", 404, "no such path"},
		{"POST", "/v1/status", "", 405, "POST"},
		{"DELETE", "/v1/tickets/A", "", 405, "DELETE"},
		{"GET", "/v1/scans?limit=0", "", 400, "limit"},
		{"GET", "/v1/scans?limit=many", "", 400, "limit"},
		{"GET", "/v1/scans?after=-1", "", 400, "after"},
		{"GET", "/v1/scans?follow=perhaps", "", 400, "follow"},
		{"GET", "/v1/scans?follow=true&after=x", "", 400, "after"},
		{"POST", "/v1/scans", "", 400, "JSON"},
		{"POST", "/v1/scans", `{"code":"A"} {}`, 400, "more than one"},
		{"POST", "/v1/scans", `{"code":"A","gate":"7"}`, 400, "gate"},
		{"POST", "/v1/scans", `{"Code":"A"}`, 400, `unknown field "Code"`},
		{"POST", "/v1/scans", `{"code":"A","code":"B"}`, 400, `"code" twice`},
		{"POST", "/v1/scans", `null`, 400, "JSON object"},
		{"POST", "/v1/scans/1/undo", `{"by":"Eve","BY":"Bob"}`, 400, `unknown field "BY"`},
		{"POST", "/v1/scans", "{\"code\":\"\xff\"}", 400, "UTF-8"},
		{"POST", "/v1/scans", `{"code":" \r\n"}`, 400, "code"},
		{"POST", "/v1/scans", `{"code":"A","direction":"up"}`, 400, "direction"},
		{"POST", "/v1/scans", `{"code":"` + big + `"}`, 413, "64 KiB"},
		{"POST", "/v1/scans", `{"code":"` + strings.Repeat(big, 8) + `"}`, 413, "larger than"},
		{"POST", "/v1/scans/0/admit", `{"by":"Eve"}`, 400, "number"},
		{"POST", "/v1/scans/x/undo", `{"by":"Eve"}`, 400, "number"},
		{"POST", "/v1/scans/1/admit", `{}`, 400, "by"},
		{"POST", "/v1/scans/1/undo", `{"by":"  "}`, 400, "by"},
		{"POST", "/v1/scans/1/undo", `{"by":"a\u001bb"}`, 400, "control"},
		{"POST", "/v1/scans/1/undo", `{"by":"` + strings.Repeat("é", 101) + `"}`, 400, "longer"},
		{"POST", "/v1/scans/1/undo", `{"by":"` + big + `"}`, 413, "larger than"},
		{"GET", "/v1/tickets", "", 400, "q is required"},
		{"GET", "/v1/tickets?q=%20", "", 400, "q is required"},
		{"GET", "/v1/tickets/%20", "", 400, "code"},
		{"GET", "/v1/tickets/" + strings.Repeat("x", 5000), "", 400, "longer than 4 KiB"},
		{"POST", "/v1/tickets/import", "code\n", 400, "name"},
		{"POST", "/v1/parked/requeue", `{}`, 400, "by"},
		{"POST", "/v1/parked/1/acknowledge", `{"by":""}`, 400, "by"},
		{"POST", "/v1/sync", `{"now":true}`, 400, "now"},
		{"GET", "/v1/export?format=xls", "", 400, "xls"},
	}
	for _, tt := range tests {
		target := tt.target
		if len(target) > 60 {
			target = target[:60]
		}
		t.Run(tt.method+" "+target, func(t *testing.T) {
			resp, text := raw(t, client.Path, tt.method, tt.target, tt.body)
			var body control.ErrorBody
			if err := json.Unmarshal([]byte(text), &body); err != nil {
				t.Fatalf("status %d, not JSON: %s", resp.StatusCode, text)
			}
			if resp.StatusCode != tt.status || !strings.Contains(body.Error, tt.text) {
				t.Errorf("got %d %q, want %d with %q", resp.StatusCode, body.Error, tt.status, tt.text)
			}
			if got := resp.Header.Get(control.VersionHeader); got != "1.2.3" {
				t.Errorf("version header %q", got)
			}
			if tt.status == 405 && resp.Header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
	if h.last() != "" {
		t.Errorf("a bad request reached the house: %s", h.last())
	}
}

func TestALongCodeIsJudged(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	// 60 KiB of quotes, each of which JSON doubles.
	if _, err := client.Scan(t.Context(), strings.Repeat(`"`, 60<<10), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Scan(t.Context(), "\xff", ""); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("a code that JSON cannot carry: %v", err)
	}
}

func TestTheHousesErrorsHaveTheirStatus(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	tests := []struct {
		err    error
		status int
	}{
		{fmt.Errorf("scan 4: %w", scanner.ErrUnknown), 404},
		{fmt.Errorf("undo 4: %w: not the newest movement", scanner.ErrNotPossible), 409},
		{scanner.ErrChanged, 409},
		{scanner.ErrNotStored, 503},
		{fmt.Errorf("vendor offline: %w", control.ErrUnavailable), 503},
		{context.DeadlineExceeded, 503},
		{control.Faults{"gate.name: empty", "vendor.name: unknown"}, 422},
		{fmt.Errorf("no: %w", control.ErrBadRequest), 400},
		{errors.New("disk on fire"), 500},
	}
	for _, tt := range tests {
		h.fail = tt.err
		_, err := client.Undo(t.Context(), 4, "Eve")
		var answer *control.APIError
		if !errors.As(err, &answer) || answer.Status != tt.status || answer.Error() != tt.err.Error() {
			t.Errorf("%v: got %v, want status %d", tt.err, err, tt.status)
		}
	}
	h.fail = control.Faults{"a: 1", "b: 2"}
	_, err := client.Reload(t.Context())
	var answer *control.APIError
	if !errors.As(err, &answer) || !slices.Equal(answer.Faults, []string{"a: 1", "b: 2"}) {
		t.Errorf("faults: got %#v", err)
	}
}

func TestAFailedReloadIsLogged(t *testing.T) {
	for _, fail := range []error{control.Faults{"gate.rule: unknown"}, errors.New("gate.rule: disk on fire")} {
		var log logged
		client, _ := serveLogging(t, &house{fail: fail}, &log)
		if _, err := client.Reload(t.Context()); err == nil {
			t.Error("no error")
		}
		if n := strings.Count(log.String(), "gate.rule"); n != 1 {
			t.Errorf("%d lines: %s", n, log.String())
		}
	}
}

type panicky struct{ house }

func (p *panicky) Outbox(context.Context, int) ([]control.OutboxEntry, error) { panic("boom") }

func (p *panicky) Export(_ context.Context, yield func(control.ExportRow) error) error {
	for range 100000 {
		if err := yield(control.ExportRow{}); err != nil {
			return err
		}
	}
	panic("boom")
}

func TestAPanicIsA500AndTheDaemonLives(t *testing.T) {
	h := &panicky{}
	path := directory(t) + "/u.sock"
	server := &control.Server{Path: path, House: h, Feed: &h.feed}
	ctx, cancel := context.WithCancel(t.Context())
	if err := server.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	client := &control.Client{Path: path}

	_, err := client.Outbox(ctx, 0)
	var answer *control.APIError
	if !errors.As(err, &answer) || answer.Status != 500 {
		t.Errorf("outbox: got %v, want a 500", err)
	}
	if strings.Contains(fmt.Sprint(err), "boom") {
		t.Errorf("the panic's value left the daemon: %v", err)
	}
	if err := client.Export(ctx, control.CSV, io.Discard); err == nil {
		t.Error("a panic within the export looked like its end")
	}
	if _, err := client.Status(ctx); err != nil {
		t.Errorf("status after the panics: %v", err)
	}
	cancel()
	client.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestACutOffManifestIsAnError(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	cut := io.MultiReader(strings.NewReader("code\nA\n"), iotestErr{})
	if _, err := client.Import(t.Context(), "list.csv", cut); err == nil {
		t.Error("no error")
	}
	// The house learns of it by the reader, and the manifest is not taken.
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.manifest != nil {
		t.Errorf("taken: %q", h.manifest)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("the file went away") }

func TestALargeManifestStreams(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	text := bytes.Repeat([]byte("code-0123456789\n"), 1<<16)
	result, err := client.Import(t.Context(), "list.csv", bytes.NewReader(text))
	if err != nil || result.Tickets != len(text) || !bytes.Equal(h.manifest, text) {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestHealth(t *testing.T) {
	h := &house{status: control.Status{State: control.Degraded}}
	client, _ := serve(t, h)
	if resp, text := raw(t, client.Path, "GET", "/healthz", ""); resp.StatusCode != 200 || text != `{"state":"degraded"}`+"\n" {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
	h.status = control.Status{State: control.NotReady, Problems: []string{"no list"}}
	if resp, text := raw(t, client.Path, "GET", "/healthz", ""); resp.StatusCode != 503 || !strings.Contains(text, `"error":"no scan can be decided: no list"`) {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
}

func TestTheClientLearnsTheVersion(t *testing.T) {
	client, _ := serve(t, &house{})
	var got string
	client.OnVersion = func(v string) { got = v }
	if _, err := client.Status(t.Context()); err != nil || got != "1.2.3" {
		t.Errorf("got %q, %v", got, err)
	}
}

// careless takes what came for the whole.
type careless struct{ house }

func (c *careless) Import(_ context.Context, _ string, r io.Reader) (control.ImportResult, error) {
	_, _ = io.Copy(io.Discard, r)
	return control.ImportResult{Tickets: 1}, nil
}

func TestACutOffManifestIsToldWhateverTheHouseSays(t *testing.T) {
	h := &careless{}
	path := directory(t) + "/u.sock"
	server := &control.Server{Path: path, House: h, Feed: &h.feed}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()

	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/tickets/import?name=list.csv HTTP/1.1\r\nHost: usher\r\nContent-Length: 1000\r\n\r\ncode\nA\n")
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "cut off") {
		t.Errorf("got %v: %s", err, answer)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A daemon may be told to stop before its server has begun.
func TestStoppedAtOnce(t *testing.T) {
	path := directory(t) + "/u.sock"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		server := &control.Server{Path: path, House: &house{}}
		if err := server.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
