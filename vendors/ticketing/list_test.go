package ticketing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

// listed fetches the list, or what changed since a cursor.
func listed(t *testing.T, c *ticketing.Client, cursor []byte) (map[scanner.Code]scanner.Ticket, scanner.ListPage, error) {
	t.Helper()
	got := map[scanner.Code]scanner.Ticket{}
	add := func(one scanner.Ticket, place string) error {
		if _, twice := got[one.Code]; twice || place == "" {
			t.Errorf("%s is given twice, or without a place", one.Code.Mask())
		}
		got[one.Code] = one
		return nil
	}
	if cursor == nil {
		page, err := c.List(t.Context(), add)
		return got, page, err
	}
	page, err := c.Changes(t.Context(), cursor, add)
	return got, page, err
}

// What the list says of a ticket, in the house's words; the owner's e-mail, user name
// and number are nowhere.
func TestWhatIsListed(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	got, page, err := listed(t, g.client, nil)
	if err != nil || !page.Complete || page.Delta || page.GeneratedAt.IsZero() || page.Cursor == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	ticket := func(code scanner.Code, status scanner.Status) scanner.Ticket {
		return scanner.Ticket{Code: code, Name: "Marvin Milk", Section: "Front Stage", SectionID: front, Status: status}
	}
	wasUsed := ticket(used, scanner.StatusUsed)
	wasUsed.UsedAt = g.sim.Admissions()[0].At
	other := ticket(lawn, scanner.StatusValid)
	other.Section, other.SectionID = "Back Lawn", back
	want := map[scanner.Code]scanner.Ticket{
		good: ticket(good, scanner.StatusValid), more2: ticket(more2, scanner.StatusValid), more3: ticket(more3, scanner.StatusValid), used: wasUsed,
		refunded: ticket(refunded, scanner.StatusRefunded), lawn: other,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	raw, err := json.Marshal(got)
	if err != nil || strings.Contains(string(raw), "@") || strings.Contains(string(raw), "marvin") || strings.Contains(string(raw), "AG-") {
		t.Errorf("%v: %s", err, raw)
	}
}

// Nothing but an issued ticket that was not redeemed may enter.
func TestWhatAStatusMeans(t *testing.T) {
	entry := func(status, redeemed string) string {
		return `{"serial":"DAWIER-GOOD00000001","status":` + status + redeemed + `,"section":{"self":"/sections/1","name":"A"},"owner":null}`
	}
	at := time.Date(2026, 11, 21, 20, 0, 3, 0, time.UTC)
	for _, tt := range []struct {
		entry  string
		status scanner.Status
		usedAt time.Time
		detail string
	}{
		{entry(`"Issued"`, `,"redeemed":"N/A"`), scanner.StatusValid, time.Time{}, ""},
		{entry(`"issued"`, `,"redeemed":"n/a"`), scanner.StatusValid, time.Time{}, ""},
		{entry(`"Issued"`, `,"redeemed":null`), scanner.StatusValid, time.Time{}, ""},
		{entry(`"Issued"`, `,"redeemed":""`), scanner.StatusValid, time.Time{}, ""},
		{entry(`"Issued"`, ``), scanner.StatusBlocked, time.Time{}, "TickeTing does not say whether it was used"},
		{entry(`"Issued"`, `,"redeemed":"yes"`), scanner.StatusBlocked, time.Time{}, "TickeTing does not say whether it was used"},
		{entry(`"Issued"`, `,"redeemed":true`), scanner.StatusBlocked, time.Time{}, "TickeTing does not say whether it was used"},
		{entry(`"Issued"`, `,"redeemed":"2026-11-21T20:00:03+00:00"`), scanner.StatusUsed, at, ""},
		{entry(`"Redeemed"`, `,"redeemed":"2026-11-21T20:00:03+00:00"`), scanner.StatusUsed, at, ""},
		{entry(`"Redeemed"`, `,"redeemed":"N/A"`), scanner.StatusUsed, time.Time{}, ""},
		{entry(`"Refunded"`, `,"redeemed":"2026-11-21T20:00:03+00:00"`), scanner.StatusRefunded, time.Time{}, ""},
		{entry(`"Cancelled"`, `,"redeemed":"N/A"`), scanner.StatusVoided, time.Time{}, ""},
		{entry(`"Transferred"`, `,"redeemed":"N/A"`), scanner.StatusBlocked, time.Time{}, `TickeTing says: "Transferred"`},
		{entry(`"\u202eIssued!"`, `,"redeemed":"N/A"`), scanner.StatusBlocked, time.Time{}, `TickeTing says: "Issued!"`},
		{entry(`""`, `,"redeemed":"N/A"`), scanner.StatusBlocked, time.Time{}, `TickeTing says: ""`},
	} {
		c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(200, entries(tt.entry))})
		got, _, err := listed(t, c, nil)
		want := scanner.Ticket{Code: good, Section: "A", SectionID: "1", Status: tt.status, UsedAt: tt.usedAt, Detail: tt.detail}
		if diff := cmp.Diff(want, got[good]); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.entry, err, diff)
		}
	}
}

