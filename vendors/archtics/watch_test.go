package archtics_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// paged answers the attendance page by page, from a function that gives the rows of
// one, and everything else from the simulator.
func paged(page func(n int) []string) change {
	return func(raw map[string]any, d *archtics.Deps) {
		next := d.Transport
		d.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			var asked struct {
				Command struct {
					Cmd  string `json:"cmd"`
					Page int    `json:"page,string"`
				} `json:"command1"`
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if json.Unmarshal(body, &asked) != nil || !strings.HasPrefix(asked.Command.Cmd, "get_attendance") {
				return next.RoundTrip(r)
			}
			answer := `{"command1":{"result":0,"attendance":[` + strings.Join(page(asked.Command.Page), ",") + `]}}`
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
		})
		raw["calls_per_minute"], raw["calls_per_day"] = 5000, 5000
	}
}

// rowOf is an entry at seat n of row B.
func rowOf(n int, more string) string {
	return fmt.Sprintf(`{"event_name":"EVENT01","section_name":"101","row_name":"B","seat_num":%d,"result_code":0,"gate":"N",%s}`, n, more)
}

// Each row of an event of several days may have the date of the first: what Archtics
// has told is heeded all the same, at the next look and over a restart.
func TestAFestivalsThirdDay(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[{`+place+`,"result_code":0,"event_date":"2026-11-18","action_time":"13:00:00","gate":"N"}]}}`)
	for _, pass := range []time.Duration{0, 3 * time.Minute, 30 * time.Hour} {
		g.clock.step(pass)
		g.watch(t)
		g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[]}}`)
		if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
			t.Errorf("after %v: %s", pass, got.Status)
		}
		g.client = g.again(t, nil)
		if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
			t.Errorf("after %v and a restart: %s", pass, got.Status)
		}
	}
	g.clock.step(50 * time.Hour)
	g.watch(t)
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusValid {
		t.Errorf("three days later: %s", got.Status)
	}
}

// A device that does not know the time when it hears of an entry keeps it.
func TestHeardOfBeforeTheTimeIsKnown(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.clock.mu.Lock()
	g.clock.trusted, g.clock.at = false, time.Unix(5000, 0)
	g.clock.mu.Unlock()
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[{`+place+`,"result_code":0,"action_time":"2026-11-21 13:00:00","gate":"N"}]}}`)
	g.watch(t)
	g.clock.mu.Lock()
	g.clock.trusted, g.clock.at = true, start
	g.clock.mu.Unlock()
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[]}}`)
	g.watch(t)
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("%s", got.Status)
	}
}

// What was fetched before an error is kept, and the next look goes on behind it: but
// not for ever, where one page always fails.
func TestWhatWasFetchedIsKept(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{PageSize: 1}, tapped(p))
	g.sim.Attend(scan(7, start.Add(-9*time.Minute)), scan(8, start.Add(-8*time.Minute)))
	n := 0
	p.next = roundTripAfter(&n, g)
	err := g.client.Watch(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Failing || call.RetryAfter < 15*time.Second {
		t.Fatalf("%v, back after %v", err, call.RetryAfter)
	}
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("%+v", got)
	}
	p.take()
	// An hour later: what came since then may be on the page that was fetched.
	g.clock.step(time.Hour)
	g.sim.Attend(scan(9, start.Add(50*time.Minute)))
	g.watch(t)
	if got := strings.Join(since(t, p), "; "); got != "since 2026-11-20 14:00 page 1; since 2026-11-20 14:00 page 2; since 2026-11-20 14:00 page 3" {
		t.Errorf("asked %s", got)
	}
	if got := g.listed(t, "more00000002"); got.Status != scanner.StatusUsed {
		t.Errorf("%+v", got)
	}
	p.take()
	g.watch(t)
	if got := since(t, p); len(got) == 0 || got[0] != "since 2026-11-21 13:45 page 0" {
		t.Errorf("asked %q, and it began at 14:00", got)
	}
}

// A page that always fails is asked for three times, and then the look begins anew.
func TestAPageThatAlwaysFails(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{PageSize: 1}, tapped(p))
	g.sim.Attend(scan(7, start))
	next := p.next
	p.next = roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(body), `"page":"1"`) {
			return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		return next.RoundTrip(r)
	})
	for i, want := range []string{"page 0; page 1", "page 1", "page 1", "page 0; page 1"} {
		if err := g.client.Watch(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Failing {
			t.Errorf("%v", err)
		}
		if got := strings.ReplaceAll(strings.Join(since(t, p), "; "), "since 2026-11-20 14:00 ", ""); got != want {
			t.Errorf("the %d. time it asked %s, want %s", i+1, got, want)
		}
	}
}

