package acme_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
)

// canned answers every call with one body, over no network.
type canned struct {
	status int
	body   string
	date   time.Time
	seen   func(*http.Request)
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.seen != nil {
		c.seen(r)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if !c.date.IsZero() {
		h.Set("Date", c.date.UTC().Format(http.TimeFormat))
	}
	status := c.status
	if status < 200 || status > 599 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(c.body)), Request: r}, nil
}

// over is a client over a transport; ch may be nil.
func over(t *testing.T, transport http.RoundTripper, ch change) *acme.Client {
	t.Helper()
	raw := told()
	deps := acme.Deps{Transport: transport, Environ: []string{"USHER_VENDOR_API_KEY=" + key}}
	if ch != nil {
		ch(raw, &deps)
	}
	c, err := acme.NewClient(raw, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func path(p string) change {
	return func(raw map[string]any, _ *acme.Deps) { raw["checkin_path"] = p }
}

const (
	singlePath = "/v2/b2b/willcall/checkinexternal"
	batchPath  = "/v2/b2b/willcall/checkintickets"
)

// What an answer means: only a number that the site named lets anybody in, and only
// for a check-in of this moment.
func TestStatuses(t *testing.T) {
	now := time.Date(2026, 3, 8, 19, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) string { return now.Add(-d).Format(time.RFC3339) }
	for name, tt := range map[string]struct {
		body    string
		verdict scanner.Verdict
		reason  scanner.Reason
		first   time.Duration // how long ago the first entry was; 0: not told
		at      bool          // VendorAt is told
	}{
		"admitted":                     {`{"checkInStatus":555,"checkInDate":"` + ago(0) + `"}`, scanner.Admit, scanner.OK, 0, true},
		"as text":                      {`{"checkInStatus":"555","orderId":"88"}`, scanner.Admit, scanner.OK, 0, false},
		"admitted, a slow server":      {`{"checkInStatus":555,"checkInDate":"` + ago(50*time.Second) + `"}`, scanner.Admit, scanner.OK, 0, true},
		"admitted, checked in before":  {`{"checkInStatus":555,"checkInDate":"` + ago(2*time.Minute) + `"}`, scanner.Refuse, scanner.AlreadyEntered, 2 * time.Minute, false},
		"admitted, a date of no zone":  {`{"checkInStatus":555,"checkInDate":"2020-01-01T00:00:00"}`, scanner.Refuse, scanner.AlreadyEntered, 0, false},
		"admitted, now in no zone":     {`{"checkInStatus":555,"checkInDate":"2026-03-08T19:00:00"}`, scanner.Admit, scanner.OK, 0, false},
		"admitted, today":              {`{"checkInStatus":555,"checkInDate":"2026-03-08"}`, scanner.Admit, scanner.OK, 0, false},
		"admitted, yesterday":          {`{"checkInStatus":555,"checkInDate":"2026-03-07"}`, scanner.Refuse, scanner.AlreadyEntered, 0, false},
		"admitted, words for a date":   {`{"checkInStatus":555,"checkInDate":"Sunday"}`, scanner.Admit, scanner.OK, 0, false},
		"admitted, no date":            {`{"checkInStatus":555,"checkInDate":null}`, scanner.Admit, scanner.OK, 0, false},
		"offset without a colon":       {`{"checkInStatus":555,"checkInDate":"2026-03-08T14:00:00-0500"}`, scanner.Admit, scanner.OK, 0, true},
		"used":                         {`{"checkInStatus":20,"checkInDate":"` + ago(time.Hour) + `"}`, scanner.Refuse, scanner.AlreadyEntered, time.Hour, false},
		"used, when is not told":       {`{"checkInStatus":20}`, scanner.Refuse, scanner.AlreadyEntered, 0, false},
		"too early":                    {`{"checkInStatus":30}`, scanner.Refuse, scanner.TooEarly, 0, false},
		"unknown ticket":               {`{"checkInStatus":70}`, scanner.Refuse, scanner.NotFound, 0, false},
		"named as restricted":          {`{"checkInStatus":80,"cardStanding":"lapsed"}`, scanner.Refuse, scanner.Restricted, 0, false},
		"nobody named it":              {`{"checkInStatus":1}`, scanner.Review, scanner.Restricted, 0, false},
		"nobody named it, used before": {`{"checkInStatus":1,"checkInDate":"` + ago(time.Hour) + `"}`, scanner.Review, scanner.Restricted, 0, false},
		"zero":                         {`{"checkInStatus":0}`, scanner.Review, scanner.Restricted, 0, false},
		"below zero":                   {`{"checkInStatus":-555}`, scanner.Review, scanner.Restricted, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []string{"/v2/willcall/checkinticketsexternal", singlePath} {
				c := over(t, canned{body: tt.body, date: now}, path(p))
				got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
				if err != nil || got.Verdict != tt.verdict || got.Reason != tt.reason {
					t.Fatalf("%s %s, %v; want %s %s", got.Verdict, got.Reason, err, tt.verdict, tt.reason)
				}
				if tt.first == 0 != got.FirstEnteredAt.IsZero() || tt.first != 0 && !got.FirstEnteredAt.Equal(now.Add(-tt.first)) {
					t.Errorf("first entered %v", got.FirstEnteredAt)
				}
				if got.VendorAt.IsZero() == tt.at {
					t.Errorf("the vendor's time %v", got.VendorAt)
				}
			}
		})
	}
	for _, body := range []string{`{}`, `{"checkInStatus":null}`, `{"checkInStatus":5.5}`, `{"checkInStatus":"x"}`, `{"checkInStatus":true}`, `{"checkinstatus":555}`, `{"checkInStatus":555,"checkInStatus":20}`, `[]`, `555`, ``} {
		c := over(t, canned{body: body, date: now}, nil)
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Nonsense || !call.MaybeSent {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
	}
	for _, status := range []int{400, 404, 409, 422, 500} {
		c := over(t, canned{status: status, body: `{"checkInStatus":555}`}, nil)
		if got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry}); err == nil || got.Verdict != "" {
			t.Errorf("a status beside HTTP %d is no verdict: %+v", status, got)
		}
	}
}

