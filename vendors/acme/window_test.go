package acme_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest"
)

func eventOf(id string) change {
	return func(raw map[string]any, _ *acme.Deps) { raw["event_instance"] = id }
}

// instanceBody is an event as ACME gives it.
func instanceBody(start, details string) string {
	return fmt.Sprintf(`{"id":%q,"templateId":"","name":"Show","startTime":%s,"ticketDetails":%s}`, show, start, details)
}

// The window is counted from the start, both ways, and an edge that is not told is open.
func TestWindowEdges(t *testing.T) {
	const start = `"2026-11-21T19:00:00-05:00"`
	for details, want := range map[string][2]string{
		`{"checkInWindow":{"minutesBefore":90,"minutesAfter":60}}`:          {"2026-11-21T22:30:00Z", "2026-11-22T01:00:00Z"},
		`{"checkInWindow":{"minutesBefore":"90","minutesAfter":"60"}}`:      {"2026-11-21T22:30:00Z", "2026-11-22T01:00:00Z"},
		`{"checkInWindow":{"minutesBefore":90}}`:                            {"2026-11-21T22:30:00Z", ""},
		`{"checkInWindow":{"minutesBefore":null,"minutesAfter":60}}`:        {"", "2026-11-22T01:00:00Z"},
		`{"checkInWindow":{"minutesBefore":90,"minutesAfter":0}}`:           {"2026-11-21T22:30:00Z", "2026-11-22T00:00:00Z"},
		`{"checkInWindow":{"minutesBefore":0,"minutesAfter":0}}`:            {"", ""},
		`{"checkInWindow":{"minutesBefore":99999999999,"minutesAfter":60}}`: {"", "2026-11-22T01:00:00Z"},
		`{"checkInWindow":{"minutesBefore":-30,"minutesAfter":60}}`:         {"2026-11-22T00:30:00Z", "2026-11-22T01:00:00Z"},
		`{"checkInWindow":null}`:                                            {"", ""},
		`{}`:                                                                {"", ""},
		`null`:                                                              {"", ""},
		`{"checkInWindow":{"minutesBefore":-9223372036854775808,"minutesAfter":9223372036854775807}}`: {"", ""},
	} {
		c := over(t, canned{body: instanceBody(start, details)}, eventOf(show))
		if _, known := c.Window(); known {
			t.Error("a window that nobody told")
		}
		if err := c.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", details, err)
			continue
		}
		w, known := c.Window()
		for i, edge := range []time.Time{w.OpensAt, w.ClosesAt} {
			text := ""
			if !edge.IsZero() {
				text = edge.UTC().Format(time.RFC3339)
			}
			if !known || text != want[i] || w.Event != show {
				t.Errorf("%s: %+v, %v, want %q", details, w, known, want)
			}
		}
	}
	for _, start := range []string{`"2026-11-21T19:00:00"`, `"soon"`, `null`, `""`} {
		c := over(t, canned{body: instanceBody(start, `{"checkInWindow":{"minutesBefore":90,"minutesAfter":60}}`)}, eventOf(show))
		if err := c.Probe(t.Context()); err != nil {
			t.Errorf("start %s: %v", start, err)
		}
		w, known := c.Window()
		if !known || w.Event != show || !w.OpensAt.IsZero() || !w.ClosesAt.IsZero() {
			t.Errorf("start %s tells a window: %+v, %v", start, w, known)
		}
		if st := c.Status(); !st.Ready || !strings.Contains(st.Problem, "no startTime") {
			t.Errorf("start %s: status %+v", start, st)
		}
	}
}