// What spoils a list, so that none of it may be believed.
func TestWhatSpoilsAList(t *testing.T) {
	const fine = `{"serial":"DAWIER-GOOD00000001","status":"Issued","redeemed":"N/A","section":{"self":"/sections/1","name":"A"}}`
	for name, body := range map[string]string{
		"no total":           `{"page":1,"records":25,"entries":[` + fine + `]}`,
		"no entries":         `{"total":1,"page":1,"records":25}`,
		"no serial":          entries(strings.Replace(fine, `"serial":"DAWIER-GOOD00000001",`, "", 1)),
		"no status":          entries(strings.Replace(fine, `"status":"Issued",`, "", 1)),
		"another page":       strings.Replace(entries(fine), `"page":1`, `"page":2`, 1),
		"a negative total":   strings.Replace(entries(fine), `"total":1`, `"total":-1`, 1),
		"a fraction":         strings.Replace(entries(fine), `"total":1`, `"total":1.5`, 1),
		"more than records":  strings.Replace(entries(strings.Repeat(fine+",", 101)+fine), `"records":25`, `"records":2`, 1),
		"an array":           `[` + fine + `]`,
		"fewer than it says": strings.Replace(entries(fine), `"total":1`, `"total":9`, 1),
	} {
		c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(200, body)})
		if got, page, err := listed(t, c, nil); err == nil {
			t.Errorf("%s: %d tickets, %+v", name, len(got), page)
		} else if call := scanner.CallErrorOf(err); call.Op == "" || strings.Contains(err.Error(), "GOOD0000") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(404, `{"error":"There is presently no resource with the given URI."}`)})
	if _, _, err := listed(t, c, nil); scanner.CallErrorOf(err).Status != http.StatusNotFound {
		t.Errorf("no list at all: %v", err)
	}
}

// A list of nothing is no list: the one that was there is kept.
func TestAListOfNothing(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	for _, code := range []scanner.Code{good, more2, more3, used, refunded, lawn} {
		g.sim.Remove(string(code))
	}
	if got, page, err := listed(t, g.client, nil); err != nil || len(got) != 0 || page.Complete {
		t.Errorf("%d tickets, %+v, %v", len(got), page, err)
	}
	g.sim.Generate(1)
	if got, page, err := listed(t, g.client, nil); err != nil || len(got) != 1 || !page.Complete {
		t.Errorf("then %d tickets, %+v, %v", len(got), page, err)
	}
}

// However long a page is, and however the vendor counts, the list is whole.
func TestPages(t *testing.T) {
	for _, o := range []ticketingsim.Options{{}, {MostRecords: 7}, {TextNumbers: true}, {EmptyIs404: true, MostRecords: 1}} {
		for _, records := range []int{1, 3, 25, 1000} {
			g := newGate(t, o, with(map[string]any{"records": records}))
			g.sim.Generate(20)
			got, page, err := listed(t, g.client, nil)
			if err != nil || len(got) != 26 || !page.Complete {
				t.Errorf("%+v, %d records: %d tickets, %v", o, records, len(got), err)
			}
		}
	}
}

// A vendor that gives fewer than were asked for, and does not say so, gives the whole
// list all the same.
func TestPagesThatDoNotTellTheirSize(t *testing.T) {
	for _, told := range []string{"", `"records":100,`, `"records":0,`} {
		g := newGate(t, ticketingsim.Options{MostRecords: 2})
		g.sim.Generate(7)
		c := g.again(t, func(_ map[string]any, deps *ticketing.Deps) {
			deps.Transport = &rewriting{deps.Transport, "/tickets", strings.NewReplacer(`"records":2,`, told, `"records":1,`, told)}
		})
		if got, page, err := listed(t, c, nil); err != nil || len(got) != 13 || !page.Complete {
			t.Errorf("told %q: %d tickets, %+v, %v", told, len(got), page, err)
		}
	}
}

// rewriting changes the answers to paths that end in something.
type rewriting struct {
	next http.RoundTripper
	path string
	with *strings.Replacer
}

