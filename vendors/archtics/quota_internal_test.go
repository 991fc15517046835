package archtics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"usher/scanner"
	"usher/vendors/vendortest"
)

// testClock is a device's clocks: the true time and the uptime run, the wall clock is
// whatever it is.
type testClock struct {
	mu      sync.Mutex // guards what follows
	truth   time.Time
	boot    int
	up      time.Duration
	trusted bool
}

func (c *testClock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: time.Unix(5, 0), Boot: fmt.Sprint("boot ", c.boot), Up: c.up}
}

func (c *testClock) True(s scanner.Stamp) scanner.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.trusted {
		return scanner.Instant{At: s.Wall}
	}
	return scanner.Instant{At: c.truth.Add(s.Up - c.up), Trusted: true}
}

func (c *testClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.truth, c.up = c.truth.Add(d), c.up+d
}

func newTestClock() *testClock {
	return &testClock{truth: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), up: time.Hour, trusted: true}
}

// life is the memory as one run of the daemon sees it: after its death nothing more
// of it gets to the disk.
type life struct {
	mu   sync.Mutex // guards what follows
	disk *vendortest.Memory
	dead bool
	err  error
}

func (l *life) Load(key string) ([]byte, error) { return l.disk.Load(key) }

func (l *life) Save(key string, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.err != nil {
		return l.err
	}
	return l.disk.Save(key, value)
}

func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

func quotaOf(minute, day int, clock scanner.Clock, memory scanner.Memory) *quota {
	return newQuota(Config{CallsPerMinute: minute, CallsPerDay: day}, clock, memory, slog.New(slog.DiscardHandler))
}

// Whatever happens, kills and reboots with and without a true time among it, no minute
// and no day has more calls than its limit; and after a day without any all of them
// are there again.
func TestNeverMoreThanTheQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.IntRange(1, 20).Draw(t, "minute")
		day := rapid.IntRange(minute, 120).Draw(t, "day")
		clock, disk := newTestClock(), &vendortest.Memory{}
		now := &life{disk: disk}
		q := quotaOf(minute, day, clock, now)
		type made struct {
			at time.Time
			u  urgency
		}
		var calls []made
		take := func(u urgency) error {
			_, err := q.take(t.Context(), u, "x")
			if err == nil {
				calls = append(calls, made{clock.truth, u})
			}
			return err
		}
		again := func(t *rapid.T, clean bool) {
			if clean {
				if err := q.book.close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			now.kill()
			now = &life{disk: disk}
			q = quotaOf(minute, day, clock, now)
			q.book.load.Do(q.book.read) // it starts at once
		}
		t.Repeat(map[string]func(*rapid.T){
			"scan": func(t *rapid.T) { _ = take(scans) },
			"burst": func(*rapid.T) {
				for range minute {
					_ = take(scans)
				}
			},
			"probe":      func(t *rapid.T) { _ = take(probing) },
			"attendance": func(t *rapid.T) { _ = take(attendance) },
			"rest":       func(t *rapid.T) { _ = take(rest) },
			"seconds": func(t *rapid.T) {
				clock.step(time.Duration(rapid.IntRange(1, 70_000).Draw(t, "ms")) * time.Millisecond)
			},
			"hours":   func(t *rapid.T) { clock.step(time.Duration(rapid.IntRange(1, 20).Draw(t, "hours")) * time.Hour) },
			"kill":    func(t *rapid.T) { again(t, false) },
			"restart": func(t *rapid.T) { again(t, true) },
			"reboot": func(t *rapid.T) {
				clean := rapid.Bool().Draw(t, "clean")
				if clean {
					again(t, true)
				}
				off := time.Duration(rapid.IntRange(0, 3600).Draw(t, "off")) * time.Second
				clock.mu.Lock()
				clock.boot++
				clock.truth, clock.up = clock.truth.Add(off+5*time.Second), 5*time.Second
				clock.trusted = rapid.Bool().Draw(t, "trusted")
				clock.mu.Unlock()
				again(t, false)
			},
			"time is known": func(*rapid.T) {
				clock.mu.Lock()
				defer clock.mu.Unlock()
				clock.trusted = true
			},
			"": func(t *rapid.T) {
				in := func(span time.Duration, all bool) (n int) {
					for _, call := range calls {
						if clock.truth.Sub(call.at) < span && (all || call.u == attendance) {
							n++
						}
					}
					return n
				}
				if a, b := in(time.Minute, true), in(24*time.Hour, true); a > minute || b > day {
					t.Fatalf("%d calls in a minute of %d, %d in a day of %d", a, minute, b, day)
				}
				if a, b := in(time.Minute, false), in(24*time.Hour, false); a > max(minute/2, 1) || b > max(day/2, 1) {
					t.Fatalf("%d calls for the attendance in a minute of %d, %d in a day of %d", a, minute, b, day)
				}
			},
		})
		clock.step(25 * time.Hour)
		free := 0
		for take(scans) == nil {
			free++
		}
		if free != minute {
			t.Fatalf("after a day without calls %d of %d are free", free, minute)
		}
	})
}

