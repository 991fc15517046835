package wire

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"usher/scanner"
)

// slowest is the longest round trip whose Date is worth an observation: the
// true time lies anywhere within it. On a very slow link there is no better one,
// and who learns from it states the error.
const slowest = longest

// trip is one round trip up to the answer's header.
type trip struct {
	op             string
	resp           *http.Response
	date           time.Time
	sent, received scanner.Stamp
	observe        func(Observation)
}

// send makes the request and waits for the answer's header.
func (c *Client) send(ctx context.Context, call Call) (*trip, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, &scanner.CallError{Op: call.Op, Trouble: scanner.Malformed, Err: err}
	}
	line := &line{clock: c.clock}
	req = req.WithContext(httptrace.WithClientTrace(ctx, line.trace()))
	resp, err := c.http.Do(req)
	sent, taken := line.state()
	if err != nil {
		if taken {
			c.hangUp()
			return nil, broken(call.Op, 0, err)
		}
		return nil, unreachable(call.Op, err)
	}
	if resp.StatusCode < 200 {
		// 101: net/http hands the bare connection over, which no context ends.
		_ = resp.Body.Close()
		return nil, statusError(call.Op, resp)
	}
	t := &trip{op: call.Op, resp: resp, sent: sent, received: c.clock.Now(), observe: c.observe}
	t.date, _ = http.ParseTime(resp.Header.Get("Date"))
	return t, nil
}

func (t *trip) answer() Answer {
	return Answer{Op: t.op, Status: t.resp.StatusCode, Header: t.resp.Header, Date: t.date, vouch: t.vouch}
}

// vouch passes the vendor's time on. An answer out of somebody's cache (Age)
// tells an old one.
func (t *trip) vouch() {
	if t.observe == nil || t.date.IsZero() {
		return
	}
	if age := t.resp.Header.Get("Age"); age != "" && age != "0" {
		return
	}
	if took, ok := t.received.Since(t.sent); !ok || took < 0 || took > slowest {
		return
	}
	t.observe(Observation{Date: t.date, Sent: t.sent, Received: t.received})
}

// line watches what becomes of the connection of one request. Its methods run
// on whichever goroutine net/http likes.
type line struct {
	clock scanner.Clock

	mu    sync.Mutex // guards what follows
	taken bool
	at    scanner.Stamp
}

func (l *line) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		// Each attempt of net/http begins anew; it makes another of a POST only
		// where the one before wrote nothing.
		GetConn: func(string) { l.set(false) },
		GotConn: func(httptrace.GotConnInfo) { l.set(true) },
	}
}

func (l *line) set(taken bool) {
	at := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken, l.at = taken, at
}

// state tells when the request began to travel, and whether it may have.
func (l *line) state() (scanner.Stamp, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.taken
}

// uptime is the clock of a client that was given none: the monotonic clock of
// this process, which serves durations alone.
type uptime struct{ start time.Time }

func newUptime() *uptime { return &uptime{start: time.Now()} }

func (u *uptime) Now() scanner.Stamp {
	now := time.Now()
	return scanner.Stamp{Wall: now.UTC(), Boot: "process", Up: now.Sub(u.start)}
}

func (u *uptime) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

// Uptime gives a clock for a vendor that was given none: good for durations
// within this process, trusted in nothing else.
func Uptime() scanner.Clock { return newUptime() }
