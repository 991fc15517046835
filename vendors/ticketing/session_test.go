package ticketing_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

// with changes keys of the block; nil takes one out.
func with(values map[string]any) change {
	return func(raw map[string]any, _ *ticketing.Deps) {
		for name, value := range values {
			raw[name] = value
			if value == nil {
				delete(raw, name)
			}
		}
	}
}

// What refuses an exchange, and what a person is told to do.
func TestWhatRefusesTheToken(t *testing.T) {
	const resource = `{"message":"There is presently no resource with the given URI."}`
	for _, tt := range []struct {
		name   string
		answer []byte
		want   scanner.Trouble
		text   string
	}{
		{"a key that is wrong", whole(403, `{"message":"You are restricted from accessing this resource."}`), scanner.Denied, "correct the integration key (vendor.api_key_file)"},
		{"no key", whole(401, `{"message":"Your request could not be authenticated."}`), scanner.Denied, "correct the integration key (vendor.api_key_file)"},
		{"an old client", whole(412, `{"error":"Please upgrade your client to complete this request"}`), scanner.Denied, "usher must be upgraded"},
		{"no such token", whole(404, `{"error":"The provided code does not belong to any event token"}`), scanner.Denied, "knows no such admission token"},
		{"no such token, said otherwise", whole(404, resource), scanner.Denied, "knows no such admission token"},
		{"a token that is wrong", whole(400, `{"error":"The code is invalid."}`), scanner.Denied, "knows no such admission token"},
		{"no such address", whole(404, `{"message":"The requested endpoint /tokens does not exist on this server."}`), scanner.Denied, "correct vendor.base_url"},
		{"a bare 404", whole(404, ``), scanner.Malformed, "404"},
		{"a bare 400", whole(400, ``), scanner.Malformed, "400"},
		{"a failure", whole(500, `{"message":"There was a server error"}`), scanner.Failing, "500"},
		{"no key in it", whole(200, `{"event":"/events/16993717817996","sections":[]}`), scanner.Nonsense, "without a key"},
		{"an empty key in it", whole(200, strings.Replace(exchanged, "a9427bf35dd3d3011a1277c9c344ae07", "", 1)), scanner.Nonsense, "without a key"},
		{"no event in it", whole(200, strings.Replace(exchanged, "/events/16993717817996", "", 1)), scanner.Nonsense, "names no event"},
		{"no sections in it", whole(200, `{"key":"k","event":"/events/16993717817996"}`), scanner.Nonsense, "without sections"},
		{"sections that are null", whole(200, `{"key":"k","event":"/events/16993717817996","sections":null}`), scanner.Nonsense, "without sections"},
		{"a section without an id", whole(200, `{"key":"k","event":"/events/16993717817996","sections":["/events/1/sections/a b"]}`), scanner.Nonsense, "section that has no id"},
		{"no section at all", whole(200, `{"key":"k","event":"/events/16993717817996","sections":[]}`), scanner.Denied, "admits to no section"},
		{"another event", whole(200, strings.Replace(exchanged, "/events/16993717817996\",", "/events/42\",", 1)), scanner.Denied, "is for event 42, and vendor.event says 16993717817996"},
	} {
		c := over(t, answers{"GET " + token: tt.answer})
		err := c.Probe(t.Context())
		call := scanner.CallErrorOf(err)
		if err == nil || call.Trouble != tt.want || call.MaybeSent || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v (maybe sent %v)", tt.name, err, call.MaybeSent)
		}
		if st := c.Status(); st.Ready || st.Problem == "" || tt.want == scanner.Denied && !strings.Contains(st.Problem, tt.text) {
			t.Errorf("%s: status %+v", tt.name, st)
		}
		if _, err := validate(t, c); err == nil || scanner.CallErrorOf(err).MaybeSent {
			t.Errorf("%s: then a scan: %v", tt.name, err)
		}
	}
}

// An address is understood however it is written, and so are numbers.
func TestHowAddressesAreWritten(t *testing.T) {
	for _, event := range []string{`"/events/16993717817996"`, `"https://api.ticketingevents.com/v3/events/16993717817996"`, `"16993717817996"`, `16993717817996`, `"/events/16993717817996/"`} {
		for _, section := range []string{`"/events/16993717817996/sections/16993964783416"`, `"/sections/16993964783416"`, `16993964783416`, `"https://x.example/v3/events/1/sections/16993964783416"`} {
			c := over(t, answers{"GET " + token: whole(200, `{"key":"k","event":`+event+`,"sections":[`+section+`,`+section+`]}`)})
			if err := c.Probe(t.Context()); err != nil || !slices.Equal(c.Vendor().Sections(), []string{front}) {
				t.Errorf("%s, %s: %v, %q", event, section, err, c.Vendor().Sections())
			}
		}
	}
}

