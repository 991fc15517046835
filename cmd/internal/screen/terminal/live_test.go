package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/cmd/internal/screen/terminal/terminaltest"
	"usher/scanner"
)

// newLive is a live view that stands still: the test is its clock and its feed.
func newLive(t *testing.T, out *os.File, w, h int, now *time.Time) *live {
	t.Helper()
	words, err := screen.WordsIn("en")
	if err != nil {
		t.Fatal(err)
	}
	return &live{
		out: out, size: func() (int, int) { return w, h }, style: style{depth: cube, unicode: true, rich: true},
		now: func() time.Time { return *now }, zone: time.UTC, resync: func() {},
		view: view{speaker: screen.Speaker{Words: words, Zone: time.UTC}},
	}
}

// connect is what a daemon tells at first.
func (l *live) connect(round int, change func(*control.Status)) {
	yes, status := true, busyStatus()
	if change != nil {
		change(&status)
	}
	l.take(news{following: &yes, round: round})
	l.take(news{status: &status})
}

func TestAVerdictsTimeEnds(t *testing.T) {
	now := evening
	l := newLive(t, nil, 80, 24, &now)
	yes := true
	e := admitted()
	l.take(news{following: &yes, round: 1})
	l.take(news{event: &e, round: 1})
	if l.view.shown != nil {
		t.Error("shown before the daemon answered")
	}
	for i, hold := range []int64{2500, 60_000, 0} {
		l.connect(1, func(s *control.Status) { s.Screen.HoldMS = hold })
		e.ID = fmt.Sprint("hold-", i)
		l.take(news{event: &e, round: 1})
		want := time.Duration(hold) * time.Millisecond
		if hold == 0 {
			want = usualHold
		}
		now = now.Add(want - time.Millisecond)
		if l.calm(); l.view.shown == nil {
			t.Errorf("hold %s: calm too early", want)
		}
		now = now.Add(time.Millisecond)
		if l.calm(); l.view.shown != nil {
			t.Errorf("hold %s: a stale green", want)
		}
	}
}

// A conflict is about somebody who went in long ago: it waits until who stands here
// has been seen.
func TestAConflictWaitsForTheVerdict(t *testing.T) {
	now := evening
	l := newLive(t, nil, 80, 24, &now)
	l.connect(1, nil)
	here, first, last := admitted(), admitted(), admitted()
	for i, e := range []*control.Event{&first, &last} {
		e.ID, e.Kind, e.Verdict, e.Conflict = fmt.Sprint("conflict-", i), scanner.KindConflict, "", true
	}
	for _, e := range []*control.Event{&here, &first, &last} {
		l.take(news{event: e, round: 1})
		if l.view.shown != &here && l.view.shown.ID != here.ID {
			t.Fatalf("%s took the verdict's place", l.view.shown.ID)
		}
	}
	now = now.Add(5 * time.Second)
	if l.calm(); l.view.shown == nil || l.view.shown.ID != last.ID {
		t.Errorf("afterwards %v is shown, want the last conflict", l.view.shown)
	}
	now = now.Add(5 * time.Second)
	if l.calm(); l.view.shown != nil {
		t.Error("the conflict does not end")
	}
	l.take(news{event: &here, round: 1})
	l.take(news{event: &first, round: 1})
	l.forget()
	now = now.Add(5 * time.Second)
	if l.calm(); l.view.shown != nil {
		t.Error("what waited was not forgotten")
	}
}

// Stopped for a minute (a stopped job, a closed lid): what waited in the stream
// meanwhile is not shown as if it happened now.
func TestWhatWaitedIsNotShownAsNew(t *testing.T) {
	now := evening
	l := newLive(t, nil, 80, 24, &now)
	resyncs := 0
	l.resync = func() { resyncs++ }
	l.connect(1, nil)
	e, old := admitted(), refused()
	l.take(news{event: &e, round: 1})
	seen := now
	now = now.Add(time.Minute)
	l.stoodStill(&seen)
	l.take(news{event: &old, round: 1})
	if l.view.shown != nil || l.bells != 0 || resyncs != 1 {
		t.Errorf("an event of before is shown as new; %d new streams were asked for", resyncs)
	}
	no, yes := false, true
	l.take(news{following: &no})
	if text := strings.Join(l.view.render(80, 24, style{}), "\n"); !strings.Contains(text, "Connecting") {
		t.Errorf("it does not say that it connects:\n%s", text)
	}
	l.take(news{following: &yes, round: 2})
	l.take(news{event: &old, round: 2})
	if l.view.shown == nil {
		t.Error("the new stream's event is not shown")
	}
}

func TestWhatIsNotShown(t *testing.T) {
	now := evening
	l := newLive(t, nil, 80, 24, &now)
	l.view.scanner = "lane-1"
	l.connect(1, nil)
	e := refused()
	l.take(news{event: &e, round: 1})
	if l.bells != 3 || !l.fresh {
		t.Fatalf("%d bells", l.bells)
	}
	l.bells, l.fresh = 0, false
	requeued, acknowledged, elsewhere := admitted(), admitted(), admitted()
	requeued.Kind, acknowledged.Kind, elsewhere.Scanner = scanner.KindRequeue, scanner.KindAcknowledge, "lane-2"
	for name, other := range map[string]control.Event{
		"told twice": e, "requeued": requeued, "acknowledged": acknowledged, "another lane": elsewhere,
	} {
		if l.take(news{event: &other, round: 1}); l.fresh || l.bells != 0 || l.view.shown.ID != e.ID {
			t.Errorf("%s: shown, %d bells", name, l.bells)
		}
	}
	// The same ticket again has the same ID, and is news.
	e.Repeat = true
	if l.take(news{event: &e, round: 1}); !l.fresh || l.bells != 0 || !l.view.shown.Repeat {
		t.Error("a repeat is not shown, or rings")
	}
	// Any loss takes it away at once.
	l.take(news{err: context.DeadlineExceeded})
	if l.view.shown != nil || l.view.connected {
		t.Error("shown without a connection")
	}
}

