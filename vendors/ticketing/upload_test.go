package ticketing_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

func (g *gate) batch(codes ...scanner.Code) []scanner.Movement {
	var all []scanner.Movement
	for i, code := range codes {
		all = append(all, g.movement(uint64(i+1), code))
	}
	return all
}

func deliveries(got []scanner.Receipt) []scanner.Delivery {
	var all []scanner.Delivery
	for _, r := range got {
		all = append(all, r.Delivery)
	}
	return all
}

// Of a batch some are taken; each of the others is told from the next by what the
// admissions say of it.
func TestABatchOfWhichSomeAreTaken(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	got, err := g.client.Upload(t.Context(), g.batch(good, used, refunded, lawn, nobody, "]Q3"+more2))
	if err != nil {
		t.Fatal(err)
	}
	want := []scanner.Delivery{scanner.Taken, scanner.Duplicate, scanner.Rejected, scanner.Rejected, scanner.Rejected, scanner.Taken}
	if diff := cmp.Diff(want, deliveries(got)); diff != "" {
		t.Error(diff)
	}
	all := g.sim.Admissions()
	if len(all) != 3 || all[1].Batch != 6 || all[1].Device != handheld || all[1].Redeemer != redeemer || all[2].Ticket != string(more2) {
		t.Errorf("admissions %+v", all)
	}
	if !got[0].VendorAt.Equal(all[1].At) || !got[1].VendorAt.Equal(all[0].At) || !got[2].VendorAt.IsZero() {
		t.Errorf("the vendor's times: %v %v %v", got[0].VendorAt, got[1].VendorAt, got[2].VendorAt)
	}
	if !got[1].Theirs || got[0].Theirs || got[2].Theirs {
		t.Errorf("whose: %+v", got)
	}
	if !strings.HasPrefix(got[1].Detail, "admitted before by Hughie (device another-device), ") || !strings.Contains(got[2].Detail, "has no admission of it") {
		t.Errorf("%q, %q", got[1].Detail, got[2].Detail)
	}
	for i, r := range got {
		if r.Seq != uint64(i+1) {
			t.Errorf("receipt %d is for %d", i, r.Seq)
		}
	}
	if n := g.sim.Calls("admit"); n != 1 {
		t.Errorf("%d calls to admit", n)
	}
}

// A batch whose answer got lost is known the second time as this device's own, with
// the time of the first.
func TestABatchThatIsSentAgain(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	batch := g.batch(good, more2, nobody)
	g.set(t, faults.Fault{Kind: faults.Lost, Call: "admit", Times: 1})
	if _, err := g.client.Upload(t.Context(), batch); err == nil || !scanner.CallErrorOf(err).MaybeSent {
		t.Fatalf("the answer was to be lost: %v", err)
	}
	got, err := g.client.Upload(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]scanner.Delivery{scanner.Duplicate, scanner.Duplicate, scanner.Rejected}, deliveries(got)); diff != "" {
		t.Error(diff)
	}
	all := g.sim.Admissions()
	if len(all) != 3 || got[0].Theirs || got[1].Theirs || !got[0].VendorAt.Equal(all[1].At) || !got[1].VendorAt.Equal(all[2].At) {
		t.Errorf("%+v, %+v", got, all)
	}
}

// One admission of our own is not two entries: the second that finds it is told so,
// whenever it was scanned.
func TestAnAdmissionOfOurOwn(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	if _, err := g.ask(t, good); err != nil {
		t.Fatal(err)
	}
	for _, scanned := range []time.Duration{time.Hour, time.Minute, -time.Hour} { // after the admission
		m := g.movement(1, good)
		m.At = g.sim.Admissions()[1].At.Add(scanned)
		got, err := g.client.Upload(t.Context(), []scanner.Movement{m})
		if err != nil || got[0].Delivery != scanner.Duplicate || got[0].Theirs || !strings.HasPrefix(got[0].Detail, "admitted before by this device, ") {
			t.Errorf("scanned %v after: %+v, %v", scanned, got, err)
		}
	}
}

// What was frozen at scan time is what is sent, and what may travel together is told
// by it.
func TestWhatIsFrozen(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	m := g.movement(1, good)
	m.Origin.Device = "the-device-of-then"
	m.Data = json.RawMessage(`{"e":"` + event + `","r":"Annie"}`)
	if got, err := g.client.Upload(t.Context(), []scanner.Movement{m}); err != nil || got[0].Delivery != scanner.Taken {
		t.Fatalf("%+v, %v", got, err)
	}
	if made := g.sim.Admissions()[1]; made.Device != "the-device-of-then" || made.Redeemer != "Annie" {
		t.Errorf("made %+v", made)
	}
	groups := map[string]bool{}
	for _, change := range []func(*scanner.Movement){
		func(*scanner.Movement) {},
		func(m *scanner.Movement) { m.Origin.Device = "x" },
		func(m *scanner.Movement) { m.Data = json.RawMessage(`{"e":"1","r":"Annie"}`) },
		func(m *scanner.Movement) { m.Data = json.RawMessage(`{"e":"` + event + `","r":"Hughie"}`) },
		func(m *scanner.Movement) { m.Data = nil },
		func(m *scanner.Movement) { m.Direction = scanner.Exit },
	} {
		other := m
		change(&other)
		groups[g.client.Group(other)] = true
	}
	if len(groups) != 6 {
		t.Errorf("groups %v", groups)
	}
	if batch, age := g.client.Limits(); batch != 50 || age != 0 {
		t.Errorf("limits %d, %v", batch, age)
	}
	// Nothing frozen: the token was never confirmed then.
	unknown := newGate(t, ticketingsim.Options{})
	unknown.client = unknown.again(t, with(map[string]any{"event": nil}))
	if unknown.client.Freeze() != nil {
		t.Error("frozen without an event")
	}
	bare := unknown.movement(1, more2)
	if got, err := unknown.client.Upload(t.Context(), []scanner.Movement{bare}); err != nil || got[0].Delivery != scanner.Taken {
		t.Errorf("%+v, %v", got, err)
	}
	if made := unknown.sim.Admissions()[1]; made.Redeemer != "handheld 7" || made.Device != handheld {
		t.Errorf("made %+v", made)
	}
}

