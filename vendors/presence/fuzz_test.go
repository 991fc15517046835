package presence_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/vendortest"
)

// canned answers configures and one body for every other call, without a network.
// With init, that is what configures are answered with.
type canned struct {
	body   string
	status int
	init   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, status := c.body, c.status
	if strings.HasSuffix(r.URL.Path, "/device/init") {
		status = http.StatusOK
		if body = configuredAnswer; c.init != "" {
			body = c.init
		}
	}
	if status < 100 || status > 599 {
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func cannedClient(t *testing.T, answers canned, kept []byte) *presence.Client {
	t.Helper()
	mem := &vendortest.Memory{Kept: map[string][]byte{"configuration": kept}}
	c, err := presence.NewClient(map[string]any{"venue_id": venue, "upload_path": "/u/{direction}"}, presence.Deps{
		Device: device(), Address: func() string { return "192.0.2.7" }, Memory: mem, Transport: answers, Environ: []string{"USHER_VENDOR_API_KEY=" + key},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkText: what goes to a screen, a log or support is one line that prints, and
// no secret.
func checkText(t *testing.T, text string) {
	t.Helper()
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, unseen) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > 600 || strings.Contains(text, key) {
		t.Errorf("to be shown: %q", text)
	}
}

// Nothing but a documented admission admits.
func FuzzValidate(f *testing.F) {
	f.Add(documentSuccess, 200, false)
	f.Add(documentWelcome, 200, true)
	f.Add(`{"result":{"status":"EXIT_NOT_PERMITTED","message":"no"},"message":null}`, 403, true)
	f.Fuzz(func(t *testing.T, body string, status int, exit bool) {
		c := cannedClient(t, canned{body: body, status: status}, nil)
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		direction, ways := scanner.Entry, []string{"OKAY"}
		if exit {
			direction, ways = scanner.Exit, []string{"OKAY", "EXIT", "INTERNAL_SCAN_EXIT", "INTERNAL_EXIT_SCAN"}
		}
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: direction})
		if err != nil {
			if got.Verdict != "" {
				t.Errorf("a verdict and an error: %v", err)
			}
			checkText(t, err.Error())
			return
		}
		checkText(t, got.Detail)
		if got.Ticket != nil {
			for _, text := range []string{got.Ticket.ID, got.Ticket.Name, got.Ticket.Section, got.Ticket.Seat, got.Ticket.Event} {
				checkText(t, text)
			}
		}
		var raw struct {
			Result map[string]any `json:"result"`
		}
		if err := json.Unmarshal([]byte(body), &raw); err != nil || raw.Result["status"] == nil {
			t.Fatalf("a verdict out of %q", body)
		}
		if got.Verdict != scanner.Admit {
			return
		}
		known := false
		for _, way := range ways {
			known = known || raw.Result["status"] == way
		}
		if !known || status >= 100 && status <= 599 && status/100 != 2 {
			t.Errorf("admitted (%s) by %d %q", direction, status, body)
		}
	})
}

// A device is configured by an OKAY that names it, and by nothing else.
func FuzzConfigure(f *testing.F) {
	f.Add(configuredAnswer)
	f.Add(`{"result":{"status":"OKAY","message":"Okay"},"message":{"id":"1","venueId":"KovZpZAFF17J","name":"x","mac":"00:11:22:33:44:55","ip":"1.2.3.4","gateId":"1","serial":"s","model":"m"}}`)
	f.Add(`{"result":{"status":"NOT_FOUND"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := cannedClient(t, canned{body: body, init: body}, nil)
		err := c.Probe(t.Context())
		st := c.Status()
		checkText(t, st.Problem)
		if body == "" {
			return
		}
		if err != nil {
			checkText(t, err.Error())
			if st.Ready || c.Freeze() != nil {
				t.Errorf("ready by %q: %v", body, err)
			}
			if _, err := c.Validate(t.Context(), scanner.Ask{Code: "1", Direction: scanner.Entry}); err == nil {
				t.Errorf("asked without a configuration: %q", body)
			}
			return
		}
		var raw struct {
			Result  struct{ Status string }
			Message struct{ ID any }
		}
		if e := json.Unmarshal([]byte(body), &raw); e != nil || raw.Result.Status != "OKAY" || raw.Message.ID == nil || !st.Ready {
			t.Errorf("configured by %q: %v, %+v", body, e, st)
		}
	})
}

// No upload counts as taken without OKAY.
func FuzzUpload(f *testing.F) {
	f.Add(`{"result":{"status":"OKAY"}}`)
	f.Add(`{"result":{"status":"BAD_REQUEST"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := cannedClient(t, canned{body: body}, nil)
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := c.Upload(t.Context(), []scanner.Movement{movement(1, "721744537954", nil)})
		if err != nil {
			checkText(t, err.Error())
			return
		}
		var raw struct{ Result struct{ Status string } }
		if json.Unmarshal([]byte(body), &raw) != nil || raw.Result.Status != "OKAY" || len(got) != 1 || got[0].Seq != 1 || got[0].Delivery != scanner.Taken {
			t.Errorf("%+v out of %q", got, body)
		}
	})
}

// What was frozen at scan time is sent as it was or not at all.
func FuzzFrozen(f *testing.F) {
	f.Add([]byte(`{"v":"KovZpZAFF17J","n":"Gate 7","d":101,"g":1}`))
	f.Add([]byte(`{"v":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := cannedClient(t, canned{body: `{"result":{"status":"OKAY"}}`}, nil)
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := c.Upload(t.Context(), []scanner.Movement{movement(1, "721744537954", data)})
		if err != nil || len(got) != 1 || got[0].Seq != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		checkText(t, got[0].Detail)
		if got[0].Delivery == scanner.Taken && len(data) > 0 && !json.Valid(data) {
			t.Errorf("sent: %q", data)
		}
	})
}

// What Memory gives back is a configuration for this gate or none, and never keeps
// the device from being configured.
func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"url":"https://app.ticketmaster.com/presence/v1","venue":"KovZpZAFF17J","gate":"Gate 7","mac":"00:11:22:33:44:55","device_id":101,"gate_id":1,"at":"2026-11-21T19:00:00Z"}`))
	f.Add([]byte(`{"device_id":1}`))
	f.Fuzz(func(t *testing.T, kept []byte) {
		c := cannedClient(t, canned{body: documentSuccess}, kept)
		st := c.Status()
		checkText(t, st.Problem)
		if st.Ready && !json.Valid(kept) || st.Ready != (c.Freeze() != nil) {
			t.Errorf("ready by %q", kept)
		}
		if _, err := c.Validate(t.Context(), scanner.Ask{Code: "1", Direction: scanner.Entry}); err == nil {
			t.Errorf("asked under %q, which nobody confirmed", kept)
		}
		if err := c.Probe(t.Context()); err != nil || !c.Status().Ready {
			t.Errorf("%q keeps it from being configured: %v", kept, err)
		}
	})
}
