package terminal

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/name, or rewrites it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// visible shows a drawing's edge and its colours in words.
func visible(lines []string) string {
	var pairs []string
	for t, name := range []string{"", "[GREEN]", "[RED]", "[AMBER]", "[GREY]", "[BLUE]", "[BAR]", "[ALARM]"} {
		pairs = append(pairs, cube.ink(tone(t)), name)
	}
	names := strings.NewReplacer(append(pairs, inkOff, "")...)
	var out strings.Builder
	for _, line := range lines {
		line = names.Replace(line)
		out.WriteString(line + "|\n")
	}
	return out.String()
}

// drawings are the kinds of a language at one size, in one file.
func drawings(t *testing.T, language string, w, h int, st style) string {
	t.Helper()
	views := kinds(t, language)
	var out strings.Builder
	for _, k := range []screen.Kind{
		screen.Admitted, screen.Exited, screen.Refused, screen.Reviewed, screen.Repeated,
		screen.Undone, screen.Conflict, screen.Calm, screen.Lost, screen.Blind,
	} {
		fmt.Fprintf(&out, "-- %s --\n%s", k, visible(views[k].render(w, h, st)))
	}
	return out.String()
}

func TestTheScreenIsTheVerdict(t *testing.T) {
	full := style{depth: cube, unicode: true, rich: true}
	for _, tt := range []struct {
		language string
		w, h     int
		style    style
		name     string
	}{
		{"en", 80, 24, full, "en-80x24"},
		{"de", 80, 24, full, "de-80x24"},
		{"fr", 100, 30, full, "fr-100x30"},
		{"es", 40, 10, full, "es-40x10"},
		{"fr", 20, 5, style{}, "fr-20x5-ascii"},
		{"de", 200, 60, style{unicode: true}, "de-200x60-plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name+".golden", drawings(t, tt.language, tt.w, tt.h, tt.style))
		})
	}
}

// Every kind, in every language, at every size: the size holds, the verdict can be
// read in letters or in pixels, and its sign where there is a cell for nothing else.
func TestEveryVerdictIsReadAtEverySize(t *testing.T) {
	sizes := [][2]int{{1, 1}, {2, 2}, {12, 3}, {20, 5}, {40, 10}, {80, 24}, {80, 25}, {100, 30}, {132, 43}, {240, 67}}
	styles := map[string]style{"full": {cube, true, true}, "console": {console, true, false}, "plain": {}}
	for _, language := range screen.Languages() {
		for kind, v := range kinds(t, language) {
			for _, size := range sizes {
				for name, st := range styles {
					w, h := size[0], size[1]
					lines := v.render(w, h, st)
					where := fmt.Sprintf("%s %s %dx%d %s", language, kind, w, h, name)
					if len(lines) != h {
						t.Fatalf("%s: %d lines", where, len(lines))
					}
					plain := make([]string, len(lines))
					for i, line := range lines {
						plain[i] = withoutInk(line)
						if n := columns(plain[i]); n > w || st.depth != none && n != w {
							t.Fatalf("%s: %d columns: %q", where, n, line)
						}
					}
					if why := unread(v.surface(), plain, w, st); why != "" {
						t.Errorf("%s: %s in\n%s", where, why, strings.Join(plain, "\n"))
					}
					if want := st.depth.ink(toneOf(kind)); !strings.HasPrefix(lines[0], want) {
						t.Errorf("%s: begins with %q, not %q", where, lines[0], want)
					}
				}
			}
		}
	}
}