// What can never be sent is rejected in words, and no call is made for it.
func TestWhatCannotBeSent(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	calls := g.server.Calls()
	for text, change := range map[string]func(*scanner.Movement){
		"knows no exits":                       func(m *scanner.Movement) { m.Direction = scanner.Exit },
		"without an id":                        func(m *scanner.Movement) { m.Origin.Device = "" },
		"cannot be read":                       func(m *scanner.Movement) { m.Data = json.RawMessage(`{"e":"../x","r":"a"}`) },
		"cannot be read: enter it":             func(m *scanner.Movement) { m.Data = json.RawMessage(`{`) },
		"cannot be read: enter it there by":    func(m *scanner.Movement) { m.Data = json.RawMessage(`{"e":"1","r":""}`) },
		"made for event 42, and the admission": func(m *scanner.Movement) { m.Data = json.RawMessage(`{"e":"42","r":"a"}`) },
	} {
		m := g.movement(7, good)
		change(&m)
		got, err := g.client.Upload(t.Context(), []scanner.Movement{m})
		if err != nil || len(got) != 1 || got[0].Seq != 7 || got[0].Delivery != scanner.Rejected || !strings.Contains(got[0].Detail, text) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if n := g.server.Calls() - calls; n != 0 {
		t.Errorf("%d calls", n)
	}
}

// Where a look-up fails, what is known counts and the rest waits; where nothing is
// known, the call failed and nothing of it is in doubt.
func TestLookUpsThatFail(t *testing.T) {
	g := newGate(t, ticketingsim.Options{})
	g.probe(t)
	g.set(t, faults.Fault{Kind: faults.Status, Status: 500, Call: "list admissions"})
	got, err := g.client.Upload(t.Context(), g.batch(used, good, nobody))
	if diff := cmp.Diff([]scanner.Delivery{scanner.Later, scanner.Taken, scanner.Later}, deliveries(got)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	looked := g.server.Calls()
	_, err = g.client.Upload(t.Context(), g.batch(used, nobody))
	if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Failing || call.MaybeSent {
		t.Errorf("nothing known: %v, maybe sent %v", err, call.MaybeSent)
	}
	if n := g.server.Calls() - looked; n != 2 {
		t.Errorf("%d calls, want the admission and one look-up", n)
	}
	g.clear(t)
	// One look-up that is called wrong concerns its ticket alone.
	g.set(t, faults.Fault{Kind: faults.Status, Status: 414, Call: "list admissions", Times: 1})
	got, err = g.client.Upload(t.Context(), g.batch(used, nobody))
	if diff := cmp.Diff([]scanner.Delivery{scanner.Later, scanner.Rejected}, deliveries(got)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	g.clear(t)
	// A key that ends between the admission and the look-up: both are made again.
	g.set(t, faults.Fault{Kind: faults.Status, Status: 403, Call: "list admissions", Times: 1})
	got, err = g.client.Upload(t.Context(), g.batch(used, nobody))
	if diff := cmp.Diff([]scanner.Delivery{scanner.Duplicate, scanner.Rejected}, deliveries(got)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A whole evening in batches: each taken once, in as many calls as it needs.
func TestManyBatches(t *testing.T) {
	g := newGate(t, ticketingsim.Options{}, with(map[string]any{"batch": 40}))
	var codes []scanner.Code
	for i := range 200 {
		code := scanner.Code(fmt.Sprintf("DAWIER-EVEN%08d", i))
		g.sim.AddTickets(ticketingsim.Ticket{Serial: string(code), Section: front})
		codes = append(codes, code)
	}
	limit, _ := g.client.Limits()
	for at := 0; at < len(codes); at += limit {
		got, err := g.client.Upload(t.Context(), g.batch(codes[at:at+limit]...))
		if err != nil || len(got) != limit {
			t.Fatal(err)
		}
		for _, r := range got {
			if r.Delivery != scanner.Taken || r.VendorAt.IsZero() {
				t.Errorf("%+v", r)
			}
		}
	}
	if n := g.sim.Calls("admit"); n != 5 || g.sim.Count() != 201 {
		t.Errorf("%d calls, %d admissions", n, g.sim.Count())
	}
}

// The vendor calls the whole batch wrong: that is said, and nothing is decided.
func TestABatchThatIsWrong(t *testing.T) {
	for status, want := range map[int]scanner.Trouble{
		http.StatusBadRequest: scanner.Malformed, http.StatusRequestEntityTooLarge: scanner.Malformed, http.StatusTooManyRequests: scanner.Throttled,
		http.StatusInternalServerError: scanner.Failing, http.StatusPreconditionFailed: scanner.Denied,
	} {
		g := newGate(t, ticketingsim.Options{})
		g.probe(t)
		g.sim.SetFault("admit", status, "The argument serials is invalid.", 1)
		got, err := g.client.Upload(t.Context(), g.batch(good))
		if call := scanner.CallErrorOf(err); err == nil || got != nil || call.Trouble != want || call.Status != status {
			t.Errorf("%d: %+v, %v", status, got, err)
		}
	}
}
