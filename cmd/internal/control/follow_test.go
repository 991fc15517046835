package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/internal/control"
)

func next(t *testing.T, s *control.Stream) control.Event {
	t.Helper()
	e, err := s.Next()
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return e
}

func TestFollowConnectsBeforeTheFirstEvent(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	h.happen(control.Event{ID: "before"})
	// Follow returns on the headers alone: nothing has happened since.
	stream, err := client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	h.happen(control.Event{ID: "a"})
	h.happen(control.Event{ID: "a", Seq: 2, Repeat: true})
	if e := next(t, stream); e.ID != "a" || e.Repeat || e.Seq != 2 {
		t.Errorf("first: %+v", e)
	}
	if e := next(t, stream); e.ID != "a" || !e.Repeat {
		t.Errorf("the repeat: %+v", e)
	}
}

// Events keep happening while a follower replays: each comes once, in order.
func TestFollowFromHasNeitherGapNorDouble(t *testing.T) {
	const before, during, after = 1000, 100, 50
	h := &house{}
	client, _ := serve(t, h)
	for i := range before {
		h.happen(control.Event{ID: fmt.Sprint(i + 1)})
	}
	var once sync.Once
	h.sincing = func() {
		once.Do(func() {
			for i := range during {
				h.happen(control.Event{ID: fmt.Sprint(before + i + 1)})
			}
			// A repeat of a replayed scan is no double of it.
			h.happen(control.Event{ID: "again", Seq: 500, Repeat: true})
		})
	}
	stream, err := client.FollowFrom(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	repeats := 0
	for want := uint64(11); want <= before+during+after; {
		if want == before+during+1 && repeats == 1 {
			// Everything old has come: now follow.
			for i := range after {
				h.happen(control.Event{ID: fmt.Sprint(before + during + i + 1)})
			}
			repeats++
		}
		e := next(t, stream)
		if e.Repeat {
			repeats++
			continue
		}
		if e.Seq != want || e.ID != fmt.Sprint(want) {
			t.Fatalf("got %d (%s), want %d", e.Seq, e.ID, want)
		}
		want++
	}
}

func TestFollowFromFailsBeforeItMisleads(t *testing.T) {
	h := &house{fail: errors.New("journal closed")}
	client, _ := serve(t, h)
	stream, err := client.FollowFrom(t.Context(), 0)
	if err == nil {
		defer stream.Close()
		_, err = stream.Next()
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a broken stream", err)
	}
}

// A follower that does not read must not hold anybody up, and must learn that it
// missed something.
func TestASlowFollowerIsDropped(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	conn, err := net.Dial("unix", client.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/scans?follow=true HTTP/1.1\r\nHost: usher\r\n\r\n")
	lines := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	event := control.Event{Message: strings.Repeat("m", 8<<10)}
	start := time.Now()
	for range 2000 {
		h.happen(event)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("publishing took %v", took)
	}
	// What was written can be read; the end is not a proper one.
	rest, err := io.ReadAll(lines)
	if err == nil && strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Error("the dropped stream ended as if it were whole")
	}
	if n := strings.Count(string(rest), `"seq"`); n >= 2000 {
		t.Errorf("it got all %d events", n)
	}
}

// A program that leaks followers loses its oldest; whoever comes new is served,
// and one line in the log says so.
func TestFollowersAreBounded(t *testing.T) {
	h := &house{}
	var log logged
	client, _ := serveLogging(t, h, &log)
	oldest, err := client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer oldest.Close()
	for range 70 {
		f, _ := h.feed.Follow()
		defer f.Close()
	}
	for range 5 {
		screen, err := client.Follow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer screen.Close()
		h.happen(control.Event{ID: "x"})
		if e := next(t, screen); e.ID != "x" {
			t.Errorf("got %+v", e)
		}
	}
	for err = error(nil); err == nil; {
		_, err = oldest.Next()
	}
	if errors.Is(err, io.EOF) {
		t.Error("the oldest ended as if it were whole")
	}
	if n := strings.Count(log.String(), "too many follow"); n > 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

func TestAFullFeedIsToldOnce(t *testing.T) {
	var feed control.Feed
	told := 0
	var all []*control.Follower
	follow := func(n int) {
		for range n {
			f, crowded := feed.Follow()
			all = append(all, f)
			if crowded {
				told++
			}
		}
	}
	follow(64)
	if told != 0 {
		t.Error("told before it was full")
	}
	follow(100)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	for _, f := range all {
		f.Close()
	}
	follow(65)
	if told != 2 {
		t.Errorf("told %d times, want again after they were gone", told)
	}
}

// A screen that tries four times a second must not fill the log.
func TestAFailingReplayIsLoggedOnce(t *testing.T) {
	h := &house{fail: errors.New("journal closed")}
	var log logged
	client, _ := serveLogging(t, h, &log)
	for range 5 {
		stream, err := client.FollowFrom(t.Context(), 0)
		if err != nil {
			continue
		}
		if _, err := stream.Next(); err == nil {
			t.Error("an event")
		}
		stream.Close()
	}
	if n := strings.Count(log.String(), "journal closed"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// A program that leaks connections without asking anything neither locks others
// out nor takes the daemon's descriptors.
func TestConnectionsAreBounded(t *testing.T) {
	var log logged
	client, _ := serveLogging(t, &house{}, &log)
	const leaked = 400
	var conns []net.Conn
	for range leaked {
		conn, err := net.Dial("unix", client.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed := 0
	for _, conn := range conns {
		// What was closed gives its end at once; the others have nothing to say.
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			closed++
		}
	}
	if closed < leaked-256 || closed > leaked-256+5 {
		t.Errorf("%d of %d were closed", closed, leaked)
	}
	if n := strings.Count(log.String(), "too many connections"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

func TestAFollowerThatLeavesIsForgotten(t *testing.T) {
	h := &house{}
	client, _ := serve(t, h)
	for range 70 { // more than may follow at once
		ctx, cancel := context.WithCancel(t.Context())
		var stream *control.Stream
		eventually(t, "a place to follow", func() bool {
			var err error
			stream, err = client.Follow(ctx)
			return err == nil
		})
		cancel()
		stream.Close()
	}
}

func TestStoppingEndsFollowersAtOnce(t *testing.T) {
	h := &house{}
	client, stop := serve(t, h)
	stream, err := client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	start := time.Now()
	stop()
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("stopping took %v", took)
	}
	if _, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v, want io.EOF", err)
	}
	var dead *control.NotRunningError
	if _, err := client.Status(t.Context()); !errors.As(err, &dead) {
		t.Errorf("after the stop: %v, want not running", err)
	}
}