func withoutInk(line string) string {
	var out strings.Builder
	for rest := line; ; {
		before, after, found := strings.Cut(rest, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		_, rest, _ = strings.Cut(after, "m")
	}
}

// unread says what of the surface cannot be read in the lines.
func unread(s surface, lines []string, w int, st style) string {
	if s.word == "" {
		return ""
	}
	text := strings.Join(lines, "\n")
	if columns(st.say(s.word)) > w {
		if sign := signOf(s.shape, st.rich); !strings.Contains(text, sign) {
			return "no " + sign
		}
		return ""
	}
	if strings.Contains(text, st.say(s.word)) {
		return ""
	}
	// In pixels: the rows of its letters, one below the other.
	ink := "#"
	if st.unicode {
		ink = "█"
	}
	for _, bitmap := range arranged(s.word) {
		for scale := range 6 {
			rows := pixels(bitmap, ink, max(1, 2*scale), max(1, scale))
			for y := 0; y+len(rows) <= len(lines); y++ {
				there := true
				for i := 0; there && i < len(rows); i++ {
					there = strings.Contains(lines[y+i], strings.TrimSpace(rows[i]))
				}
				if there {
					return ""
				}
			}
		}
	}
	return "no " + s.word
}

// On the sizes people have, the word is drawn large.
func TestOnAUsualTerminalEveryWordIsLarge(t *testing.T) {
	for _, language := range screen.Languages() {
		for kind, v := range kinds(t, language) {
			s := v.surface()
			if s.word == "" {
				continue
			}
			lines := v.render(80, 25, style{unicode: true})
			if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, s.word) }) {
				t.Errorf("%s %s: %s is not drawn large:\n%s", language, kind, s.word, strings.Join(lines, "\n"))
			}
		}
	}
}

// No language may have a large word with a letter that cannot be drawn.
func TestEveryWordHasItsLetters(t *testing.T) {
	for _, language := range screen.Languages() {
		w, err := screen.WordsIn(language)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{
			w.Admit, w.Exit, w.Refuse, w.Review, w.Same, w.Undone, w.Conflict, w.NoConnection, w.NotReady, w.NoScanner,
		} {
			if why := undrawn(word); why != "" {
				t.Errorf("%s: %s: %s", language, word, why)
			}
		}
	}
	for word, drawn := range map[string]bool{"ABCDEFGHIJKLMNOPQRSTUVWXYZ": true, "ÉÀÈÊÜÄÖÑÓÍÁÚ": true, "ß": false, "Ç": false, "7": false} {
		if got := undrawn(word) == ""; got != drawn {
			t.Errorf("%s: drawn %v", word, got)
		}
	}
}

// undrawn compares what is drawn with what is written.
func undrawn(word string) string {
	var drawn strings.Builder
	for _, unit := range units(word) {
		drawn.WriteString(string(unit))
	}
	if want := decomposed(word); drawn.String() != want {
		return fmt.Sprintf("only %q of %q is drawn", drawn.String(), want)
	}
	for _, row := range letters(word) {
		if len(row) != len(letters(word)[0]) {
			return "its rows are not equally wide"
		}
	}
	return ""
}

// Two kinds never look alike without colour.
func TestShapesAndWordsDiffer(t *testing.T) {
	for _, language := range screen.Languages() {
		seen := map[string]screen.Kind{}
		for kind, v := range kinds(t, language) {
			s := v.surface()
			for _, look := range []string{s.word, s.plainHead(80, style{})} {
				if other, found := seen[look]; found && other != kind {
					t.Errorf("%s: %s and %s both say %q", language, kind, other, look)
				}
				seen[look] = kind
			}
		}
	}
}

// Whatever is shown, on whatever screen: the size holds, and no foreign text
// reaches the terminal as anything but text.
func TestEveryScreenFits(t *testing.T) {
	base := kinds(t, "fr")[screen.Calm]
	text := rapid.OneOf(rapid.String(), rapid.StringMatching("[\x1b\u009b\u202e日a \r\n|{}]{0,40}"))
	rapid.Check(t, func(t *rapid.T) {
		e := control.Event{
			Scanner: text.Draw(t, "scanner"), Code: text.Draw(t, "code"), Message: text.Draw(t, "message"), Detail: text.Draw(t, "detail"),
			Verdict: scanner.Verdict(rapid.SampledFrom([]string{"admit", "refuse", "review", "new"}).Draw(t, "verdict")),
			Reason:  rapid.SampledFrom(append(scanner.Reasons(), scanner.Reason(text.Draw(t, "reason")))).Draw(t, "why"),
			Repeat:  rapid.Bool().Draw(t, "repeat"), By: text.Draw(t, "by"), FirstEnteredGate: text.Draw(t, "gate"),
			Ticket: &scanner.TicketInfo{Name: text.Draw(t, "name"), Section: text.Draw(t, "section"), Seat: text.Draw(t, "seat")},
		}
		v := base
		status := busyStatus()
		v.status = &status
		if rapid.Bool().Draw(t, "shown") {
			v.shown = &e
		}
		v.connected = rapid.Bool().Draw(t, "connected")
		v.lost = text.Draw(t, "lost")
		v.scanner = rapid.OneOf(rapid.Just(""), text).Draw(t, "only")
		status.Device.Gate = text.Draw(t, "gate")
		status.Problems = []string{text.Draw(t, "problem")}
		status.Scanners[1].Name = text.Draw(t, "missing")
		w, h := rapid.IntRange(0, 130).Draw(t, "w"), rapid.IntRange(0, 50).Draw(t, "h")
		st := style{unicode: rapid.Bool().Draw(t, "unicode")}
		lines := v.render(w, h, st)
		if len(lines) != max(h, 1) {
			t.Fatalf("%d lines on a screen of %d", len(lines), h)
		}
		for _, line := range lines {
			if columns(line) > max(w, 1) {
				t.Fatalf("%d columns on a screen of %d: %q", columns(line), w, line)
			}
			if line != Clean(line) {
				t.Fatalf("control characters: %q", line)
			}
			if !st.unicode && strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
				t.Fatalf("more than ASCII: %q", line)
			}
		}
	})
}

