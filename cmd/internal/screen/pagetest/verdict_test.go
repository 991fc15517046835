package pagetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"usher/cmd/internal/browser"
	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

// scene is an event and what people must see of it, in English.
type scene struct {
	name        string
	event       control.Event
	kind        screen.Kind
	word, why   string
	do          string
	marks       []string
	anonymous   bool // no ticket is known
	admit, undo bool // what a person may do
	sounds      int  // tones
}

func scenes() []scene {
	clock := reviewed(scanner.ClockDoubt)
	clock.OpensAt, clock.ClosedAt = control.At(evening), control.At(evening)
	unverified := offline()
	unverified.Unverified, unverified.Ticket = true, nil
	return []scene{
		// First: it waits while another verdict is shown.
		{name: "conflict", event: conflicting(), kind: screen.Conflict, word: "CONFLICT", why: "Was let in here, and the vendor says: Already entered at Gate 2, 19:03. The vendor has another entry.", do: "Tell a supervisor.", marks: []string{"conflict", conflicting().Code}, sounds: 3},
		{name: "admit", event: admitted(), kind: screen.Admitted, word: "ADMIT", undo: true, sounds: 1},
		{name: "exit", event: exited(), kind: screen.Exited, word: "EXIT", why: "Exit recorded.", undo: true, sounds: 2},
		{name: "already entered", event: refused(scanner.AlreadyEntered), kind: screen.Refused, word: "REFUSE", why: "Already entered at Gate 2, 19:03.", do: "Ask for another ticket, or send to the help desk.", admit: true, sounds: 3},
		{name: "not found", event: refused(scanner.NotFound), kind: screen.Refused, word: "REFUSE", why: "Not a ticket of this event.", do: "Send to the help desk.", anonymous: true, admit: true, sounds: 3},
		{name: "too early", event: refused(scanner.TooEarly), kind: screen.Refused, word: "REFUSE", why: "Too early: entry opens at 20:42.", do: "Ask to come back then.", admit: true, sounds: 3},
		{name: "too late", event: refused(scanner.TooLate), kind: screen.Refused, word: "REFUSE", why: "Too late: entry closed at 18:42.", do: "Send to the help desk.", admit: true, sounds: 3},
		{name: "wrong section", event: refused(scanner.WrongSection), kind: screen.Refused, word: "REFUSE", why: "Ticket of another section.", do: "Send to the gate of that section.", anonymous: true, admit: true, sounds: 3},
		{name: "vendor's words", event: refused(scanner.Restricted), kind: screen.Refused, word: "REFUSE", why: "This ticket is blocked: Seat moved to the balcony", do: "Send to the help desk.", admit: true, sounds: 3},
		{name: "review", event: reviewed(scanner.NoList), kind: screen.Reviewed, word: "REVIEW", why: "This device has no ticket list and no network.", do: "Ask a supervisor.", marks: []string{"offline"}, anonymous: true, admit: true, sounds: 2},
		{name: "clock", event: clock, kind: screen.Reviewed, word: "REVIEW", why: "This device cannot tell the time: compare the time on the ticket. (19:42 to 19:42)", do: "Ask a supervisor.", marks: []string{"offline"}, anonymous: true, admit: true, sounds: 2},
		{name: "repeat", event: repeated(), kind: screen.Repeated, word: "SAME TICKET", why: "Same ticket, read 2 s ago.", do: "Before: ADMIT.", sounds: 1},
		{name: "late", event: late(), kind: screen.Admitted, word: "ADMIT", marks: []string{"late answer"}, undo: true, sounds: 1},
		{name: "offline", event: offline(), kind: screen.Admitted, word: "ADMIT", marks: []string{"offline", "to be sent"}, undo: true, sounds: 1},
		{name: "unverified", event: unverified, kind: screen.Admitted, word: "ADMIT", why: "Let in without a list that knows this ticket.", marks: []string{"offline", "unverified", "to be sent"}, anonymous: true, undo: true, sounds: 1},
		{name: "overridden", event: overridden(3, "Ann Lee"), kind: screen.Admitted, word: "ADMIT", why: "Let in by Ann Lee.", marks: []string{"by a supervisor"}, undo: true, sounds: 1},
		{name: "undone", event: undone(1, "Ann Lee"), kind: screen.Undone, word: "TAKEN BACK", why: "Taken back by Ann Lee.", sounds: 2},
	}
}

