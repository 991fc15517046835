package presence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
)

// Scans go up with the time and the device of each, whatever device sends them now.
func TestUploadKeepsTimesAndDevices(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	at := time.Date(2026, 11, 21, 18, 30, 0, int(123*time.Millisecond), time.UTC)
	first := scanner.Movement{Seq: 1, Code: "good00000001", Direction: scanner.Entry, At: at, Data: g.client.Freeze()}
	other := scanner.Movement{Seq: 2, Code: "more00000002", Direction: scanner.Entry, At: at.Add(time.Second), Data: []byte(`{"v":"` + venue + `","n":"Gate 2","d":77,"g":9}`)}
	bare := scanner.Movement{Seq: 3, Code: "more00000003", Direction: scanner.Entry, At: at.Add(2 * time.Second), Origin: scanner.Origin{Gate: "Gate 7"}}
	got, err := g.client.Upload(t.Context(), []scanner.Movement{first, other, bare})
	want := []scanner.Receipt{{Seq: 1, Delivery: scanner.Taken}, {Seq: 2, Delivery: scanner.Taken}, {Seq: 3, Delivery: scanner.Taken}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	exit := first
	exit.Direction, exit.At = scanner.Exit, at.Add(time.Hour)
	if got, err := g.client.Upload(t.Context(), []scanner.Movement{exit}); err != nil || got[0].Delivery != scanner.Taken {
		t.Fatalf("the exit: %+v, %v", got, err)
	}
	entries := g.sim.Entries()
	for i := range entries {
		entries[i].Received = time.Time{}
	}
	if diff := cmp.Diff([]presencesim.Entry{
		{Token: "good00000001", At: at, Device: 101, Gate: 1, Uploaded: true},
		{Token: "more00000002", At: at.Add(time.Second), Device: 77, Gate: 9, Uploaded: true},
		{Token: "more00000003", At: at.Add(2 * time.Second), Device: 101, Gate: 1, Uploaded: true},
		{Token: "good00000001", At: at.Add(time.Hour), Device: 101, Gate: 1, Exit: true, Uploaded: true},
	}, entries); diff != "" {
		t.Error(diff)
	}
	if a, b := g.client.Group(first), g.client.Group(exit); a == b {
		t.Errorf("entries and exits are one group %q", a)
	}
	if batch, age := g.client.Limits(); batch != 100 || age != 0 {
		t.Errorf("limits %d, %v", batch, age)
	}
}

// What cannot be told rightly is not told at all, and the rest of the batch goes.
func TestUploadLeavesOut(t *testing.T) {
	g := newGate(t, presencesim.Options{}, nil)
	good := movement(1, "good00000001", nil)
	if _, err := g.client.Upload(t.Context(), []scanner.Movement{good}); err == nil || scanner.CallErrorOf(err).MaybeSent || g.server.Calls() != 0 {
		t.Errorf("before it is configured: %v", err)
	}
	g.probe(t)
	elsewhere, broken, empty := movement(2, "more00000002", nil), movement(3, "more00000003", []byte(`{"v":`)), movement(4, "more00000004", []byte(`{}`))
	elsewhere.Origin.Gate = "Gate 1"
	got, err := g.client.Upload(t.Context(), []scanner.Movement{good, elsewhere, broken, empty})
	if err != nil || got[0].Delivery != scanner.Taken || len(g.sim.Entries()) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, r := range got[1:] {
		if r.Delivery != scanner.Rejected || !strings.Contains(r.Detail, "by hand") {
			t.Errorf("%+v", r)
		}
	}
	calls := g.server.Calls()
	if got, err := g.client.Upload(t.Context(), []scanner.Movement{broken}); err != nil || got[0].Delivery != scanner.Rejected || g.server.Calls() != calls {
		t.Errorf("nothing to send: %+v, %v", got, err)
	}
	plain := newGate(t, presencesim.Options{}, func(raw map[string]any, _ *presence.Deps) { raw["upload_path"] = "/ticket/upload/enter" })
	plain.probe(t)
	exit := movement(5, "good00000001", nil)
	exit.Direction = scanner.Exit
	if got, err := plain.client.Upload(t.Context(), []scanner.Movement{exit}); err != nil || got[0].Delivery != scanner.Rejected ||
		!strings.Contains(got[0].Detail, "{direction}") || len(plain.sim.Entries()) != 0 {
		t.Errorf("an exit without a path of its own: %+v, %v", got, err)
	}
}

func TestUploadAnswers(t *testing.T) {
	for body, want := range map[string]scanner.Trouble{
		`{"result":{"status":"OKAY"}}`:          "",
		`{"result":{"status":"BAD_REQUEST"}}`:   scanner.Malformed,
		`{"result":{"status":"GENERAL_ERROR"}}`: scanner.Failing,
		`{"result":{"status":"DUPLICATE"}}`:     scanner.Failing,
		`{"result":{"status":"ACCEPTED"}}`:      scanner.Failing,
		`{"result":{"status":"EXIT"}}`:          scanner.Failing,
		`{}`:                                    scanner.Nonsense,
		`[]`:                                    scanner.Nonsense,
		``:                                      scanner.Nonsense,
	} {
		got, err := answering(t, 200, body).Upload(t.Context(), []scanner.Movement{movement(1, "721744537954", nil)})
		call := scanner.CallErrorOf(err)
		if want == "" && (err != nil || got[0].Delivery != scanner.Taken) || want != "" && (err == nil || call.Trouble != want || call.MaybeSent == (want == scanner.Malformed)) {
			t.Errorf("%q: %+v, %v; want %s", body, got, err, want)
		}
	}
}
