package pagetest

import (
	"fmt"
	"testing"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/screen"
)

// typed sends a code by hand, as fingers do.
func typed(tab *browser.Tab, code string) {
	browser.Get[int](tab, fmt.Sprintf(`(() => {
		document.querySelector("#open-code").click();
		document.querySelector("#code").value = %q;
		document.querySelector("#code-form").requestSubmit();
		return 1;
	})()`, code))
}

// noVerdict fails where the page showed one.
func noVerdict(t *testing.T, tab *browser.Tab) {
	t.Helper()
	for _, c := range browser.Get[[]change](tab, "look.changes") {
		if c.Seq != "" {
			t.Errorf("the page showed %+v", c)
		}
	}
	nothingOf(t, tab, "Ada Palmer", "C12")
}

// TestAnswerWithoutTheDaemon: a daemon that stops still ends the scan it judges. The
// page of one lane shows that answer by itself, but not when it has lost the daemon:
// nothing would ever take it away.
func TestAnswerWithoutTheDaemon(t *testing.T) {
	g := newGate(t)
	tab := g.visit("?scanner=lane-1")
	tab.Excuse("net::ERR_")
	calm(tab)
	typed(tab, "SLOW GOOD")
	for len(g.wasAsked()) == 0 {
		tab.Wait("true") // it asks, which takes as long as it takes
	}
	ended := make(chan struct{})
	go func() { defer close(ended); g.stop() }()
	tab.Wait(`document.querySelector("#surface").dataset.kind === "lost"`)
	close(g.slow)
	gone(tab, "#code-panel") // the answer is there
	<-ended
	noVerdict(t, tab)
	if kind := browser.Get[string](tab, `document.querySelector("#surface").dataset.kind`); kind != string(screen.Lost) {
		t.Errorf("without a daemon the surface is %q", kind)
	}
}

// TestOldAnswer: an answer that waited while the browser was stopped is no news.
func TestOldAnswer(t *testing.T) {
	g := newGate(t)
	g.serve()
	tab := shared.Tab(t, "http://"+g.addr)
	tab.Early(eyes + patient + fmt.Sprintf(`{
		const ask = fetch;
		window.fetch = async (...all) => {
			const answer = await ask(...all);
			await new Promise((go) => setTimeout(go, %d));
			return answer;
		};
	}`, 2*stale.Milliseconds()))
	tab.Open("http://" + g.addr + "/?scanner=lane-1")
	calm(tab)
	typed(tab, "GOOD-1")
	gone(tab, "#code-panel")
	noVerdict(t, tab)
}
