package archtics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/vendortest/faults"
)

// tap keeps what was sent, and passes it on.
type tap struct {
	next http.RoundTripper
	mu   sync.Mutex
	all  []sent
}

type sent struct {
	url, body, cookie, key string
	header                 http.Header
}

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	p.all = append(p.all, sent{r.URL.String(), string(body), r.Header.Get("Cookie"), r.Header.Get("apikey"), r.Header.Clone()})
	p.mu.Unlock()
	return p.next.RoundTrip(r)
}

func (p *tap) take() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

// A call that Archtics is at work on is asked for again with the same body and every
// cookie that was set, and with none of another call's.
func TestPolling(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{Now: time.Now}, func(raw map[string]any, d *archtics.Deps) { p.next, d.Transport = d.Transport, p })
	g.sim.SetDelay("verify_barcode", 250*time.Millisecond)
	for range 2 {
		g.listed(t, "good00000001")
		all := p.take()
		if len(all) < 3 {
			t.Fatalf("%d requests", len(all))
		}
		for i, one := range all {
			if one.body != all[0].body || one.key != key || !strings.HasSuffix(one.url, "/sth-customer/ticketing_services.aspx?dsn=apigee") ||
				one.header.Get("Content-Type") != "application/json" || strings.Contains(one.url, key) {
				t.Errorf("request %d: %+v", i, one)
			}
			if has := strings.Contains(one.cookie, "QTKN=") && strings.Contains(one.cookie, "SID=") && strings.Contains(one.cookie, "BID="); has != (i > 0) {
				t.Errorf("request %d has the cookies %q", i, one.cookie)
			}
			if i > 1 && one.cookie == all[1].cookie {
				t.Errorf("request %d has an old QTKN", i)
			}
		}
	}
	if g.sim.Answered("verify_barcode") != 2 || g.sim.Calls("verify_barcode") != 2 {
		t.Errorf("%d answers to %d calls", g.sim.Answered("verify_barcode"), g.sim.Calls("verify_barcode"))
	}
}

// A call that is never answered ends with its limit or its context, and says so.
func TestPollingEnds(t *testing.T) {
	g := newGate(t, archticssim.Options{Now: time.Now}, func(raw map[string]any, _ *archtics.Deps) { raw["poll_limit"] = "1s" })
	g.sim.SetDelay("verify_barcode", time.Hour)
	began := time.Now()
	_, _, err := g.find(t, "good00000001")
	call := scanner.CallErrorOf(err)
	if err == nil || call.Trouble != scanner.Silent || call.MaybeSent || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still at work") {
		t.Errorf("%v, maybe sent %v", err, call.MaybeSent)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, _, err = g.client.Find(ctx, scanner.Ask{Code: "good00000001"})
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Silent || call.MaybeSent {
		t.Errorf("%v", err)
	}
}

// One call that takes long is asked for ever more rarely.
func TestALongCallSparesTheQuota(t *testing.T) {
	p := &tap{}
	g := newGate(t, archticssim.Options{Now: time.Now}, func(raw map[string]any, d *archtics.Deps) {
		p.next, d.Transport = d.Transport, p
		raw["poll_limit"] = "4s"
	})
	g.sim.SetDelay("verify_barcode", time.Hour)
	if _, _, err := g.find(t, "good00000001"); err == nil {
		t.Fatal("no error")
	}
	// 5 at 100 ms, then after 100, 200, 400, 800 and 1600 ms.
	if n := len(p.take()); n < 8 || n > 11 {
		t.Errorf("%d requests in 4 s", n)
	}
}

// What never left this device is not counted.
func TestNoNetworkUsesNoQuota(t *testing.T) {
	g := newGate(t, archticssim.Options{}, func(raw map[string]any, _ *archtics.Deps) { raw["calls_per_minute"] = 5 })
	g.set(t, faults.Fault{Kind: faults.Refuse})
	spent := 0
	for range 20 {
		err := g.client.Probe(t.Context())
		switch scanner.CallErrorOf(err).Trouble {
		case scanner.Unreachable:
		case scanner.Silent:
			spent++ // it met the listener as it closed
		default:
			t.Fatal(err)
		}
	}
	if err := g.server.Clear(); err != nil || spent > 1 {
		t.Fatal(err, spent)
	}
	for range 5 - spent {
		g.listed(t, "good00000001")
	}
	if _, _, err := g.find(t, "good00000001"); scanner.CallErrorOf(err).Trouble != scanner.Throttled {
		t.Errorf("%v", err)
	}
}