func try(t *testing.T, q *quota, u urgency) *scanner.CallError {
	t.Helper()
	_, err := q.take(t.Context(), u, "x")
	var call *scanner.CallError
	if err != nil && !errors.As(err, &call) {
		t.Fatalf("%v is no CallError", err)
	}
	return call
}

// What matters less leaves a part of the quota to what matters more, and the words
// and the time say when to come back: with enough calls to be of use.
func TestPriorities(t *testing.T) {
	clock := newTestClock()
	q := quotaOf(80, 5000, clock, nil)
	taken := func(u urgency) (n int, err *scanner.CallError) {
		for {
			if err = try(t, q, u); err != nil {
				return n, err
			}
			n++
			clock.step(100 * time.Millisecond)
		}
	}
	for _, tt := range []struct {
		u     urgency
		n     int
		words string
		after time.Duration
	}{
		// The first call was 6 s ago, and 21 must be free: 60 calls were made.
		{rest, 60, "kept for scans", time.Minute - 6*time.Second},
		{attendance, 10, "kept for scans", time.Minute - 7*time.Second + 10*100*time.Millisecond},
		{scans, 10, "quota: 80 calls a minute are used up", time.Minute - 8*time.Second + 20*100*time.Millisecond},
	} {
		n, err := taken(tt.u)
		if n != tt.n || err.Trouble != scanner.Throttled || err.MaybeSent || !strings.Contains(err.Error(), tt.words) || err.RetryAfter != tt.after {
			t.Errorf("urgency %d: %d calls, then %v, back after %v; want %d, %v", tt.u, n, err, err.RetryAfter, tt.n, tt.after)
		}
	}
	// When it says so, the link's probe gets through, and a good number of scans.
	err := try(t, q, scans)
	clock.step(err.RetryAfter)
	if err := try(t, q, probing); err != nil {
		t.Errorf("the probe: %v", err)
	}
	if n, _ := taken(scans); n < 20 {
		t.Errorf("%d scans are possible, then offline again", n)
	}
}

// The day's end says when enough of it returns.
func TestTheDayIsUsedUp(t *testing.T) {
	clock := newTestClock()
	q := quotaOf(80, 200, clock, nil)
	for i := range 200 {
		if i == 190 {
			var probe request
			for u, free := range map[urgency]bool{rest: false, attendance: false, probing: true} {
				r, err := q.take(t.Context(), u, "x")
				if (err == nil) != free {
					t.Errorf("urgency %d: %v", u, err)
				}
				if err == nil {
					probe = r
				}
			}
			q.give(probe)
		}
		if err := try(t, q, scans); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		clock.step(time.Second)
	}
	if q.problem() == "" {
		t.Error("nobody is told")
	}
	err := try(t, q, scans)
	// 21 calls are those of the first minute, which began on a full minute of uptime.
	want := daySpan - 200*time.Second + minuteSpan
	if err == nil || !strings.Contains(err.Error(), "quota: 200 calls a day are used up") || err.RetryAfter != want {
		t.Fatalf("%v, back after %v; want %v", err, err.RetryAfter, want)
	}
	clock.step(err.RetryAfter - time.Second)
	if err := try(t, q, scans); err == nil {
		t.Error("it returns before it said")
	}
	clock.step(time.Second)
	if err := try(t, q, probing); err != nil {
		t.Errorf("the probe: %v", err)
	}
	if err := try(t, q, scans); err != nil {
		t.Errorf("%v", err)
	}
}