func (w *rewriting) RoundTrip(r *http.Request) (*http.Response, error) {
	got, err := w.next.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, w.path) {
		return got, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, err
	}
	got.Body, got.ContentLength = io.NopCloser(strings.NewReader(w.with.Replace(string(body)))), -1
	got.Header.Del("Content-Length")
	return got, nil
}

// A base key that may list nothing leaves the token's own sections; one that may adds
// the others', and where a site wants it they are left out.
func TestWhoListsTheOtherSections(t *testing.T) {
	for _, tt := range []struct {
		base  ticketingsim.BaseMay
		with  string
		want  int
		calls int
	}{
		{ticketingsim.BaseAll, "auto", 6, 3}, {ticketingsim.BaseNothing, "auto", 5, 2}, {ticketingsim.BaseEmpty, "auto", 5, 2}, {ticketingsim.BaseAll, "token", 5, 1},
	} {
		g := newGate(t, ticketingsim.Options{Base: tt.base}, with(map[string]any{"list_with": tt.with}))
		got, page, err := listed(t, g.client, nil)
		if err != nil || len(got) != tt.want || !page.Complete || g.sim.Calls("list tickets") != tt.calls {
			t.Errorf("%q, %s: %d tickets, %d calls, %v", tt.base, tt.with, len(got), g.sim.Calls("list tickets"), err)
		}
		if _, there := got[lawn]; there != (tt.want == 6) {
			t.Errorf("%q, %s: the lawn's is listed: %v", tt.base, tt.with, there)
		}
	}
	// A token for all sections needs nobody else's.
	g := newGate(t, ticketingsim.Options{}, with(map[string]any{"admission_token": ticketingsim.DemoGlobal}))
	if got, _, err := listed(t, g.client, nil); err != nil || len(got) != 6 || g.sim.Calls("list tickets") != 2 {
		t.Errorf("%d tickets, %d calls, %v", len(got), g.sim.Calls("list tickets"), err)
	}
	// Whatever comes of the others' list, the own one is whole.
	g = newGate(t, ticketingsim.Options{})
	for _, fault := range []faults.Fault{
		{Kind: faults.Status, Status: 400}, {Kind: faults.Status, Status: 403}, {Kind: faults.Status, Status: 429}, {Kind: faults.Status, Status: 500},
		{Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Refuse},
	} {
		fault.Call, fault.Times = "list tickets", 1
		failing := &nth{n: 3, then: func() error { return g.server.Set(fault) }}
		c := g.again(t, func(_ map[string]any, deps *ticketing.Deps) { failing.next, deps.Transport = deps.Transport, failing })
		if got, page, err := listed(t, c, nil); err != nil || len(got) != 5 || !page.Complete {
			t.Errorf("%s %d: %d tickets, %+v, %v", fault.Kind, fault.Status, len(got), page, err)
		}
		g.clear(t)
	}
	// What the caller itself says ends it.
	ending, end := context.WithCancel(t.Context())
	ended := &nth{n: 3, then: func() error { end(); return nil }}
	c := g.again(t, func(_ map[string]any, deps *ticketing.Deps) { ended.next, deps.Transport = deps.Transport, ended })
	if _, err := c.List(ending, func(scanner.Ticket, string) error { return nil }); err == nil {
		t.Error("a list that was given up is taken for whole")
	}
	full := errors.New("the disk is full")
	if _, err := g.again(t).List(t.Context(), func(one scanner.Ticket, _ string) error {
		if one.Code == lawn {
			return full
		}
		return nil
	}); !errors.Is(err, full) {
		t.Errorf("a ticket that was not taken: %v", err)
	}
}

// nth does something before the n-th request.
type nth struct {
	next http.RoundTripper
	n    int
	then func() error
}

func (n *nth) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.n--; n.n == 0 {
		if err := n.then(); err != nil {
			return nil, err
		}
	}
	return n.next.RoundTrip(r)
}

