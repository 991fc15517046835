package acme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest/faults"
)

func (g *gate) upload(t *testing.T, all ...scanner.Movement) ([]scanner.Receipt, error) {
	t.Helper()
	return g.client.Upload(t.Context(), all)
}

// ACME stamps an upload with its own time; what it will not take says why.
func TestUpload(t *testing.T) {
	now := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	g := newGate(t, acmesim.Options{Now: func() time.Time { return now }}, nil)
	g.ask(t, "used00000005")
	exit := movement(6, "more00000002")
	exit.Direction = scanner.Exit
	got, err := g.upload(t, movement(1, "good00000001"), movement(2, "used00000005"), movement(3, "nobody000000"), movement(4, "earl00000007"), movement(5, "bloc00000009"), exit)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		delivery scanner.Delivery
		detail   string
		at       time.Time
	}{
		{scanner.Taken, "", now}, {scanner.Duplicate, "ACME has an entry of this ticket already, 21 Nov 2026 19:00 +00:00", now}, {scanner.Rejected, "ACME refuses it: not_found", time.Time{}},
		{scanner.Rejected, "ACME refuses it: too_early, by the time of the upload: check it in by hand in Back Office (vendor.late_uploads)", time.Time{}}, {scanner.Rejected, "ACME answers check-in status 80", time.Time{}}, {scanner.Rejected, "ACME knows no exits", time.Time{}},
	} {
		if r := got[i]; r.Seq != uint64(i+1) || r.Delivery != want.delivery || r.Detail != want.detail || !r.VendorAt.Equal(want.at) {
			t.Errorf("%d: %+v, want %+v", i, r, want)
		}
	}
	if n, age := g.client.Limits(); n != 1 || age != 0 {
		t.Errorf("limits %d, %v", n, age)
	}
}

// What was in time at the gate and is too late when it is uploaded is parked, or, where
// the site says so, checked in without its window. A used ticket is a conflict still.
func TestLateUploads(t *testing.T) {
	for _, way := range []string{"park", "unvalidated"} {
		g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) { raw["late_uploads"] = way })
		g.ask(t, "used00000005")
		g.sim.SetClock(12 * time.Hour)
		got, err := g.upload(t, movement(1, "good00000001"), movement(2, "used00000005"), movement(3, "nobody000000"))
		want := scanner.Rejected
		if way == "unvalidated" {
			want = scanner.Taken
		}
		if err != nil || got[0].Delivery != want || got[1].Delivery != scanner.Duplicate || got[2].Delivery != scanner.Rejected || g.sim.Entered("used00000005") != 1 || got[2].Detail != "ACME refuses it: not_found" {
			t.Errorf("%s: %+v, %v", way, got, err)
		}
		if n := g.sim.Entered("good00000001"); (n == 1) != (want == scanner.Taken) {
			t.Errorf("%s: entered %d times", way, n)
		}
		// At the gate everything is validated.
		if got := g.ask(t, "more00000002"); got.Reason != scanner.TooLate {
			t.Errorf("%s: %+v", way, got)
		}
	}
}

// An entry that was made well before the scan is another gate's, whatever became of
// our own sending; one that may be ours is not called so.
func TestAnEntryOfAnotherGate(t *testing.T) {
	now := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		when time.Duration // ACME's check-in before our scan
		date time.Time
		off  time.Duration
		want bool
	}{
		"18 minutes before":                     {18 * time.Minute, now, time.Second, true},
		"18 minutes before, ACME's clock alone": {18 * time.Minute, now, -1, true},
		"18 minutes before, ours alone":         {18 * time.Minute, time.Time{}, time.Second, true},
		"no clock at all":                       {18 * time.Minute, time.Time{}, -1, false},
		"a clock that may be wrong":             {18 * time.Minute, now, 20 * time.Minute, false},
		"ACME's clock is behind":                {18 * time.Minute, now.Add(-18 * time.Minute), time.Second, false},
		"at the scan":                           {0, now, time.Second, false},
		"within a minute":                       {50 * time.Second, now, time.Second, false},
		"after the scan":                        {-time.Minute, now, time.Second, false},
	} {
		m := scanner.Movement{Seq: 1, Code: "721744537954", Direction: scanner.Entry, At: now.Add(-2 * time.Minute)}
		body := `{"checkInStatus":20,"checkInDate":"` + m.At.Add(-tt.when).Format(time.RFC3339) + `"}`
		c := over(t, canned{body: body, date: tt.date}, func(_ map[string]any, d *acme.Deps) { d.Clock = bounded{newClock(now), tt.off} })
		if got, err := c.Upload(t.Context(), []scanner.Movement{m}); err != nil || got[0].Delivery != scanner.Duplicate || got[0].Theirs != tt.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	c := over(t, canned{body: `{"checkInStatus":20}`, date: now}, nil)
	if got, err := c.Upload(t.Context(), []scanner.Movement{movement(1, "721744537954")}); err != nil || got[0].Theirs {
		t.Errorf("of no known time: %+v, %v", got, err)
	}
}