// A field that a gate does not need keeps no link down, whatever its form; what is
// wrong with the window is told and changes none that is known.
func TestOddFieldsOfTheEvent(t *testing.T) {
	const start, own = `"startTime":"2026-11-21T20:00:00Z"`, `"checkInWindow":{"minutesBefore":30,"minutesAfter":15}`
	begins := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	look := func(c *acme.Client, odd string) {
		t.Helper()
		if err := c.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", odd, err)
		}
	}
	for _, odd := range []string{
		`"name":7`, `"name":{}`, `"state":1`, `"state":[]`, `"endTime":{}`, `"resources":{}`, `"resources":[{"quantity":1.5}]`, `"resources":[7]`, `"eventResourceSummary":[]`,
		`"eventResourceSummary":{"place":{"resourceNames":"Dome"}}`, `"manuallyDeleted":1`, `"type":false`, `"lastModified":[]`,
	} {
		c := over(t, canned{body: `{"id":"` + show + `",` + start + `,"ticketDetails":{` + own + `},` + odd + `}`}, eventOf(show))
		look(c, odd)
		if w, _ := c.Window(); !w.OpensAt.Equal(begins.Add(-30*time.Minute)) || !w.ClosesAt.Equal(begins.Add(15*time.Minute)) || c.Status().Problem != "" || odd == `"name":7` && w.Name != "7" {
			t.Errorf("%s: %+v, %+v", odd, w, c.Status())
		}
	}
	for _, odd := range []string{
		`"ticketPrintLines":"a"`, `"purchaseAvailability":"when"`, `"hideEventDate":1`, `"ticketDurationDays":1.5`, `"postStartPurchase":[]`, `"doNotPrint":"maybe"`,
	} {
		c := over(t, canned{body: `{"id":"` + show + `",` + start + `,"ticketDetails":{` + own + `,` + odd + `}}`}, eventOf(show))
		look(c, odd)
		if w, _ := c.Window(); !w.OpensAt.Equal(begins.Add(-30 * time.Minute)) {
			t.Errorf("%s: %+v", odd, w)
		}
	}
	for _, odd := range []string{
		`"ticketDetails":[]`, `"ticketDetails":{"checkInWindow":{"minutesBefore":"x"}}`, `"ticketDetails":{"checkInWindow":{"blockScan":1}}`, `"templateId":{}`,
	} {
		answer := &canned{body: `{"id":"` + show + `",` + start + `,"ticketDetails":{` + own + `}}`}
		c := over(t, answer, eventOf(show))
		look(c, odd)
		was, _ := c.Window()
		answer.body = `{"id":"` + show + `",` + start + `,` + odd + `}`
		look(c, odd)
		if w, known := c.Window(); !known || w.OpensAt.IsZero() || w != was || !strings.Contains(c.Status().Problem, "in a form that cannot be read") {
			t.Errorf("%s: %+v, before %+v, %+v", odd, w, was, c.Status())
		}
	}
	for _, bad := range []string{`{}`, `[]`, `{"id":"other"}`, `{"id":{}}`, `{"id":null,"name":7}`} {
		c := over(t, canned{body: bad}, eventOf(show))
		if err := c.Probe(t.Context()); err == nil {
			t.Errorf("%s is the event", bad)
		}
	}
}