// Only a scan calls while Ticketmaster wants fewer calls.
func TestRefused(t *testing.T) {
	clock := newTestClock()
	q := quotaOf(80, 5000, clock, nil)
	if got := q.refused(0); got != unasked {
		t.Errorf("left alone for %v", got)
	}
	q.refused(7 * time.Second) // no shorter for that
	for _, u := range []urgency{attendance, rest} {
		if err := try(t, q, u); err == nil || err.RetryAfter != unasked {
			t.Errorf("urgency %d: %v", u, err)
		}
	}
	if err := try(t, q, scans); err != nil {
		t.Errorf("a scan: %v", err)
	}
	clock.step(unasked)
	if err := try(t, q, rest); err != nil {
		t.Errorf("then: %v", err)
	}
}

// A disk that refuses keeps no scan from being asked; a disk that hangs does, and
// ends with the caller's patience.
func TestTheDiskRefusesTheCount(t *testing.T) {
	clock := newTestClock()
	memory := &life{disk: &vendortest.Memory{}, err: errors.New("disk full")}
	q := quotaOf(80, 5000, clock, memory)
	for range 50 {
		if err := try(t, q, scans); err != nil {
			t.Fatal(err)
		}
	}
	memory.mu.Lock()
	memory.err = nil
	memory.mu.Unlock()
	for range 10 {
		if err := try(t, q, scans); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.book.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := quotaOf(80, 5000, clock, memory)
	if n := 0; true {
		for try(t, after, scans) == nil {
			n++
		}
		if n != 20 {
			t.Errorf("%d calls are left after a restart, want 20", n)
		}
	}
}

// What a slow call asks for leaves a part of the quota to scans that have not been
// asked yet, and waits for its turn as long as its caller does.
func TestASlowCallLeavesRoomForScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newTestClock()
		c := &Client{quota: quotaOf(16, 5000, clock, nil)}
		scan := question{common: common{Cmd: "x"}, urgency: scans}
		ask := func(n int) (time.Duration, error) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			_, err := c.allowed(ctx, scan, n)
			return time.Since(began), err
		}
		for n := range 14 {
			if took, err := ask(1 + n%soon); err != nil || took != 0 {
				t.Fatalf("%v after %v", err, took)
			}
		}
		took, err := ask(soon + 1)
		if call := scanner.CallErrorOf(err); took != 10*time.Minute || call.Trouble != scanner.Silent || call.MaybeSent || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		if took, err := ask(soon); err != nil || took != 0 {
			t.Errorf("an early poll: %v after %v", err, took)
		}
		if took, err := ask(1); err != nil || took != 0 {
			t.Errorf("a new scan: %v after %v", err, took)
		}
		if took, err := ask(1); scanner.CallErrorOf(err).Trouble != scanner.Throttled || took != 0 {
			t.Errorf("one too many: %v after %v", err, took)
		}
		time.AfterFunc(30*time.Second, func() { clock.step(time.Minute) })
		if took, err := ask(soon + 1); err != nil || took != time.Minute {
			t.Errorf("its turn: %v after %v", err, took)
		}
	})
}

// What a former boot used is free a day after it was used, once the true time is
// known, and a day after the boot where it is not.
func TestAFormerBootsCalls(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		clock, disk := newTestClock(), &vendortest.Memory{}
		q := quotaOf(80, 80, clock, disk)
		for range 80 {
			if err := try(t, q, scans); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.book.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.step(20 * time.Hour)
		clock.boot, clock.up, clock.trusted = 1, 10*time.Minute, false
		q = quotaOf(80, 80, clock, disk)
		want := 23*time.Hour + 50*time.Minute
		if err := try(t, q, scans); err == nil || err.RetryAfter != want {
			t.Fatalf("%v, want back after %v", err, want)
		}
		if clock.trusted = trusted; trusted {
			want = 4*time.Hour + time.Minute // to the minute, and no earlier
		}
		if err := try(t, q, scans); err == nil || err.RetryAfter != want {
			t.Fatalf("%v, want back after %v", err, want)
		}
		clock.step(want)
		if err := try(t, q, scans); err != nil {
			t.Errorf("time known %v: %v", trusted, err)
		}
	}
}

// A count that cannot be read is no reason to ask nobody.
func TestADamagedCount(t *testing.T) {
	for _, raw := range []string{"{", `{"minutes":[1]}`, `{"boot":"boot 0","minutes":[9223372036854775807,5,9223372036854775807,-5],"before":[-1,5,1]}`, "null"} {
		clock := newTestClock()
		q := quotaOf(80, 5000, clock, &vendortest.Memory{Kept: map[string][]byte{quotaKey: []byte(raw)}})
		if err := try(t, q, scans); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