// What is only shown of a ticket may have any form; what admits may not.
func TestOddFieldsOfACheckIn(t *testing.T) {
	now := time.Date(2026, 3, 8, 19, 0, 0, 0, time.UTC)
	for field, admits := range map[string]bool{
		`"levelName":7`: true, `"cardName":{}`: true, `"cardStanding":[]`: true, `"orderId":{}`: true, `"ticketEventTime":[]`: true, `"ticketTypeName":true`: true,
		`"minutesBefore":"soon"`: true, `"membershipExpirationDate":1.5`: true, `"checkedInEventName":1`: true,
		`"checkInDate":{}`: false, `"checkInDate":true`: false, `"ticketUUID":{}`: false, `"cardName":"a","cardName":"b"`: false, `"CheckInDate":null`: false,
	} {
		c := over(t, canned{body: `{"checkInStatus":555,` + field + `}`, date: now}, nil)
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if (got.Verdict == scanner.Admit) != admits || (err == nil) != admits {
			t.Errorf("%s: %s, %v", field, got.Verdict, err)
		}
	}
}

// Without a time of ACME's the house's own tells an old check-in from this one, as
// far as it is trusted; a date without an offset is read where the tenant is.
func TestAnOldCheckInByOurOwnClock(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC) // 14:00 there
	for name, tt := range map[string]struct {
		date  string
		off   time.Duration // how wrong the clock may be; below zero: not trusted
		admit bool
	}{
		"now":                       {"2026-11-21T19:00:00Z", time.Second, true},
		"this morning":              {"2026-11-21T10:00:00Z", time.Second, false},
		"this morning, a bad clock": {"2026-11-21T10:00:00Z", 10 * time.Hour, true},
		"this morning, no clock":    {"2026-11-21T10:00:00Z", -1, true},
		"now, no offset":            {"2026-11-21T14:00:00", time.Second, true},
		"now by UTC, no offset":     {"2026-11-21T19:00:00", time.Second, true},
		"this morning, no offset":   {"2026-11-21T09:00:00", time.Second, false},
		"yesterday, with no time":   {"2026-11-20", time.Second, false},
		"the tenant's day, no time": {"2026-11-21", time.Second, true},
		"another form, no offset":   {"2026-11-21 09:00", time.Second, false},
	} {
		c := over(t, canned{body: `{"checkInStatus":555,"checkInDate":"` + tt.date + `"}`}, func(_ map[string]any, d *acme.Deps) {
			d.Zone, d.Clock = zone, bounded{newClock(now), tt.off}
		})
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if err != nil || (got.Verdict == scanner.Admit) != tt.admit || !tt.admit && got.Reason != scanner.AlreadyEntered {
			t.Errorf("%s: %s %s, %v", name, got.Verdict, got.Reason, err)
		}
	}
}

