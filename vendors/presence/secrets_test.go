package presence_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
	"usher/vendors/wire"
)

// breaking fails as net/http does: with the whole URL in the error.
type breaking struct {
	err  error
	fine bool
	next http.RoundTripper
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.fine {
		return b.next.RoundTrip(r)
	}
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: fmt.Errorf("%s: %w", r.URL, b.err)}
}

// The key is in the query of every call, and nowhere else: in no error, however it
// is printed, in no log, in nothing that is kept.
func TestTheKeyIsToldToNobody(t *testing.T) {
	var printed strings.Builder
	broken := &breaking{err: errors.New("no route to host"), fine: true}
	g := newGate(t, presencesim.Options{}, func(raw map[string]any, d *presence.Deps) {
		broken.next = d.Transport
		d.Transport = broken
	})
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		fmt.Fprintf(&printed, "%v %+v %#v\n", err, err, err)
		slog.New(slog.NewJSONHandler(&printed, nil)).Error("x", "err", err)
	}
	calls := func() {
		t.Helper()
		note(g.client.Probe(t.Context()))
		note(g.client.SignIn(t.Context()))
	}
	broken.fine = false
	calls()
	broken.fine = true
	g.probe(t)
	broken.fine = false
	calls()
	g2 := newGate(t, presencesim.Options{}, func(raw map[string]any, d *presence.Deps) {
		d.Transport = &secondTime{breaking{err: errors.New("reset"), next: d.Transport}, 1}
	})
	g2.probe(t)
	_, err := g2.ask(t, "good00000001", scanner.Entry)
	note(err)
	_, err = g2.client.Upload(t.Context(), []scanner.Movement{movement(1, "good00000001", nil)})
	note(err)
	// Without a simulator: the real network's own errors.
	c, err := presence.NewClient(map[string]any{"base_url": "http://127.0.0.1:1/presence/v1", "venue_id": venue}, presence.Deps{
		Device: device(), Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: wire.NewTransport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	note(c.Probe(t.Context()))
	printed.WriteString(g.log.String() + g2.log.String() + g.client.Status().Problem)
	for name, value := range g.memory.Kept {
		printed.WriteString(name + string(value))
	}
	for _, secret := range []string{key, url.QueryEscape(key), "apikey", "k3y-of"} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q is in %s", secret, printed.String())
		}
	}
}

// secondTime breaks from the second call on.
type secondTime struct {
	breaking
	left int
}

func (s *secondTime) RoundTrip(r *http.Request) (*http.Response, error) {
	s.fine = s.left > 0
	s.left--
	return s.breaking.RoundTrip(r)
}

// Without a key there is no call, and the error says where it belongs.
func TestNoKey(t *testing.T) {
	g := newGate(t, presencesim.Options{}, func(raw map[string]any, _ *presence.Deps) { raw["api_key_file"] = "/nowhere/key" })
	err := g.client.Probe(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || !strings.Contains(err.Error(), "vendor.api_key_file: /nowhere/key does not exist") || g.server.Calls() != 0 {
		t.Errorf("got %v", err)
	}
	if st := g.client.Status(); !strings.Contains(st.Problem, "does not exist") || st.Ready {
		t.Errorf("status %+v", st)
	}
}

// An answer that repeats the key, or the code in its status, is not shown.
func TestWhatAnAnswerRepeatsIsNotShown(t *testing.T) {
	for _, status := range []int{200, 404, 500} {
		for _, body := range []string{
			`{"result":{"status":"MARK_RESTRICTION","message":"no ` + key + `"}}`,
			`{"result":{"status":"KEY ` + key + ` UNKNOWN"}}`,
			`{"result":{"status":"TICKET 721744537954 UNKNOWN"}}`,
		} {
			c := answering(t, status, body)
			got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
			text := fmt.Sprintf("%+v %v", got, err)
			if got.Verdict == scanner.Admit || strings.Contains(text, key) || err == nil && strings.Contains(text, "721744537954") {
				t.Errorf("%d %s: %s", status, body, text)
			}
		}
		c := notYet(t, `{"result":{"status":"KEY `+key+` UNKNOWN"}}`)
		if err := c.Probe(t.Context()); err == nil || strings.Contains(err.Error()+c.Status().Problem, key) {
			t.Errorf("at configure: %v", err)
		}
	}
}
