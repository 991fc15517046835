package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/cache"
	"usher/cache/seal"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/journal"
	"usher/sync/link"
	"usher/sync/refresh"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// What takes minutes at Archtics is told here in a bubble's time, with the real gate,
// stores, link, vendor and simulator; only the network and the clock are not.

// bowlClock goes with the bubble's time.
type bowlClock struct{ began time.Time }

func (c bowlClock) Now() scanner.Stamp {
	now := time.Now()
	return scanner.Stamp{Wall: now, Boot: "boot", Up: time.Hour + now.Sub(c.began), Trusted: true}
}

func (bowlClock) True(s scanner.Stamp) scanner.Instant {
	return scanner.Instant{At: s.Wall, Earliest: s.Wall, Latest: s.Wall, Trusted: true}
}

// cable leads requests to a handler and answers back.
type cable struct{ http.Handler }

func (c cable) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ServeHTTP(answer, r.Clone(r.Context()))
	}()
	select {
	case <-done:
		return answer.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

// bowl is a gate at Archtics in a bubble.
type bowl struct {
	t     *testing.T
	sim   *archticssim.Sim
	link  *link.Link
	gate  *gate.Gate
	clock bowlClock

	mu   sync.Mutex // guards went
	went []string
}

// inBowl runs a story.
func inBowl(t *testing.T, o archticssim.Options, patience time.Duration, fn func(t *testing.T, b *bowl)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bowl{t: t, clock: bowlClock{time.Now()}, sim: archticssim.New(o)}
		b.sim.Demo(1000)
		log := slog.New(slog.DiscardHandler)
		dir := t.TempDir()
		key, _, err := seal.Load("", dir)
		if err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(journal.Options{Dir: dir, Clock: b.clock, Sealer: key, KeyCheck: key.Check(), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		tickets, err := cache.Open(cache.Options{Dir: dir, Key: key, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		v, err := archtics.New(map[string]any{
			"base_url": "http://127.0.0.1:1", "product": archticssim.Product, "uid": archticssim.DemoUID, "dsn": archticssim.DemoDSN,
			"events": []any{archticssim.DemoEvent},
		}, archtics.Deps{
			Clock: b.clock, Zone: time.UTC, Memory: j.Memory(archtics.Name), Environ: []string{"USHER_VENDOR_API_KEY=" + archticssim.DemoKey},
			Transport: cable{b.sim}, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		var elsewhere *refresh.Elsewhere
		b.link = link.New(link.Options{
			Probe: v.Session.Probe, Patience: patience, Normal: v.Normal, Timeout: 3 * time.Second, Min: time.Second, Max: 30 * time.Second, Clock: b.clock,
			Changed: func(st link.Status) {
				if st.Reachable {
					elsewhere.Kick()
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if !st.Online {
					b.went = append(b.went, st.Reason)
				}
			},
		})
		elsewhere = refresh.NewElsewhere(refresh.ElsewhereOptions{Watcher: v.Watcher, Clock: b.clock, Online: b.link.Reachable, Log: log})
		ids := 0
		b.gate = gate.New(gate.Config{
			Scope: v.Scope, Lists: listScope(v), Origin: scanner.Origin{Device: "D1", Gate: "Gate 7"}, Direction: scanner.Entry, Venue: time.UTC,
			Rule:   scanner.Rule{Kind: scanner.External, Unknown: scanner.PolicyRefuse, ExitUnknown: scanner.PolicyRefuse},
			Finder: v.Finder, Patience: patience, Normal: v.Normal, Timeout: v.CallTimeout, Ready: readiness(v),
		}, gate.Deps{
			Clock: b.clock, Tickets: tickets, Journal: j, Link: b.link, Show: func(scanner.Outcome) {}, Ended: func() {}, Log: log,
			NewID: func() string {
				b.mu.Lock()
				defer b.mu.Unlock()
				ids++
				return fmt.Sprint("id-", ids)
			},
		})
		running.Go(func() { _ = b.link.Run(ctx) })
		running.Go(func() { _ = elsewhere.Run(ctx) })
		running.Go(func() { _ = j.Run(ctx) })
		b.pass(5 * time.Second)
		if !b.link.Online() {
			t.Fatalf("the link is not online: %s", b.link.Status().Reason)
		}
		fn(t, b)
		stop()
		running.Wait()
		b.gate.Drain()
		if err := v.Session.SignOut(context.Background()); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if err := tickets.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (b *bowl) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// scan gives the verdict in short, and how long the person waited.
func (b *bowl) scan(lane, code string) (string, time.Duration) {
	begun := time.Now()
	out, _ := b.gate.Judge(b.t.Context(), scanner.Reading{Scanner: lane, Raw: code, At: b.clock.Now()})
	text := fmt.Sprintf("%s/%s %s", out.Verdict, out.Reason, out.Mode)
	if out.Late {
		text += " late"
	}
	return text, time.Since(begun)
}

func (b *bowl) want(code, want string) {
	b.t.Helper()
	if got, _ := b.scan("lane-1", code); got != want {
		b.t.Errorf("%s: %s, want %s", code, got, want)
	}
}

func (b *bowl) losses() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.went
}

// busiest is the most requests that any minute had.
func (b *bowl) busiest() int {
	most, at := 0, b.sim.Requests()
	for i := range at {
		n := 0
		for _, other := range at[i:] {
			if other.Sub(at[i]) < time.Minute {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestTwoHundredScansInAMinute never make more than 80 calls, nor anybody wait; the
// status says why, and when the quota is back, and then it is.
func TestTwoHundredScansInAMinute(t *testing.T) {
	inBowl(t, archticssim.Options{Hold: 200 * time.Millisecond}, 1500*time.Millisecond, func(t *testing.T, b *bowl) {
		b.sim.SetDelay("verify_barcode", 150*time.Millisecond)
		var mu sync.Mutex
		got := map[string]int{}
		var wg sync.WaitGroup
		for lane := range 4 {
			wg.Go(func() {
				for i := range 150 { // 200 a minute, for three
					text, took := b.scan(fmt.Sprint("lane-", lane), archticssim.Generated(lane*150+i).Barcode)
					if took > time.Second {
						t.Errorf("waited %v", took)
					}
					mu.Lock()
					got[text]++
					mu.Unlock()
					time.Sleep(1200*time.Millisecond - took)
				}
			})
		}
		time.Sleep(50 * time.Second)
		st := b.link.Status()
		if back := st.NextProbeAt.Wall; st.Online || !strings.Contains(st.Reason, "80 calls a minute") || time.Until(back) <= 0 || time.Until(back) > time.Minute ||
			!strings.Contains(st.Reason, back.UTC().Format(time.RFC3339)) {
			t.Errorf("status %+v", st)
		}
		wg.Wait()
		t.Logf("%v, the busiest minute had %d requests, the link went %d times", got, b.busiest(), len(b.losses()))
		if n := b.busiest(); n > 80 || n < 60 {
			t.Errorf("%d requests in a minute, want 80 at most, and most of them used", n)
		}
		if n := got["admit/ok online"]; n < 150 || n+got["review/no_list offline"] != 600 {
			t.Errorf("verdicts %v", got)
		}
	})
}

// TestAnotherGatesEntryRefusesHereWithinOneInterval of the attendance.
func TestAnotherGatesEntryRefusesHereWithinOneInterval(t *testing.T) {
	inBowl(t, archticssim.Options{}, 1500*time.Millisecond, func(t *testing.T, b *bowl) {
		for i := range 5 {
			b.pass(time.Duration(i) * 47 * time.Second)
			one := archticssim.Generated(i)
			at := time.Now()
			b.sim.Attend(archticssim.Scan{Event: one.Event, Section: one.Section, Row: one.Row, Seat: one.Seat, At: at, Gate: "North"})
			b.pass(3*time.Minute + time.Second)
			out, _ := b.gate.Judge(t.Context(), scanner.Reading{Scanner: "lane-1", Raw: one.Barcode, At: b.clock.Now()})
			if out.Reason != scanner.AlreadyEntered || out.Mode != scanner.Online || out.FirstEnteredGate != "North" || out.FirstEnteredAt.Sub(at).Abs() > time.Second {
				t.Errorf("ticket %d: %+v", i, out)
			}
		}
		b.want(archticssim.Generated(7).Barcode, "admit/ok online")
	})
}

// TestATenSecondPoll falls to offline within patience, and its late answer is used.
func TestATenSecondPoll(t *testing.T) {
	const patience = 1500 * time.Millisecond
	inBowl(t, archticssim.Options{}, patience, func(t *testing.T, b *bowl) {
		b.sim.SetDelay("verify_barcode", 10*time.Second)
		code := archticssim.Generated(1).Barcode
		begun := time.Now()
		if got, took := b.scan("lane-1", code); got != "review/no_list offline" || took != patience {
			t.Errorf("%s after %v", got, took)
		}
		if !b.link.Online() {
			t.Error("the link is offline before the answer is later than normal")
		}
		b.pass(2*time.Second - time.Since(begun))
		if went := b.losses(); len(went) != 1 || !strings.Contains(went[0], "does not answer in time") {
			t.Errorf("the link went %q", went)
		}
		b.pass(3 * time.Second)
		if !b.link.Online() {
			t.Errorf("pings are answered, and the link is offline: %+v", b.link.Status())
		}
		// Who tries again meanwhile waits for the same call, and not for another.
		if got, took := b.scan("lane-1", code); got != "review/no_list offline" || took != patience {
			t.Errorf("the second time: %s after %v", got, took)
		}
		b.pass(10*time.Second - time.Since(begun) + 5*time.Second)
		if got, took := b.scan("lane-1", code); got != "admit/ok online late" || took != 0 {
			t.Errorf("then %s after %v", got, took)
		}
		if n := b.sim.Lookups(code); n != 1 {
			t.Errorf("looked up %d times", n)
		}
		b.want(code, "admit/ok online late") // a repeat of the same
		b.pass(time.Minute)
		b.want(code, "refuse/already_entered offline")
	})
}

// TestAnswersOfTwoSecondsAreNormal: they do not make the link flap, whether somebody
// still waits for them or not.
func TestAnswersOfTwoSecondsAreNormal(t *testing.T) {
	const takes = 1900 * time.Millisecond
	for patience, want := range map[time.Duration]string{
		1500 * time.Millisecond: "review/no_list offline",
		2500 * time.Millisecond: "admit/ok online",
	} {
		t.Run(patience.String(), func(t *testing.T) {
			inBowl(t, archticssim.Options{Hold: 5 * time.Second}, patience, func(t *testing.T, b *bowl) {
				b.sim.SetDelay("verify_barcode", takes)
				b.sim.SetDelay("ping", takes)
				for i := range 60 {
					code := archticssim.Generated(i).Barcode
					if got, took := b.scan("lane-1", code); got != want || took != min(patience, takes) {
						t.Fatalf("scan %d: %s after %v", i, got, took)
					}
					b.pass(500 * time.Millisecond)
					if want != "admit/ok online" {
						b.want(code, "admit/ok online late")
					}
				}
				if went := b.losses(); len(went) != 0 {
					t.Errorf("the link went: %q", went)
				}
			})
		})
	}
}

// TestScansWhileTheAttendanceHasManyPages are all asked: a device is switched on when
// thousands have entered already.
func TestScansWhileTheAttendanceHasManyPages(t *testing.T) {
	inBowl(t, archticssim.Options{PageSize: 20}, 2500*time.Millisecond, func(t *testing.T, b *bowl) {
		var all []archticssim.Scan
		for i := range 5000 {
			all = append(all, archticssim.Scan{Event: archticssim.DemoEvent, Section: fmt.Sprint(500 + i/1000), Row: fmt.Sprint(i / 20 % 50), Seat: i % 20, At: time.Now().Add(-time.Hour), Gate: "N"})
		}
		b.sim.Attend(all...)
		b.pass(3 * time.Minute) // the next look
		got := map[string]int{}
		for i := range 100 {
			text, _ := b.scan("lane-1", archticssim.Generated(i).Barcode)
			got[text]++
			b.pass(3 * time.Second)
		}
		if pages := b.sim.Calls("get_attendance_incremental"); got["admit/ok online"] != 100 || len(b.losses()) > 0 || pages < 150 {
			t.Errorf("verdicts %v, the link went %q, %d pages", got, b.losses(), pages)
		}
	})
}