// Each HTTP status has its meaning, whatever the body.
func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		status  int
		trouble scanner.Trouble
		words   string
		sticks  bool
	}{
		{401, scanner.Denied, "the API key is wrong", true},
		{403, scanner.Denied, "the API key is wrong", true},
		{404, scanner.Denied, "check vendor.product and vendor.dsn", true},
		{429, scanner.Throttled, "HTTP 429", false},
		{503, scanner.Failing, "HTTP 503", false},
		{500, scanner.Failing, "HTTP 500", false},
		{400, scanner.Malformed, "HTTP 400", false},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			g := newGate(t, archticssim.Options{}, nil)
			g.set(t, faults.Fault{Kind: faults.Status, Status: tt.status, Times: 1})
			_, _, err := g.find(t, "good00000001")
			call := scanner.CallErrorOf(err)
			if call.Trouble != tt.trouble || call.MaybeSent || call.Status != tt.status || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%v, maybe sent %v", err, call.MaybeSent)
			}
			before := g.server.Calls()
			_, _, err = g.find(t, "good00000001")
			st := g.client.Status()
			if tt.sticks != (err != nil) || tt.sticks != (g.server.Calls() == before) || tt.sticks == st.Ready || tt.sticks != (st.Problem != "") {
				t.Errorf("then: %v, %d more requests, %+v", err, g.server.Calls()-before, st)
			}
			if !tt.sticks {
				return
			}
			// A person, another key, or five minutes end it.
			if err := g.client.SignIn(t.Context()); err != nil || !g.client.Status().Ready || g.client.Status().Problem != "" {
				t.Errorf("sign-in: %v, %+v", err, g.client.Status())
			}
			g.listed(t, "good00000001")
		})
	}
}

// A refused key is not tried again by itself for five minutes, nor another one
// waited for.
func TestARefusedKeyRests(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.SetKey("another")
	for range 3 {
		if err := g.client.Probe(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Denied {
			t.Errorf("%v", err)
		}
	}
	if n := g.server.Calls(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	g.clock.step(5 * time.Minute)
	if err := g.client.Probe(t.Context()); err == nil || g.server.Calls() != 2 {
		t.Errorf("after five minutes: %v, asked %d times", err, g.server.Calls())
	}
	g.write(t, "another")
	if err := g.client.Probe(t.Context()); err != nil || !g.client.Status().Ready {
		t.Errorf("with another key: %v, %+v", err, g.client.Status())
	}
}

// A key that may ping and not look tickets up is found when a person signs in, at the
// cost of one call; a probe makes none. What Archtics says of the code that nobody has
// is no fault.
func TestSignInLooksUp(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	if err := g.client.SignIn(t.Context()); err != nil || g.sim.Calls("ping") != 1 || g.sim.Calls("verify_barcode") != 1 {
		t.Errorf("%v, %d and %d calls", err, g.sim.Calls("ping"), g.sim.Calls("verify_barcode"))
	}
	if err := g.client.Probe(t.Context()); err != nil || g.sim.Calls("verify_barcode") != 1 {
		t.Errorf("%v, a probe made %d calls", err, g.sim.Calls("verify_barcode")-1)
	}
	for answer, trouble := range map[string]scanner.Trouble{
		`"result":5014`: "", `"result":5211`: "", `"result":77`: "", `"result":5069`: "", `"result":0,` + place: "",
		`"result":9999`: scanner.Malformed, `"result":5011`: scanner.Malformed,
		`"result":77,"error_detail":"uid is not authorized"`: scanner.Denied,
	} {
		g.sim.SetAnswer("verify_barcode", `{"command1":{`+answer+`}}`)
		err := g.client.SignIn(t.Context())
		if (err == nil) != (trouble == "") || err != nil && (scanner.CallErrorOf(err).Trouble != trouble || scanner.CallErrorOf(err).Op != "verify_barcode") {
			t.Errorf("%s: %v", answer, err)
		}
	}
	refusing := newGate(t, archticssim.Options{}, func(_ map[string]any, d *archtics.Deps) {
		next := d.Transport
		d.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(raw))
			if bytes.Contains(raw, []byte(`"verify_barcode"`)) {
				return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			}
			return next.RoundTrip(r)
		})
	})
	err := refusing.client.SignIn(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || call.Op != "verify_barcode" || refusing.client.Status().Ready {
		t.Errorf("a key that may not look up: %v, %+v", err, refusing.client.Status())
	}
}