// bounded is a clock that knows how wrong it may be; below zero: it does not.
type bounded struct {
	*clock
	off time.Duration
}

func (b bounded) True(s scanner.Stamp) scanner.Instant {
	if b.off < 0 {
		return scanner.Instant{At: s.Wall}
	}
	return scanner.Instant{At: s.Wall, Earliest: s.Wall.Add(-b.off), Latest: s.Wall.Add(b.off), Trusted: true}
}

// checkintickets has no status: only the very ticket, checked in, is an admission.
func TestBatchPath(t *testing.T) {
	const at = `"checkInDate":"2026-03-08T19:00:00Z"`
	for body, want := range map[string]scanner.Reason{
		`[{"uuid":"721744537954",` + at + `}]`:                                scanner.OK,
		`{"list":[{"uuid":"721744537954",` + at + `}]}`:                       scanner.OK,
		`[{"id":1,"uuid":"721744537954","firstName":"A",` + at + `},{},null]`: scanner.OK,
		`[]`:                                scanner.Restricted,
		`[{}]`:                              scanner.Restricted,
		`[null]`:                            scanner.Restricted,
		`[{"uuid":"other",` + at + `}]`:     "",
		`[{"uuid":"721744537954"}]`:         "",
		`{"status":"ok","result":[]}`:       "",
		`{"checkInStatus":555}`:             "",
		`[{"uuid":"721744537954"},[` + `]]`: "",
	} {
		c := over(t, canned{body: body}, path(batchPath))
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if got.Reason != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s %s, %v", body, got.Verdict, got.Reason, err)
		}
		if want != "" && got.Verdict != want.Verdict() {
			t.Errorf("%s: %s", body, got.Verdict)
		}
	}
}

// Nothing is named by default: a site is told each number, in words that help, and
// nobody is let in.
func TestNothingIsNamedByDefault(t *testing.T) {
	g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) {
		delete(raw, "admit_statuses")
		delete(raw, "refuse_statuses")
	})
	for range 2 {
		got := g.ask(t, "good00000001")
		if got.Verdict != scanner.Review || got.Reason != scanner.Restricted || !strings.Contains(got.Detail, "status 555") && !strings.Contains(got.Detail, "status 20") {
			t.Errorf("%+v", got)
		}
	}
	st := g.client.Status()
	if !st.Ready || !strings.HasPrefix(st.Problem, "ACME answered check-in statuses that nobody named: 20 (1 times), 555 (1 times): find out") {
		t.Errorf("status %+v", st)
	}
	if log := g.log.String(); strings.Count(log, "nobody is admitted by it") != 2 || !strings.Contains(log, "status=555") || strings.Contains(log, "good00000001") {
		t.Errorf("log %s", log)
	}
	if n := len(g.client.Vendor().Advice); n != 3 {
		t.Errorf("advice %q", g.client.Vendor().Advice)
	}
}

// The number of numbers that are remembered is bounded.
func TestManyUnnamedStatuses(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	for i := range 60 {
		g.sim.SetStatus(int64(1000+i), 1)
		g.ask(t, "good00000001")
	}
	if text := g.client.Status().Problem; strings.Count(text, "times") != 20 || len(text) > 600 {
		t.Errorf("%d: %s", len(text), text)
	}
}

// What is told of a ticket: the event that it is checked into, its type, a member's
// card and level.
func TestWhatATicketIs(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	want := map[scanner.Code]scanner.TicketInfo{
		"good00000001": {Name: "Adult", Event: "Planetarium"}, "card00000010": {Name: "Ada Demo", Section: "Family", Event: "Planetarium"},
		"earl00000007": {Name: "Adult", Event: "Planetarium"},
	}
	for code, info := range want {
		if got := g.ask(t, code); got.Ticket == nil || *got.Ticket != info {
			t.Errorf("%s: %+v", code, got.Ticket)
		}
	}
}

