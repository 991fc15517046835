package ticketing_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

var admittedAt = time.Date(2026, 11, 21, 20, 0, 3, 0, time.UTC)

// told changes one thing in our own admission.
func told(old, now string) string { return strings.Replace(ourAdmission, old, now, 1) }

// What each answer to the admission, and to the look-up behind it, makes of a scan.
func TestWhatAScanIsAnswered(t *testing.T) {
	info := &scanner.TicketInfo{Name: "Marvin Milk", Section: "Front Stage"}
	admit := scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK, Ticket: info, VendorAt: admittedAt}
	already := func(gate string) scanner.Answer {
		return scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered, Ticket: info, FirstEnteredAt: admittedAt, FirstEnteredGate: gate}
	}
	notFound := scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.NotFound}
	without := already("")
	without.FirstEnteredAt = time.Time{}
	timeless := admit
	timeless.VendorAt = time.Time{}
	none := whole(400, noneAdmitted)
	// What was refused stays so though nobody says why: the gate must not decide it
	// by a list.
	unsaid := scanner.Answer{Verdict: scanner.Review, Reason: scanner.Restricted, Detail: "TickeTing does not admit it and did not say why: scan again"}
	for _, tt := range []struct {
		name   string
		admit  []byte
		lookup []byte
		want   scanner.Answer
	}{
		{"admitted", whole(201, "["+ourAdmission+"]"), nil, admit},
		{"admitted, and 200", whole(200, "["+ourAdmission+"]"), nil, admit},
		{"admitted at a time that cannot be read", whole(201, "["+told("2026-11-21T20:00:03+00:00", "yesterday")+"]"), nil, timeless},
		{"another time zone", whole(201, "["+told("20:00:03+00:00", "16:00:03-04:00")+"]"), nil, admit},
		{"admitted, and the name kept otherwise", whole(201, "["+told("Billy Butcher", "BUTCHER, B.")+"]"), nil, admit},
		{"none, and ours in other letters", none, whole(200, entries(told("Billy Butcher", " BILLY&#32;butcher "))), already("")},
		{"none, and ours", none, whole(200, entries(ourAdmission)), already("")},
		{"none, and ours at an unreadable time", none, whole(200, entries(told("2026-11-21T20:00:03+00:00", "soon"))), without},
		{"none, said otherwise, and ours", whole(400, strings.Replace(noneAdmitted, "error", "message", 1)), whole(200, entries(ourAdmission)), already("")},
		{"an empty list, and ours", whole(201, "[]"), whole(200, entries(ourAdmission)), already("")},
		{"none, and somebody else's", none, whole(200, entries(told("Billy Butcher", "Hughie"))), already("Hughie (device 7hx-9kq-2mp)")},
		{"none, and another device's", none, whole(200, entries(told("7hx-9kq-2mp", "Pixel 6"))), already("Billy Butcher (device Pixel 6)")},
		{"none, and nobody's name", none, whole(200, entries(told(`"redeemer":"Billy Butcher","device":"7hx-9kq-2mp"`, `"redeemer":null,"device":null`))), already("another device")},
		{"none, and ours beside an older one", none, whole(200, entries(told("Billy Butcher", "Hughie"), ourAdmission)), already("")},
		{"none, and two others'", none, whole(200, entries(told("Billy Butcher", "Hughie"), strings.Replace(told("Billy Butcher", "Annie"), "20:00:03", "19:00:03", 1))),
			func() scanner.Answer {
				a := already("Annie (device 7hx-9kq-2mp)")
				a.FirstEnteredAt = admittedAt.Add(-time.Hour)
				return a
			}()},
		{"none, and no entries", none, whole(200, nothing), notFound},
		{"none, and a page that is not there", none, whole(404, `{"error":"There is presently no resource with the given URI."}`), notFound},
		{"none, and the same said otherwise", none, whole(404, `{"message":"There is presently no resource with the given URI."}`), notFound},
		{"an empty list, and no entries", whole(201, "[]"), whole(200, nothing), notFound},
		{"none, and the look-up fails", none, whole(500, `{"message":"no"}`), unsaid},
		{"none, and the look-up is HTML", none, whole(200, `<html>`), unsaid},
		{"none, and the look-up says nothing", none, whole(200, `{}`), unsaid},
		{"none, and a look-up that heeds no filter", none, whole(200, entries(told("DAWIER-GOOD00000001", "DAWIER-GOOD00000002"))), unsaid},
		{"none, and a total without entries", none, whole(200, `{"total":3,"page":1,"records":25,"entries":[]}`), unsaid},
		{"none, and no such call", none, whole(404, `{"message":"The requested endpoint /admissions does not exist on this server."}`), unsaid},
		{"none, and a bare 404", none, whole(404, ``), unsaid},
		{"an empty list, and the look-up fails", whole(201, "[]"), whole(503, ``), unsaid},
		{"none, and the look-up is refused", none, whole(403, `{"message":"You are restricted from accessing this resource."}`), unsaid},
		{"counts as text", none, whole(200, `{"total":"0","page":"1","records":"25","entries":[]}`), notFound},
	} {
		got, err := validate(t, over(t, fixed(tt.admit, tt.lookup)))
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
}

