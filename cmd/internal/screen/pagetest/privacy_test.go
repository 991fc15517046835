package pagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// person is what must not stay on a screen.
var person = []string{"Ada Palmer", "Stalls", "C12"}

// TestNamesLeaveWithTheVerdict: after screen.hold no name and no seat is anywhere in
// the document, and what was shown is calm again; a newer verdict has its own time.
func TestNamesLeaveWithTheVerdict(t *testing.T) {
	g := newGate(t)
	g.hold = time.Second
	tab := g.visit("")
	calm(tab)
	g.tell(tab, admitted(), screen.Admitted)
	calm(tab)
	nothingOf(t, tab, person...)
	nothingOf(t, tab, "ADMIT")

	// A screen reader finds nothing old, either; the verdict before this one does not
	// end it early.
	browser.Get[int](tab, `look.changes.push({ at: performance.timeOrigin + performance.now() })`)
	g.tell(tab, admitted(), screen.Admitted)
	browser.Get[bool](tab, `new Promise((done) => setTimeout(() => done(true), 700))`)
	g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)
	began := time.Now()
	calm(tab)
	if held := time.Since(began); held < 600*time.Millisecond {
		t.Errorf("the newer verdict stayed for %s, want about %s", held, g.hold)
	}
	nothingOf(t, tab, person...)

	// Lists hold no name at any time, search results only while somebody is at them.
	browser.Get[bool](tab, `document.querySelector("#open-scans").click() || true`)
	tab.Wait(`document.querySelectorAll("#scans li").length === 3`)
	nothingOf(t, tab, person...)
	tab.Press(kb.Escape)
	g.mu.Lock()
	g.found = []control.Ticket{{Code: "GOOD-1", Name: "Ada Palmer", Section: "Stalls", Seat: "C12", Status: scanner.StatusValid}}
	g.mu.Unlock()
	browser.Get[bool](tab, `document.querySelector("#open-search").click() || true`)
	visible(tab, "#search-panel")
	tab.Press("ada palmer" + kb.Enter)
	tab.Wait(`document.querySelectorAll("#found li").length === 1`)
	tab.Wait(`document.querySelectorAll("#found li").length === 0`)
	tab.Wait(`document.querySelector("#search").value === ""`)
	nothingOf(t, tab, person...)
	nothingOf(t, tab, "ada palmer")

	// A name that nobody has is somebody's, too.
	tab.Press("Jo Smith" + kb.Enter)
	tab.Wait(`document.querySelector("#search").value === ""`)
	g.wasAskedFor(t, "find Jo Smith")
	nothingOf(t, tab, "Jo Smith")
}

// TestPageOfOneScanner shows its events and nobody else's, in lists too, and what is
// typed on it.
func TestPageOfOneScanner(t *testing.T) {
	g := newGate(t)
	one, both := g.visit("?scanner=lane-1"), g.visit("")
	other := admitted()
	other.Scanner = "lane-2"
	calm(one)
	calm(both)

	saysLane := func(tab *browser.Tab, want string) {
		t.Helper()
		if got := browser.Get[string](tab, `((e) => look.shown(e) ? e.textContent : "")(document.querySelector("#lane"))`); got != want {
			t.Errorf("a verdict is said to be %q's, want %q", got, want)
		}
	}
	g.tell(both, other, screen.Admitted)
	saysLane(both, "lane-2")
	second := g.tell(one, refused(scanner.AlreadyEntered), screen.Refused)
	g.tell(both, other, screen.Admitted)
	// The next beat came after that event, and the page still shows its own.
	g.change(func(s *control.Status) { s.Outbox.Pending = 99 })
	one.Wait(`document.querySelector("#bar").textContent.includes("To send: 99")`)
	shows(one, second, screen.Refused)
	saysLane(one, "")

	browser.Get[bool](one, `document.querySelector("#open-scans").click() || true`)
	one.Wait(`document.querySelectorAll("#scans li").length > 0`)
	if got := browser.Get[[]string](one, `[...document.querySelectorAll("#scans li")].map((e) => e.dataset.seq)`); len(got) != 1 || got[0] != fmt.Sprint(second.Seq) {
		t.Errorf("the page of lane-1 lists %q", got)
	}
	one.Press(kb.Escape)
	browser.Get[bool](one, `document.querySelector("#open-code").click() || true`)
	one.Press("GOOD-9" + kb.Enter)
	shows(one, control.Event{Seq: 4}, screen.Admitted)
	saysLane(one, "typed")
	shows(both, control.Event{Seq: 4}, screen.Admitted)
	if n := browser.Get[int](both, `Number(document.querySelector("#surface").dataset.sounds)`); n != 4 {
		t.Errorf("the page of all scanners sounded %d times, want 4", n)
	}
	if n := browser.Get[int](one, `Number(document.querySelector("#surface").dataset.sounds)`); n != 2 {
		t.Errorf("the page of lane-1 sounded %d times, want 2", n)
	}
}

// TestPageOfAScannerThatIsNone says so, and which there are.
func TestPageOfAScannerThatIsNone(t *testing.T) {
	g := newGate(t)
	tab := g.visit("?scanner=lane-7")
	tab.Wait(`document.querySelector("#surface").dataset.kind === "blind"`)
	if got := browser.Get[seen](tab, readSurface); got.Word != "NO SCANNER" || got.Why != "No scanner is named “lane-7”. There is: lane-1, lane-2, manual." {
		t.Errorf("the page says %+v", got)
	}
	readable(t, "no scanner", tab, "#word", "#why")
}