// An event has its template's window, edge by edge, where it tells none itself, and its
// template's block.
func TestTheTemplatesWindowByEdge(t *testing.T) {
	start := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for own, want := range map[string]struct {
		before, after time.Duration
		blocked       bool
		calls         int
	}{
		`{}`:   {60, 30, true, 2},
		`null`: {60, 30, true, 2},
		`{"minutesBefore":null,"minutesAfter":null,"blockScan":false,"autoRebook":false}`: {60, 30, true, 2},
		`{"minutesBefore":0,"minutesAfter":0}`:                                            {60, 30, true, 2},
		`{"minutesBefore":15}`:                                                            {15, 30, true, 2},
		`{"minutesAfter":0}`:                                                              {60, 0, true, 2},
		`{"minutesBefore":15,"blockScan":false}`:                                          {15, 30, false, 2},
		`{"minutesBefore":15,"minutesAfter":0,"blockScan":false}`:                         {15, 0, false, 1},
	} {
		answers := both{
			"/instances/": `{"id":"` + show + `","templateId":"t1","startTime":"2026-11-21T20:00:00Z","ticketDetails":{"checkInWindow":` + own + `}}`,
			"/templates/": `{"id":"t1","name":7,"stars":[],"ticketDetails":{"checkInWindow":{"minutesBefore":60,"minutesAfter":30,"blockScan":true}}}`,
		}
		calls := 0
		c := over(t, canned{seen: func(*http.Request) { calls++ }}.of(answers), eventOf(show))
		if err := c.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls != want.calls {
			t.Errorf("%s: %d calls", own, calls)
		}
		// The next look at the event alone takes nothing of it away.
		for range 2 {
			w, _ := c.Window()
			if !w.OpensAt.Equal(start.Add(-want.before*time.Minute)) || !w.ClosesAt.Equal(start.Add(want.after*time.Minute)) || w.Blocked != want.blocked {
				t.Errorf("%s: %+v", own, w)
			}
			if err := c.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// both are bodies by a part of the path.
type both map[string]string

// of answers by path.
func (c canned) of(answers both) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		for part, body := range answers {
			if strings.Contains(r.URL.Path, part) {
				c.body = body
			}
		}
		return c.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Minutes are minutes: over midnight and over the night in which a clock goes back an
// hour, the edges are as far from the start as was said.
func TestWindowOverMidnightAndSummerTime(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []time.Time{
		time.Date(2026, 11, 22, 0, 15, 0, 0, zone), time.Date(2026, 11, 1, 1, 30, 0, 0, zone), time.Date(2027, 3, 14, 3, 10, 0, 0, zone),
	} {
		g := newGate(t, acmesim.Options{Zone: zone}, eventOf("dst"))
		g.sim.AddEvents(acmesim.Event{ID: "dst", Template: acmesim.DemoTemplate, Name: "Night", Start: start, Window: acmesim.Minutes(90, 45)})
		if err := g.client.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		w, _ := g.client.Window()
		if !w.OpensAt.Equal(start.Add(-90*time.Minute)) || !w.ClosesAt.Equal(start.Add(45*time.Minute)) {
			t.Errorf("%v: %v to %v", start, w.OpensAt, w.ClosesAt)
		}
	}
}

// An event that leaves its window to its template has the template's, which an answer
// about the event alone does not take away.
func TestTheTemplatesWindow(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf("plain"))
	start := showTime(time.Now())
	g.sim.AddEvents(acmesim.Event{ID: "plain", Template: acmesim.DemoTemplate, Name: "Planetarium", Start: start})
	if err := g.client.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens := func(want time.Time) {
		t.Helper()
		if w, known := g.client.Window(); !known || !w.OpensAt.Equal(want) {
			t.Errorf("%+v, %v; want %v", w, known, want)
		}
	}
	opens(start.Add(-90 * time.Minute))
	start = start.Add(time.Hour)
	g.sim.AddEvents(acmesim.Event{ID: "plain", Template: acmesim.DemoTemplate, Name: "Planetarium", Start: start})
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(start.Add(-90 * time.Minute))
	g.sim.AddTemplates(acmesim.Template{ID: acmesim.DemoTemplate, Name: "Planetarium shows"})
	if err := g.client.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(time.Time{})
	if n, m := g.sim.Calls(acmesim.Instance), g.sim.Calls(acmesim.Templates); n != 3 || m != 2 {
		t.Errorf("%d calls for the event, %d for its template", n, m)
	}
}

// A window is known after a reboot in an outage, and only that of this event.
func TestTheWindowSurvivesARestart(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf(show))
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	was, _ := g.client.Window()
	saved := string(g.memory.Kept["event"])
	if err := g.client.Probe(t.Context()); err != nil || strings.Count(g.log.String(), "the event's check-in window") != 1 {
		t.Errorf("%v: told as news again: %s", err, g.log)
	}
	calls := g.server.Calls()
	if w, known := g.again(t, eventOf(show)).Window(); !known || !w.OpensAt.Equal(was.OpensAt) || !w.ClosesAt.Equal(was.ClosesAt) || w.Event != show {
		t.Errorf("%+v, %v, want %+v", w, known, was)
	}
	for name, ch := range map[string]change{
		"another event":  eventOf("early"),
		"another tenant": func(raw map[string]any, _ *acme.Deps) { raw["event_instance"], raw["tenant_id"] = show, "other" },
		"another host": func(raw map[string]any, _ *acme.Deps) {
			raw["event_instance"], raw["base_url"] = show, "https://sand1-api.acmeticketing.com"
		},
		"no memory":       func(raw map[string]any, d *acme.Deps) { raw["event_instance"], d.Memory = show, nil },
		"a broken memory": func(raw map[string]any, d *acme.Deps) { raw["event_instance"], d.Memory = show, broken{} },
	} {
		if w, known := g.again(t, ch).Window(); known {
			t.Errorf("%s: %+v", name, w)
		}
	}
	if g.server.Calls() != calls {
		t.Error("a window is asked for")
	}
	for _, bad := range []string{"", "x", "{}", saved[:len(saved)/2], strings.Replace(saved, `"minutesBefore":90`, `"minutesBefore":"x"`, 1)} {
		g.memory = &vendortest.Memory{Kept: map[string][]byte{"event": []byte(bad)}}
		if w, known := g.again(t, eventOf(show)).Window(); known {
			t.Errorf("out of %q: %+v", bad, w)
		}
	}
}

// Whatever changes of an event is kept as well.
func TestAChangedWindowIsKept(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf(show))
	event := acmesim.Event{ID: show, Template: acmesim.DemoTemplate, Name: "Planetarium", Start: showTime(time.Now()), Window: acmesim.Minutes(90, 60)}
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := string(g.memory.Kept["event"])
	for what, change := range []func(){
		func() { event.Window = acmesim.Minutes(60, 60) }, func() { event.Window = acmesim.Minutes(60, 30) }, func() { event.Window.AutoRebook = true },
		func() { event.Window.BlockScan = true }, func() { event.Name = "Stars" }, func() { event.Start = event.Start.Add(time.Hour) },
	} {
		change()
		g.sim.AddEvents(event)
		if err := g.client.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now := string(g.memory.Kept["event"]); now == was {
			t.Errorf("change %d is not kept: %s", what, now)
		} else {
			was = now
		}
		w, _ := g.client.Window()
		if after, known := g.again(t, eventOf(show)).Window(); !known || !after.OpensAt.Equal(w.OpensAt) || !after.ClosesAt.Equal(w.ClosesAt) || after.Blocked != w.Blocked {
			t.Errorf("change %d: %+v, want %+v", what, after, w)
		}
	}
}