// An answer that is not definite is none, whatever it looks like; and what was
// certainly not admitted is never in doubt.
func TestWhatIsNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		admit  []byte
		lookup []byte
		want   scanner.Trouble
		maybe  bool
	}{
		{"an admission of another ticket", whole(201, "["+told("DAWIER-GOOD00000001", "DAWIER-GOOD00000002")+"]"), nil, scanner.Nonsense, true},
		{"an admission by another device", whole(201, "["+told("7hx-9kq-2mp", "Pixel 6")+"]"), nil, scanner.Nonsense, true},
		{"an admission without a device", whole(201, "["+told(`"device":"7hx-9kq-2mp",`, "")+"]"), nil, scanner.Nonsense, true},
		{"an admission twice", whole(201, "["+ourAdmission+","+ourAdmission+"]"), nil, scanner.Nonsense, true},
		{"one admission, no array", whole(201, ourAdmission), nil, scanner.Nonsense, true},
		{"null", whole(201, "null"), nil, scanner.Nonsense, true},
		{"an admission beside a failure", whole(500, "["+ourAdmission+"]"), nil, scanner.Failing, true},
		{"the vendor's own failure", whole(500, `{"message":"There was a server error while excuting this request. Please see system logs for details."}`), nil, scanner.Failing, true},
		{"a call that is wrong", whole(400, `{"error":"The following arguments are required, but have not been supplied: redeemer."}`), nil, scanner.Malformed, false},
		{"400 of nobody knows whom", whole(400, ``), nil, scanner.Malformed, false},
		{"no such event", whole(404, `{"error":"There is presently no resource with the given URI."}`), nil, scanner.Malformed, false},
	} {
		got, err := validate(t, over(t, fixed(tt.admit, tt.lookup)))
		call := scanner.CallErrorOf(err)
		if err == nil || call.Trouble != tt.want || call.MaybeSent != tt.maybe || got.Verdict != "" {
			t.Errorf("%s: %v, maybe sent %v, verdict %q; want %s, %v", tt.name, err, call.MaybeSent, got.Verdict, tt.want, tt.maybe)
		}
		if err != nil && strings.Contains(err.Error(), "GOOD0000") {
			t.Errorf("%s: the code is shown: %v", tt.name, err)
		}
	}
}

// An entry of our own names its time and no gate, however long ago it was.
func TestOurOwnAdmissionTellsItsTime(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.set(t, faults.Fault{Kind: faults.Lost, Call: "admit", Times: 1})
	if _, err := g.ask(t, good); err == nil || !scanner.CallErrorOf(err).MaybeSent {
		t.Fatalf("the answer was to be lost: %v", err)
	}
	made := g.sim.Admissions()[1]
	got, err := g.ask(t, good)
	if err != nil || got.Reason != scanner.AlreadyEntered || got.FirstEnteredGate != "" || !got.FirstEnteredAt.Equal(made.At) {
		t.Errorf("a moment later: %+v, %v", got, err)
	}
	// Hours later it is the same answer: the gate tells the two by the time alone.
	g.sim.SetClock(3 * time.Hour)
	if got, err = g.ask(t, good); err != nil || !got.FirstEnteredAt.Equal(made.At) || got.FirstEnteredGate != "" {
		t.Errorf("hours later: %+v, %v", got, err)
	}
	// The same device under another name is not the one that is scanning now.
	renamed := g.again(t, func(raw map[string]any, _ *ticketing.Deps) { raw["redeemer"] = "Annie" })
	got, err = renamed.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry})
	if err != nil || got.FirstEnteredGate != "Billy Butcher (device "+handheld+")" {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	if n := g.sim.Admitted(string(good)); n != 1 {
		t.Errorf("admitted %d times", n)
	}
}

