package pagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// tabTo walks with the Tab key until the element has the focus. Wherever the focus
// is on the way, eyes must see it.
func tabTo(t *testing.T, tab *browser.Tab, selector string) {
	t.Helper()
	const most = 80
	for range most {
		// What was hidden a moment ago keeps the focus until the next frame.
		tab.Wait("document.activeElement === document.body || look.shown(document.activeElement)")
		where := browser.Get[string](tab, fmt.Sprintf(`(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			if (e === document.body) return "";
			if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return "no focus to be seen: " + e.outerHTML.slice(0, 100);
			return e === document.querySelector(%q) ? "there" : "";
		})()`, selector))
		switch where {
		case "there":
			return
		case "":
			tab.Press(kb.Tab)
		default:
			t.Fatalf("on the way to %s: %s", selector, where)
		}
	}
	t.Fatalf("%d times Tab does not lead to %s: the focus is on %s", most, selector, browser.Get[string](tab, `document.activeElement.outerHTML.slice(0, 200)`))
}

// press goes to a button by Tab and presses Enter.
func press(t *testing.T, tab *browser.Tab, selector string) {
	t.Helper()
	tabTo(t, tab, selector)
	tab.Press(kb.Enter)
}

// focused waits until the element has the focus.
func focused(tab *browser.Tab, selector string) {
	tab.Wait(fmt.Sprintf("document.activeElement === document.querySelector(%q)", selector))
}

// visible and gone wait for what eyes see.
func visible(tab *browser.Tab, selector string) {
	tab.Wait(fmt.Sprintf("document.querySelector(%[1]q) && look.shown(document.querySelector(%[1]q))", selector))
}

func gone(tab *browser.Tab, selector string) {
	tab.Wait(fmt.Sprintf("!document.querySelector(%[1]q) || !look.shown(document.querySelector(%[1]q))", selector))
}

// failure waits until the panel says in words what was not done.
func failure(t *testing.T, tab *browser.Tab, panel, want string) {
	t.Helper()
	tab.Wait(fmt.Sprintf(`document.querySelector(%q).textContent !== ""`, panel+" .failed"))
	if got := browser.Get[string](tab, fmt.Sprintf(`document.querySelector(%q).textContent`, panel+" .failed")); got != want {
		t.Errorf("%s says %q, want %q", panel, got, want)
	}
}

func (g *gate) wasAskedFor(t *testing.T, want string) {
	t.Helper()
	if asked := g.wasAsked(); len(asked) == 0 || asked[len(asked)-1] != want {
		t.Errorf("the daemon was asked %q, want %q", asked, want)
	}
}

func TestTypedCodeByKeyboard(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)

	press(t, tab, "#open-code")
	focused(tab, "#code")
	readable(t, "the code's panel", tab)
	tab.Press("GOOD-12345" + kb.Enter)
	shows(tab, control.Event{Seq: 1}, screen.Admitted)
	g.wasAskedFor(t, "scan GOOD-12345 ")
	gone(tab, "#code-panel")
	focused(tab, "#open-code")
	nothingOf(t, tab, "GOOD-12345") // no whole code stays on a screen

	tab.Press(kb.Enter)
	focused(tab, "#code")
	tab.Press("WRONG-1" + kb.Enter)
	shows(tab, control.Event{Seq: 2}, screen.Refused)

	// What the daemon cannot do is said in words, and the code stays to be tried
	// again; Escape leaves.
	press(t, tab, "#open-code")
	focused(tab, "#code")
	tab.Press("BROKEN" + kb.Enter)
	failure(t, tab, "#code-panel", "Not done: the journal: not available now")
	readable(t, "a failure", tab)
	if got := browser.Get[string](tab, `document.querySelector("#code").value`); got != "BROKEN" {
		t.Errorf("after a failure the field holds %q", got)
	}
	tab.Excuse("503")
	tab.Press(kb.Escape)
	gone(tab, "#code-panel")
	focused(tab, "#open-code")
	if n := len(g.wasAsked()); n != 3 {
		t.Errorf("the daemon was asked %d times: %q", n, g.wasAsked())
	}
}

