package pagetest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/scanner"
)

// hostile are texts that somebody could have printed as a name, each of which would
// set owned where it were more than text.
var hostile = []string{
	`<script>window.owned = 1</script>`,
	`</script><script>window.owned = 2</script>`,
	`<img src=x onerror="window.owned = 3">`,
	`"><svg onload="window.owned = 4">`,
	`' onmouseover='window.owned = 5' x='`,
	`javascript:window.owned=6`,
	"{{.}} ${window.owned = 7} <%= 8 %> {why}$&$1",
	"]]><!-- --><iframe srcdoc='<script>parent.owned = 9</script>'></iframe>",
	`<style>#surface{background:#3ddc6a!important}</style><base href="http://evil.invalid/">`,
	"\u202eADMIT\u202c \u2066x\u2069 a\u0000b\u001b[31mc\u009b31m\r\nd\u2028e",
	"data: {\"kind\":\"admit\"}\n\nevent: verdict\ndata: {}\n\n",
	"&lt;b&gt; &amp; \\u003cb\\u003e",
}

// TestForeignTextIsOnlyText: names, seats, gates, vendors' words, scanners' names and
// persons, on the surface, in lists and in the search's results.
func TestForeignTextIsOnlyText(t *testing.T) {
	g := newGate(t)
	for i, text := range hostile {
		g.found = append(g.found, control.Ticket{Code: fmt.Sprint("GOOD-", i), Name: "find me " + text, Section: text, Seat: text, Order: text, Status: scanner.Status(text)})
	}
	tab := g.visit("")
	tab.Size(800, 1200)
	calm(tab)
	scripts := browser.Get[int](tab, `document.querySelectorAll("script, style, iframe, img, base").length`)
	for _, text := range hostile {
		name := scanner.TicketInfo{ID: text, Name: text, Section: text, Seat: text, Event: text}
		blocked := refused(scanner.Restricted)
		blocked.Detail, blocked.Code = text, text
		entered := refused(scanner.AlreadyEntered)
		entered.FirstEnteredGate, entered.Scanner = text, text
		unknown := refused(scanner.Reason(text))
		for _, e := range []control.Event{blocked, entered, unknown, overridden(1, text), undone(1, text)} {
			e.Ticket, e.EventName = &name, text
			e = g.tell(tab, e, g.speaker().Event(e).Kind)
			v, got := g.speaker().Event(e), browser.Get[seen](tab, readSurface)
			if got.Word != v.Word || !same(got.Why, v.Why) || got.Do != v.Do || !same(got.Event, v.Event) {
				t.Errorf("%q: the page shows %+v, and the view is %+v", text, got, v)
			}
			for i, l := range v.Ticket {
				if i >= len(got.Ticket) || !same(got.Ticket[i], l.Label+": "+l.Value) {
					t.Errorf("%q: the ticket is %q", text, got.Ticket)
				}
			}
		}
	}
	g.change(func(s *control.Status) {
		s.Device.EventName = hostile[0]
		s.Device.Gate, s.Problems, s.State = hostile[0], hostile, control.Degraded
		for i, text := range hostile {
			s.Scanners = append(s.Scanners, control.ScannerStatus{Name: fmt.Sprint(text, i), State: control.ScannerMissing})
		}
	})
	tab.Wait(`document.querySelector("#bar").textContent.includes("owned = 1")`)
	for _, panel := range []string{"problems", "scans", "search"} {
		browser.Get[bool](tab, fmt.Sprintf(`document.querySelector("#open-%s").click() || true`, panel))
		visible(tab, "#"+panel+"-panel")
		if panel == "search" {
			tab.Press("find" + kb.Enter)
		}
		tab.Wait(fmt.Sprintf(`document.querySelectorAll("#%s li").length >= %d`, map[string]string{"problems": "problems", "scans": "scans", "search": "found"}[panel], len(hostile)))
		if out := browser.Get[[]string](tab, "look.outside()"); len(out) > 0 {
			t.Errorf("the panel %s: %q", panel, out)
		}
	}
	if tab.Is("window.owned") {
		t.Errorf("text %d ran as a script", browser.Get[int](tab, "Number(window.owned)"))
	}
	if n := browser.Get[int](tab, `document.querySelectorAll("script, style, iframe, img, base").length`); n != scripts {
		t.Errorf("%d elements were made of text", n-scripts)
	}
	if breaches := browser.Get[[]string](tab, "look.breaches"); len(breaches) > 0 {
		t.Errorf("the content security policy was broken: %q", breaches)
	}
}

