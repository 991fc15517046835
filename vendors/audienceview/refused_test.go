package audienceview_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/audienceview"
)

// tamper answers some calls in the network's place.
type tamper struct {
	http.RoundTripper
	// answer gives the network's own answer; nil, nil: the vendor is asked.
	answer func(op, body string, next http.RoundTripper, r *http.Request) (*http.Response, error)
}

func (m *tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	op := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if resp, err := m.answer(op, string(body), m.RoundTripper, r); resp != nil || err != nil {
		return resp, err
	}
	return m.RoundTripper.RoundTrip(r)
}

func reply(status int, kind, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
}

// firewall is a venue behind one that blocks the calls of one kind that hold a
// text.
func firewall(t *testing.T, blocked, text string, clock scanner.Clock) *venue {
	return newVenue(t, func(_ map[string]any, d *audienceview.Deps) {
		d.Clock = clock
		d.Transport = &tamper{d.Transport, func(op, body string, _ http.RoundTripper, _ *http.Request) (*http.Response, error) {
			if op == blocked && strings.Contains(body, text) {
				return reply(http.StatusForbidden, "text/html", "<html>blocked</html>"), nil
			}
			return nil, nil
		}}
	})
}

// A firewall's word on one odd code stops nobody else at the gate.
func TestOneBlockedCodeIsItsOwn(t *testing.T) {
	v := firewall(t, "validateTicket", "UNION SELECT", nil)
	for range 3 {
		_, err := v.validate(t, "1' UNION SELECT 1--")
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Denied || call.MaybeSent {
			t.Errorf("the odd code: %v", err)
		}
	}
	if got, err := v.validate(t, "good000001"); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("the next holder: %s, %v", got.Verdict, err)
	}
	if err := v.client.Probe(t.Context()); err != nil || v.client.Status().Problem != "" {
		t.Errorf("probe: %v, problem %q", err, v.client.Status().Problem)
	}
	if n := v.sim.Calls("authenticate"); n != 2 {
		t.Errorf("%d sign-ins for three odd codes, want the first and one more", n)
	}
}

// A user without the right to upload scans on, and its tries sign in every five
// minutes at most.
func TestForbiddenUploadLeavesScansAlone(t *testing.T) {
	clock := &handClock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), boot: "a"}
	v := firewall(t, "syncScans", "", clock)
	upload := func(signIns int) {
		t.Helper()
		_, err := v.client.Upload(t.Context(), []scanner.Movement{movement(1, "more000002", 2)})
		if err == nil || scanner.CallErrorOf(err).Trouble != scanner.Denied {
			t.Errorf("upload: %v", err)
		}
		if n := v.sim.Calls("authenticate"); n != signIns {
			t.Errorf("%d sign-ins, want %d", n, signIns)
		}
	}
	upload(2)
	if got, err := v.validate(t, "good000001"); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("a scan: %s, %v", got.Verdict, err)
	}
	clock.step(5*time.Minute - time.Second)
	upload(2)
	clock.step(time.Second)
	upload(3)
	if err := v.client.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	upload(5) // a person's sign-in, and one more try
}

// The vendor acts on the first try and answers error 17; the second gets
// nowhere. What the first did stays in doubt.
func TestFirstTryStaysInDoubt(t *testing.T) {
	const unanticipated = `{"error":true,"errorDetails":{"errorCodeId":17,"errorCodeName":"unanticipated","forceLogout":true}}`
	for name, second := range map[string]func() (*http.Response, error){
		"no connection": func() (*http.Response, error) { return nil, errors.New("connection refused") },
		"429":           func() (*http.Response, error) { return reply(http.StatusTooManyRequests, "", ""), nil },
		"403":           func() (*http.Response, error) { return reply(http.StatusForbidden, "", ""), nil },
		"id 7": func() (*http.Response, error) {
			return reply(http.StatusOK, "application/json", `{"error":true,"errorDetails":{"errorCodeId":7}}`), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			tries := map[string]int{}
			v := newVenue(t, func(_ map[string]any, d *audienceview.Deps) {
				d.Transport = &tamper{d.Transport, func(op, _ string, next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if op != "validateTicket" && op != "syncScans" {
						return nil, nil
					}
					if tries[op]++; tries[op] > 1 {
						return second()
					}
					resp, err := next.RoundTrip(r)
					if err != nil {
						return nil, err
					}
					_ = resp.Body.Close()
					return reply(http.StatusOK, "application/json", unanticipated), nil
				}}
			})
			if _, err := v.validate(t, "good000001"); err == nil || !scanner.CallErrorOf(err).MaybeSent || v.sim.Counts()["good000001"] != 1 {
				t.Errorf("scan: %v, recorded %d", err, v.sim.Counts()["good000001"])
			}
			if name == "id 7" {
				return // it bars what comes
			}
			if _, err := v.client.Upload(t.Context(), []scanner.Movement{movement(1, "more000002", 2)}); err == nil || !scanner.CallErrorOf(err).MaybeSent || v.sim.Counts()["more000002"] != 1 {
				t.Errorf("upload: %v, recorded %d", err, v.sim.Counts()["more000002"])
			}
		})
	}
}