// broken is a memory on a bad disk.
type broken struct{}

func (broken) Load(string) ([]byte, error) { return nil, errors.New("read error") }
func (broken) Save(string, []byte) error   { return errors.New("write error") }

// A blocked event says so, and in whose words.
func TestBlocked(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf("blocked"))
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w, known := g.client.Window(); !known || !w.Blocked || !strings.Contains(w.Detail, "blockScan") {
		t.Errorf("%+v, %v", w, known)
	}
	if got := g.ask(t, "bloc00000009"); got.Reason != scanner.Restricted || got.Detail != "ACME answers check-in status 80" {
		t.Errorf("%+v", got)
	}
}

// A disk that keeps nothing does not keep the window from being known.
func TestAWindowOnABadDisk(t *testing.T) {
	g := newGate(t, acmesim.Options{}, func(raw map[string]any, d *acme.Deps) { raw["event_instance"], d.Memory = show, broken{} })
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, known := g.client.Window(); !known || !strings.Contains(g.log.String(), "cannot be kept") {
		t.Errorf("known %v: %s", known, g.log)
	}
}

// What a vendor offers follows from what is configured.
func TestParts(t *testing.T) {
	raw := told()
	v, err := acme.New(raw, acme.Deps{})
	if err != nil || v.Window != nil || v.Watcher != nil || v.Undoer == nil || v.Validator == nil || v.Uploader == nil || v.Session == nil ||
		v.Events == nil || v.Freeze == nil || v.Lister != nil || v.Exits || len(v.Advice) != 1 || !strings.HasPrefix(v.Advice[0], "vendor.event_instance: empty") {
		t.Errorf("%v, %+v", err, v)
	}
	raw["event_instance"], raw["undo_path"] = show, "off"
	v, err = acme.New(raw, acme.Deps{})
	if err != nil || v.Window == nil || v.Watcher == nil || v.Watcher.Every() < 5*time.Minute || v.Undoer != nil || len(v.Advice) != 0 {
		t.Errorf("%v, %+v", err, v)
	}
	raw["checkin_path"] = batchPath
	delete(raw, "admit_statuses")
	delete(raw, "refuse_statuses")
	if v, err = acme.New(raw, acme.Deps{}); err != nil || len(v.Advice) != 0 {
		t.Errorf("a call without statuses: %v, %q", err, v.Advice)
	}
	for base, want := range map[string]string{"": tenant, "https://api.acmeticketing.com/": tenant, "https://sand1-api.acmeticketing.com": tenant + "@sand1-api.acmeticketing.com"} {
		raw["base_url"] = base
		if v, err := acme.New(raw, acme.Deps{}); err != nil || v.Scope != (scanner.Scope{Vendor: "acme", Account: want, Event: show}) {
			t.Errorf("%q: %+v, %v", base, v.Scope, err)
		}
	}
}