// same compares texts as a page keeps them: NUL and carriage returns may be lost.
func same(got, want string) bool {
	clean := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "", "\ufffd", "")
	return clean.Replace(got) == clean.Replace(want)
}

// TestPolicyHolds: the page is as closed as its headers say, as a browser reads them.
func TestPolicyHolds(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	resp, err := http.Get("http://" + g.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	policy := resp.Header.Get("Content-Security-Policy")
	if policy == "" || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy is %q", policy)
	}
	if inline := browser.Get[[]string](tab, `[
		...[...document.querySelectorAll("script:not([src]), style")].map((e) => e.outerHTML),
		...[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes]).filter((a) => /^on/.test(a.name)).map((a) => a.name),
	]`); len(inline) > 0 {
		t.Errorf("the page has scripts and styles of its own in it: %q", inline)
	}

	// What an injection would try fails.
	tab.Excuse("Content Security Policy", "evil.invalid", "net::ERR_")
	browser.Get[bool](tab, `(() => {
		const script = document.createElement("script");
		script.textContent = "window.owned = true";
		document.body.append(script);
		const foreign = document.createElement("script");
		foreign.src = "data:text/javascript,window.owned=true";
		document.body.append(foreign);
		document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.owned = true"><form action="/scan"></form>');
		return true;
	})()`)
	tab.Wait("look.breaches.length >= 3")
	if !browser.Get[bool](tab, `fetch("http://evil.invalid/").then(() => false, () => true)`) {
		t.Error("the page may ask another place")
	}
	if tab.Is("window.owned") {
		t.Error("a script that was put into the page ran")
	}
}

// TestOtherSitesCannotReadOrAct: a browser that visits another site on this device
// lets it neither read the gate nor let anybody in.
func TestOtherSitesCannotReadOrAct(t *testing.T) {
	g := newGate(t)
	g.serve()
	other := newEmptySite(t)
	tab := shared.Tab(t, other, "http://"+g.addr)
	tab.Early(eyes)
	tab.Open(other + "/")
	tab.Excuse("") // the browser complains of all that is tried here
	page := "http://" + g.addr
	for what, try := range map[string]string{
		"read the scans":    `fetch("` + page + `/scans").then((r) => r.text())`,
		"follow":            `new Promise((done, not) => { const s = new EventSource("` + page + `/events"); s.addEventListener("state", (e) => done(e.data)); s.onerror = not })`,
		"scan":              `fetch("` + page + `/scan", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"code":"GOOD-1"}' }).then((r) => r.text())`,
		"scan simply":       `fetch("` + page + `/scan", { method: "POST", mode: "no-cors", headers: { "Content-Type": "text/plain" }, body: '{"code":"GOOD-1"}' }).then(() => Promise.reject())`,
		"frame":             `new Promise((done, not) => { const f = document.createElement("iframe"); f.src = "` + page + `/"; f.onload = () => { try { f.contentDocument.body ? done(f.contentDocument.body.innerHTML) : not() } catch { not() } }; document.body.append(f); setTimeout(not, 3000) })`,
		"load it as script": `new Promise((done, not) => { const s = document.createElement("script"); s.src = "` + page + `/scans"; s.onload = () => done("loaded"); s.onerror = not; document.body.append(s) })`,
	} {
		if got := browser.Get[string](tab, try+`.then((got) => "got " + got, () => "")`); got != "" {
			t.Errorf("another site may %s: %.200s", what, got)
		}
	}
	if asked := g.wasAsked(); len(asked) > 0 {
		t.Errorf("another site made the daemon do %q", asked)
	}
	if slices.Contains(tab.Requests(), page+"/screen.js") {
		t.Error("another site framed the page")
	}
}
