package screen

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// told is one server-sent event.
type told struct {
	event string
	id    int64
	data  string
}

// tab is a page that follows.
type tab struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Reader
}

func (r *rig) open(t *testing.T, query string) *tab {
	t.Helper()
	resp, err := http.Get("http://" + r.Addr + "/events" + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, kind)
	}
	return &tab{t: t, body: resp.Body, in: bufio.NewReader(resp.Body)}
}

// next reads one event; an error where the stream ended.
func (s *tab) next() (told, error) {
	var e told
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.event = value
		case "id":
			e.id, _ = strconv.ParseInt(value, 10, 64)
		case "data":
			e.data = value
		case "":
			return e, nil
		default:
			s.t.Fatalf("no line of an event: %q", line)
		}
	}
}

// want reads on to the next event of the kind.
func (s *tab) want(kind string) told {
	s.t.Helper()
	for {
		e, err := s.next()
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if e.event == kind {
			return e
		}
	}
}

func (s *tab) view() View {
	s.t.Helper()
	var v View
	if err := json.Unmarshal([]byte(s.want("verdict").data), &v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *tab) state() State {
	s.t.Helper()
	var state State
	if err := json.Unmarshal([]byte(s.want("state").data), &state); err != nil {
		s.t.Fatal(err)
	}
	return state
}

func TestAPageIsToldTheStateThenVerdicts(t *testing.T) {
	r := serve(t)
	r.Feed.Publish(sample(1, "lane-1")) // before anybody looked: never told
	page := r.open(t, "")
	if first, err := page.next(); err != nil || first.event != "page" || first.data == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := page.next()
	if err != nil || second.event != "state" {
		t.Fatalf("%+v, %v", second, err)
	}
	var state State
	if err := json.Unmarshal([]byte(second.data), &state); err != nil || state.Kind != Calm || state.Title != "Gate 7" || state.HoldMS != 5000 {
		t.Errorf("%+v, %v", state, err)
	}
	began := time.Now()
	for _, e := range []control.Event{sample(2, "lane-1"), sample(3, Manual), {Seq: 4, Kind: scanner.KindRequeue}, {Seq: 5, Kind: scanner.KindAcknowledge}, sample(6, "lane-2")} {
		r.Feed.Publish(e)
	}
	for _, seq := range []uint64{2, 3, 6} {
		if v := page.view(); v.Seq != seq {
			t.Errorf("told of %d, want %d", v.Seq, seq)
		}
	}
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("three verdicts took %s", took)
	}
	// What changed comes with the verdict, not with the next beat.
	r.house.change(func(h *house) { h.status.Counts.Admit = 42 })
	r.Feed.Publish(sample(7, "lane-1"))
	page.view()
	if state := page.state(); state.Counts[0].Value != "42" {
		t.Errorf("%+v", state.Counts)
	}
}

func TestEventsSayWhenTheyWereSent(t *testing.T) {
	r := serve(t)
	page := r.open(t, "")
	for range 3 {
		e := page.want("state")
		if ago := time.Since(time.UnixMilli(e.id)); ago < -time.Millisecond || ago > time.Second {
			t.Errorf("sent %s ago", ago)
		}
	}
}

func TestAPageOfOneScanner(t *testing.T) {
	r := serve(t)
	page, unknown := r.open(t, "?scanner=lane-1"), r.open(t, "?scanner=lane-9")
	if state := page.state(); state.Scanner != "lane-1" || state.Kind != Calm {
		t.Errorf("%+v", state)
	}
	if state := unknown.state(); state.Kind != Blind || !strings.Contains(state.Why, "lane-9") || !strings.Contains(state.Why, "lane-1") {
		t.Errorf("%+v", state)
	}
	r.Feed.Publish(sample(1, "lane-2"))
	r.Feed.Publish(sample(2, Manual))
	r.Feed.Publish(sample(3, "lane-1"))
	if v := page.view(); v.Seq != 3 {
		t.Errorf("told of %d", v.Seq)
	}
}

// TestTheHeartBeats: a page must know within a second that the daemon is gone.
func TestTheHeartBeats(t *testing.T) {
	r := serve(t)
	page := r.open(t, "")
	page.state()
	began := time.Now()
	for range 3 {
		page.state()
	}
	if took := time.Since(began); took > 1500*time.Millisecond || took < 300*time.Millisecond {
		t.Errorf("three beats took %s", took)
	}
	began = time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := page.next(); err != nil {
			break
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the end took %s", took)
	}
}

// TestNobodyIsAskedWithoutAPage: idle wake-ups cost battery.
func TestNobodyIsAskedWithoutAPage(t *testing.T) {
	r := serve(t)
	polls := func() (n int) {
		r.house.change(func(h *house) { n = h.polls })
		return n
	}
	page := r.open(t, "")
	page.state()
	page.state()
	page.body.Close()
	// The server learns of the closed connection with its next word.
	var last int
	until(t, "the heart stands still", func() bool {
		last = polls()
		time.Sleep(2 * beat)
		return polls() == last
	})
	time.Sleep(2 * beat)
	if n := polls(); n != last {
		t.Errorf("the status was asked for %d times without a page", n-last)
	}
	if last < 2 {
		t.Errorf("it was asked for %d times in all", last)
	}
}

// TestASlowBrowserIsDropped: it is closed, and others are told all the same.
func TestASlowBrowserIsDropped(t *testing.T) {
	r := serve(t)
	slow, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", r.Addr)
	// It has begun to be told.
	if _, err := io.ReadFull(slow, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	page := r.open(t, "")
	page.state()
	e := sample(1, "lane-1")
	e.Ticket.Name = strings.Repeat("x", 8<<10)
	before := runtime.NumGoroutine()
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range uint64(200) {
			e.Seq = i + 1
			began := time.Now()
			r.Feed.Publish(e)
			if took := time.Since(began); took > time.Second {
				t.Errorf("publishing waited %s", took)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	for i := range uint64(200) {
		if v := page.view(); v.Seq != i+1 {
			t.Fatalf("told of %d, want %d", v.Seq, i+1)
		}
	}
	<-published
	until(t, "the slow one is dropped", func() bool { return runtime.NumGoroutine() < before })
	_ = slow.SetReadDeadline(time.Now().Add(15 * time.Second))
	rest, err := io.ReadAll(slow)
	if err != nil {
		t.Errorf("still open: %v", err)
	}
	if bytes.Count(rest, []byte("event: verdict")) > 100 {
		t.Errorf("%d bytes waited for it", len(rest))
	}
}

func TestTooManyPagesDropTheOldest(t *testing.T) {
	r := serve(t)
	var pages []*tab
	for range maxPages + 3 {
		page := r.open(t, "")
		page.state()
		pages = append(pages, page)
	}
	for i, page := range pages[:3] {
		began := time.Now()
		for {
			if _, err := page.next(); err != nil {
				break
			}
			if time.Since(began) > 2*time.Second {
				t.Errorf("page %d is still told", i)
				break
			}
		}
	}
	r.Feed.Publish(sample(9, "lane-1"))
	for _, page := range pages[3:] {
		if v := page.view(); v.Seq != 9 {
			t.Errorf("told of %d", v.Seq)
		}
	}
	if n := strings.Count(r.log.String(), "too many gate screen pages"); n != 1 {
		t.Errorf("%d lines: %s", n, r.log)
	}
}