// A list that changes while it is read is whole all the same, whatever changes.
func TestAListThatMoves(t *testing.T) {
	serial := func(i int) scanner.Code { return scanner.Code(fmt.Sprintf("DAWIER-MOVE%08d", i)) }
	for _, tt := range []struct {
		name string
		// at is before which request it changes; 1 is the exchange.
		at     int
		change func(g *gate)
		want   func(i int) bool
	}{
		{"some before are gone", 5, func(g *gate) {
			for i := range 5 {
				g.sim.Remove(string(serial(i)))
			}
		}, nil},
		{"some behind are gone", 3, func(g *gate) {
			for i := range 5 {
				g.sim.Remove(string(serial(35 + i)))
			}
		}, func(i int) bool { return i < 35 }},
		{"most are gone", 7, func(g *gate) {
			for i := range 30 {
				g.sim.Remove(string(serial(i)))
			}
		}, func(i int) bool { return i >= 30 }},
		{"some are sold", 5, func(g *gate) {
			for i := range 5 {
				g.sim.AddTickets(ticketingsim.Ticket{Serial: string(serial(100 + i)), Section: front})
			}
		}, nil},
		{"one is used", 5, func(g *gate) {
			if err := g.sim.Admit(string(serial(0)), "x", "y"); err != nil {
				t.Error(err)
			}
		}, nil},
	} {
		for _, validOnly := range []bool{false, true} {
			g := newGate(t, ticketingsim.Options{ValidOnly: validOnly})
			for i := range 40 {
				g.sim.AddTickets(ticketingsim.Ticket{Serial: string(serial(i)), Section: front})
			}
			moving := &nth{n: tt.at, then: func() error { tt.change(g); return nil }}
			c := g.again(t, with(map[string]any{"records": 6, "list_with": "token"}), func(_ map[string]any, deps *ticketing.Deps) {
				moving.next, deps.Transport = deps.Transport, moving
			})
			got, page, err := listed(t, c, nil)
			if err != nil || !page.Complete {
				t.Errorf("%s: %v", tt.name, err)
			}
			for i := range 40 {
				if _, there := got[serial(i)]; !there && (tt.want == nil || tt.want(i)) {
					t.Errorf("%s, valid only %v: ticket %d is missing", tt.name, validOnly, i)
				}
			}
		}
	}
}

// A vendor that always tells more than it lists is not believed, and not asked for
// ever.
func TestAListThatNeverFits(t *testing.T) {
	const one = `{"serial":"DAWIER-GOOD00000001","status":"Issued","redeemed":"N/A","section":{"self":"/sections/1","name":"A"}}`
	c := over(t, answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(200, `{"total":2,"records":100,"entries":[`+one+`]}`)})
	_, _, err := listed(t, c, nil)
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || !strings.Contains(err.Error(), "changed all the time") {
		t.Errorf("got %v", err)
	}
}

// A delta holds what changed since the list, and goes on from there; what changed
// while the list was read is in it too.
func TestWhatChanged(t *testing.T) {
	now := newClock()
	g := newGate(t, ticketingsim.Options{Now: func() time.Time { return now.Now().Wall }, EmptyIs404: true})
	now.step(time.Hour)
	_, page, err := listed(t, g.client, nil)
	if err != nil {
		t.Fatal(err)
	}
	delta := func(cursor []byte, want ...scanner.Code) scanner.ListPage {
		t.Helper()
		got, page, err := listed(t, g.client, cursor)
		if err != nil || !page.Delta || len(got) != len(want) {
			t.Fatalf("%d tickets, want %d; %+v, %v", len(got), len(want), page, err)
		}
		for _, code := range want {
			if _, there := got[code]; !there {
				t.Errorf("%s is missing", code.Mask())
			}
		}
		return page
	}
	page = delta(page.Cursor)
	now.step(5 * time.Minute)
	if err := g.sim.SetStatus(string(good), "Refunded"); err != nil {
		t.Fatal(err)
	}
	g.sim.AddTickets(ticketingsim.Ticket{Serial: "DAWIER-SOLD00000001", Section: front})
	if err := g.sim.Admit(string(lawn), "Hughie", "x"); err != nil {
		t.Fatal(err)
	}
	now.step(time.Minute)
	first := page
	page = delta(page.Cursor, good, "DAWIER-SOLD00000001", lawn)
	// Two minutes are told again, so that nothing falls between two deltas.
	page = delta(page.Cursor, good, "DAWIER-SOLD00000001", lawn)
	now.step(5 * time.Minute)
	page = delta(page.Cursor, good, "DAWIER-SOLD00000001", lawn)
	page = delta(page.Cursor)
	delta(first.Cursor, good, "DAWIER-SOLD00000001", lawn)
	_ = page
}

