package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/cmd/internal/control"
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

var evening = time.Date(2026, 11, 21, 19, 55, 3, 0, time.UTC)

func busyStatus() control.Status {
	return control.Status{
		Version: "1.2.3", State: control.Degraded,
		Problems: []string{
			"scanner lane-2 missing: /dev/ttyUSB1: no such file; plug it in",
			"1 parked: the vendor will not take it",
		},
		Device: control.DeviceStatus{ID: "0190-d1", Name: "door-7", Gate: "Gate 7", Direction: "entry"},
		Link: control.LinkStatus{State: control.LinkOffline, Since: control.At(evening.Add(-12 * time.Minute)),
			Reason: "connection refused", NextProbeAt: control.At(evening.Add(20 * time.Second))},
		Vendor: control.VendorStatus{Name: "audienceview", SessionExpiresAt: control.At(evening.Add(time.Hour))},
		Tickets: control.TicketsStatus{Count: 12345, GenerationAt: control.At(evening.Add(-4 * time.Minute)),
			AgeS: control.Seconds(4 * time.Minute)},
		Outbox: control.OutboxStatus{Pending: 31, OldestAt: control.At(evening.Add(-10 * time.Minute)),
			OldestAgeS: control.Seconds(10 * time.Minute), DeadlineAt: control.At(evening.Add(47 * time.Hour))},
		Parked: 1,
		Scanners: []control.ScannerStatus{
			{Name: "lane-1", Driver: "serial", State: control.ScannerConnected, Scans: 1234, LastAt: control.At(evening.Add(-time.Second))},
			{Name: "lane-2", Driver: "serial", State: control.ScannerMissing, Detail: "/dev/ttyUSB1: no such file"},
		},
		Counts: control.Counts{Admit: 1200, Refuse: 30, Review: 4, Repeat: 9, Offline: 31},
		Events: []control.EventCounts{{Event: "Swan Lake", Entries: 1200, Exits: 3, Inside: 1197, Refused: 30, Overridden: 1, Undone: 2}},
		Clock:  control.ClockStatus{Trusted: true, OffsetMS: control.Milliseconds(120 * time.Millisecond)},
		LastScan: &control.Event{Seq: 1234, At: control.At(evening.Add(-time.Second)), Scanner: "lane-1", Code: "…0123",
			Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Message: "Admitted", Queued: true},
	}
}

func admitted() control.Event {
	return control.Event{
		Seq: 1234, At: control.At(evening), Scanner: "lane-1", Code: "…0123",
		Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Direction: scanner.Entry, Message: "Admitted", Queued: true,
		Ticket: &scanner.TicketInfo{Name: "Ann Lee", Section: "Stalls", Seat: "C12", Event: "Swan Lake"},
	}
}

func refused() control.Event {
	e := admitted()
	e.Verdict, e.Reason, e.Message, e.Queued = scanner.Refuse, scanner.AlreadyEntered, "Already entered at Gate 3, 19:31", false
	return e
}

func reviewed() control.Event {
	e := admitted()
	e.Verdict, e.Reason, e.Message, e.Queued, e.Ticket = scanner.Review, scanner.NoList, "No ticket list on this device: ask a supervisor", false, nil
	return e
}

func connectedView(e *control.Event) watchView {
	status := busyStatus()
	return watchView{now: evening, zone: time.UTC, connected: true, status: &status, shown: e}
}

// visible shows a drawing's edge and its colours in words.
func visible(lines []string) string {
	names := strings.NewReplacer(
		styleAdmit, "[GREEN]", styleRefuse, "[RED]", styleReview, "[AMBER]", styleNeutral, "[WHITE]",
		styleLost, "[GREY]", styleFooter, "[REVERSE]", styleOff, "")
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(names.Replace(line) + "|\n")
	}
	return out.String()
}

