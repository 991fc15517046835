package pagetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// sizes are the smallest handheld's, a usual one's, a tablet's and a large screen's.
var sizes = [][2]int64{{320, 480}, {320, 568}, {480, 800}, {1024, 600}, {1920, 1080}}

// long are foreign texts that break layouts: a name of 200 letters with no place to
// break, and with many; a vendor's essay; writing from right to left; letters that
// are made of several.
func long() map[string]control.Event {
	named := func(e control.Event, name string) control.Event {
		e.Ticket = &scanner.TicketInfo{Name: name, Section: "Grandstand north upper tier", Seat: "Row 117 seat 2043"}
		return e
	}
	essay := refused(scanner.Restricted)
	essay.Detail = strings.Repeat("Unbezahlbare Sonderveranstaltungsgebühr, ", 100)
	wall := refused(scanner.Restricted)
	wall.Detail = strings.Repeat("x", 4096)
	gates := refused(scanner.AlreadyEntered)
	gates.FirstEnteredGate = strings.Repeat("Gate", 60)
	return map[string]control.Event{
		"a name without a break": named(offline(), strings.Repeat("Wolfeschlegel", 16)[:200]),
		"a name of many words":   named(overridden(1, strings.Repeat("Ann Lee ", 12)), strings.Repeat("de la Cruz ", 18)),
		"an essay":               named(essay, "Ada Palmer"),
		"a wall":                 named(wall, "Ada Palmer"),
		"a gate's long name":     named(gates, "Ada Palmer"),
		"right to left":          named(refused(scanner.AlreadyEntered), "محمد بن عبد الله بن محمد الفارسي"),
		"emoji":                  named(admitted(), "Zoë 👩‍👩‍👧‍👦🏳️‍🌈 "+strings.Repeat("🎟️", 60)),
		"ideographs":             named(conflicting(), strings.Repeat("田中太郎様", 40)),
	}
}

// TestNoTextBreaksTheScreen: on any size, whatever is written on a ticket, the
// verdict's word and what to do are whole and nothing sticks out.
func TestNoTextBreaksTheScreen(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	for name, e := range long() {
		g.tell(tab, e, g.speaker().Event(e).Kind)
		for _, size := range sizes {
			tab.Size(size[0], size[1])
			what := fmt.Sprintf("%s at %dx%d", name, size[0], size[1])
			readable(t, what, tab, "#word", "#do")
			for _, id := range browser.Get[[]string](tab, `["#shape", "#marks", "#let-in", "#take-back"].filter((id) => {
				const e = document.querySelector(id), box = e.getBoundingClientRect(), stage = document.querySelector("#stage").getBoundingClientRect();
				return look.shown(e) && (box.top < stage.top - 1 || box.bottom > stage.bottom + 1);
			})`) {
				t.Errorf("%s: %s is cut off", what, id)
			}
		}
	}
}

// TestVerdictStaysInSightBesideAPanel: whoever types a code on the smallest screen
// still sees what the next scan is.
func TestVerdictStaysInSightBesideAPanel(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	for _, size := range [][2]int64{{320, 480}, {480, 800}, {1920, 1080}} {
		tab.Size(size[0], size[1])
		for _, panel := range []string{"code", "search", "scans"} {
			browser.Get[bool](tab, fmt.Sprintf(`document.querySelector("#open-%s").click() || true`, panel))
			visible(tab, "#"+panel+"-panel")
			for _, s := range []struct {
				event control.Event
				kind  screen.Kind
			}{{overridden(1, "Ann Lee"), screen.Admitted}, {refused(scanner.AlreadyEntered), screen.Refused}} {
				g.tell(tab, s.event, s.kind)
				what := fmt.Sprintf("%s beside the panel %s at %dx%d", s.kind, panel, size[0], size[1])
				readable(t, what, tab, "#word", "#why")
			}
			tab.Press(kb.Escape)
			gone(tab, "#"+panel+"-panel")
		}
	}
}

// TestShapeFillsWhatTheTicketLeaves: eyes that see no colour go by the shape, from as
// far as others go by the colour; it shrinks before a name is cut.
func TestShapeFillsWhatTheTicketLeaves(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	g.tell(tab, overridden(1, "Ann Lee"), screen.Admitted)
	for _, size := range sizes {
		tab.Size(size[0], size[1])
		tab.Wait("document.getAnimations().length === 0")
		got := browser.Get[struct{ Shape, Stage, Cut float64 }](tab, `((shape, stage, ticket) => ({
			Shape: Math.min(shape.getBoundingClientRect().height, shape.getBoundingClientRect().width),
			Stage: Math.min(stage.clientHeight, stage.clientWidth), Cut: ticket.scrollHeight - ticket.clientHeight,
		}))(document.querySelector("#shape"), document.querySelector("#stage"), document.querySelector("#ticket"))`)
		if got.Shape < got.Stage/5 || got.Cut > 0 {
			t.Errorf("at %dx%d the shape is %.0f of %.0f pixels, and %.0f of the ticket are cut off", size[0], size[1], got.Shape, got.Stage, got.Cut)
		}
	}
}