// Without a key there is no call, and the error says where it belongs.
func TestNoKey(t *testing.T) {
	g := newGate(t, archticssim.Options{}, func(raw map[string]any, _ *archtics.Deps) { raw["api_key_file"] = "/nowhere/key" })
	err := g.client.Probe(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || !strings.Contains(err.Error(), "vendor.api_key_file: /nowhere/key does not exist") || g.server.Calls() != 0 {
		t.Errorf("got %v", err)
	}
	if st := g.client.Status(); st.Ready || !strings.Contains(st.Problem, "does not exist") {
		t.Errorf("status %+v", st)
	}
}

// A ping that answers proves the session, whatever it says of system_available, and
// its Date is believed; an answer that is nobody's is not.
func TestPing(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	health, err := g.client.Ping(t.Context())
	if err != nil || health.Available != 0 || health.CPUUsage != "12.5" || health.Connections != 41 || health.Database != "apigee" {
		t.Errorf("%+v, %v", health, err)
	}
	if len(g.seen.All()) != 1 {
		t.Errorf("%d observations", len(g.seen.All()))
	}
	for _, body := range []string{
		`{"command1":{"cmd":"seats_sold","result":0}}`, `{"command1":{"cmd":"ping","ref":"another","result":0}}`, `{"command1":{"cmd":"ping"}}`, `{"command1":[]}`, `{"command1":null}`,
		`{"header":{"result":0}}`, `{"command1":{"result":"none"}}`, `{"command1":{"result":0,"result":1}}`, `{"command1":{"result":0,"Result":1}}`, `[]`, `{"command1":{"result":0}} x`,
	} {
		g.sim.SetAnswer("ping", body)
		if err := g.client.Probe(t.Context()); scanner.CallErrorOf(err).Trouble != scanner.Nonsense {
			t.Errorf("%s: %v", body, err)
		}
	}
	if len(g.seen.All()) != 1 {
		t.Errorf("%d observations of foreign answers", len(g.seen.All())-1)
	}
	for _, body := range []string{
		`{"command1":{"cmd":"PING","ref":"{ref}","result":"0","system_available":0}}`, `{"header":{"result":"0"},"command1":{"result":0.0}}`,
		`{"command1":{"result":0,"cpu_load":"3 %"}}`, // what is for people may be of any type
	} {
		g.sim.SetAnswer("ping", body)
		if err := g.client.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Results mean what the tables say, in whichever of the two places they stand and by
// whichever name the words come.
func TestResults(t *testing.T) {
	for _, tt := range []struct {
		answer  string
		trouble scanner.Trouble
		words   string
	}{
		{`"result":5011,"error_detail":"field missing"`, scanner.Malformed, "wrong by Archtics' word (result 5011: field missing)"},
		{`"result":5021,"error_desc":"field missing"`, scanner.Malformed, "result 5021: field missing"},
		{`"result":5061`, scanner.Malformed, "(result 5061)"},
		{`"result":5014`, scanner.Malformed, "5014"},
		{`"result":9999`, scanner.Malformed, "9999"},
		{`"result":5211`, scanner.Malformed, "5211"},
		{`"result":5020,"error_detail":"locked"`, scanner.Denied, "the account is locked"},
		{`"result":77,"error_detail":"Unknown DSN"`, scanner.Denied, "check vendor.dsn"},
		{`"result":77,"error_detail":"invalid uid"`, scanner.Denied, "check vendor.uid"},
		{`"result":9999,"error_detail":"No data for token '{s1-secret}'"`, scanner.Failing, "has lost the call that it was at work on (result 9999: No data for token)"},
		{`"result":77,"error_detail":"core dumped"`, scanner.Failing, "a fault by Archtics' word (result 77: core dumped)"},
		{`"result":0},"header":{"result":77`, scanner.Failing, "result 77"},
	} {
		g := newGate(t, archticssim.Options{}, nil)
		g.sim.SetAnswer("ping", `{"command1":{"cmd":"ping","sql_code":0,`+tt.answer+`}}`)
		err := g.client.Probe(t.Context())
		call := scanner.CallErrorOf(err)
		if call.Trouble != tt.trouble || call.MaybeSent || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "s1-secret") {
			t.Errorf("%s: %v", tt.answer, err)
		}
	}
}

// A 202 counts as one, whatever its body calls itself.
func TestAccepted(t *testing.T) {
	for _, header := range []http.Header{{}, {"Content-Type": {"text/html"}}, {"Content-Type": {"application/json"}, "Set-Cookie": {"X=1"}}} {
		n := 0
		g := newGate(t, archticssim.Options{}, func(_ map[string]any, d *archtics.Deps) {
			next := d.Transport
			d.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if n++; n > 1 {
					return next.RoundTrip(r)
				}
				return &http.Response{StatusCode: 202, Header: header, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
			})
		})
		// The simulator knows none of these cookies, and takes it for a new call.
		if err := g.client.Probe(t.Context()); err != nil || n != 2 {
			t.Errorf("%v: %v, %d requests", header, err, n)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ats_ext_test_polling exercises all of it.
func TestTestPolling(t *testing.T) {
	g := newGate(t, archticssim.Options{Now: time.Now, PollingDelay: 300 * time.Millisecond}, nil)
	if err := g.client.TestPolling(t.Context()); err != nil || len(g.sim.Requests()) < 3 {
		t.Errorf("%v, %d requests", err, len(g.sim.Requests()))
	}
}

// roundTripAfter lets one request through, and answers the second with 500.
func roundTripAfter(n *int, g *gate) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if *n++; *n == 2 {
			return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return g.transport.RoundTrip(r)
	}
}