// The terminal is that of the scan's own time.
func TestTheTerminalIsFrozen(t *testing.T) {
	o := acmesim.Options{Terminals: []string{"7", "8", "A-1"}}
	g := newGate(t, o, nil)
	m := movement(1, "good00000001")
	m.Data = g.client.Freeze()
	g.client = g.again(t, func(raw map[string]any, _ *acme.Deps) { raw["terminal_id"] = "A-1" })
	text := movement(2, "more00000002")
	text.Data = g.client.Freeze()
	g.client = g.again(t, func(raw map[string]any, _ *acme.Deps) { raw["terminal_id"] = 8 })
	spoilt := movement(4, "used00000005")
	spoilt.Data = []byte(`{"t":"7\r\n"}`)
	got, err := g.upload(t, m, text, movement(3, "more00000003"), spoilt)
	if err != nil || got[0].Delivery != scanner.Taken || got[1].Delivery != scanner.Taken || got[2].Delivery != scanner.Taken || got[3].Delivery != scanner.Rejected {
		t.Fatalf("%+v, %v", got, err)
	}
	e := g.sim.Entries()
	if len(e) != 3 || e[0].Terminal != "7" || e[1].Terminal != "A-1" || e[2].Terminal != "8" {
		t.Errorf("entries %+v", e)
	}
}

// The event is that of the scan's own time, too: a gate that stands at the next one
// must not rebook who entered the one before.
func TestTheEventIsFrozen(t *testing.T) {
	at := func(event string) change {
		return func(raw map[string]any, _ *acme.Deps) { raw["event_instance"] = event }
	}
	g := newGate(t, acmesim.Options{}, at(show))
	m := movement(1, "good00000001")
	m.Data = g.client.Freeze()
	anywhere := movement(2, "film00000006")
	anywhere.Data = g.again(t, nil).Freeze()
	g.client = g.again(t, at("early"))
	if got, err := g.upload(t, m, anywhere, movement(3, "more00000003")); err != nil || got[0].Delivery != scanner.Taken || got[1].Delivery != scanner.Taken || got[2].Delivery != scanner.Rejected {
		t.Fatalf("%+v, %v", got, err)
	}
	if e := g.sim.Entries(); len(e) != 2 || e[0].Event != show || e[1].Event != other {
		t.Errorf("entries %+v", e)
	}
}

// While nobody has named a status that admits, nothing is uploaded: nobody could tell
// what became of it. Nothing gets lost by it.
func TestNothingIsUploadedUntilAStatusIsNamed(t *testing.T) {
	g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) { delete(raw, "admit_statuses") })
	got, err := g.upload(t, movement(1, "good00000001"), movement(2, "more00000002"))
	if err != nil || len(got) != 2 || got[1].Seq != 2 || got[1].Delivery != scanner.Later || !strings.Contains(got[0].Detail, "vendor.admit_statuses is empty") || g.server.Calls() != 0 {
		t.Errorf("%+v, %v, %d calls", got, err, g.server.Calls())
	}
	// A number that nobody named is rejected with it, for a person.
	g = newGate(t, acmesim.Options{}, nil)
	g.sim.SetStatus(7, 1)
	got, err = g.upload(t, movement(1, "good00000001"))
	if err != nil || got[0].Delivery != scanner.Rejected || !strings.Contains(got[0].Detail, "status 7") {
		t.Errorf("%+v, %v", got, err)
	}
}

