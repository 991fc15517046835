package pagetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// node is a part of the page as a screen reader is told of it.
type node struct{ Role, Name, Live string }

func nodes(tab *browser.Tab) []node {
	browser.Call(tab, accessibility.Enable, cdp.Empty{})
	value := func(v *accessibility.Value) string {
		var text string
		if v == nil || json.Unmarshal(v.Value, &text) != nil {
			return ""
		}
		return text
	}
	var all []node
	for _, n := range browser.Call(tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if n.Ignored {
			continue
		}
		one := node{Role: value(n.Role), Name: value(n.Name)}
		for _, p := range n.Properties {
			if p.Name == accessibility.PropertyNameLive {
				one.Live = value(p.Value)
			}
		}
		all = append(all, one)
	}
	return all
}

// TestScreenReaderIsTold: the verdict interrupts whatever is being read, and nothing
// that can be pressed or filled has no name.
func TestScreenReaderIsTold(t *testing.T) {
	g := newGate(t)
	g.found = []control.Ticket{{Code: "GOOD-1", Name: "Ada Palmer", Seat: "C12", Status: scanner.StatusValid}}
	tab := g.visit("")
	calm(tab)
	g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)
	all := nodes(tab)
	if !slices.ContainsFunc(all, func(n node) bool { return n.Role == "alert" && n.Live == "assertive" }) {
		t.Error("no part of the page is an assertive live region")
	}
	said := browser.Get[seen](tab, readSurface).Said
	if !strings.Contains(said, "REFUSE") || !strings.Contains(said, "Already entered at Gate 2, 19:03.") || !slices.ContainsFunc(all, func(n node) bool { return n.Role == "StaticText" && n.Name == said }) {
		t.Errorf("a screen reader is told %q", said)
	}
	if !slices.ContainsFunc(all, func(n node) bool { return n.Role == "heading" && n.Name == "REFUSE" }) {
		t.Error("the verdict is no heading")
	}
	if n := browser.Get[int](tab, `document.querySelectorAll("#stage [aria-live], #stage [role=alert]").length`); n != 0 {
		t.Errorf("%d parts of the surface would be said a second time", n)
	}

	for _, open := range []string{"code", "search", "scans", "let-in"} {
		button := "#open-" + open
		if open == "let-in" {
			tab.Press(kb.Escape)
			openPerson(t, tab, "#let-in")
		} else {
			browser.Get[bool](tab, fmt.Sprintf(`document.querySelector(%q).click() || true`, button))
			visible(tab, "#"+open+"-panel")
		}
		count := 0
		for _, n := range nodes(tab) {
			switch n.Role {
			case "button", "textbox", "searchbox", "link", "navigation", "dialog", "region", "list":
				count++
				if n.Name == "" && n.Role != "list" {
					t.Errorf("%s: a %s has no name", open, n.Role)
				}
			}
		}
		if count < 5 {
			t.Errorf("%s: %d buttons and fields are told of", open, count)
		}
	}
	// The same verdict twice is said twice.
	before := browser.Get[string](tab, `(window.before = document.querySelector("#say").firstElementChild).textContent`)
	g.tell(tab, refused(scanner.AlreadyEntered), screen.Refused)
	if tab.Is(`window.before === document.querySelector("#say").firstElementChild`) {
		t.Errorf("the second %q is no new announcement", before)
	}
}