// A vendor that tells no time gives no place to go on from; a ticket that the base key
// lists without a section may be of any.
func TestWhatALaterListNeeds(t *testing.T) {
	const mine = `{"serial":"DAWIER-GOOD00000001","status":"Issued","redeemed":"N/A","section":{"self":"/sections/16993964783416","name":"A"}}`
	const nowhere = `{"serial":"DAWIER-MORE00000002","status":"Issued","redeemed":"N/A","section":{"name":"A"}}`
	lists := byKey{
		"a9427bf35dd3d3011a1277c9c344ae07": answers{"GET tickets": whole(200, entries(mine))},
		key:                                answers{"GET " + token: whole(200, exchanged), "GET tickets": whole(200, entries(mine, nowhere))},
	}
	c, err := ticketing.NewClient(map[string]any{"base_url": "http://127.0.0.1:1", "admission_token": token}, ticketing.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: lists,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, page, err := listed(t, c, nil)
	if err != nil || len(got) != 1 || got[good].Code == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if page.Cursor != nil || page.GeneratedAt.IsZero() {
		t.Errorf("%+v", page)
	}
}

// byKey gives each key its own answers.
type byKey map[string]answers

func (b byKey) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.Header.Get("X-API-Key")].RoundTrip(r)
}

// No delta goes on from a cursor that was made for something else.
func TestCursors(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	_, page, err := listed(t, g.client, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, c *ticketing.Client, cursor []byte) {
		t.Helper()
		if got, _, err := listed(t, c, cursor); !errors.Is(err, scanner.ErrCursor) || len(got) != 0 {
			t.Errorf("%s: %d tickets, %v", name, len(got), err)
		}
	}
	for _, cursor := range []string{"x", "{}", "null", `{"source":"","since":"2026-11-21T20:00:00Z"}`, `{"source":1}`} {
		refused(cursor, g.client, []byte(cursor))
	}
	refused("another token", g.again(t, with(map[string]any{"admission_token": ticketingsim.DemoGlobal})), page.Cursor)
	refused("without the others", g.again(t, with(map[string]any{"list_with": "token"})), page.Cursor)
	g.sim.SetSections(token, front, back)
	refused("other sections", g.client, page.Cursor)
	g.sim.SetSections(token, front)
	if _, _, err := listed(t, g.client, page.Cursor); err != nil {
		t.Errorf("as it was: %v", err)
	}
	other := newGate(t, ticketingsim.Options{})
	refused("another server", other.client, page.Cursor)
	// What holds of the token may change while the list is read.
	moving := &nth{n: 3, then: func() error { g.sim.SetSections(token, back); g.sim.ExpireKeys(); return nil }}
	c := g.again(t, with(map[string]any{"records": 2}), func(_ map[string]any, deps *ticketing.Deps) { moving.next, deps.Transport = deps.Transport, moving })
	if got, _, err := listed(t, c, nil); err == nil || scanner.CallErrorOf(err).Trouble != scanner.Failing {
		t.Errorf("%d tickets, %v", len(got), err)
	}
}

// A long list, then a delta of 500, in memory that does not hold them. With
// USHER_TICKETS=200000 it is that long: some seconds without the race detector.
func TestALongListInLittleMemory(t *testing.T) {
	const changed = 500
	count := 30_000
	if text := os.Getenv("USHER_TICKETS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	now := newClock()
	g := newGate(t, ticketingsim.Options{Now: func() time.Time { return now.Now().Wall }}, with(map[string]any{"records": 1000, "admission_token": ticketingsim.DemoGlobal}))
	g.sim.Generate(count)
	now.step(time.Hour)
	var most uint64
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	// The simulator makes its view of the list first: what grows then is the client's.
	if _, err := g.client.List(t.Context(), func(scanner.Ticket, string) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	before := heap()
	n := 0
	page, err := g.client.List(t.Context(), func(scanner.Ticket, string) error {
		if n++; n%10_000 == 0 {
			most = max(most, heap())
		}
		return nil
	})
	if err != nil || n != count+6 || !page.Complete {
		t.Fatalf("%d tickets, %v", n, err)
	}
	// A page, and some bytes for each ticket.
	if grown := int64(most) - int64(before); grown > 4<<20+int64(64*count) {
		t.Errorf("grew by %d MiB", grown>>20)
	}
	calls := g.sim.Calls("list tickets")
	now.step(5 * time.Minute)
	if err := g.sim.Touch(1000, changed, "Refunded"); err != nil {
		t.Fatal(err)
	}
	got, _, err := listed(t, g.client, page.Cursor)
	if err != nil || len(got) != changed {
		t.Errorf("%d tickets changed, %v", len(got), err)
	}
	for i := range changed {
		if one := got[scanner.Code(ticketingsim.GeneratedSerial(1000+i))]; one.Status != scanner.StatusRefunded {
			t.Fatalf("ticket %d is %q", i, one.Status)
		}
	}
	if calls = g.sim.Calls("list tickets") - calls; calls > 3 {
		t.Errorf("%d calls for %d changes", calls, changed)
	}
	t.Logf("%d tickets in %s MiB", count, strconv.FormatInt((int64(most)-int64(before))>>20, 10))
}

var errEnough = errors.New("enough")
