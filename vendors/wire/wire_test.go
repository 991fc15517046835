package wire_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

func base(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := wire.ParseBase(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// client is a client before a handler.
func client(t *testing.T, handler http.HandlerFunc) (*wire.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := wire.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return wire.New(wire.Options{Base: base(t, server.URL), Version: "1.2.3", Transport: transport}), server
}

func get(op string) wire.Call { return wire.Call{Op: op, Method: http.MethodGet, Path: "/x"} }

func TestParseBase(t *testing.T) {
	for text, want := range map[string]string{
		"https://api.ovationtix.com/public":  "",
		"https://api.ovationtix.com/public/": "",
		"http://127.0.0.1:8080":              "",
		"http://[::1]:8080/a":                "",
		"http://localhost":                   "",
		"http://api.ovationtix.com":          "must begin with https://",
		"http://127.0.0.1.example.org":       "must begin with https://",
		"ftp://x.example":                    "must begin with https://, not ftp",
		"api.ovationtix.com":                 "not a URL",
		"":                                   "not a URL",
		"https://":                           "not a URL",
		"https://u:p@x.example":              "keys of their own",
		"https://x.example/?k=v":             "query",
		"https://x.example/#a":               "query",
		"https:opaque":                       "not a URL",
	} {
		u, err := wire.ParseBase(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want == "" && strings.HasSuffix(u.Path, "/"):
			t.Errorf("%q: path %q", text, u.Path)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestRequest(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/x" || r.URL.Query().Get("a") != "b c" || r.Header.Get("X-Key") != "k" || r.Header.Get("User-Agent") != "usher/1.2.3" ||
			r.Header.Get("Content-Type") != "application/json" || string(body) != `{"n":1}` {
			t.Errorf("got %s %v %s", r.URL, r.Header, body)
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	call := wire.Call{
		Op: "x", Method: http.MethodPost, Path: "/x", Query: url.Values{"a": {"b c"}}, Header: http.Header{"X-Key": {"k"}}, Body: map[string]int{"n": 1},
	}
	a, err := c.Do(t.Context(), call)
	var got struct {
		OK bool `json:"ok"`
	}
	if err != nil || a.Decode(&got) != nil || !got.OK || a.Status != 200 || a.Date.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		status  int
		trouble scanner.Trouble
		maybe   bool
	}{
		{301, scanner.Nonsense, true},
		{302, scanner.Nonsense, true},
		{307, scanner.Nonsense, true},
		{400, scanner.Malformed, false},
		{401, scanner.Denied, false},
		{403, scanner.Denied, false},
		{404, scanner.Malformed, false},
		{407, scanner.Unreachable, false},
		{408, scanner.Silent, true},
		{412, scanner.Denied, false},
		{422, scanner.Malformed, false},
		{429, scanner.Throttled, false},
		{500, scanner.Failing, true},
		{502, scanner.Failing, true},
		{503, scanner.Failing, true},
		{511, scanner.Nonsense, true},
	} {
		c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://portal.invalid/")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, `{"why":"secret words"}`)
		})
		a, err := c.Do(t.Context(), get("x"))
		var call *scanner.CallError
		if !errors.As(err, &call) || call.Trouble != tt.trouble || call.MaybeSent != tt.maybe || call.Status != tt.status || call.Op != "x" {
			t.Errorf("%d: got %v", tt.status, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") || !strings.Contains(string(a.Body), "secret words") {
			t.Errorf("%d: error %q, body %q", tt.status, err, a.Body)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":               0,
		"7":              7 * time.Second,
		"-7":             0,
		"soon":           0,
		"1e9":            0,
		"99999999999999": 24 * time.Hour,
		date.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		date.Add(-time.Hour).Format(http.TimeFormat):       0,
	} {
		c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date.Format(http.TimeFormat))
			w.Header().Set("Retry-After", text)
			w.WriteHeader(429)
		})
		_, err := c.Do(t.Context(), get("x"))
		if got := scanner.CallErrorOf(err).RetryAfter; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestNotReached(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String()
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	noTLS := strings.Replace(plain.URL, "http:", "https:", 1)
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	for _, tt := range []struct {
		name, url, want string
		tls             *tls.Config
	}{
		{"refused", refused, "connection refused", nil},
		{"no name", "https://usher.invalid", "usher.invalid", nil},
		{"nobody's certificate", secure.URL, "nobody this device trusts", nil},
		{"no TLS", noTLS, "no TLS", nil},
		{"another host", secure.URL, "another host's", &tls.Config{RootCAs: pool, ServerName: "other.example"}},
		{"a clock that is years off", secure.URL, "set the clock", &tls.Config{RootCAs: pool, Time: func() time.Time { return time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) }}},
	} {
		transport := wire.NewTransport()
		if tt.tls != nil {
			transport.TLSClientConfig = tt.tls
		}
		c := wire.New(wire.Options{Base: base(t, tt.url), Transport: transport})
		call := get("x")
		call.Query = url.Values{"apikey": {"hush"}}
		_, err := c.Do(t.Context(), call)
		var got *scanner.CallError
		if !errors.As(err, &got) || got.Trouble != scanner.Unreachable || got.MaybeSent || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", tt.name, err)
		}
		transport.CloseIdleConnections()
	}
}

// A POST on a connection that the server closed meanwhile is in doubt, and made
// once.
func TestClosedConnection(t *testing.T) {
	var requests atomic.Int32
	c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{}`)
	})
	call := wire.Call{Op: "x", Method: http.MethodPost, Path: "/x", Body: 1}
	if _, err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	_, err := c.Do(t.Context(), call)
	if got := scanner.CallErrorOf(err); err == nil || got.Trouble != scanner.Silent || !got.MaybeSent || requests.Load() != 2 {
		t.Errorf("got %v after %d requests", err, requests.Load())
	}
}

func TestBounded(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `["`+strings.Repeat("a", 1000)+`"]`)
		if r.URL.Query().Has("hang") {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	call := get("x")
	call.Limit = 1004
	if a, err := c.Do(t.Context(), call); err != nil || len(a.Body) != 1004 {
		t.Errorf("just long enough: %d bytes, %v", len(a.Body), err)
	}
	call.Limit = 1003
	if _, err := c.Do(t.Context(), call); scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
		t.Errorf("too long: %v", err)
	}
	call = get("x")
	call.Query = url.Values{"hang": {"1"}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, call)
	if got := scanner.CallErrorOf(err); got.Trouble != scanner.Silent || !got.MaybeSent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
}

func TestObserve(t *testing.T) {
	var seen []wire.Observation
	headers := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	defer server.Close()
	c := wire.New(wire.Options{Base: base(t, server.URL), Observe: func(o wire.Observation) { seen = append(seen, o) }})
	do := func(vouch bool, want int) {
		t.Helper()
		a, err := c.Do(t.Context(), get("x"))
		if err != nil {
			t.Fatal(err)
		}
		if vouch {
			a.Vouch()
		}
		if len(seen) != want {
			t.Errorf("%d observations, want %d", len(seen), want)
		}
	}
	do(false, 0)
	do(true, 1)
	headers["Age"] = "5"
	do(true, 1)
	headers["Age"] = "0"
	do(true, 2)
	headers["Date"] = "yesterday"
	do(true, 2)
	if o := seen[0]; o.Received.Up <= o.Sent.Up || time.Since(o.Date) > time.Minute {
		t.Errorf("observed %+v", o)
	}
}

// leaps is a clock that leaps ahead whenever it is read.
type leaps struct {
	by time.Duration
	up atomic.Int64
}

func (l *leaps) Now() scanner.Stamp {
	return scanner.Stamp{Boot: "a", Up: time.Duration(l.up.Add(int64(l.by)))}
}
func (l *leaps) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// A very slow round trip tells the time too, as well as it can.
func TestObservationOfASlowTrip(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer server.Close()
	for by, want := range map[time.Duration]int{29 * time.Second: 1, 31 * time.Second: 0} {
		seen := 0
		c := wire.New(wire.Options{Base: base(t, server.URL), Clock: &leaps{by: by}, Observe: func(wire.Observation) { seen++ }})
		a, err := c.Do(t.Context(), get("x"))
		if err != nil {
			t.Fatal(err)
		}
		a.Vouch()
		if seen != want {
			t.Errorf("%v: %d observations, want %d", by, seen, want)
		}
		c.HangUp()
	}
}

func TestPlainText(t *testing.T) {
	for markup, want := range map[string]string{
		"<div style='x'><div>INVALID TICKET</div></div>":                           "INVALID TICKET",
		"<div><div>s1: A1</div><div>Walkup Walkup</div><div>2 scanned</div></div>": "s1: A1 · Walkup Walkup · 2 scanned",
		"Tom &amp; Jerry&nbsp;&lt;b&gt;":                                           "Tom & Jerry <b>",
		"a<br>b<br/>c<p>d":                                                         "a · b · c · d",
		"a<script>alert('x')</script>b<style>p{}</style>c":                         "abc",
		"<b>bold</b> and <i>not</i>":                                               "bold and not",
		"a\x00b\x1b[31mc\u202ed\u200be":                                            "ab[31mcde",
		"  many \n\t blanks ":                                                      "many blanks",
		"<!-- comment -->x<img src=x onerror=alert(1)>":                            "x",
		"<div":                 "",
		"a < b":                "a < b",
		"":                     "",
		"<script>never closed": "",
		"<table><tr><td>Row</td><td>A</td></tr></table>": "Row · A",
		strings.Repeat("ä", 300):                         strings.Repeat("ä", 199) + "…",
	} {
		if got := wire.PlainText(markup); got != want {
			t.Errorf("%q: got %q, want %q", markup, got, want)
		}
	}
	if got := wire.Plain("a <b> \u202e\n c"); got != "a <b> c" {
		t.Errorf("got %q", got)
	}
}

func TestDecodeStrict(t *testing.T) {
	type inner struct {
		ID int `json:"id"`
	}
	type shape struct {
		Section string  `json:"section"`
		Items   []inner `json:"items"`
		Next    *inner  `json:"next"`
		Last    string  `json:"lastName"`
	}
	for text, ok := range map[string]bool{
		`{"section":"a","items":[{"id":1},{"id":2}],"next":null,"more":{"section":"b"}}`: true,
		`{}`:                            true,
		` {"section":"\"}{"} `:          true,
		`{"x":{"a":1},"y":{"a":1}}`:     true,
		`{"section":"a","section":"a"}`: false,
		`{"section":"a","Section":"b"}`: false,
		`{"lastname":"a"}`:              false,
		`{"SECTION":"a"}`:               false,
		`{"\u017fection":"a"}`:          false,
		`{"ſection":"a"}`:               false,
		`{"items":[{"id":1,"id":2}]}`:   false,
		`{"more":{"a":1,"\u0061":2}}`:   false,
		`{"section":5}`:                 false,
		`{"items":{"id":1}}`:            false,
		`{"items":[{"id":1.5}]}`:        false,
		`{"section":"a"} x`:             false,
		`{"section":"a"`:                false,
		"{\"section\":\"\xff\"}":        false,
		``:                              false,
	} {
		var got shape
		if err := wire.Decode([]byte(text), &got); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