// The token's key may end at any time: the token is exchanged anew within the call.
func TestAKeyThatEnds(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	g.sim.ExpireKeys()
	if got, err := g.ask(t, good); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("%+v, %v", got, err)
	}
	if n := g.sim.Calls("exchange token"); n != 2 {
		t.Errorf("exchanged %d times", n)
	}
	if n := g.sim.Calls("admit"); n != 2 {
		t.Errorf("%d calls to admit", n)
	}
	// A call that may have been acted on is never made again.
	g.set(t, faults.Fault{Kind: faults.Status, Status: 500, Call: "admit"})
	calls := g.server.Calls()
	if _, err := g.ask(t, more2); err == nil || g.server.Calls() != calls+1 {
		t.Errorf("%v after %d calls", err, g.server.Calls()-calls)
	}
}

// A call that is refused with every key costs one exchange, and no other until a
// while later; other calls go on.
func TestACallThatIsAlwaysRefused(t *testing.T) {
	time := newClock()
	g := newGate(t, ticketingsim.Options{}, func(_ map[string]any, deps *ticketing.Deps) { deps.Clock = time })
	g.probe(t)
	g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "admit"})
	for range 5 {
		_, err := g.ask(t, good)
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Denied || call.MaybeSent || !strings.Contains(err.Error(), "takes the admission token and refuses this call") {
			t.Fatalf("got %v", err)
		}
	}
	if n := g.sim.Calls("exchange token"); n != 2 {
		t.Errorf("exchanged %d times, want twice", n)
	}
	if err := g.client.Probe(t.Context()); err != nil || !g.client.Status().Ready {
		t.Errorf("the probe: %v", err)
	}
	time.step(vainTime)
	before := g.sim.Calls("exchange token")
	_, _ = g.ask(t, good)
	if n := g.sim.Calls("exchange token") - before; n != 1 {
		t.Errorf("a while later: exchanged %d times, want once", n)
	}
	g.clear(t)
	if got, err := g.ask(t, good); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("then: %+v, %v", got, err)
	}
}

const vainTime = 5 * time.Minute

// What was refused is tried again by itself, after a minute for a key, and at once
// where a person asks or the secret changed.
func TestRefusedIsNotForever(t *testing.T) {
	clock := newClock()
	g := newGate(t, ticketingsim.Options{}, func(_ map[string]any, deps *ticketing.Deps) { deps.Clock = clock })
	g.sim.SetKey("another")
	refused := func(want int) {
		t.Helper()
		before := g.sim.Calls("exchange token")
		for range 3 {
			if err := g.client.Probe(t.Context()); err == nil {
				t.Fatal("no error")
			}
		}
		if n := g.sim.Calls("exchange token") - before; n != want {
			t.Errorf("%d calls, want %d", n, want)
		}
	}
	refused(1)
	clock.step(59 * time.Second)
	refused(0)
	clock.step(time.Second)
	refused(1)
	g.write(t, "api_key", "another")
	if err := g.client.Probe(t.Context()); err != nil || !g.client.Status().Ready || g.client.Status().Problem != "" {
		t.Errorf("with the right key: %v, %+v", err, g.client.Status())
	}
}

// A base key that is refused says nothing of the token's own key: while that works the
// gate goes on with it, and a person is told.
func TestABaseKeyThatEnds(t *testing.T) {
	clock := newClock()
	for name, by := range map[string]change{"a key": with(nil), "a session": nil} {
		g := newGate(t, ticketingsim.Options{})
		if by == nil {
			by = g.bySession
		}
		c := g.again(t, by, with(map[string]any{"list_with": "token"}), func(_ map[string]any, deps *ticketing.Deps) { deps.Clock = clock })
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, page, err := listed(t, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "exchange token"})
		for range 2 {
			if err := c.Probe(t.Context()); err != nil {
				t.Errorf("%s: the probe: %v", name, err)
			}
			if st := c.Status(); !st.Ready || !strings.Contains(st.Problem, "refuses to exchange the admission token") {
				t.Errorf("%s: %+v", name, st)
			}
			if got, _, err := listed(t, c, nil); err != nil || len(got) != 5 {
				t.Errorf("%s: %d tickets, %v", name, len(got), err)
			}
			if _, _, err := listed(t, c, page.Cursor); err != nil {
				t.Errorf("%s: what changed: %v", name, err)
			}
			clock.step(2 * time.Minute)
		}
		if got, err := c.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry}); err != nil || got.Verdict != scanner.Admit {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		// The probe asks the vendor whatever is refused: it does not vouch for a link.
		g.set(t, faults.Fault{Kind: faults.Refuse})
		g.transport.CloseIdleConnections()
		if err := c.Probe(t.Context()); err == nil {
			t.Errorf("%s: a probe without a network", name)
		}
		g.clear(t)
		g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "exchange token"})
		g.sim.ExpireKeys()
		if err := c.Probe(t.Context()); err == nil || scanner.CallErrorOf(err).Trouble != scanner.Denied || c.Status().Ready {
			t.Errorf("%s: with no key at all: %v, %+v", name, err, c.Status())
		}
		g.clear(t)
		clock.step(6 * time.Minute)
		if err := c.Probe(t.Context()); err != nil || !c.Status().Ready || c.Status().Problem != "" {
			t.Errorf("%s: then: %v, %+v", name, err, c.Status())
		}
	}
}