func TestALostDaemonLeavesNothingThatMayBeOld(t *testing.T) {
	v := kinds(t, "en")[screen.Admitted]
	v.connected = false
	for _, lost := range []string{"", "the daemon stopped"} {
		v.lost = lost
		text := strings.Join(v.render(80, 24, style{depth: cube, unicode: true}), "\n")
		for _, old := range []string{cube.ink(toneGood), "Zoë", "C12", "Offline", "To send", "List", "lane-2"} {
			if strings.Contains(text, old) {
				t.Errorf("lost %q: still says %q", lost, old)
			}
		}
	}
}

// What alarms is seen first where the bar has no room for all.
func TestAlarmsComeFirst(t *testing.T) {
	v := kinds(t, "en")[screen.Calm]
	lines := v.render(30, 6, style{})
	bar := strings.Join(lines[4:], "\n")
	if !strings.Contains(bar, "! Offline") || !strings.Contains(bar, "! Scanner missing: lane-2") || strings.Contains(bar, "To send") {
		t.Errorf("the bar says:\n%s", bar)
	}
}

// The clock of a device that is wrong, and knows by how much, is not shown wrong.
func TestTheClockIsTheTrueTimeInTheVenuesZone(t *testing.T) {
	v := kinds(t, "en")[screen.Calm]
	v.status.Clock.OffsetMS = control.Milliseconds(-7 * time.Second)
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	v.speaker.Zone = zone
	if text := strings.Join(v.render(80, 24, style{}), "\n"); !strings.Contains(text, "04:54:56") {
		t.Errorf("no 04:54:56 in\n%s", text)
	}
}

func TestBellsTellVerdictsApart(t *testing.T) {
	want := map[screen.Kind]int{screen.Admitted: 1, screen.Exited: 1, screen.Reviewed: 2, screen.Conflict: 2, screen.Refused: 3}
	for kind, v := range kinds(t, "en") {
		if v.shown != nil && kind != screen.Lost && Bells(*v.shown) != want[kind] {
			t.Errorf("%s: %d bells, want %d", kind, Bells(*v.shown), want[kind])
		}
	}
	if n := Bells(control.Event{Kind: scanner.KindRequeue, By: "Eve"}); n != 0 {
		t.Errorf("a desk rings %d times at the gate", n)
	}
}

// The event is named on a verdict, of one scanner and of several, and on a calm
// screen.
func TestTheEventIsNamed(t *testing.T) {
	for _, kind := range []screen.Kind{screen.Admitted, screen.Calm} {
		v := kinds(t, "en")[kind]
		for _, lanes := range []int{2, 1} {
			status := *v.status
			status.Scanners = status.Scanners[:lanes]
			v.status = &status
			if drawn := strings.Join(v.render(80, 24, style{}), "\n"); !strings.Contains(drawn, "Swan Lake") {
				t.Errorf("%s of %d scanners:\n%s", kind, lanes, drawn)
			}
		}
	}
}
