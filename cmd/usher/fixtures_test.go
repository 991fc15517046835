package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		Device: control.DeviceStatus{ID: "0190-d1", Name: "door-7", Gate: "Gate 7", Direction: "entry", EventName: "Swan Lake", EventStartsAt: control.At(evening)},
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
		Events: []control.EventCounts{{Event: "P1", EventName: "Swan Lake", EventStartsAt: control.At(evening), Entries: 1200, Exits: 3, Inside: 1197, Refused: 30, Overridden: 1, Undone: 2}},
		Clock:  control.ClockStatus{Trusted: true, OffsetMS: control.Milliseconds(120 * time.Millisecond)},
		Screen: control.ScreenStatus{Language: "en", HoldMS: 5000},
		LastScan: &control.Event{Seq: 1234, At: control.At(evening.Add(-time.Second)), Scanner: "lane-1", Code: "…0123",
			Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Message: "Admitted", Queued: true},
	}
}

func admitted() control.Event {
	return control.Event{
		Seq: 1234, At: control.At(evening), Scanner: "lane-1", Code: "…0123",
		Verdict: scanner.Admit, Reason: scanner.OK, Mode: scanner.Offline, Direction: scanner.Entry, Message: "Admitted", Queued: true,
		Ticket:    &scanner.TicketInfo{Name: "Ann Lee", Section: "Stalls", Seat: "C12", Event: "P1"},
		EventName: "Swan Lake", EventStartsAt: control.At(evening.Add(5 * time.Minute)),
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
