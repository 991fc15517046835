package pagetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/debugger"
	"github.com/chromedp/cdproto/page"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// lostLimit is twice the second in which a page must say that it has lost the daemon,
// as its own clock measures it: on a busy machine a tab may get no time for a while.
const lostLimit = 2 * time.Second

// stale is from when on a verdict is no news, as the page sees it.
const stale = 1500 * time.Millisecond

// change is when the surface became what.
type change struct {
	At        float64
	Kind, Seq string
}

// TestVerdictComesAtOnce: pushed, not asked for. How long it takes from the event on
// the socket to the page is said with -v; here it must come before the next beat.
func TestVerdictComesAtOnce(t *testing.T) {
	g := newGate(t)
	g.serve() // before the tab, which is to be closed while it is still served
	tab := shared.Tab(t, "http://"+g.addr)
	tab.Early(eyes)
	tab.Open("http://" + g.addr + "/")
	calm(tab)
	const rounds = 20
	var took []time.Duration
	for i := range rounds {
		browser.Get[int](tab, "look.changes.length = 0")
		e, kind := admitted(), screen.Admitted
		if i%2 == 1 {
			e, kind = refused(scanner.AlreadyEntered), screen.Refused
		}
		began := time.Now()
		e = g.happen(e)
		shows(tab, e, kind)
		for _, c := range browser.Get[[]change](tab, "look.changes") {
			if c.Kind == string(kind) && c.Seq == fmt.Sprint(e.Seq) {
				took = append(took, time.UnixMicro(int64(c.At*1000)).Sub(began))
				break
			}
		}
	}
	if len(took) != rounds {
		t.Fatalf("%d of %d verdicts were seen", len(took), rounds)
	}
	slices.Sort(took)
	t.Logf("from the event to the page: median %s, longest %s", took[rounds/2], took[rounds-1])
	// A page that asked once a beat would need half of one on average.
	if beats := 300 * time.Millisecond; took[rounds/2] > beats/3 {
		t.Errorf("half of the verdicts took longer than %s: the page is not told", took[rounds/2])
	}
	if n := len(tab.Requests()); n > 15 {
		t.Errorf("the page asked %d times: %q", n, tab.Requests())
	}
}

// TestNoStaleGreen: a daemon that is gone leaves no verdict behind, and the one that
// comes back tells nothing twice.
func TestNoStaleGreen(t *testing.T) {
	g := newGate(t)
	tab := shared.Tab(t, "http://"+g.addr)
	tab.Excuse("net::ERR_") // of the connection, which is what this is about
	g.serve()
	tab.Early(eyes)
	tab.Open("http://" + g.addr + "/")
	calm(tab)
	e := g.tell(tab, admitted(), screen.Admitted)

	stopped := time.Now()
	g.stop()
	tab.Wait(`document.querySelector("#surface").dataset.kind === "lost"`)
	changes := browser.Get[[]change](tab, "look.changes")
	lost := time.UnixMicro(int64(changes[len(changes)-1].At * 1000)).Sub(stopped)
	t.Logf("the page said so %s after the daemon began to stop", lost)
	if lost > lostLimit {
		t.Errorf("the page says %s after the end that it has lost the daemon, more than %s", lost, lostLimit)
	}
	got := browser.Get[seen](tab, readSurface)
	if got.Word != "NO CONNECTION" || got.Shape != "gap" || len(got.Ticket) > 0 || got.Sound != "lost" {
		t.Errorf("without a daemon the page shows %+v", got)
	}
	nothingOf(t, tab, "Ada Palmer", "C12", "ADMIT", "…0042")
	readable(t, "lost", tab)
	for _, id := range []string{"#let-in", "#take-back"} {
		if tab.Is(fmt.Sprintf("look.shown(document.querySelector(%q))", id)) {
			t.Errorf("%s is offered without a daemon", id)
		}
	}

	// What happened meanwhile and before is history, not news.
	browser.Get[int](tab, "look.changes.length = look.sounds.length = 0")
	g.happen(admitted())
	g.serve()
	calm(tab)
	e = g.tell(tab, refused(scanner.NotFound), screen.Refused)
	for _, c := range browser.Get[[]change](tab, "look.changes") {
		if c.Seq != "" && c.Seq != fmt.Sprint(e.Seq) || c.Kind == string(screen.Admitted) {
			t.Errorf("after the daemon came back the page showed %+v", c)
		}
	}
	sounds := slices.DeleteFunc(browser.Get[[]string](tab, "look.sounds"), func(kind string) bool { return kind == string(screen.Lost) })
	if !slices.Equal(sounds, []string{"refuse", "refuse", "refuse"}) {
		t.Errorf("the tones since the daemon came back are %q, want the last verdict's alone", sounds)
	}
}

// nothingOf fails where any of the texts is anywhere in the document.
func nothingOf(t *testing.T, tab *browser.Tab, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if tab.Is(fmt.Sprintf("look.everything().includes(%s)", browser.Quote(text))) {
			t.Errorf("%q is still in the document", text)
		}
	}
}

// TestStoppedTabShowsNothingOld: a browser may stop a page for long, and then let it
// go on with whatever waited.
func TestStoppedTabShowsNothingOld(t *testing.T) {
	for name, way := range map[string]struct{ stop, start func(*browser.Tab) }{
		"frozen": {
			func(tab *browser.Tab) {
				browser.Call(tab, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateFrozen})
			},
			func(tab *browser.Tab) {
				browser.Call(tab, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateActive})
			},
		},
		"paused": {
			func(tab *browser.Tab) {
				browser.Call(tab, debugger.Enable, debugger.EnableParams{})
				browser.Call(tab, debugger.Pause, cdp.Empty{})
			},
			func(tab *browser.Tab) {
				browser.Call(tab, debugger.Resume, debugger.ResumeParams{})
				browser.Call(tab, debugger.Disable, cdp.Empty{})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			g.serve()
			tab := shared.Tab(t, "http://"+g.addr)
			tab.Excuse("net::ERR_")
			tab.Early(eyes)
			tab.Open("http://" + g.addr + "/")
			calm(tab)
			g.tell(tab, admitted(), screen.Admitted)
			browser.Get[int](tab, "look.changes.length = 0")

			way.stop(tab)
			told := time.Now()
			second := g.happen(admitted())
			// Nothing but time makes a verdict old.
			time.Sleep(stale + 500*time.Millisecond)
			way.start(tab)
			calm(tab)

			g.tell(tab, refused(scanner.NotFound), screen.Refused)
			lost := false
			for _, c := range browser.Get[[]change](tab, "look.changes") {
				lost = lost || c.Kind == string(screen.Lost)
				// A busy browser stops a page a little later than it says.
				if late := time.UnixMicro(int64(c.At * 1000)).Sub(told); c.Seq == fmt.Sprint(second.Seq) && late > stale {
					t.Errorf("what happened while the page was stopped was shown as new %s later", late)
				}
			}
			if !lost {
				t.Error("the page went on as if nothing had been")
			}
		})
	}
}
