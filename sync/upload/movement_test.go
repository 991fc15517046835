package upload_test

import (
	"testing"
	"time"

	"usher/scanner"
)

func TestTimes(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	v := &vendor{}
	u := newUploader(b, v, clock)
	times := func() map[scanner.Code]time.Time {
		t.Helper()
		if _, err := u.Now(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := map[scanner.Code]time.Time{}
		for _, call := range v.sent() {
			for _, m := range call {
				at[m.Code] = m.At
			}
		}
		return at
	}
	// A boot whose wall clock is a day ahead, and whose true time is not known
	// until the upload: all are corrected.
	clock.boot, clock.off = "two", 24*time.Hour
	for n := range 3 {
		clock.pass(time.Minute)
		b.admit(t, clock, n)
	}
	clock.true0["two"] = noon.Add(-time.Hour)
	clock.pass(time.Minute)
	b.admit(t, clock, 3) // made just now
	at := times()
	for n := range 3 {
		if want := noon.Add(time.Duration(n+1) * time.Minute); !at[code(n)].Equal(want) {
			t.Errorf("scan %d at %v, want %v", n, at[code(n)], want)
		}
	}
	if want := noon.Add(4*time.Minute - time.Second); !at[code(3)].Equal(want) {
		t.Errorf("a scan made just now at %v, want %v", at[code(3)], want)
	}

	// Not known ever: the wall, held between its neighbours and what is past.
	clock.pass(time.Minute)
	b.admit(t, clock, 10) // 12:05
	clock.boot, clock.off = "three", -3*time.Hour
	clock.pass(time.Minute)
	b.admit(t, clock, 11) // says 09:06
	clock.boot, clock.off = "four", 3*time.Hour
	b.admit(t, clock, 12) // says 15:06
	clock.boot, clock.off = "two", 0
	clock.pass(time.Minute)
	b.admit(t, clock, 13) // 12:07
	clock.boot, clock.off = "five", 100*time.Hour
	b.admit(t, clock, 14)
	clock.boot, clock.off, clock.spread = "two", 0, 5*time.Second
	clock.pass(time.Minute)
	at = times()
	for n, want := range map[int]time.Duration{10: 5 * time.Minute, 11: 5 * time.Minute, 12: 7 * time.Minute, 13: 7 * time.Minute, 14: 8*time.Minute - 5*time.Second} {
		if !at[code(n)].Equal(noon.Add(want)) {
			t.Errorf("scan %d at %v, want %v", n, at[code(n)], noon.Add(want))
		}
	}
	// A trusted time of an earlier boot is not given up for the wall.
	clock.off = 2 * time.Hour
	b.admit(t, clock, 20)
	delete(clock.true0, "two")
	clock.boot, clock.off = "six", 0
	clock.true0["six"] = noon.Add(-time.Hour)
	clock.pass(time.Hour)
	if at = times(); !at[code(20)].Equal(noon.Add(8 * time.Minute)) {
		t.Errorf("scan of an earlier boot at %v", at[code(20)])
	}
	// What the vendor has already is not contradicted by an uncertain time.
	clock.boot, clock.off = "seven", -10*time.Hour
	b.admit(t, clock, 21)
	clock.boot, clock.off = "six", 0
	if at = times(); at[code(21)].Before(at[code(20)]) {
		t.Errorf("a later scan at %v, before %v", at[code(21)], at[code(20)])
	}
}