// A refusal for the time says when the window opens or closed, where that is known.
func TestEdgesOfARefusal(t *testing.T) {
	now := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	o := acmesim.Options{Now: func() time.Time { return now }}
	start := showTime(now)
	g := newGate(t, o, func(raw map[string]any, _ *acme.Deps) { raw["event_instance"] = show })
	g.sim.SetClock(-2 * time.Hour)
	if got := g.ask(t, "good00000001"); got.Reason != scanner.TooEarly || !got.OpensAt.IsZero() {
		t.Errorf("before the window is known: %+v", got)
	}
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.ask(t, "good00000001"); got.Reason != scanner.TooEarly || !got.OpensAt.Equal(start.Add(-90*time.Minute)) {
		t.Errorf("%+v", got)
	}
	g.sim.SetClock(3 * time.Hour)
	if got := g.ask(t, "good00000001"); got.Reason != scanner.TooLate || !got.ClosedAt.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", got)
	}
	// The window is that of the configured event, and says nothing of another's ticket.
	g.sim.SetClock(-2 * time.Hour)
	g.sim.SetStatus(acmesim.MadeUp().TooEarly, 1)
	if got := g.ask(t, "earl00000007"); got.Reason != scanner.TooEarly || !got.OpensAt.IsZero() {
		t.Errorf("another event's ticket, of which nothing is told: %+v", got)
	}
	another := over(t, canned{body: fmt.Sprintf(`{"checkInStatus":30,"ticketEventTime":%q}`, start.Add(3*time.Hour).Format(time.RFC3339))}, func(raw map[string]any, d *acme.Deps) {
		raw["event_instance"], raw["base_url"], d.Memory = show, g.server.URL(), g.memory
	})
	if _, known := another.Window(); !known {
		t.Error("the window is not remembered")
	}
	if got, err := another.Validate(t.Context(), scanner.Ask{Code: "1", Direction: scanner.Entry}); err != nil || !got.OpensAt.IsZero() {
		t.Errorf("another event's ticket: %+v, %v", got, err)
	}
	c := over(t, canned{body: fmt.Sprintf(`{"checkInStatus":30,"minutesBefore":15,"minutesAfter":"30","ticketEventTime":%q}`, start.Format(time.RFC3339))}, path(singlePath))
	if got, err := c.Validate(t.Context(), scanner.Ask{Code: "1", Direction: scanner.Entry}); err != nil || !got.OpensAt.Equal(start.Add(-15*time.Minute)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A ticket of another time is rebooked where the event allows it, and stands for the
// event that it was checked into.
func TestRebooking(t *testing.T) {
	g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) { raw["event_instance"] = show })
	if got := g.ask(t, "earl00000007"); got.Reason != scanner.WrongEvent {
		t.Errorf("%+v", got)
	}
	w := acmesim.Minutes(90, 60)
	w.AutoRebook = true
	g.sim.AddEvents(acmesim.Event{ID: show, Template: acmesim.DemoTemplate, Name: "Planetarium at seven", Start: showTime(time.Now()), Window: w, Capacity: 1})
	if got := g.ask(t, "earl00000007"); got.Verdict != scanner.Admit || got.Ticket.Event != "Planetarium at seven" {
		t.Errorf("%+v", got)
	}
	if e := g.sim.Entries(); len(e) != 1 || e[0].Event != show || e[0].Bought != "early" {
		t.Errorf("entries %+v", e)
	}
	if got := g.ask(t, "late00000008"); got.Reason != scanner.WrongEvent {
		t.Errorf("no room is left: %+v", got)
	}
	if got := g.ask(t, "film00000006"); got.Reason != scanner.WrongEvent {
		t.Errorf("another template: %+v", got)
	}
}

// Exits do not exist here, and nothing is sent for one.
func TestNoExits(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	_, err := g.client.Validate(t.Context(), scanner.Ask{Code: "good00000001", Direction: scanner.Exit})
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Malformed || call.MaybeSent || g.server.Calls() != 0 {
		t.Errorf("%v", err)
	}
	if g.client.Vendor().Exits {
		t.Error("exits are offered")
	}
}
