// Package wire is one HTTP round trip done well, for every vendor.
//
// It makes one attempt and tells precisely how that ended: an [Answer], or a
// [scanner.CallError] that says whether the vendor may have acted on the call.
// What the vendor may have acted on and did not answer is in doubt at the gate,
// so every rule here is on the careful side:
//
//   - no connection (refused, no route, DNS, TLS, a proxy's refusal, out of time
//     before there was one): unreachable, not sent. A connection that was taken
//     and then failed counts as sent, whatever was written. net/http repeats a
//     POST by itself only where not one byte of it was written.
//   - out of time, reset, or a body cut off by the connection: silent, maybe sent.
//   - a redirect, HTML, or what is not the JSON that the vendor documents:
//     nonsense, maybe sent. No redirect is followed: a vendor's API has none, a
//     captive portal's leads elsewhere, and neither may see our credentials.
//     JSON that ends too soon in a body that HTTP calls whole is nonsense too, and
//     so are 101 and what breaks the rules of HTTP.
//   - 401, 403, 412: denied, not acted on. 407: unreachable (a proxy's word).
//     408: silent, maybe sent. 429: throttled, not acted on. Another 4xx:
//     malformed, not acted on. 511: nonsense (a network that wants a login).
//     Another 5xx: failing, maybe sent.
//
// Answers are bounded in bytes and in time, whatever the other side does; a
// stream must bring 1 KiB in every 30 s. No error names a query, a header or
// anything of a body. Only HTTP/1.1 is spoken: a call has its connection to
// itself, so that what became of it can be told.
//
// Bytes that a network changes are found by TLS alone, and each of them there.
// Plain HTTP, which [ParseBase] takes to this machine only, cannot tell a changed
// question or answer, or one that comes twice, from a true one.
package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"usher/scanner"
)

const (
	// DefaultLimit is the most bytes of an answer where a call states none.
	DefaultLimit = 1 << 20
	// longest ends a call whose context has no earlier end, and a stream of which
	// too little comes for so long.
	longest = 30 * time.Second
	// dialing bounds each of the steps towards a connection.
	dialing = 5 * time.Second
)

// Options are what a [Client] is made of.
type Options struct {
	// Base is what every path is put behind, see [ParseBase].
	Base *url.URL
	// Version of usher, for User-Agent.
	Version string
	// Transport carries the requests; nil: one of [NewTransport].
	Transport http.RoundTripper
	// Time is the moment at which certificates must be valid; nil: the wall clock.
	// A given Transport has its own.
	Time func() time.Time
	// Clock gives the stamps of observations.
	Clock scanner.Clock
	// Observe learns the vendor's time from answers that are truly the vendor's;
	// nil: nobody wants to know.
	Observe func(Observation)
}

// Observation is what the Date of one answer says of the true time: it was that
// second at some moment between the two stamps.
type Observation struct {
	Date           time.Time
	Sent, Received scanner.Stamp
}

// Client makes calls below one base URL. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	agent   string
	http    *http.Client
	clock   scanner.Clock
	observe func(Observation)
}

// New makes a client. It does no I/O.
func New(o Options) *Client {
	transport := o.Transport
	if transport == nil {
		own := NewTransport()
		own.TLSClientConfig.Time = o.Time
		transport = own
	}
	version := o.Version
	if version == "" {
		version = "dev"
	}
	clock := o.Clock
	if clock == nil {
		clock = newUptime()
	}
	return &Client{
		base:  o.Base,
		agent: "usher/" + version,
		clock: clock,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		observe: o.Observe,
	}
}

// NewTransport gives a transport for a handheld that roams: short steps towards a
// connection, a proxy where the environment names one, few idle connections.
func NewTransport() *http.Transport {
	only := new(http.Protocols)
	only.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialing}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialing,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              only,
	}
}

// ParseBase reads a vendor's base URL: https, or http to this machine itself,
// without credentials, query or fragment. The error says what to write.
func ParseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("not a URL such as https://api.example.com/v1")
	case u.User != nil:
		return nil, errors.New("holds a user or password: those have keys of their own")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("ends in a query (?) or fragment (#): write the address alone")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("must begin with https:// (http would show the password to the network; it is for 127.0.0.1 only)")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("must begin with https://, not %s://", u.Scheme)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// loopback tells an address of this very machine. No name is looked up: what a
// name means is the network's to say, save for localhost.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Call is one request.
type Call struct {
	// Op names the call in the vendor's own words, for errors.
	Op     string
	Method string
	// Path goes behind the base URL and begins with a slash. Literal: what a path may
	// hold is sent as it is, for a document that has parentheses in one.
	Path    string
	Literal bool
	Query   url.Values
	Header  http.Header
	// Body is sent as JSON; nil: none.
	Body any
	// Limit is the most bytes that the answer may have; 0: [DefaultLimit].
	Limit int64
}

func (c Call) limit() int64 {
	if c.Limit > 0 {
		return c.Limit
	}
	return DefaultLimit
}

// Answer is a whole answer.
type Answer struct {
	Op     string
	Status int
	Header http.Header
	Body   []byte
	// Date is the vendor's time in the answer's header; zero: none.
	Date  time.Time
	vouch func()
}

// Vouch says that the answer is truly the vendor's: its time may be believed.
func (a Answer) Vouch() {
	if a.vouch != nil {
		a.vouch()
	}
}

// Decode reads the body by [Decode]. The error is a [scanner.CallError].
func (a Answer) Decode(into any) error {
	if err := Decode(a.Body, into); err != nil {
		return Nonsense(a.Op, a.Status, err)
	}
	return nil
}

// Do makes the call and reads the whole answer. An answer whose status is not
// 2xx comes with its error, since a vendor may say more in the body. The error
// is a [scanner.CallError].
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	t, err := c.send(ctx, call)
	if err != nil {
		return Answer{Op: call.Op}, err
	}
	defer t.resp.Body.Close()
	return c.read(t, call.limit())
}

// read takes the body in.
func (c *Client) read(t *trip, limit int64) (Answer, error) {
	a := t.answer()
	body, err := io.ReadAll(io.LimitReader(t.resp.Body, limit+1))
	switch ended := statusError(t.op, t.resp); {
	case ended != nil:
		if err == nil && int64(len(body)) <= limit {
			a.Body = body
		}
		return a, ended
	case err != nil:
		c.hangUp()
		return a, broken(t.op, t.resp.StatusCode, err)
	case int64(len(body)) > limit:
		return a, Nonsense(t.op, t.resp.StatusCode, tooLong(limit))
	}
	if err := foreign(t.resp, body); err != nil {
		return a, Nonsense(t.op, t.resp.StatusCode, err)
	}
	a.Body = body
	return a, nil
}

// request builds the request; only a fault in usher itself makes it fail.
func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	u := *c.base
	u.Path += call.Path
	u.RawPath = ""
	if call.Literal {
		u.RawPath = u.Path // net/url takes it only where it is a true encoding of Path
	}
	u.RawQuery = call.Query.Encode()
	var body io.Reader
	if call.Body != nil {
		raw, err := json.Marshal(call.Body)
		if err != nil {
			return nil, errors.New("the request cannot be written as JSON")
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, u.String(), body)
	if err != nil {
		return nil, errors.New("the request cannot be built")
	}
	if call.Header != nil {
		req.Header = call.Header.Clone()
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// hangUp closes the connections that wait for another call. Where one call was
// met with silence, they lead into the same silence.
func (c *Client) hangUp() { c.http.CloseIdleConnections() }
