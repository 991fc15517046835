package screen

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/cmd/internal/control"
)

// TestAnAddressInUseIsToldAndTakenOnceFree: the gate goes on without its page.
func TestAnAddressInUseIsToldAndTakenOnceFree(t *testing.T) {
	squatter, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	r := run(t, squatter.Addr().String())
	want := "screen: " + r.Addr + " is in use by another program; set status.screen to another port, or off"
	until(t, "the problem is told", func() bool { return r.Problem() == want })
	time.Sleep(2 * listenMin) // another attempt
	if n := strings.Count(r.log.String(), "is in use"); n != 1 {
		t.Errorf("logged %d times: %s", n, r.log)
	}
	squatter.Close()
	until(t, "the page is served", func() bool {
		resp, err := http.Get(URL(r.Addr))
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && r.Problem() == ""
	})
	if !strings.Contains(r.log.String(), "page is served") {
		t.Errorf("nobody was told: %s", r.log)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "example.org:80", "localhost:0", "10.0.0.1:0", "8680", ""} {
		if l, err := Listen(t.Context(), addr); err == nil {
			l.Close()
			t.Errorf("%q is listened on", addr)
		}
	}
	r := run(t, "0.0.0.0:1")
	until(t, "the problem is told", func() bool { return strings.HasPrefix(r.Problem(), "screen: 0.0.0.0:1: ") })
}

func TestProblemsSayWhatToDo(t *testing.T) {
	for _, err := range []error{syscall.EADDRINUSE, syscall.EACCES, syscall.EADDRNOTAVAIL, syscall.EMFILE} {
		text := ProblemOf("127.0.0.1:8680", err)
		if !strings.HasPrefix(text, "screen: ") || !strings.Contains(text, "127.0.0.1:8680") || !strings.Contains(text, "set status.screen to ") || !strings.HasSuffix(text, "or off") {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// TestOneServerGivesWayToTheNext: a reload ends the old page and begins the new one
// at once, at the same address; pages that follow are told by the end.
func TestOneServerGivesWayToTheNext(t *testing.T) {
	r := serve(t)
	page := r.open(t, "")
	first, _ := page.next()
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	next := run(t, r.Addr)
	again := func() (print told) {
		until(t, "the new page is served", func() bool {
			resp, err := http.Get("http://" + r.Addr + "/events")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return true
		})
		print, _ = next.open(t, "").next()
		return print
	}()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if first.data != again.data {
		t.Error("the same page has another print: it would load itself anew for nothing")
	}
	if next.Problem() != "" {
		t.Error(next.Problem())
	}
}

func TestAnotherLanguageIsAnotherPage(t *testing.T) {
	prints := map[string]string{}
	for _, language := range Languages() {
		words, err := WordsIn(language)
		if err != nil {
			t.Fatal(err)
		}
		p, err := newPage(Speaker{Words: words, Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := prints[p.print]; twice {
			t.Errorf("%s has the print of %s", language, other)
		}
		prints[p.print] = language
		html := string(p.files["/{$}"].(file).text)
		for _, want := range []string{`<html lang="` + language + `">`, words.LastScans, words.DoNotTrust, `content="` + p.print + `"`} {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the page does not hold %q", language, want)
			}
		}
		if strings.Contains(html, "{{") || strings.Contains(html, "ZgotmplZ") {
			t.Errorf("%s: the template is not filled: %s", language, html)
		}
	}
}

// TestAServerWithoutWordsSaysSo, and does not end the daemon.
func TestAServerWithoutWordsSaysSo(t *testing.T) {
	s := &Server{Addr: "127.0.0.1:1", Feed: &control.Feed{}, Log: slog.New(slog.DiscardHandler), Language: "xx"}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	until(t, "the problem is told", func() bool { return strings.Contains(s.Problem(), "screen.language") })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestAPanicEndsARequestOnly: the scan path must live on.
func TestAPanicEndsARequestOnly(t *testing.T) {
	r := serve(t)
	r.house.change(func(h *house) { h.panics = true })
	resp, err := http.Get("http://" + r.Addr + "/scans")
	if err == nil {
		resp.Body.Close()
		t.Errorf("a request that failed was answered with %d", resp.StatusCode)
	}
	r.house.change(func(h *house) { h.panics = false })
	if got := r.ask(t, http.MethodGet, "/scans", ""); got.status != 200 {
		t.Errorf("%d", got.status)
	}
	if !strings.Contains(r.log.String(), "GET /scans") {
		t.Errorf("the log does not tell the route: %s", r.log)
	}
}