// A session stands in for a key: started once, looked at where a person asks, ended
// with usher. What refuses it says what to do.
func TestASession(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.client = g.again(t, g.bySession)
	g.probe(t)
	g.probe(t)
	if got, err := g.ask(t, good); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("%+v, %v", got, err)
	}
	if started, looked := g.sim.Calls("start session"), g.sim.Calls("look at session"); started != 1 || looked != 0 {
		t.Errorf("started %d, looked %d times", started, looked)
	}
	if err := g.client.SignIn(t.Context()); err != nil || g.sim.Calls("look at session") != 1 || g.sim.Calls("start session") != 1 {
		t.Errorf("asked by a person: %v, looked %d, started %d times", err, g.sim.Calls("look at session"), g.sim.Calls("start session"))
	}
	g.sim.ExpireKeys()
	if err := g.client.SignIn(t.Context()); err != nil || g.sim.Calls("start session") != 2 {
		t.Errorf("after its end: %v, started %d times", err, g.sim.Calls("start session"))
	}
	if err := g.client.SignOut(t.Context()); err != nil || g.sim.Sessions() != 0 || g.sim.Calls("end session") != 1 {
		t.Errorf("signed out: %v, %d open", err, g.sim.Sessions())
	}
	if err := g.client.SignOut(t.Context()); err != nil || g.sim.Calls("end session") != 1 {
		t.Errorf("signed out twice: %v", err)
	}
	g.probe(t)
	g.sim.ExpireKeys()
	if err := g.client.SignOut(t.Context()); err != nil {
		t.Errorf("a session that has ended already: %v", err)
	}
}

func TestWhatRefusesASession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(g *gate)
		user   string
		text   string
		tries  int
	}{
		{"password", func(g *gate) { g.sim.SetPassword("another") }, user, "refuses the user and password (HTTP 401 Unauthorized: A session cannot be started with the given password)", 1},
		{"user", func(*gate) {}, "nobody", "knows no such user (HTTP 404 Not Found: The requested account could not be located): correct vendor.username", 1},
		{"version", func(g *gate) { g.sim.SetVersion(3, 2, 0) }, user, "usher must be upgraded", 1},
		{"no password", func(g *gate) { g.write(t, "password", "") }, user, "is empty: write the password into it", 0},
	} {
		clock := newClock()
		g := newGate(t, ticketingsim.Options{})
		g.client = g.again(t, g.bySession, with(map[string]any{"username": tt.user}), func(_ map[string]any, deps *ticketing.Deps) { deps.Clock = clock })
		tt.change(g)
		for range 4 {
			err := g.client.Probe(t.Context())
			if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Denied || call.MaybeSent || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), user) {
				t.Errorf("%s: %v", tt.name, err)
			}
			clock.step(30 * time.Second)
		}
		if n := g.sim.Calls("start session"); n != tt.tries {
			t.Errorf("%s: tried %d times in two minutes, want %d: accounts lock", tt.name, n, tt.tries)
		}
	}
}

// A user without the right is refused with every session: not one session for each
// try.
func TestASessionThatDoesNotHelp(t *testing.T) {
	clock := newClock()
	g := newGate(t, ticketingsim.Options{})
	g.client = g.again(t, g.bySession, func(_ map[string]any, deps *ticketing.Deps) { deps.Clock = clock })
	g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "exchange token"})
	for range 4 {
		err := g.client.Probe(t.Context())
		if err == nil || !strings.Contains(err.Error(), "correct the rights of the user of vendor.username") {
			t.Errorf("got %v", err)
		}
		clock.step(61 * time.Second)
	}
	if n := g.sim.Calls("start session"); n != 2 {
		t.Errorf("started %d sessions, want 2", n)
	}
}

// A key may be wanted to start a session.
func TestAKeyBesideASession(t *testing.T) {
	seen := &headers{}
	g := newGate(t, ticketingsim.Options{})
	c := g.again(t, with(map[string]any{"username": user, "password_file": g.dir + "/password"}), func(_ map[string]any, deps *ticketing.Deps) {
		seen.next, deps.Transport = deps.Transport, seen
	})
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen.seen) != 2 || seen.seen[0].Header.Get("X-API-Key") != key || seen.seen[1].Header.Get("X-API-Key") == key {
		t.Errorf("%d calls", len(seen.seen))
	}
	without := &headers{}
	c = g.again(t, g.bySession, func(_ map[string]any, deps *ticketing.Deps) { without.next, deps.Transport = deps.Transport, without })
	if err := c.Probe(t.Context()); err != nil || len(without.seen[0].Header["X-Api-Key"]) != 0 {
		t.Errorf("%v, %v", err, without.seen[0].Header)
	}
}