// TestAnswerLeavesAnotherPanelAlone: who has gone on to something else meanwhile is
// not thrown out of it, and a code being typed is not wiped.
func TestAnswerLeavesAnotherPanelAlone(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	press(t, tab, "#open-code")
	focused(tab, "#code")
	tab.Press("SLOW-1" + kb.Enter)
	tab.Press(kb.Escape)
	gone(tab, "#code-panel")
	press(t, tab, "#open-search")
	focused(tab, "#search")
	tab.Press("ada")
	close(g.slow)
	shows(tab, control.Event{Seq: 1}, screen.Refused)
	tab.Wait(`document.querySelector("#code").value === ""`) // the answer is there
	if !tab.Is(`look.shown(document.querySelector("#search")) && document.querySelector("#search").value === "ada"`) {
		t.Error("the answer to a typed code closed the search")
	}
}

func TestSearchByKeyboard(t *testing.T) {
	g := newGate(t)
	g.found = []control.Ticket{
		{Code: "GOOD-SECRET-1", Name: "Ada Palmer", Section: "Stalls", Seat: "C12", Order: "O-9", Status: scanner.StatusValid},
		{Code: "GOOD-SECRET-2", Name: "Adam Park", Section: "Balcony", Seat: "4", Order: "O-10", Status: scanner.StatusUsed},
	}
	tab := g.visit("")
	calm(tab)

	press(t, tab, "#open-search")
	focused(tab, "#search")
	tab.Press("Nobody" + kb.Enter)
	tab.Wait(`document.querySelector("#found-note").textContent === "Nobody found."`)
	tab.Press(strings.Repeat(kb.Backspace, len("Nobody")) + "ada" + kb.Enter)
	tab.Wait(`document.querySelectorAll("#found li").length === 2`)
	readable(t, "what was found", tab)
	if got := browser.Get[string](tab, `document.querySelector("#found li").textContent`); got != "Ada PalmerSection Stalls · Seat C12 · Order O-9validCheck this ticket" {
		t.Errorf("the first one found is %q", got)
	}
	nothingOf(t, tab, "SECRET")
	press(t, tab, "#found li:nth-child(2) .check")
	shows(tab, control.Event{Seq: 1}, screen.Admitted)
	g.wasAskedFor(t, "scan GOOD-SECRET-2 ")
	gone(tab, "#search-panel")
	nothingOf(t, tab, "Adam Park", "SECRET")
	for _, url := range tab.Requests() {
		if strings.Contains(strings.ToLower(url), "ada") || strings.Contains(url, "SECRET") {
			t.Errorf("a name or a code is in an address: %s", url)
		}
	}
}

// openPerson presses a button of the surface until the question is there: at first
// it takes no touch, which may have been meant for the verdict before.
func openPerson(t *testing.T, tab *browser.Tab, selector string) {
	t.Helper()
	tabTo(t, tab, selector)
	browser.Get[bool](tab, `new Promise((done) => {
		const until = performance.now() + 450;
		const tick = setInterval(() => performance.now() > until && (clearInterval(tick), done(true)), 20);
	})`)
	tab.Press(kb.Enter)
	visible(tab, "#person")
	focused(tab, "#by")
}