// TestEveryVerdictIsTheWholeSurface: colour, shape, word, why, what to do, ticket,
// marks, sound and vibration, each readable.
func TestEveryVerdictIsTheWholeSurface(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	tab.Press(kb.Tab) // a browser lets a page vibrate only then
	drawings, grounds, rhythms := map[string]screen.Kind{}, map[string]screen.Kind{}, map[string]screen.Kind{}
	for _, s := range scenes() {
		browser.Get[int](tab, `look.sounds.length = look.buzzes.length = 0`)
		e := g.tell(tab, s.event, s.kind)
		got := browser.Get[seen](tab, readSurface)
		ticket := []string{"Section: Stalls", "Seat: C12", "Name: Ada Palmer"}
		if s.anonymous {
			ticket = []string{}
		}
		if got.Word != s.word || got.Why != s.why || got.Do != s.do || !slices.Equal(got.Ticket, ticket) || !slices.Equal(got.Marks, append([]string{}, s.marks...)) {
			t.Errorf("%s: the page shows %+v", s.name, got)
		}
		// Page and terminal draw the same view.
		want := g.speaker().Event(e)
		if got.Shape != string(want.Shape) || got.Sound != string(s.kind) {
			t.Errorf("%s: shape %q and sound %q, want %q and %q", s.name, got.Shape, got.Sound, want.Shape, s.kind)
		}
		if got.Event != "The Tragedy of Hamlet · 20:42" || got.Event != want.Event {
			t.Errorf("%s: the event is %q", s.name, got.Event)
		}
		if !strings.Contains(got.Said, s.word) || !strings.Contains(got.Said, s.why) || !strings.Contains(got.Said, s.do) {
			t.Errorf("%s: a screen reader says %q", s.name, got.Said)
		}
		for id, allowed := range map[string]bool{"#let-in": s.admit, "#take-back": s.undo} {
			if tab.Is(fmt.Sprintf("look.shown(document.querySelector(%q))", id)) != allowed {
				t.Errorf("%s: %s is shown, or not, wrongly", s.name, id)
			}
		}
		readable(t, s.name, tab, "#word", "#why", "#do", "#ticket", "#event", "#marks", "#bar")

		drawing := browser.Get[string](tab, `((shape) => shape.getBBox().width > 0 && look.shown(shape) ? document.querySelector(shape.firstElementChild.getAttribute("href")).innerHTML : "")(document.querySelector("#shape"))`)
		ground := browser.Get[string](tab, `getComputedStyle(document.querySelector("#surface")).backgroundColor + getComputedStyle(document.querySelector("#surface")).color`)
		if drawing == "" {
			t.Errorf("%s: no shape is drawn", s.name)
		}
		drawings[drawing], grounds[ground] = s.kind, s.kind

		sounds, buzz := browser.Get[int](tab, "look.sounds.length"), browser.Get[[][]int](tab, "look.buzzes")
		if sounds != s.sounds || len(buzz) != 1 || len(buzz[0]) != 2*s.sounds-1 {
			t.Errorf("%s: %d tones and the vibration %v, want %d", s.name, sounds, buzz, s.sounds)
		}
		if len(buzz) > 0 {
			rhythm := fmt.Sprint(buzz[0])
			if other, ok := rhythms[rhythm]; ok && other != s.kind {
				t.Errorf("%s sounds in the rhythm of %s", s.kind, other)
			}
			rhythms[rhythm] = s.kind
		}
	}
	// Who sees no colour tells green from red from amber from a repeat by the shape;
	// who hears no tone by the rhythm.
	if len(drawings) != 4 {
		t.Errorf("%d shapes, want 4: %v", len(drawings), drawings)
	}
	if len(grounds) != 6 {
		t.Errorf("%d colours, want 6 (a repeat and what was taken back are both neutral): %v", len(grounds), grounds)
	}
	if len(rhythms) != 7 {
		t.Errorf("%d rhythms, want 7: %v", len(rhythms), rhythms)
	}
}

// readable fails where text is faint, small or sticks out, where what fingers hit is
// narrow, and where one of the named elements is not seen whole.
func readable(t *testing.T, what string, tab *browser.Tab, whole ...string) {
	t.Helper()
	for i := range whole {
		whole[i] = browser.Quote(whole[i])
	}
	for _, wrong := range browser.Get[[]string](tab, "look.wrong("+strings.Join(whole, ", ")+")") {
		t.Errorf("%s: %s", what, wrong)
	}
}