func TestTheScreenIsTheVerdict(t *testing.T) {
	admit, refuse, review := admitted(), refused(), reviewed()
	again := admitted()
	again.Repeat, again.AgoMS = true, 2000
	undone := admitted()
	undone.Kind, undone.By = scanner.KindUndo, "Eve"
	left := admitted()
	left.Direction, left.Reason, left.Message = scanner.Exit, scanner.Exited, "Exit recorded"
	lost := connectedView(&admit)
	lost.connected, lost.lost = false, "the daemon does not answer"
	notReady := connectedView(nil)
	notReady.status.State = control.NotReady
	notReady.status.Problems = []string{"no ticket list was ever loaded"}
	mistyped := connectedView(nil)
	mistyped.scanner = "lane-l"
	tests := []struct {
		name  string
		view  watchView
		w, h  int
		style watchStyle
	}{
		{"admit", connectedView(&admit), 80, 24, watchStyle{colour: true, unicode: true}},
		{"refuse", connectedView(&refuse), 80, 24, watchStyle{colour: true, unicode: true}},
		{"review", connectedView(&review), 80, 24, watchStyle{colour: true, unicode: true}},
		{"repeat", connectedView(&again), 80, 24, watchStyle{colour: true, unicode: true}},
		{"undone", connectedView(&undone), 80, 24, watchStyle{colour: true, unicode: true}},
		{"exit", connectedView(&left), 80, 24, watchStyle{colour: true, unicode: true}},
		{"lost", lost, 80, 24, watchStyle{colour: true, unicode: true}},
		{"calm", connectedView(nil), 80, 24, watchStyle{colour: true, unicode: true}},
		{"not-ready", notReady, 80, 24, watchStyle{colour: true, unicode: true}},
		{"mistyped", mistyped, 80, 24, watchStyle{colour: true, unicode: true}},
		{"refuse-plain", connectedView(&refuse), 80, 24, watchStyle{}},
		{"refuse-large", connectedView(&refuse), 200, 60, watchStyle{unicode: true}},
		{"refuse-small", connectedView(&refuse), 40, 12, watchStyle{unicode: true}},
		{"admit-tiny", connectedView(&admit), 20, 4, watchStyle{colour: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := tt.view.render(tt.w, tt.h, tt.style)
			golden(t, "watch-"+tt.name+".golden", visible(lines))
		})
	}
}

// Whatever is shown, on whatever screen: the size holds, and no foreign text
// reaches the terminal as anything but text.
func TestEveryScreenFits(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching("[\x1b\u009b\u202e日a \r\n]{0,40}"))
	rapid.Check(t, func(t *rapid.T) {
		e := control.Event{
			Scanner: text.Draw(t, "scanner"), Code: text.Draw(t, "code"), Message: text.Draw(t, "message"),
			Verdict: scanner.Verdict(rapid.SampledFrom([]string{"admit", "refuse", "review", "new"}).Draw(t, "verdict")),
			Repeat:  rapid.Bool().Draw(t, "repeat"),
			Ticket:  &scanner.TicketInfo{Name: text.Draw(t, "name"), Section: text.Draw(t, "section")},
		}
		v := connectedView(&e)
		v.connected = rapid.Bool().Draw(t, "connected")
		v.lost = text.Draw(t, "lost")
		v.status.Device.Gate = text.Draw(t, "gate")
		w, h := rapid.IntRange(0, 130).Draw(t, "w"), rapid.IntRange(0, 50).Draw(t, "h")
		lines := v.render(w, h, watchStyle{unicode: rapid.Bool().Draw(t, "unicode")})
		if len(lines) != max(h, 1) {
			t.Fatalf("%d lines on a screen of %d", len(lines), h)
		}
		for _, line := range lines {
			if columns(line) > max(w, 1) {
				t.Fatalf("%d columns on a screen of %d: %q", columns(line), w, line)
			}
			if line != clean(line) {
				t.Fatalf("control characters: %q", line)
			}
		}
	})
}

func TestALostDaemonLeavesNoGreen(t *testing.T) {
	admit := admitted()
	v := connectedView(&admit)
	v.connected = false
	for _, line := range v.render(80, 24, watchStyle{colour: true}) {
		if strings.Contains(line, styleAdmit) || strings.Contains(line, "ADMIT") {
			t.Errorf("a stale verdict: %q", line)
		}
	}
}

func TestAScannerThatIsThereIsNotMistyped(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "lane-1": "", "lane-2": "", "manual": "",
		"lane-3": `no scanner is named "lane-3": there is lane-1, lane-2, manual`,
	} {
		if got := unknownScanner(busyStatus(), name); got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestEveryRefusalSaysWhatToDo(t *testing.T) {
	for _, reason := range scanner.Reasons() {
		e := control.Event{Verdict: reason.Verdict(), Reason: reason}
		if got := advice(e); (got == "") != (e.Verdict == scanner.Admit) {
			t.Errorf("%s: %q", reason, got)
		}
	}
}

func TestEveryWordHasItsLetters(t *testing.T) {
	for _, word := range []string{"ADMIT", "REFUSE", "REVIEW", "EXIT", "SAME", "UNDONE", "NO CONNECTION", "NOT READY", "NO SCANNER"} {
		for _, r := range word {
			if _, ok := alphabet[r]; !ok {
				t.Errorf("%s: no letter %c", word, r)
			}
		}
	}
}

func TestBellsTellVerdictsApart(t *testing.T) {
	again := admitted()
	again.Repeat = true
	requeued := control.Event{Kind: scanner.KindRequeue, By: "Eve"}
	for _, tt := range []struct {
		e    control.Event
		want int
	}{{admitted(), 1}, {reviewed(), 2}, {refused(), 3}, {again, 0}, {requeued, 0}} {
		if got := bellsFor(tt.e); got != tt.want {
			t.Errorf("%s: %d bells, want %d", tt.e.Verdict, got, tt.want)
		}
	}
}
