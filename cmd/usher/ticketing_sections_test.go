package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
)

// A handheld that gets another token and is switched on without a network does not
// know the sections of that token: no ticket of a section is green until it was told.
func TestASectionTokenThatWasNeverConfirmed(t *testing.T) {
	f := newField(t, 20, ticketingsim.DemoGlobal, "")
	f.start()
	f.lost()
	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(f.Config())
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.ReplaceAll(string(raw), ticketingsim.DemoGlobal, ticketingsim.DemoFront))
	if err := os.WriteFile(f.Config(), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context(), func(st control.Status) bool { return outage(st) && connected(st) }); err != nil {
		t.Fatal(err)
	}
	f.scan(scanner.Offline, "lane-1", back(2), scanner.NotReady)
	f.scan(scanner.Offline, "lane-2", front(2), scanner.NotReady)
	f.net.Instead(nil)
	soon(t, f.Rig, 20*time.Second, "the vendor", online)
	f.lost()
	f.scan(scanner.Offline, "lane-1", back(3), scanner.WrongSection)
	f.scan(scanner.Offline, "lane-2", front(3), scanner.OK)
}
