package archtics

import (
	"testing"
	"time"

	"usher/vendors/vendortest"
)

// free takes what scans can have, one every ten seconds, until there is none.
func free(t *testing.T, q *quota, c *testClock) (n int) {
	for range 5000 {
		err := try(t, q, scans)
		c.step(10 * time.Second)
		switch {
		case err == nil:
			n++
		case err.RetryAfter > 2*time.Minute:
			return n
		}
	}
	return n
}

// A device that is on all day before the doors open, restarts among it, has half of
// its share left for scans, and some of the attendance's for a look with many pages.
func TestTheDayBeforeTheDoorsOpen(t *testing.T) {
	for _, share := range []struct {
		minute, day int
		every       time.Duration
	}{{80, 5000, 3 * time.Minute}, {16, 1000, 7*time.Minute + 41*time.Second}, {2, 100, 77 * time.Minute}, {1, 100, 77 * time.Minute}} {
		clock, disk := newTestClock(), &vendortest.Memory{}
		var c *Client
		start := func() {
			cfg := Config{AttendanceEvery: 3 * time.Minute, CallsPerMinute: share.minute, CallsPerDay: share.day}
			c = &Client{cfg: cfg, clock: clock, quota: quotaOf(share.minute, share.day, clock, disk)}
			c.watch = newWatch(c, nil)
			c.quota.book.load.Do(c.quota.book.read)
		}
		start()
		calls, began, restarted := 0, clock.Now().Up, clock.Now().Up
		for clock.Now().Up-began < 23*time.Hour {
			for n := 0; n < leastCost; {
				if err := try(t, c.quota, attendance); err != nil {
					clock.step(err.RetryAfter)
					continue
				}
				n++
				calls++
			}
			if every := c.Every(); every > share.every {
				t.Fatalf("%+v: every %v after %d calls", share, every, calls)
			}
			clock.step(c.Every())
			if clock.Now().Up-restarted > 5*time.Hour {
				restarted = clock.Now().Up
				if err := c.quota.book.close(t.Context()); err != nil {
					t.Fatal(err)
				}
				start()
			}
		}
		if left := share.day/2 - calls; left < share.day/10 {
			t.Errorf("%+v: %d calls for the attendance leave it %d", share, calls, left)
		}
		if n := free(t, c.quota, clock); n < share.day/2 {
			t.Errorf("%+v: %d scans can be asked", share, n)
		}
	}
}

// The day's half that the attendance may have is the same over restarts and deaths:
// what a killed daemon had set aside may all have been the attendance's.
func TestTheSharesOverARestart(t *testing.T) {
	for _, how := range []string{"restart", "reboot", "kill"} {
		clock, disk := newTestClock(), &vendortest.Memory{}
		now := &life{disk: disk}
		q := quotaOf(100, 400, clock, now)
		for range 200 {
			if err := try(t, q, attendance); err != nil {
				t.Fatal(err)
			}
			clock.step(20 * time.Second)
		}
		switch how {
		case "kill":
			now.kill()
		default:
			if err := q.book.close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if how == "reboot" {
			clock.boot, clock.up = 1, time.Hour
		}
		q = quotaOf(100, 400, clock, disk)
		clock.step(time.Minute)
		err := try(t, q, attendance)
		if err == nil || err.Error() != "x: throttled: quota: half of 400 calls a day is kept for scans" || err.RetryAfter < 22*time.Hour || err.RetryAfter > 24*time.Hour {
			t.Errorf("%s: %v", how, err)
		}
		if err := try(t, q, scans); err != nil {
			t.Errorf("%s: a scan: %v", how, err)
		}
		clock.step(24 * time.Hour)
		if err := try(t, q, attendance); err != nil {
			t.Errorf("%s: a day later: %v", how, err)
		}
	}
}

// Scans have half of each minute, however many pages the attendance has; and it goes
// on while scans take their half.
func TestScansBesideManyPages(t *testing.T) {
	clock := newTestClock()
	q := quotaOf(80, 5000, clock, &vendortest.Memory{})
	pages, asked := 0, 0
	for second := range 120 {
		for range 3 {
			if try(t, q, attendance) == nil {
				pages++
			}
		}
		if second%3 < 2 {
			if err := try(t, q, scans); err != nil {
				t.Fatalf("second %d: %v", second, err)
			}
			asked++
		}
		clock.step(time.Second)
	}
	if pages < 60 || pages > 80 || asked != 80 {
		t.Errorf("in two minutes %d pages and %d scans", pages, asked)
	}
}

// Calls that hang in dialling and never leave are given back as those that they are:
// what was sent since then stays counted.
func TestGivenBack(t *testing.T) {
	clock := newTestClock()
	q := quotaOf(80, 5000, clock, nil)
	var hang []request
	sent := func(n int) (done int) {
		for range n {
			if try(t, q, scans) == nil {
				done++
			}
		}
		return done
	}
	for range 10 {
		r, err := q.take(t.Context(), scans, "x")
		if err != nil {
			t.Fatal(err)
		}
		hang = append(hang, r)
	}
	clock.step(20 * time.Second)
	if n := sent(80); n != 70 {
		t.Fatalf("%d are free beside ten", n)
	}
	for _, r := range hang {
		q.give(r)
	}
	if n := sent(80); n != 10 {
		t.Errorf("%d are free after ten came back", n)
	}
	clock.step(40 * time.Second)
	if n := sent(80); n != 0 {
		t.Errorf("80 were sent 40 s ago, and %d more are", n)
	}
	clock.step(20 * time.Second)
	if n := sent(90); n != 80 {
		t.Errorf("%d are free a minute later", n)
	}
	if q.used != 160 {
		t.Errorf("%d count for the day, and 160 were sent", q.used)
	}
	r, err := q.take(t.Context(), attendance, "x")
	if err == nil {
		t.Fatal(r)
	}
	clock.step(time.Minute)
	if r, err = q.take(t.Context(), attendance, "x"); err != nil {
		t.Fatal(err)
	}
	clock.step(time.Minute + 5*time.Second)
	q.give(r)
	if q.used != 160 || q.watched != 0 || q.looks() != 0 {
		t.Errorf("%d, %d and %d count", q.used, q.watched, q.looks())
	}
}