// More pages than are fetched at once are fetched all the same.
func TestManyPages(t *testing.T) {
	const pages = 800
	g := newGate(t, archticssim.Options{}, paged(func(n int) []string {
		if n >= pages {
			return nil
		}
		return []string{rowOf(n, `"action_time":"2026-11-21 13:00"`)}
	}))
	g.sim.AddTickets(archticssim.Ticket{Barcode: "last00000009", Event: event, Section: "101", Row: "B", Seat: pages - 1})
	err := g.client.Watch(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Throttled || !strings.Contains(err.Error(), "it goes on at page 500") {
		t.Fatalf("%v", err)
	}
	g.watch(t)
	if got := g.listed(t, "last00000009"); got.Status != scanner.StatusUsed {
		t.Errorf("the last page: %s", got.Status)
	}
	// What the first look of a device costs is no reason to rest: the next ones are small.
	if every := g.client.Every(); every != 3*time.Minute {
		t.Errorf("every %v after it", every)
	}
}

// Where all of the week comes each time a person is told which key to look at, and
// that it is well once that has changed; a scan after midnight on the date of its
// event is nothing of the kind.
func TestSinceIsNotHeeded(t *testing.T) {
	when := `"action_time":"2026-11-15 19:23"`
	g := newGate(t, archticssim.Options{}, paged(func(n int) []string {
		if n > 0 {
			return nil
		}
		return []string{rowOf(1, when), rowOf(2, `"action_time":"2026-11-21 13:58"`)}
	}))
	g.watch(t)
	st := g.client.Status()
	if !st.Ready || !strings.Contains(st.Problem, "vendor.attendance_since (start_date_time)") || !strings.Contains(st.Problem, "gate.timezone") {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(g.log.String(), "vendor.attendance_since") {
		t.Error("nothing in the log")
	}
	for _, when = range []string{`"action_time":"2026-11-21 13:00"`, `"event_date":"2026-11-20","action_time":"14:05"`} {
		g.watch(t)
		if st := g.client.Status(); st.Problem != "" {
			t.Errorf("%s: %s", when, st.Problem)
		}
	}
}

// Rows without a time that usher knows are entries, and somebody is told.
func TestRowsWithoutATime(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetAnswer("get_attendance_incremental", `{"command1":{"result":0,"attendance":[{`+place+`,"result_code":0,"when_it_was":"2026-11-21 13:00:00","gate":"N"}]}}`)
	g.watch(t)
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusUsed || !got.UsedAt.IsZero() || got.UsedGate != "N" {
		t.Errorf("%+v", got)
	}
	if st := g.client.Status(); !strings.Contains(st.Problem, "no row of the attendance has a time that usher knows") {
		t.Errorf("%+v", st)
	}
	// The whole attendance of an event has the seats that nobody scanned as well.
	g = newGate(t, archticssim.Options{}, func(raw map[string]any, _ *archtics.Deps) { raw["events"] = []any{event} })
	g.sim.SetResult("get_attendance_incremental", 9999, "what?", 9)
	g.sim.SetAnswer("get_attendance", `{"command1":{"result":0,"attendance":[{`+place+`,"result_code":0}]}}`)
	g.watch(t)
	if got := g.listed(t, "good00000001"); got.Status != scanner.StatusValid || g.client.Status().Problem != "" {
		t.Errorf("%+v, %+v", got, g.client.Status())
	}
}

// A look rests by what it costs: the whole of an event is not fetched every three
// minutes.
func TestARestByItsCost(t *testing.T) {
	const pages = 100
	g := newGate(t, archticssim.Options{PageSize: 1, PerMinute: 5000}, func(raw map[string]any, _ *archtics.Deps) {
		raw["events"], raw["calls_per_minute"] = []any{event}, 5000
	})
	for seat := range pages {
		g.sim.Attend(scan(seat+1, start))
	}
	if every := g.client.Every(); every != 3*time.Minute {
		t.Errorf("every %v at first", every)
	}
	g.sim.SetResult("get_attendance_incremental", 9999, "what?", 1)
	g.watch(t)
	// 102 calls of the 2500 that the attendance may have, 2398 are left for six hours.
	if every := g.client.Every(); every < 15*time.Minute || every > 16*time.Minute {
		t.Errorf("every %v after a look of %d calls", every, pages+2)
	}
	// Archtics takes the question again, and a look is cheap.
	g.clock.step(time.Hour)
	g.watch(t)
	g.clock.step(time.Hour)
	g.sim.Attend(scan(200, start.Add(2*time.Hour)))
	g.watch(t)
	g.watch(t)
	if every := g.client.Every(); every != 3*time.Minute {
		t.Errorf("every %v in the end", every)
	}
}