// A device that is switched on without a network knows its sections, and is ready;
// with another token, server or event it knows nothing.
func TestWhatIsKnownWithoutANetwork(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "must reach it once") || g.client.Vendor().Sections() != nil {
		t.Errorf("at first: %+v", st)
	}
	g.probe(t)
	if st := g.client.Status(); !st.Ready || st.Problem != "" {
		t.Errorf("confirmed: %+v", st)
	}
	g.set(t, faults.Fault{Kind: faults.Refuse})
	g.transport.CloseIdleConnections()
	again := g.again(t)
	if got := again.Vendor().Sections(); !slices.Equal(got, []string{front}) {
		t.Errorf("after a restart: sections %q", got)
	}
	if st := again.Status(); !st.Ready || !strings.Contains(st.Problem, "is not confirmed yet since usher started") {
		t.Errorf("after a restart: %+v", st)
	}
	if again.Freeze() == nil {
		t.Error("nothing frozen")
	}
	calls := g.server.Calls()
	if _, err := again.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry}); err == nil || scanner.CallErrorOf(err).MaybeSent {
		t.Errorf("asked without a network: %v", err)
	}
	for name, changed := range map[string]change{
		"token":  with(map[string]any{"admission_token": ticketingsim.DemoGlobal}),
		"server": with(map[string]any{"base_url": "http://127.0.0.1:1/v3"}),
		"event":  with(map[string]any{"event": 42}),
	} {
		other := g.again(t, changed)
		if st := other.Status(); st.Ready || other.Vendor().Sections() != nil {
			t.Errorf("another %s: %+v, %q", name, st, other.Vendor().Sections())
		}
	}
	if g.server.Calls() != calls {
		t.Error("a call was made")
	}
	for _, value := range g.memory.Kept {
		if strings.Contains(string(value), token) || strings.Contains(string(value), key) {
			t.Errorf("kept: %s", value)
		}
	}
}

// What the token admits to is what was said last: the probe notices a change, and a
// token that was taken back.
func TestATokenThatChanges(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	g.sim.SetSections(token, back, front)
	g.probe(t)
	if got := g.client.Vendor().Sections(); !slices.Equal(got, []string{front, back}) {
		t.Errorf("sections %q", got)
	}
	if got := g.again(t).Vendor().Sections(); !slices.Equal(got, []string{front, back}) {
		t.Errorf("after a restart %q", got)
	}
	g.sim.Invalidate(token)
	if err := g.client.Probe(t.Context()); err == nil || scanner.CallErrorOf(err).Trouble != scanner.Denied {
		t.Errorf("taken back: %v", err)
	}
	if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "it may have been taken back") {
		t.Errorf("taken back: %+v", st)
	}
	// What it admitted to is known all the same: scans go on without a network.
	if got := g.client.Vendor().Sections(); !slices.Equal(got, []string{front, back}) {
		t.Errorf("sections %q", got)
	}
}

// A token in a file may be replaced while usher runs.
func TestATokenInAFile(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.write(t, "token", token)
	g.client = g.again(t, with(map[string]any{"admission_token": nil, "admission_token_file": g.dir + "/token"}))
	g.probe(t)
	g.write(t, "token", ticketingsim.DemoGlobal)
	g.probe(t)
	if got := g.client.Vendor().Sections(); !slices.Equal(got, []string{front, back}) {
		t.Errorf("sections %q", got)
	}
	g.write(t, "token", "no token")
	if err := g.client.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "is not 8 characters") || strings.Contains(err.Error(), "no token such") {
		t.Errorf("got %v", err)
	}
}

// A client that is too old says so at each call, and is not taken for one with a
// wrong key.
func TestAnOldClient(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	g.sim.SetVersion(3, 0, 1)
	_, err := g.ask(t, good)
	if call := scanner.CallErrorOf(err); err == nil || call.Status != http.StatusPreconditionFailed || call.MaybeSent || !strings.Contains(err.Error(), "usher must be upgraded") {
		t.Errorf("got %v", err)
	}
	if n := g.sim.Calls("exchange token"); n != 1 {
		t.Errorf("exchanged %d times", n)
	}
	if err := g.client.Probe(t.Context()); err == nil || !strings.Contains(g.client.Status().Problem, "usher must be upgraded") {
		t.Errorf("%v, %+v", err, g.client.Status())
	}
}