// A lost answer leaves its own movement in doubt and those behind it unsent.
func TestALostAnswerLeavesOneInDoubt(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	g.set(t, faults.Fault{Kind: faults.Lost, Call: acmesim.CheckIn, Times: 1})
	if _, err := g.upload(t, movement(1, "good00000001"), movement(2, "more00000002")); !scanner.CallErrorOf(err).MaybeSent || g.sim.Entered("more00000002") != 0 {
		t.Errorf("%v", err)
	}
	if got, err := g.upload(t, movement(1, "good00000001")); err != nil || got[0].Delivery != scanner.Duplicate {
		t.Errorf("%+v, %v", got, err)
	}
	g.client = g.again(t, func(_ map[string]any, d *acme.Deps) { d.Transport = &failing{next: d.Transport, after: 1} })
	// One that was taken before a failure is not called unsent.
	if got, err := g.upload(t, movement(1, "more00000002"), movement(2, "more00000003")); got != nil || !scanner.CallErrorOf(err).MaybeSent || g.sim.Entered("more00000002") != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// failing lets so many calls through.
type failing struct {
	next  http.RoundTripper
	after int
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.after--; f.after < 0 {
		return nil, http.ErrHandlerTimeout
	}
	return f.next.RoundTrip(r)
}

// By the paths for UUIDs as well.
func TestUploadByTheOtherPaths(t *testing.T) {
	for _, p := range []string{singlePath, batchPath} {
		g := newGate(t, acmesim.Options{}, path(p))
		g.ask(t, "used00000005")
		got, err := g.upload(t, movement(1, "good00000001"), movement(2, "used00000005"))
		if err != nil || got[0].Delivery != scanner.Taken || got[0].VendorAt.IsZero() || got[1].Delivery != scanner.Duplicate {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
}

// Undone is what ACME says is undone: the very ticket, no longer checked in.
func TestUndo(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	g.sim.AddTickets(acmesim.Ticket{Code: "serial000011", UUID: "aaaa-bbbb", Event: show})
	undo := func(m scanner.Movement) error { return g.client.Undo(t.Context(), m) }
	for _, code := range []scanner.Code{"good00000001", "serial000011"} {
		g.ask(t, code)
		m := movement(1, code)
		if code == "serial000011" {
			m.TicketID = "order 7"
			if err := undo(m); scanner.CallErrorOf(err).Trouble != scanner.Malformed || !strings.Contains(err.Error(), "does not know the ticket") {
				t.Errorf("by a code that is no UUID: %v", err)
			}
			m.TicketID = "aaaa-bbbb"
		}
		if err := undo(m); err != nil {
			t.Errorf("%s: %v", code, err)
		}
		if got := g.ask(t, code); got.Verdict != scanner.Admit {
			t.Errorf("%s, afterwards: %+v", code, got)
		}
		m.Direction = scanner.Exit
		if err := undo(m); err == nil {
			t.Error("an exit is undone")
		}
	}
	if e := g.sim.Entries(); len(e) != 4 || !e[0].Undone || e[1].Undone || !e[2].Undone {
		t.Errorf("entries %+v", e)
	}
	m := movement(1, "used00000005")
	m.TicketID = "order 8"
	if err := undo(m); err != nil {
		t.Errorf("one that never entered, by its code: %v", err)
	}
	for _, body := range []string{
		`[]`, `[{}]`, `[null]`, `[{"uuid":"other"}]`, `{"uuid":"721744537954"}`, `[{"uuid":"721744537954","checkInDate":"2026-11-21T19:00:00Z"}]`, `{}`, `null`, `x`,
	} {
		c := over(t, canned{body: body}, nil)
		if err := c.Undo(t.Context(), movement(1, "721744537954")); err == nil {
			t.Errorf("undone by %s", body)
		}
	}
	for _, body := range []string{`[{"uuid":"721744537954"}]`, `{"list":[{"uuid":"721744537954","checkInDate":null}]}`} {
		c := over(t, canned{body: body}, nil)
		if err := c.Undo(t.Context(), movement(1, "721744537954")); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	g.set(t, faults.Fault{Kind: faults.Lost, Call: acmesim.Undo, Times: 1})
	if err := undo(movement(1, "good00000001")); !scanner.CallErrorOf(err).MaybeSent {
		t.Errorf("a lost answer: %v", err)
	}
}

// What ACME told of a ticket's UUID is what an undo asks for.
func TestAToldUUID(t *testing.T) {
	c := over(t, canned{body: `{"checkInStatus":555,"ticketUUID":"aaaa-bbbb"}`}, nil)
	if got, err := c.Validate(t.Context(), scanner.Ask{Code: "1", Direction: scanner.Entry}); err != nil || got.TicketID != "aaaa-bbbb" {
		t.Errorf("%+v, %v", got, err)
	}
}