// TestStatesAreTheWholeSurface: what is always seen, and the surfaces without a
// verdict.
func TestStatesAreTheWholeSurface(t *testing.T) {
	g := newGate(t)
	tab := g.visit("")
	calm(tab)
	if got := browser.Get[string](tab, `[...document.querySelectorAll("#bar li")].map((e) => e.textContent).join("|")`); !regexp.MustCompile(`^Gate 7, entry\|Online\|To send: 0\|List: 12 min\|\d\d:\d\d:\d\d$`).MatchString(got) {
		t.Errorf("the bar says %q", got)
	}
	if got := browser.Get[string](tab, `[...document.querySelectorAll("#counts div")].map((e) => e.textContent).join("|")`); got != "Let in12|Refused3|Reviewed1|Offline4|Inside0" {
		t.Errorf("the counts are %q", got)
	}
	readable(t, "calm", tab)

	g.change(func(s *control.Status) {
		s.State, s.Problems = control.Degraded, []string{"scanner lane-2 is missing: plug it in"}
		s.Link, s.Outbox.Pending, s.Tickets.Stale, s.Clock.Trusted, s.Parked, s.Conflicts = control.LinkStatus{State: control.LinkOffline, Since: control.At(time.Now())}, 17, true, false, 2, 1
		s.Scanners[1].State = control.ScannerMissing
	})
	tab.Wait(`document.querySelector("#bar").textContent.includes("Scanner missing: lane-2")`)
	want := "Gate 7, entry|Offline|To send: 17|List is old: 12 min|Clock uncertain|Scanner missing: lane-2|Parked: 2|Conflicts: 1|Call support"
	for _, size := range [][2]int64{{320, 480}, {320, 568}, {1024, 600}, {1920, 1080}} {
		tab.Size(size[0], size[1])
		what := fmt.Sprintf("degraded at %dx%d", size[0], size[1])
		if got := browser.Get[string](tab, `[...document.querySelectorAll("#bar li")].filter(look.shown).map((e) => e.textContent).join("|").replace(/\|\d\d:\d\d:\d\d$/, "")`); got != want {
			t.Errorf("%s: the bar says %q", what, got)
		}
		readable(t, what, tab, "#bar", "#why")
	}

	g.change(func(s *control.Status) { s.Scanners[0].State = control.ScannerError })
	tab.Wait(`document.querySelector("#surface").dataset.kind === "blind"`)
	if got := browser.Get[seen](tab, readSurface); got.Word != "NO SCANNER" || got.Why != "Scanner fault: lane-1. Scanner missing: lane-2" || got.Do != "Call support" {
		t.Errorf("without any scanner it looks so: %+v", got)
	}
	g.change(func(s *control.Status) {
		s.State, s.Problems, s.Scanners[0].State = control.NotReady, []string{"no list was loaded"}, control.ScannerConnected
	})
	tab.Wait(`document.querySelector("#word").textContent === "NOT READY"`)
	if got := browser.Get[seen](tab, readSurface); got.Word != "NOT READY" || got.Why != "no list was loaded" || got.Do != "No ticket can be checked here: call support." || got.Shape != "warn" {
		t.Errorf("not ready looks so: %+v", got)
	}
	readable(t, "not ready", tab)
	g.change(func(s *control.Status) { s.State, s.Problems = control.Ready, nil })
	calm(tab)
}

// TestConflictWaitsForTheVerdict: it is about somebody who went in long ago, and must
// not stand over who is here now.
func TestConflictWaitsForTheVerdict(t *testing.T) {
	g := newGate(t)
	g.change(func(s *control.Status) { s.Screen.HoldMS = 1500 })
	g.hold = 1500 * time.Millisecond
	tab := g.visit("")
	calm(tab)
	browser.Get[int](tab, "look.changes.length = 0")
	now := g.happen(admitted())
	shows(tab, now, screen.Admitted)
	first, last := g.happen(conflicting()), g.happen(conflicting())
	shows(tab, last, screen.Conflict)
	var seen []string
	for _, c := range browser.Get[[]change](tab, "look.changes") {
		seen = append(seen, c.Kind+" "+c.Seq)
		if c.Seq == fmt.Sprint(first.Seq) {
			t.Error("an older conflict came before a newer one: the bar counts them")
		}
	}
	// The daemon's beats may draw the calm state in between, for no time.
	i := slices.IndexFunc(seen, func(s string) bool { return s == fmt.Sprintf("conflict %d", last.Seq) })
	if i < 1 || seen[0] != fmt.Sprintf("admit %d", now.Seq) {
		t.Errorf("the surface became %q", seen)
	}
	again := g.tell(tab, refused(scanner.NotFound), screen.Refused) // whoever comes next comes first
	shows(tab, again, screen.Refused)
}
