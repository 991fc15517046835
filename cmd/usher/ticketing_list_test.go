package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
)

// TestALongListFromTicketing: the first download of a long list and a delta of 500 take
// little memory, and the delta is no second download. With USHER_TICKETS=200000 the list
// is that long, in the same bounds.
func TestALongListFromTicketing(t *testing.T) {
	const changed = 500
	n := 40_000
	if text := os.Getenv("USHER_TICKETS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	f := newField(t, n, ticketingsim.DemoGlobal, ", records: 1000")
	begun := time.Now()
	if err := f.Start(t.Context(), connected); err != nil {
		t.Fatal(err)
	}
	peak := f.anonymous(func() {
		soon(t, f.Rig, 2*time.Minute, "the whole list", func(st control.Status) bool { return st.Tickets.Count == n+5 })
	})
	t.Logf("%d tickets in %v, %d MiB of anonymous memory", n, time.Since(begun).Round(10*time.Millisecond), peak>>10)
	whole := f.sim.Calls("list tickets")
	if most := 72 << 10; peak > most {
		t.Errorf("the first list took %d MiB", peak>>10)
	}

	if err := f.sim.Touch(1000, changed, "Refunded"); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	peak = f.anonymous(func() {
		result, err := f.Client.Sync(t.Context(), control.SyncRequest{})
		if err != nil || len(result.Problems) > 0 || result.Tickets != n+5 {
			t.Errorf("%+v, %v", result, err)
		}
	})
	t.Logf("%d changes in %v, %d MiB of anonymous memory, %d calls instead of %d", changed, time.Since(begun).Round(10*time.Millisecond), peak>>10, f.sim.Calls("list tickets")-whole, whole)
	if calls := f.sim.Calls("list tickets") - whole; calls > 4 {
		t.Errorf("the delta took %d calls", calls)
	}
	if most := 72 << 10; peak > most {
		t.Errorf("the delta took %d MiB", peak>>10)
	}
	f.lost()
	f.scan(scanner.Offline, "lane-1", ticketingsim.GeneratedSerial(1000), scanner.Refunded)
	f.scan(scanner.Offline, "lane-2", ticketingsim.GeneratedSerial(1000+changed-1), scanner.Refunded)
	f.scan(scanner.Offline, "lane-1", ticketingsim.GeneratedSerial(1000+changed), scanner.OK)
	f.scan(scanner.Offline, "lane-2", ticketingsim.GeneratedSerial(n-1), scanner.OK)
	f.scan(scanner.Offline, "lane-1", ticketingsim.GeneratedSerial(n), scanner.NotFound)
}

// anonymous is the most anonymous memory of the daemon while something is done, in
// KiB.
func (f *field) anonymous(do func()) (peak int) {
	f.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.Pid()))
		if err != nil {
			f.t.Error(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
				if err != nil {
					f.t.Error(err)
				}
				peak = max(peak, kib)
			}
		}
		select {
		case <-done:
			return peak
		case <-time.After(10 * time.Millisecond):
		}
	}
}
