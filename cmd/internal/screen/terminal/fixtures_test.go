package terminal

import (
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen"
	"usher/scanner"
)

var evening = time.Date(2026, 11, 21, 19, 55, 3, 0, time.UTC)

// busyStatus has something of everything that the bar tells.
func busyStatus() control.Status {
	return control.Status{
		State:    control.Degraded,
		Problems: []string{"scanner lane-2 missing: /dev/ttyUSB1: no such file; plug it in", "1 parked: the vendor will not take it"},
		Device:   control.DeviceStatus{Gate: "Gate 7", Direction: "entry", EventName: "Swan Lake", EventStartsAt: control.At(evening.Add(5 * time.Minute))},
		Link:     control.LinkStatus{State: control.LinkOffline, Since: control.At(evening)},
		Tickets:  control.TicketsStatus{Count: 12345, AgeS: control.Seconds(4 * time.Minute)},
		Outbox:   control.OutboxStatus{Pending: 31},
		Parked:   1,
		Scanners: []control.ScannerStatus{{Name: "lane-1", State: control.ScannerConnected}, {Name: "lane-2", State: control.ScannerMissing}},
		Counts:   control.Counts{Admit: 1200, Refuse: 30, Review: 4, Offline: 31},
		Events:   []control.EventCounts{{Event: "Swan Lake", Inside: 1197}},
		Clock:    control.ClockStatus{Trusted: true},
		Screen:   control.ScreenStatus{Language: "en", HoldMS: 5000},
	}
}

func admitted() control.Event {
	return control.Event{
		Seq: 1234, ID: "d-1234", At: control.At(evening), Scanner: "lane-1", Code: "…0123",
		Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Direction: scanner.Entry, Queued: true,
		Ticket:    &scanner.TicketInfo{Name: "Zoë Lee", Section: "Stalls", Seat: "C12", Event: "P1"},
		EventName: "Swan Lake", EventStartsAt: control.At(evening.Add(5 * time.Minute)),
	}
}

func refused() control.Event {
	e := admitted()
	e.ID, e.Verdict, e.Reason, e.Queued, e.Mode = "d-1235", scanner.Refuse, scanner.AlreadyEntered, false, scanner.Online
	e.FirstEnteredAt, e.FirstEnteredGate = control.At(evening.Add(-24*time.Minute)), "Gate 3"
	return e
}

// kinds are a view of every kind there is, in a language.
func kinds(t testing.TB, language string) map[screen.Kind]view {
	t.Helper()
	words, err := screen.WordsIn(language)
	if err != nil {
		t.Fatal(err)
	}
	status := busyStatus()
	status.Screen.Language = language
	of := func(e control.Event) view {
		return view{now: evening, speaker: screen.Speaker{Words: words, Zone: time.UTC}, connected: true, status: &status, shown: &e}
	}
	exit, late, review, again, undone, conflict := admitted(), admitted(), admitted(), admitted(), admitted(), refused()
	exit.Direction, exit.Reason = scanner.Exit, scanner.Exited
	late.Late, late.Overridden, late.By, late.Kind = true, true, "Eve", scanner.KindOverride
	review.Verdict, review.Reason, review.Ticket, review.Queued = scanner.Review, scanner.NoList, nil, false
	again.Repeat, again.AgoMS = true, 2000
	undone.Kind, undone.By, undone.Verdict = scanner.KindUndo, "Eve", ""
	conflict.Kind, conflict.Verdict = scanner.KindConflict, ""
	calm, lost, blind := of(admitted()), of(admitted()), of(admitted())
	calm.shown = nil
	lost.connected, lost.lost = false, "the daemon does not answer"
	blind.shown, blind.scanner = nil, "lane-l"
	return map[screen.Kind]view{
		screen.Admitted: of(late), screen.Exited: of(exit), screen.Refused: of(refused()), screen.Reviewed: of(review),
		screen.Repeated: of(again), screen.Undone: of(undone), screen.Conflict: of(conflict),
		screen.Calm: calm, screen.Lost: lost, screen.Blind: blind,
	}
}
