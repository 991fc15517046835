package ticketing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/wire"
)

// breaking fails as net/http does: with the whole URL in the error.
type breaking struct {
	next http.RoundTripper
	fine bool
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.fine {
		return b.next.RoundTrip(r)
	}
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: fmt.Errorf("%s with %s: %w", r.URL, r.Header, errors.New("no route to host"))}
}

// echoing answers with everything of the request, as a server's error page may.
type echoing struct{ status int }

func (e echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte("null")
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	said := fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
	text := fmt.Sprintf(`{"message":%q,"error":%q}`, said, said)
	return &http.Response{
		StatusCode: e.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r,
	}, nil
}

// The keys, the password, the token and a ticket's serial are in no error, however
// it is printed, in no log, in no status, and in nothing that is kept.
func TestSecretsAreToldToNobody(t *testing.T) {
	var printed strings.Builder
	note := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		fmt.Fprintf(&printed, "%v %+v %#v\n", err, err, err)
		slog.New(slog.NewJSONHandler(&printed, nil)).Error("x", "err", err)
	}
	all := func(c *ticketing.Client, token bool) {
		t.Helper()
		note(c.Probe(t.Context()))
		note(c.SignIn(t.Context()))
		_, err := c.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry})
		note(err)
		_, err = c.Upload(t.Context(), []scanner.Movement{{Seq: 1, Code: good, Direction: scanner.Entry, Origin: scanner.Origin{Device: handheld}}})
		note(err)
		_, err = c.List(t.Context(), func(scanner.Ticket, string) error { return nil })
		note(err)
		if token {
			_, err = c.Tokens(t.Context(), nil)
			note(err)
			_, err = c.IssueToken(t.Context(), []string{front})
			note(err)
		}
		printed.WriteString(c.Status().Problem)
	}
	g := newGate(t, ticketingsim.Options{})
	g.write(t, "token", token)
	byFile := with(map[string]any{"admission_token": nil, "admission_token_file": filepath.Join(g.dir, "token")})
	bySessionAndFile := func(raw map[string]any, deps *ticketing.Deps) {
		g.bySession(raw, deps)
		byFile(raw, deps)
	}
	for _, by := range []change{with(nil), g.bySession, byFile, bySessionAndFile} {
		broken := &breaking{fine: true}
		c := g.again(t, by, func(_ map[string]any, deps *ticketing.Deps) { broken.next, deps.Transport = deps.Transport, broken })
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		broken.fine = false
		all(c, true)
		for _, status := range []int{400, 401, 403, 404, 409, 412, 500} {
			all(g.again(t, by, func(_ map[string]any, deps *ticketing.Deps) { deps.Transport = echoing{status} }), true)
			// Signed in, and then refused with an echo.
			broken := &echoLater{next: wire.NewTransport(), status: status, only: "nothing"}
			c := g.again(t, by, func(_ map[string]any, deps *ticketing.Deps) { deps.Transport = broken })
			if err := c.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, only := range []string{"/tokens", ""} {
				broken.only = only
				_, err := c.IssueToken(t.Context(), []string{front})
				note(err)
			}
			_, err := c.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry})
			note(err)
			broken.next.(*http.Transport).CloseIdleConnections()
		}
	}
	printed.WriteString(g.log.String())
	for name, value := range g.memory.Kept {
		printed.WriteString(name + string(value))
	}
	for _, secret := range []string{key, password, token, string(good), "s3cret", "1nt3gr", url.QueryEscape(password), "X-Api-Key"} {
		if at := strings.Index(printed.String(), secret); at >= 0 {
			t.Errorf("%q is shown: %s", secret, printed.String()[max(0, at-200):at+20])
		}
	}
	if !bytes.Contains([]byte(printed.String()), []byte("TickeTing")) {
		t.Error("nothing was printed")
	}
}

// The vendor's words may name the token where the call did not, and wherever the token
// comes from.
func TestATokenThatTheVendorNames(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.write(t, "token", token)
	for name, from := range map[string]change{
		"the file": with(map[string]any{"admission_token": nil, "admission_token_file": filepath.Join(g.dir, "token")}),
		"a variable": func(raw map[string]any, deps *ticketing.Deps) {
			delete(raw, "admission_token")
			deps.Environ = append(deps.Environ, "USHER_VENDOR_ADMISSION_TOKEN="+token)
		},
	} {
		c := g.again(t, from, g.bySession, func(_ map[string]any, deps *ticketing.Deps) { deps.Transport = naming{} })
		_, err := c.Tokens(t.Context(), nil)
		text := fmt.Sprint(c.SignIn(t.Context()), c.Probe(t.Context()), err, c.Status().Problem, g.log.String())
		if strings.Contains(text, token) || !strings.Contains(text, "TickeTing") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// naming refuses everything and names the token.
type naming struct{}

func (naming) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 403, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"error":"not with ` + token + ` from here"}`)),
	}, nil
}

// echoLater is echoing for paths that end in something.
type echoLater struct {
	next   http.RoundTripper
	status int
	only   string
}

func (e *echoLater) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, e.only) {
		return echoing{e.status}.RoundTrip(r)
	}
	return e.next.RoundTrip(r)
}
