package acme_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
	"usher/vendors/wire"
)

// breaking fails as net/http does, with the whole request in the error.
type breaking struct{}

func (breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: fmt.Errorf("%s %v: %w", r.URL, r.Header, errors.New("reset"))}
}

// The key is in a header of every call, and nowhere else: in no error, however it is
// printed, in no log, in nothing that is kept. No code is told whole.
func TestTheKeyIsToldToNobody(t *testing.T) {
	var printed strings.Builder
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		fmt.Fprintf(&printed, "%v %+v %#v\n", err, err, err)
		slog.New(slog.NewJSONHandler(&printed, nil)).Error("x", "err", err)
	}
	all := func(c *acme.Client) {
		t.Helper()
		ctx := t.Context()
		note(c.SignIn(ctx))
		note(c.Probe(ctx))
		note(c.Watch(ctx))
		_, err := c.Validate(ctx, scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		note(err)
		_, err = c.Upload(ctx, []scanner.Movement{movement(1, "721744537954")})
		note(err)
		note(c.Undo(ctx, movement(1, "721744537954")))
		_, err = c.Events(ctx, time.Now(), time.Now())
		note(err)
		fmt.Fprintf(&printed, "%+v %+v\n", c.Status(), c.Vendor().Advice)
	}
	g := newGate(t, acmesim.Options{}, eventOf(show))
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.sim.SetStatus(7, 1)
	g.ask(t, "721744537954")
	fmt.Fprintf(&printed, "%+v\n", g.client.Status())
	all(g.again(t, func(raw map[string]any, d *acme.Deps) { raw["event_instance"], d.Transport = show, breaking{} }))
	all(g.again(t, func(raw map[string]any, d *acme.Deps) {
		raw["event_instance"], raw["base_url"], d.Transport = show, "http://127.0.0.1:1", wire.NewTransport()
	}))
	g.sim.SetKey("another")
	all(g.again(t, eventOf(show)))
	// An answer that repeats what it was asked.
	echo := `{"message":"` + key + ` 721744537954","login":"721744537954"}`
	for _, status := range []int{200, 400, 403, 500} {
		all(g.again(t, func(raw map[string]any, d *acme.Deps) {
			raw["event_instance"], d.Transport = show, canned{status: status, body: echo}
		}))
	}
	printed.WriteString(g.log.String())
	for name, value := range g.memory.Kept {
		printed.WriteString(name + string(value))
	}
	for _, secret := range []string{key, url.QueryEscape(key), "k3y-0f", "721744537954"} {
		if i := strings.Index(printed.String(), secret); i >= 0 {
			t.Errorf("%q is in %s", secret, printed.String()[max(0, i-300):i+100])
		}
	}
}

// A standing that repeats the code is shown without it.
func TestACodeInAnAnswerIsNotShown(t *testing.T) {
	c := over(t, canned{body: `{"checkInStatus":80,"cardStanding":"721744537954 lapsed"}`}, nil)
	if got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry}); err != nil || strings.Contains(got.Detail, "721744537954") || !strings.Contains(got.Detail, "lapsed") {
		t.Errorf("%+v, %v", got, err)
	}
}