// What is sent is what the document wants: the redeemer, this device's id, and the
// serial without what the scanner put before it.
func TestWhatIsSent(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	got, err := g.ask(t, "]Q3"+good)
	if err != nil || got.Verdict != scanner.Admit {
		t.Fatalf("%+v, %v", got, err)
	}
	made := g.sim.Admissions()[1]
	want := ticketingsim.Admission{
		ID: made.ID, Redeemer: redeemer, Device: handheld, Ticket: string(good), Section: front, At: made.At, Token: token, Batch: 1,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	if !got.VendorAt.Equal(made.At) || got.Ticket.Section != "Front Stage" || got.Ticket.ID != "" {
		t.Errorf("got %+v, %+v", got, got.Ticket)
	}
	for _, name := range []string{"redeemer", "gate's"} {
		anonymous := g.again(t, func(raw map[string]any, deps *ticketing.Deps) {
			delete(raw, "redeemer")
			if name == "gate's" {
				deps.Device.Name = ""
			}
		})
		if _, err := anonymous.Validate(t.Context(), scanner.Ask{Code: map[string]scanner.Code{"redeemer": more2, "gate's": more3}[name], Direction: scanner.Entry}); err != nil {
			t.Fatal(err)
		}
	}
	all := g.sim.Admissions()
	if all[2].Redeemer != "handheld 7" || all[3].Redeemer != "Gate 7" {
		t.Errorf("without a configured redeemer: %q, %q", all[2].Redeemer, all[3].Redeemer)
	}
}

// headers keeps the headers of every request.
type headers struct {
	next http.RoundTripper
	seen []*http.Request
}

func (h *headers) RoundTrip(r *http.Request) (*http.Response, error) {
	h.seen = append(h.seen, r)
	return h.next.RoundTrip(r)
}

func TestEveryCallCarriesKeyAndVersion(t *testing.T) {
	seen := &headers{}
	g := newGate(t, ticketingsim.Options{})
	c := g.again(t, func(_ map[string]any, deps *ticketing.Deps) { seen.next, deps.Transport = deps.Transport, seen })
	for _, code := range []scanner.Code{good, good} {
		if _, err := c.Validate(t.Context(), scanner.Ask{Code: code, Direction: scanner.Entry}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.List(t.Context(), func(scanner.Ticket, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Events(t.Context(), time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Tokens(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(seen.seen) < 9 {
		t.Errorf("%d calls", len(seen.seen))
	}
	for _, r := range seen.seen {
		h := r.Header
		if h.Get("X-API-Key") == "" || h.Get("X-Client-Version") != "3.0.0" || h.Get("Content-Type") != "application/json" || strings.Contains(r.URL.String(), key) {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, h)
		}
	}
}

func TestThereIsNoWayOut(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	_, err := g.client.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Exit})
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Malformed || call.MaybeSent || g.server.Calls() != 0 || g.client.Vendor().Exits {
		t.Errorf("got %v", err)
	}
	nameless := g.again(t, func(_ map[string]any, deps *ticketing.Deps) { deps.Device.ID = "" })
	_, err = nameless.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry})
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Denied || g.server.Calls() != 0 {
		t.Errorf("got %v", err)
	}
}

// A code that is no serial at all is not looked up by an address of its length.
func TestALongCode(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	got, err := g.ask(t, scanner.Code(strings.Repeat("x", scanner.MaxCode)))
	if err != nil || got.Reason != scanner.NotFound || g.sim.Calls("list admissions") != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = g.ask(t, "a&b=c d/\x1d+%é?")
	if err != nil || got.Reason != scanner.NotFound || g.sim.Calls("list admissions") != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The look-up has a part of the time that is left, so that what was refused is
// said while the person still waits.
func TestTheLookUpHasAPartOfTheTime(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	g.set(t, faults.Fault{Kind: faults.BlackHole, Call: "list admissions"})
	for _, limit := range []time.Duration{10 * time.Second, 400 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		got, err := g.client.Validate(ctx, scanner.Ask{Code: used, Direction: scanner.Entry})
		if err != nil || ctx.Err() != nil || got.Verdict != scanner.Review || got.Reason != scanner.Restricted || got.MaybeActed || !got.FirstEnteredAt.IsZero() {
			t.Errorf("within %v: %+v, %v, %v", limit, got, err, ctx.Err())
		}
		cancel()
	}
	if strings.Contains(g.log.String(), string(used)) {
		t.Error("the log holds the code")
	}
	g.clear(t)
	if got, err := g.ask(t, used); err != nil || got.FirstEnteredGate != "Hughie (device another-device)" {
		t.Errorf("then: %+v, %v", got, err)
	}
}

// between stands between a client and the network.
type between func(*http.Request) (*http.Response, error)

func (f between) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A refusal whose look-up met a key that ended stays one, whatever becomes of the
// call made once more; where that one got lost, it may have been the entry.
func TestARefusalThatIsMadeTwice(t *testing.T) {
	for kind, acted := range map[faults.Kind]bool{faults.Lost: true, faults.Status: false} {
		g := newGate(t, ticketingsim.Options{})
		c := g.again(t, func(_ map[string]any, deps *ticketing.Deps) {
			next := deps.Transport
			deps.Transport = between(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/admissions") {
					g.set(t, faults.Fault{Kind: kind, Call: "admit", Status: map[faults.Kind]int{faults.Status: 429}[kind]})
				}
				return next.RoundTrip(r)
			})
		})
		g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "list admissions", Times: 1})
		got, err := c.Validate(t.Context(), scanner.Ask{Code: used, Direction: scanner.Entry})
		if err != nil || got.Verdict != scanner.Review || got.MaybeActed != acted || g.sim.Calls("admit") == 0 {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}

// A name of somebody else's that is very long, or holds what does not print, is cut
// to what fits a screen.
func TestWhoIsShown(t *testing.T) {
	long := told("Billy Butcher", strings.Repeat("Hughie ", 40)+`\u0007\u202e`)
	got, err := validate(t, over(t, fixed(whole(400, noneAdmitted), whole(200, entries(long)))))
	if err != nil || len([]rune(got.FirstEnteredGate)) > 81 || strings.ContainsAny(got.FirstEnteredGate, "\u0007\u202e") {
		t.Errorf("%q, %v", got.FirstEnteredGate, err)
	}
}
