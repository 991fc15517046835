package archtics

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// resource is the one path of all calls.
const resource = "/ticketing_services.aspx"

const (
	// answerLimit is the most bytes of an answer: the document calls 250 000 too much
	// for one of its own calls, and names no limit of others.
	answerLimit = 8 << 20
	// rowsLimit is the most of one that is read row by row.
	rowsLimit = 64 << 20
)

// common is what command1 of every call has.
type common struct {
	Cmd  string `json:"cmd"`
	Ref  string `json:"ref"`
	UID  string `json:"uid"`
	DSN  string `json:"dsn"`
	Site string `json:"site_name,omitempty"`
}

// common gives a call its own reference, by which its answer is known again.
func (c *Client) common(cmd string) common {
	ref := make([]byte, 12)
	_, _ = rand.Read(ref) // it never fails
	return common{Cmd: cmd, Ref: hex.EncodeToString(ref), UID: c.cfg.UID, DSN: c.cfg.DSN, Site: c.cfg.Site}
}

// envelope is every request.
type envelope struct {
	Header  header `json:"header"`
	Command any    `json:"command1"`
}

type header struct {
	Version int    `json:"ver"`
	Kind    int    `json:"src_sys_type"`
	Name    string `json:"src_sys_name"`
	Edition string `json:"archtics_version"`
}

// question is one call on its way.
type question struct {
	common
	urgency urgency
	key     string
	raw     json.RawMessage
	// fetch makes one request.
	fetch func(context.Context, wire.Call) (wire.Answer, error)
	// secrets must be in no error; the scan's own code is one.
	secrets []string
}

// ask makes one call of the API: it is repeated, cookies and all, while Archtics
// says that it is at work on it. A result other than 0 is part of the answer.
// The error is a *scanner.CallError; none of the calls here changes anything at the
// vendor, so that none is ever in doubt.
func (c *Client) ask(ctx context.Context, u urgency, base common, command any, secrets ...string) (answer, error) {
	return c.askBy(ctx, c.wire.Do, u, base, command, secrets...)
}

// askBy is ask where an answer is read in another way than as a whole.
func (c *Client) askBy(ctx context.Context, fetch func(context.Context, wire.Call) (wire.Answer, error), u urgency, base common, command any, secrets ...string) (answer, error) {
	key, err := c.session.open(base.Cmd)
	if err != nil {
		return answer{}, err
	}
	raw, err := json.Marshal(envelope{Header: header{Version: 1, Kind: 2, Name: "usher", Edition: "V999"}, Command: command})
	if err != nil {
		return answer{}, fault(base.Cmd, scanner.Malformed, "the request cannot be written as JSON")
	}
	q := question{common: base, urgency: u, key: key, raw: raw, fetch: fetch, secrets: append(secrets, key)}
	got, err := c.poll(ctx, q)
	if err == nil {
		return got, nil
	}
	call := *scanner.CallErrorOf(err)
	call.MaybeSent = false
	switch call.Status {
	case http.StatusNotFound:
		call.Trouble = scanner.Denied
		call.Err = errors.New("HTTP 404, which is a set-up issue by the document: check vendor.product and vendor.dsn, else Ticketmaster must set the access up")
	case http.StatusUnauthorized, http.StatusForbidden:
		call.Err = fmt.Errorf("%w: the API key is wrong, or not allowed to use this database or call", call.Err)
	case http.StatusTooManyRequests:
		call.RetryAfter = c.quota.refused(call.RetryAfter)
	}
	c.session.judge(&call, key)
	return answer{}, &call
}

// poll repeats the call until it is answered.
func (c *Client) poll(ctx context.Context, q question) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.PollLimit)
	defer cancel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return answer{}, fault(q.Cmd, scanner.Malformed, "no room for cookies")
	}
	path := "/" + c.cfg.Product + resource
	at := *c.cfg.base
	at.Path += path
	for n := 1; ; n++ {
		used, err := c.allowed(ctx, q, n)
		if err != nil {
			return answer{}, err
		}
		got, err := q.fetch(ctx, wire.Call{
			Op: q.Cmd, Method: http.MethodPost, Path: path, Query: url.Values{"dsn": {c.cfg.DSN}},
			Header: cookies(jar, &at, q.key), Body: q.raw, Limit: answerLimit,
		})
		if err != nil && scanner.CallErrorOf(err).Trouble == scanner.Unreachable {
			c.quota.give(used) // it never left
		}
		if got.Status != http.StatusAccepted {
			if err != nil {
				return answer{}, err
			}
			return q.read(got)
		}
		// What is in the body of a 202 is not documented and of no use.
		if err != nil && scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
			return answer{}, err
		}
		jar.SetCookies(&at, (&http.Response{Header: got.Header}).Cookies())
		if err := pause(ctx, c.between(n)); err != nil {
			return answer{}, atWork(q.Cmd, n, err)
		}
	}
}

func atWork(op string, n int, err error) error {
	return &scanner.CallError{
		Op: op, Trouble: scanner.Silent, Status: http.StatusAccepted, Err: fmt.Errorf("asked %d times, and Archtics is still at work on it: %w", n, err),
	}
}

// soon is how many times a call is asked for at the document's pace. Whoever waited
// at the gate has been told something by then.
const soon = 5

// between is the pause behind the n-th time. One call that takes minutes must not
// use up the quota.
func (c *Client) between(n int) time.Duration {
	return min(c.cfg.PollEvery<<max(0, min(n-soon, 4)), max(c.cfg.PollEvery, 5*time.Second))
}

// allowed takes the n-th request of a call from the quota. One that Archtics has
// begun to work on leaves a part to scans that have not been asked yet, and waits
// for its turn.
func (c *Client) allowed(ctx context.Context, q question, n int) (request, error) {
	u := q.urgency
	if n > soon {
		u = max(u, waiting)
	}
	for {
		used, err := c.quota.take(ctx, u, q.Cmd)
		if err == nil || n == 1 {
			return used, err
		}
		if err := pause(ctx, scanner.CallErrorOf(err).RetryAfter); err != nil {
			return request{}, atWork(q.Cmd, n-1, err)
		}
	}
}

// cookies is the header of a call: the key, and what the server has set since the
// call began.
func cookies(jar http.CookieJar, at *url.URL, key string) http.Header {
	h := http.Header{}
	h.Set("apikey", key)
	var all []string
	for _, cookie := range jar.Cookies(at) {
		all = append(all, cookie.Name+"="+cookie.Value)
	}
	if len(all) > 0 {
		h.Set("Cookie", strings.Join(all, "; "))
	}
	return h
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fault is a call error of our own.
func fault(op string, trouble scanner.Trouble, text string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: trouble, Err: errors.New(text)}
}
