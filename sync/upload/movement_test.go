package upload_test

import (
	"context"
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

// An entry that was parked comes back when the vendor has the ticket's exit
// already. Its time is not known for certain, and must not lie behind the exit.
func TestRequeuedEntryStaysBeforeTheTicketsLaterMovement(t *testing.T) {
	clock := newClock()
	b := openBook(t, t.TempDir(), clock)
	v := &vendor{}
	u := newUploader(b, v, clock)
	upload := func() {
		t.Helper()
		if _, err := u.Now(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	clock.boot, clock.off = "two", 0 // never known
	clock.pass(time.Minute)
	entry := b.admit(t, clock, 1)
	v.answer = func(_ context.Context, _ int, batch []scanner.Movement) ([]scanner.Receipt, error) {
		return all(batch, scanner.Rejected), nil
	}
	upload()
	v.answer = nil
	b.wantFate(t, entry, scanner.FateParked)

	// The wall clock is stepped back by half an hour, and the holder leaves.
	clock.off = -30 * time.Minute
	clock.pass(time.Minute)
	b.admit(t, clock, 1, func(rec *scanner.Record) { rec.Direction = scanner.Exit })
	for n := range 5 {
		clock.pass(time.Minute)
		b.admit(t, clock, 10+n)
		upload()
	}
	left := v.sent()[1][0].At

	if err := b.Requeue(t.Context(), entry, "Ann"); err != nil {
		t.Fatal(err)
	}
	upload()
	calls := v.sent()
	last := calls[len(calls)-1][0]
	if last.Seq != entry || last.At.After(left) {
		t.Errorf("the entry (%d) at %v, behind the exit at %v", last.Seq, last.At, left)
	}
}
