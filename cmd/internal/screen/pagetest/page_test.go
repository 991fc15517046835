package pagetest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
)

// chromium is shared by all tests of this package: a browser takes longer to start
// than any of them.
type chromium struct {
	*browser.Browser
	missing error
}

var shared chromium

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	b, err := browser.Start()
	if err != nil && !errors.Is(err, browser.ErrNone) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = chromium{Browser: b, missing: err}
	code := m.Run()
	if err == nil {
		if err := b.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// startTime is how long a server may take until it listens.
const startTime = 20 * time.Second

// eyes is what the tests see and hear of a page.
//
//go:embed testdata/look.js
var eyes string

// patient lets the page's own clock go slowly, for tests that are not about time: on
// a machine with much else to do the page would now and then, and rightly, say that
// it has not heard of the daemon for a second.
const patient = `{
	const now = performance.now.bind(performance);
	performance.now = () => now() / 3;
}`

// gate is a page's server with a house behind it.
type gate struct {
	*house
	t        *testing.T
	addr     string
	language string
	hold     time.Duration
	stop     func()
}

// newGate serves a house. Hold is long: a verdict stays while a test looks at it.
func newGate(t *testing.T) *gate {
	t.Helper()
	if shared.missing != nil {
		t.Skipf("!!!! THE GATE SCREEN'S PAGE IS NOT TESTED: %v", shared.missing)
	}
	t.Parallel()
	g := &gate{house: newHouse(), t: t, addr: freeAddr(t), language: "en", hold: time.Minute}
	return g
}

// freeAddr is an address that nothing listens on, as good as anybody can tell.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve runs the server until stop or the test's end. It may be called again.
func (g *gate) serve() {
	g.t.Helper()
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		g.t.Fatal(err)
	}
	server := &screen.Server{Addr: g.addr, House: g.house, Feed: &g.feed, Log: slog.New(slog.DiscardHandler), Zone: zone, Language: g.language, Hold: g.hold}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	g.stop = func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			g.t.Error(err)
		}
		close(ended)
		g.stop = func() {}
	}
	g.t.Cleanup(func() { g.stop() })
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", g.addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Since(began) > startTime {
			g.t.Fatalf("the page is not served: %v; %s", err, server.Problem())
		}
	}
}

func (g *gate) speaker() screen.Speaker {
	g.t.Helper()
	words, err := screen.WordsIn(g.language)
	if err != nil {
		g.t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		g.t.Fatal(err)
	}
	return screen.Speaker{Words: words, Zone: zone}
}

// visit opens the page in a tab of its own and waits until it is connected.
func (g *gate) visit(query string) *browser.Tab {
	g.t.Helper()
	if g.stop == nil {
		g.serve()
	}
	tab := shared.Tab(g.t, "http://"+g.addr)
	tab.Early(eyes + patient)
	tab.Open("http://" + g.addr + "/" + query)
	return tab
}

// calm waits until the page shows what the house is like.
func calm(tab *browser.Tab) {
	tab.Wait(`document.querySelector("#surface").dataset.kind === "calm"`)
}

// shows waits until the record is on the surface.
func shows(tab *browser.Tab, e control.Event, kind screen.Kind) {
	tab.Wait(fmt.Sprintf(`((d) => d.kind === %q && d.seq === "%d")(document.querySelector("#surface").dataset)`, kind, e.Seq))
}

// tell makes the event happen and waits until the page shows it. A page that found
// itself without the daemon in between, on a machine with too much else to do, is
// right to show nothing: then the event happens again.
func (g *gate) tell(tab *browser.Tab, e control.Event, kind screen.Kind) control.Event {
	g.t.Helper()
	const attempts = 5
	if kind == screen.Conflict && !tab.Is(`document.querySelector("#surface").dataset.kind === "calm"`) {
		tab.Open(browser.Get[string](tab, "location.href")) // it would wait for the verdict shown
		calm(tab)
	}
	for range attempts {
		lost := browser.Get[int](tab, "look.lost")
		told := g.happen(e)
		tab.Wait(fmt.Sprintf(`look.lost > %d || ((d) => d.kind === %q && d.seq === "%d")(document.querySelector("#surface").dataset)`, lost, kind, told.Seq))
		if browser.Get[int](tab, "look.lost") == lost {
			return told
		}
		g.t.Log("the page lost the daemon for a moment")
		tab.Wait(`document.querySelector("#surface").dataset.kind !== "lost"`)
	}
	g.t.Fatalf("%d times the page lost the daemon: this machine has too much else to do", attempts)
	return e
}

// seen is all that the surface shows.
type seen struct {
	Kind, Shape, Word, Why, Do, Event, Sound, Said string
	Ticket, Marks                                  []string
}

const readSurface = `(() => {
	const surface = document.querySelector("#surface"), text = (id) => document.querySelector(id).textContent;
	return {
		Kind: surface.dataset.kind, Sound: surface.dataset.sound || "", Shape: document.querySelector("#shape").dataset.shape,
		Word: text("#word"), Why: text("#why"), Do: text("#do"), Event: text("#event"), Said: text("#say"),
		Ticket: [...document.querySelectorAll("#ticket div")].map((e) => e.querySelector("dt").textContent + ": " + e.querySelector("dd").textContent),
		Marks: [...document.querySelectorAll("#marks li")].map((e) => e.textContent),
	};
})()`

// newEmptySite serves an empty page of another origin, and gives its address.
func newEmptySite(t *testing.T) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>elsewhere</title><link rel=icon href=/favicon.ico><body>")
	}))
	t.Cleanup(site.Close)
	return site.URL
}