func TestLetInAndTakeBackByKeyboard(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	first := g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)

	openPerson(t, tab, "#let-in")
	readable(t, "the question", tab)
	if got := browser.Get[string](tab, `document.querySelector("#person-ask").textContent`); got != "Let in …0042?" {
		t.Errorf("the question is %q", got)
	}
	tab.Press(kb.Enter)
	failure(t, tab, "#person", "Write your name: it is kept with the scan.")
	tab.Press("   " + kb.Enter)
	failure(t, tab, "#person", "Write your name: it is kept with the scan.")
	if asked := g.wasAsked(); len(asked) > 0 {
		t.Errorf("without a name the daemon was asked %q", asked)
	}

	// Somebody else's scan in the meantime changes nothing about what is asked.
	g.tell(tab, refused(scanner.NotFound), screen.Refused)
	tab.Press("Ann Lee" + kb.Enter)
	shows(tab, control.Event{Seq: 3}, screen.Admitted)
	g.wasAskedFor(t, fmt.Sprintf("admit %d by Ann Lee", first.Seq))
	if got := browser.Get[seen](tab, readSurface); got.Why != "Let in by Ann Lee." {
		t.Errorf("let in looks so: %+v", got)
	}
	gone(tab, "#person")

	openPerson(t, tab, "#take-back")
	if got := browser.Get[string](tab, `document.querySelector("#by").value`); got != "Ann Lee" {
		t.Errorf("the name is not offered again, but %q", got)
	}
	tab.Press("Bo" + kb.Enter) // it was selected: typing replaces it
	shows(tab, control.Event{Seq: 4}, screen.Undone)
	g.wasAskedFor(t, "undo 3 by Bo")

	// What cannot be done is said, and Escape leaves without doing anything.
	again := g.tell(tab, reviewed(scanner.NoList), screen.Reviewed)
	openPerson(t, tab, "#let-in")
	tab.Press("Nobody" + kb.Enter)
	failure(t, tab, "#person", fmt.Sprintf("Not done: scan %d: %v: it was admitted already", again.Seq, scanner.ErrNotPossible))
	tab.Excuse("409")
	tab.Press(kb.Escape)
	gone(tab, "#person")
}

func TestARefusedExitIsLetOut(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	e := refused(scanner.ExitNotPermitted)
	e.Direction = scanner.Exit
	g.tell(tab, e, screen.Refused)
	openPerson(t, tab, "#let-in")
	texts := browser.Get[[]string](tab, `["#let-in", "#person-ask", "#person-do"].map((id) => document.querySelector(id).textContent)`)
	if want := []string{"Let out", "Let out …0042?", "Let out"}; !slices.Equal(texts, want) {
		t.Errorf("the page asks %q, want %q", texts, want)
	}
	tab.Press(kb.Escape)
	gone(tab, "#person")
	g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)
	if got := browser.Get[string](tab, `document.querySelector("#let-in").textContent`); got != "Let in" {
		t.Errorf("after it the button of an entry says %q", got)
	}
}

func TestLastScansByKeyboard(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	press(t, tab, "#open-scans")
	tab.Wait(`document.querySelector("#scans-note").textContent === "No scans yet."`)
	tab.Press(kb.Escape)
	gone(tab, "#scans-panel")

	for range 10 {
		g.happen(admitted())
		g.happen(refused(scanner.AlreadyEntered))
		g.happen(control.Event{Kind: scanner.KindRequeue, Scanner: "lane-1"}) // not the gate's business
	}
	last := g.tell(tab, refused(scanner.NotFound), screen.Refused)
	tab.Press(kb.Enter)
	tab.Wait(`document.querySelectorAll("#scans li").length === 20`)
	readable(t, "the last scans", tab)
	first := browser.Get[string](tab, `document.querySelector("#scans li").textContent`)
	for _, part := range []string{"REFUSE", "19:42:07", "…0042", "lane-1", "Not a ticket of this event.", "Let in"} {
		if !strings.Contains(first, part) {
			t.Errorf("the newest scan is %q, without %q", first, part)
		}
	}
	if got := browser.Get[[]string](tab, `[...document.querySelectorAll("#scans li")].map((e) => e.dataset.seq)`); !slices.IsSortedFunc(got, func(a, b string) int { return len(b) - len(a) }) || got[0] != fmt.Sprint(last.Seq) {
		t.Errorf("the scans are %q, want the newest first", got)
	}
	// Names are nowhere in the list; the surface shows another scan's.
	nothingOf(t, tab, "Ada Palmer", "C12")
	press(t, tab, "#scans li:nth-child(3) .let-in, #scans li:nth-child(3) .take-back, #scans li:nth-child(2) .let-in, #scans li:nth-child(2) .take-back")
	visible(tab, "#person")
	tab.Press("Ann Lee" + kb.Enter)
	tab.Wait(`["admit", "undone"].includes(document.querySelector("#surface").dataset.kind)`)
	if asked := g.wasAsked(); len(asked) != 1 || !strings.HasSuffix(asked[0], "by Ann Lee") {
		t.Errorf("the daemon was asked %q", asked)
	}
}
