package acme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
)

// A refused key is not tried again by itself, until a minute has passed, the key has
// changed, or a person asks; a check-in notices it too.
func TestARefusedKeyIsRemembered(t *testing.T) {
	clock := newClock(time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC))
	g := newGate(t, acmesim.Options{Now: clock.now}, func(_ map[string]any, d *acme.Deps) { d.Clock = clock })
	g.sim.SetKey("another")
	probe := func(want int) {
		t.Helper()
		err := g.client.Probe(t.Context())
		if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || call.MaybeSent || !strings.Contains(err.Error(), "the API key is refused (HTTP 401)") {
			t.Errorf("%v", err)
		}
		if n := g.sim.Calls(acmesim.Summaries); n != want {
			t.Errorf("%d calls, want %d", n, want)
		}
		if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "vendor.api_key_file") {
			t.Errorf("status %+v", st)
		}
	}
	probe(1)
	probe(1)
	clock.step(59 * time.Second)
	probe(1)
	clock.step(time.Second)
	probe(2)
	if g.client.SignIn(t.Context()) == nil || g.sim.Calls(acmesim.Summaries) != 3 {
		t.Error("a person's wish is not heeded")
	}
	probe(3)
	g.write(t, "changed")
	probe(4)
	g.write(t, "another")
	if err := g.client.Probe(t.Context()); err != nil {
		t.Errorf("the right key: %v", err)
	}
	if st := g.client.Status(); !st.Ready || st.Problem != "" {
		t.Errorf("status %+v", st)
	}
	g.sim.SetKey("a third")
	if _, err := g.client.Validate(t.Context(), scanner.Ask{Code: "good00000001", Direction: scanner.Entry}); scanner.CallErrorOf(err).Trouble != scanner.Denied || g.client.Status().Ready {
		t.Errorf("at a scan: %v, %+v", err, g.client.Status())
	}
	if err := g.client.SignOut(t.Context()); err != nil {
		t.Errorf("sign out: %v", err)
	}
}

// 403 on a call that a gate can do without says nothing of the gate.
func TestAForbiddenCall(t *testing.T) {
	g := newGate(t, acmesim.Options{}, nil)
	for name, call := range map[string]func() error{
		acmesim.Undo:      func() error { return g.client.Undo(t.Context(), movement(1, "good00000001")) },
		acmesim.Instances: func() error { _, err := g.client.Events(t.Context(), time.Now(), time.Now()); return err },
	} {
		g.sim.SetFault(name, http.StatusForbidden, 1)
		if err := call(); scanner.CallErrorOf(err).Trouble != scanner.Denied || !strings.Contains(err.Error(), "role") || !g.client.Status().Ready {
			t.Errorf("%s: %v, %+v", name, err, g.client.Status())
		}
	}
	g.sim.SetFault(acmesim.CheckIn, http.StatusForbidden, 1)
	if _, err := g.client.Validate(t.Context(), scanner.Ask{Code: "good00000001", Direction: scanner.Entry}); err == nil || g.client.Status().Ready {
		t.Errorf("check-in: %v, %+v", err, g.client.Status())
	}
}

// Without a key there is no call, and the error says where it belongs.
func TestNoKey(t *testing.T) {
	g := newGate(t, acmesim.Options{}, func(raw map[string]any, _ *acme.Deps) { raw["api_key_file"] = "/nowhere/key" })
	if st := g.client.Status(); !st.Ready {
		t.Errorf("before anything was tried: %+v", st)
	}
	err := g.client.Probe(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || !strings.Contains(err.Error(), "vendor.api_key_file: /nowhere/key does not exist") || g.server.Calls() != 0 {
		t.Errorf("got %v", err)
	}
	if st := g.client.Status(); !strings.Contains(st.Problem, "does not exist") || st.Ready {
		t.Errorf("status %+v", st)
	}
	g = newGate(t, acmesim.Options{}, nil)
	g.write(t, "k3y with a ü")
	if err := g.client.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "no header can carry") || strings.Contains(err.Error(), "k3y") || g.server.Calls() != 0 {
		t.Errorf("got %v", err)
	}
}

// The wrong event is said in words that help, and keeps nobody asking.
func TestTheWrongEvent(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf("nowhere"))
	for range 3 {
		err := g.client.Probe(t.Context())
		if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || !strings.Contains(err.Error(), "correct vendor.event_instance") {
			t.Errorf("got %v", err)
		}
	}
	if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "nowhere") || g.sim.Calls(acmesim.Instance) != 1 {
		t.Errorf("%+v, %d calls", st, g.sim.Calls(acmesim.Instance))
	}
	// An answer about another event is no answer.
	c := over(t, canned{body: strings.Replace(instanceBody(`"2026-11-21T19:00:00Z"`, "null"), show, "other", 1)}, eventOf(show))
	if err := c.Probe(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
		t.Errorf("got %v", err)
	}
}

// Each path has the headers that it wants, and no other has the tenant's.
func TestHeadersPerPath(t *testing.T) {
	var seen []*http.Request
	transport := canned{body: `[]`, seen: func(r *http.Request) { seen = append(seen, r) }}
	c := over(t, transport, nil)
	ctx := t.Context()
	_, _ = c.Validate(ctx, scanner.Ask{Code: "1", Direction: scanner.Entry})
	_, _ = c.Instance(ctx, show)
	_, _ = c.Instances(ctx, acme.Range{})
	_ = c.Undo(ctx, movement(1, "1"))
	_, _ = c.Templates(ctx, acme.Query{})
	_, _ = c.Calendar(ctx, acme.Query{})
	_, _ = c.Event(ctx, show, acme.Query{})
	if len(seen) != 7 {
		t.Fatalf("%d requests", len(seen))
	}
	for _, r := range seen {
		tenants := r.Header.Values("x-b2c-tenant-id")
		consumer := strings.Contains(r.URL.Path, "/b2c/")
		if consumer != (len(tenants) == 1 && tenants[0] == tenant) || !consumer && len(tenants) > 0 {
			t.Errorf("%s: tenants %q", r.URL.Path, tenants)
		}
		if keys := r.Header.Values("x-acme-api-key"); len(keys) != 1 || keys[0] != key || strings.Contains(r.URL.String(), key) {
			t.Errorf("%s: %d keys", r.URL.Path, len(keys))
		}
	}
}

// The vendor's time is learnt from answers that are the vendor's.
func TestItsTimeIsLearnt(t *testing.T) {
	g := newGate(t, acmesim.Options{}, eventOf(show))
	if err := g.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.ask(t, "good00000001")
	if n := len(g.seen.All()); n != 2 {
		t.Errorf("%d observations of two answers", n)
	}
	g.sim.SetFault("", http.StatusBadRequest, 2)
	_ = g.client.Probe(t.Context())
	if n := len(g.seen.All()); n != 2 {
		t.Errorf("%d observations", n)
	}
}
