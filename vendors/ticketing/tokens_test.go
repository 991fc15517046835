package ticketing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
)

var sections = []scanner.Section{{ID: front, Name: "Front Stage"}, {ID: back, Name: "Back Lawn"}}

func TestTokensAreIssuedListedAndShown(t *testing.T) {
	for _, o := range []ticketingsim.Options{{}, {MessageErrors: true, TextNumbers: true, MostRecords: 1, EmptyIs404: true}} {
		g := newGate(t, o)
		c := g.again(t, with(map[string]any{"admission_token": nil})) // an installer's
		made, err := c.IssueToken(t.Context(), []string{"Back Lawn", front, back})
		if err != nil {
			t.Fatal(err)
		}
		kept := g.sim.Tokens()
		want := scanner.AdmissionToken{ID: kept[2].ID, Code: kept[2].Code, Sections: []scanner.Section{sections[1], sections[0]}}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
		global := scanner.AdmissionToken{ID: kept[0].ID, Code: ticketingsim.DemoGlobal, Global: true, Sections: sections}
		first := scanner.AdmissionToken{ID: kept[1].ID, Code: token, Sections: sections[:1]}
		yes, no := true, false
		for _, tt := range []struct {
			only *bool
			want []scanner.AdmissionToken
		}{{nil, []scanner.AdmissionToken{global, first, made}}, {&yes, []scanner.AdmissionToken{global}}, {&no, []scanner.AdmissionToken{first, made}}} {
			got, err := c.Tokens(t.Context(), tt.only)
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		}
		got, err := c.Token(t.Context(), made.ID)
		if diff := cmp.Diff(made, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if g.sim.Calls("exchange token") != 0 {
			t.Error("an installer's own token was exchanged")
		}
		// It is what a device is let in by.
		device := g.again(t, with(map[string]any{"admission_token": made.Code}))
		if got, err := device.Validate(t.Context(), scanner.Ask{Code: lawn, Direction: scanner.Entry}); err != nil || got.Verdict != scanner.Admit {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestWhatRefusesATokenCall(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.sim.AddSections(ticketingsim.Section{ID: "99", Name: "Back Lawn"})
	issue := func(names ...string) error {
		_, err := g.client.IssueToken(t.Context(), names)
		return err
	}
	for want, err := range map[string]error{
		`event 16993717817996 has no section "Moon"; it has: Front Stage (16993964783416), Back Lawn (16993964783417), Back Lawn (99)`: issue("Moon"),
		`has 2 sections called "Back Lawn": name one by its number`:                                                                    issue("Back Lawn"),
		"name the sections that the token admits to":                                                                                   issue(),
		`has no section "front stage"`:                                                                                                 issue("front stage"), // its exact name
	} {
		if call := scanner.CallErrorOf(err); err == nil || call.MaybeSent || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if n := g.sim.Calls("issue token"); n != 0 {
		t.Errorf("%d calls", n)
	}
	for _, id := range []string{"12", "", "../tokens", "a b"} {
		if _, err := g.client.Token(t.Context(), id); !errors.Is(err, scanner.ErrUnknown) {
			t.Errorf("%q: %v", id, err)
		}
	}
	for status, want := range map[int]string{
		409: "409 Conflict: The token cannot be made", 400: "400 Bad Request: The token cannot be made",
		403: "refuses this key or user the event's admission tokens (HTTP 403 Forbidden: The token cannot be made)",
	} {
		g.sim.SetFault("issue token", status, "The token cannot be made.", 1)
		if err := issue(front); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	g.sim.SetKey("another")
	if _, err := g.client.Tokens(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "correct vendor.event, or give the key or user the right to see it") {
		t.Errorf("got %v", err)
	}
	g.sim.SetKey(key)
	elsewhere := g.again(t, with(map[string]any{"event": 42}))
	if _, err := elsewhere.Tokens(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "TickeTing knows no event 42") {
		t.Errorf("got %v", err)
	}
}

// A token that lacks anything is no token: nobody is given half of one.
func TestWhatIsNoToken(t *testing.T) {
	const (
		shown = `{"self":"/events/16993717817996","title":"T","sections":[{"self":"/sections/16993964783416","name":"Front Stage"}]}`
		fine  = `{"self":"/events/16993717817996/tokens/17","code":"A0F9GG8D","global":false,"sections":["/events/16993717817996/sections/16993964783416","/events/16993717817996/sections/5"]}`
	)
	ask := func(body string) (scanner.AdmissionToken, error) {
		return over(t, answers{"GET " + event: whole(200, shown), "GET 17": whole(200, body)}).Token(t.Context(), "17")
	}
	got, err := ask(fine)
	want := scanner.AdmissionToken{ID: "17", Code: "A0F9GG8D", Sections: []scanner.Section{sections[0], {ID: "5"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, without := range []string{`"self":"/events/16993717817996/tokens/17",`, `"code":"A0F9GG8D",`, `"global":false,`, "/17", "A0F9"} {
		if got, err := ask(strings.Replace(fine, without, "", 1)); err == nil {
			t.Errorf("without %s: %+v", without, got)
		}
	}
	if got, err := ask(strings.Replace(fine, "tokens/17", "tokens/18", 1)); err == nil {
		t.Errorf("another token: %+v", got)
	}
}

func TestTheEvent(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	all, err := g.client.Events(t.Context(), time.Time{}, time.Time{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	e := all[0]
	want := scanner.Event{
		ID: event, IDs: map[string]string{"event": event}, Name: "Carnival Monday", Series: "Festivals Office", Venue: "Recreation Ground",
		StartsAt: e.StartsAt, EndsAt: e.EndsAt, Sections: sections,
	}
	if diff := cmp.Diff(want, e); diff != "" || e.StartsAt.IsZero() || !e.EndsAt.After(e.StartsAt) {
		t.Error(diff)
	}
	for name, tt := range map[string]struct {
		from, to time.Duration // against its start
		want     int
	}{
		"before": {-3 * time.Hour, -time.Hour, 0}, "begins in it": {-time.Hour, time.Hour, 1}, "is on": {time.Hour, 2 * time.Hour, 1}, "after": {24 * time.Hour, 48 * time.Hour, 0},
	} {
		got, err := g.client.Events(t.Context(), e.StartsAt.Add(tt.from), e.StartsAt.Add(tt.to))
		if err != nil || len(got) != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	// Without a configured event it is the token's.
	c := g.again(t, with(map[string]any{"event": nil}))
	if got, err := c.Events(t.Context(), time.Time{}, time.Time{}); err != nil || len(got) != 1 || got[0].ID != event {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHowAnEventIsWritten(t *testing.T) {
	for _, self := range []string{"/sections/5", "/events/16993717817996/sections/5", "https://api.ticketingevents.com/v3/events/16993717817996/sections/5"} {
		body := fmt.Sprintf(`{"self":"https://api.ticketingevents.com/v3/events/16993717817996","title":null,"status":"Draft","start":"2026-11-21T20:00:00-04:00","end":"9999-12-31T23:59:59.999Z",`+
			`"sections":[{"self":%q,"name":"A"}]}`, self)
		got, err := over(t, answers{"GET " + event: whole(200, body)}).Events(t.Context(), time.Time{}, time.Time{})
		want := []scanner.Event{{
			ID: event, IDs: map[string]string{"event": event}, State: "Draft", Sections: []scanner.Section{{ID: "5", Name: "A"}},
			StartsAt: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), EndsAt: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", self, err, diff)
		}
	}
	for name, body := range map[string]string{
		"another event": `{"self":"/events/42","sections":[]}`, "no sections": `{"self":"/events/16993717817996"}`,
		"a section without an id": `{"self":"/events/16993717817996","sections":[{"name":"A"}]}`,
	} {
		if got, err := over(t, answers{"GET " + event: whole(200, body)}).Events(t.Context(), time.Time{}, time.Time{}); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