// It speaks as the daemon's configuration says, and follows a change of it.
func TestItSpeaksAsTheDaemonIsTold(t *testing.T) {
	now := evening
	l := newLive(t, nil, 80, 24, &now)
	for _, tt := range []struct {
		screen control.ScreenStatus
		ready  string
		clock  string
	}{
		{control.ScreenStatus{Language: "de", Timezone: "Europe/Zurich"}, "Bereit: Ticket scannen", "20:55:03"},
		{control.ScreenStatus{Language: "fr", Timezone: "America/New_York"}, "Prêt : scannez un billet", "14:55:03"},
		{control.ScreenStatus{Language: "es"}, "Listo: lea una entrada", "19:55:03"},
		{control.ScreenStatus{Language: "tlh", Timezone: "Moon/Tycho"}, "Listo: lea una entrada", "19:55:03"},
	} {
		l.connect(1, func(s *control.Status) { s.Screen = tt.screen })
		l.view.now = now
		text := strings.Join(l.view.render(80, 24, style{unicode: true}), "\n")
		if !strings.Contains(text, tt.ready) || !strings.Contains(text, tt.clock) {
			t.Errorf("%+v: no %q at %s in\n%s", tt.screen, tt.ready, tt.clock, text)
		}
	}
}

// After the verdict's time nothing of a name or seat is left: not to be seen, not
// in what was drawn, and not on the screen behind when the terminal is given back.
func TestNothingOfANameStays(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 10}, {132, 43}} {
		term := terminaltest.New(t, size[0], size[1])
		now := evening
		l := newLive(t, term.User, size[0], size[1], &now)
		d, err := newDevice(term.User, term.User, style{depth: cube, unicode: true, rich: true})
		if err != nil {
			t.Fatal(err)
		}
		draw := func() {
			t.Helper()
			if err := l.draw(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.take(); err != nil {
			t.Fatal(err)
		}
		e := admitted()
		l.connect(1, nil)
		l.take(news{event: &e, round: 1})
		draw()
		term.Until(t, "the name", 5*time.Second, term.Shows("Zoë Lee"))
		now = now.Add(5 * time.Second)
		l.calm()
		draw()
		// The bar is drawn last.
		term.Until(t, "the calm", 5*time.Second, func() bool {
			return term.Shows("Ready: scan a ticket")() && strings.HasSuffix(strings.TrimSpace(term.Text()), "19:55:08")
		})
		left := func(when, text string) {
			t.Helper()
			for _, part := range []string{"Zoë", "Lee", "C12"} {
				if strings.Contains(text, part) {
					t.Errorf("%v %s: %q stays in\n%s", size, when, part, text)
				}
			}
		}
		left("after its time", term.Text()+strings.Join(l.drawn, "\n"))

		// Given back while it is shown.
		e.ID = "again"
		l.take(news{event: &e, round: 1})
		draw()
		term.Until(t, "the name", 5*time.Second, term.Shows("Zoë Lee"))
		d.give(len(l.drawn))
		term.Until(t, "the terminal given back", 5*time.Second, func() bool { return !term.Mode("?1049") })
		left("given back", term.Text()+term.Hidden())
		if strings.Contains(term.Written(), "\x1b[2J") {
			t.Error("clearing the whole screen puts it into the scrollback of some terminals")
		}
	}
}

// A console that was set to another character set would show â for each block. Other
// terminals are what they are.
func TestTheConsoleIsTakenInItsCharacterSet(t *testing.T) {
	for st, want := range map[style]bool{
		{depth: console, unicode: true}:          true,
		{depth: none, unicode: true}:             true, // NO_COLOR
		{depth: console}:                         false,
		{depth: cube, unicode: true, rich: true}: false,
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		d, err := newDevice(strings.NewReader(""), w, st)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.take(), w.Close()); err != nil {
			t.Fatal(err)
		}
		written, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(written), "\x1b%G"); got != want {
			t.Errorf("%+v: told that it reads UTF-8: %v, want %v", st, got, want)
		}
	}
}

// A picture of another size covers the one before wholly.
func TestAResizedTerminalIsDrawnAnew(t *testing.T) {
	term := terminaltest.New(t, 80, 24)
	now := evening
	l := newLive(t, term.User, 80, 24, &now)
	l.connect(1, nil)
	e := refused()
	l.take(news{event: &e, round: 1})
	for _, size := range [][2]int{{80, 24}, {40, 10}, {1, 1}, {100, 24}, {100, 30}, {20, 5}} {
		w, h := size[0], size[1]
		l.size = func() (int, int) { return w, h }
		term.Resize(t, w, h)
		if err := l.draw(); err != nil {
			t.Fatal(err)
		}
		want := make([]string, h)
		for i, line := range l.drawn {
			want[i] = strings.TrimRight(withoutInk(line), " ")
		}
		term.Until(t, fmt.Sprintf("the picture at %v", size), 5*time.Second, func() bool {
			return term.Text() == strings.Join(want, "\n")+"\n" && term.Ink() == cube.ink(toneBad)
		})
	}
}
