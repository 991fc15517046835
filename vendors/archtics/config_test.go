package archtics_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/archtics"
)

func block(edit ...func(map[string]any)) map[string]any {
	raw := map[string]any{"uid": "user99", "dsn": "apigee"}
	for _, e := range edit {
		e(raw)
	}
	return raw
}

// Every fault is told at once, by its path.
func TestFaults(t *testing.T) {
	_, err := archtics.New(map[string]any{
		"base_url": "http://app.ticketmaster.com", "product": "a/b", "api_key": "x", "api_key_file": "key", "uid": "user-that-is-long", "site_name": 5,
		"events": []any{"EVENT01", "MUCH-TOO-LONG"}, "admit_statuses": "A", "attendance_every": "1s", "attendance_since": "dsn", "attendance_back": 24,
		"calls_per_minute": 0, "calls_per_day": "many", "poll_every": "500", "poll_limit": "1h", "venue": "x",
	}, archtics.Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"vendor.base_url: must begin with https://", `vendor.product: "a/b" is not a product`, "vendor.api_key: a secret does not belong in this file",
		`vendor.api_key_file: "key" is not an absolute path`, "vendor.uid: \"user-that-is-long\" is longer than the 12", "vendor.dsn: missing",
		"vendor.site_name: 5 is not text", `vendor.events: "MUCH-TOO-LONG" is longer than the 8`, "vendor.admit_statuses: A is not a list",
		"vendor.attendance_every: 1s is not from 30s", `vendor.attendance_since: "dsn" is not the name of a field`, "vendor.attendance_back: 24 is not a duration",
		"vendor.calls_per_minute: 0 is not a number of calls", "vendor.calls_per_day: many is not", "vendor.poll_every: 500 is not a duration",
		"vendor.poll_limit: 1h0m0s is not from", "vendor.venue: unknown key; known here: admit_statuses",
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no %q", w)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(want) {
		t.Errorf("%d faults, want %d:\n%v", got, len(want), err)
	}
}

// What the vendor offers is said by what it gives.
func TestOffers(t *testing.T) {
	v, err := archtics.New(block(), archtics.Deps{Event: "EVENT01"})
	if err != nil {
		t.Fatal(err)
	}
	if v.Finder == nil || v.Watcher == nil || v.Session == nil || v.Events == nil || v.Validator != nil || v.Uploader != nil || v.Lister != nil || v.Undoer != nil || v.Exits {
		t.Errorf("%+v", v)
	}
	if v.CallTimeout != 150*time.Second || v.Normal != 2*time.Second || v.Watcher.Every() != 3*time.Minute {
		t.Errorf("call %v, normal %v, every %v", v.CallTimeout, v.Normal, v.Watcher.Every())
	}
	if v.Scope != (scanner.Scope{Vendor: "archtics", Account: "apigee", Event: "EVENT01"}) {
		t.Errorf("scope %+v", v.Scope)
	}
	if len(v.Advice) != 1 || !strings.Contains(v.Advice[0], "redeems nothing") || !strings.Contains(v.Advice[0], "one gate only") {
		t.Errorf("advice %q", v.Advice)
	}
	v, err = archtics.New(block(func(raw map[string]any) { raw["attendance_every"] = "0s" }), archtics.Deps{})
	if err != nil || v.Watcher != nil || len(v.Advice) != 3 || !strings.Contains(v.Advice[1], "vendor.events: empty") || !strings.Contains(v.Advice[2], "must be the only one") {
		t.Errorf("without attendance or event: %v, %+v", err, v)
	}
	if !slices.Equal(v.Fixed, []string{"gate.timezone", "gate.event"}) {
		t.Errorf("made with %q", v.Fixed)
	}
}

// Who entered at one event has not entered at another: a card has one barcode for
// all of them. The order and the case in which they are written are no difference.
func TestScopeHasTheEvents(t *testing.T) {
	for _, tt := range []struct {
		gate   string
		events []any
		want   string
	}{
		{"", nil, ""}, {"EVENT01", nil, "EVENT01"}, {"", []any{"EVENT02"}, "EVENT02"}, {"", []any{"event02", "EVENT01", "EVENT02"}, "EVENT01, EVENT02"}, {"EVENT03", []any{"EVENT01"}, "EVENT03"},
	} {
		v, err := archtics.New(block(func(raw map[string]any) { raw["events"] = tt.events }), archtics.Deps{Event: tt.gate})
		if tt.events == nil {
			v, err = archtics.New(block(), archtics.Deps{Event: tt.gate})
		}
		if err != nil || v.Scope.Event != tt.want || slices.Contains(v.Fixed, "gate.event") != (tt.events == nil) {
			t.Errorf("%+v: %v, %+v, made with %q", tt, err, v.Scope, v.Fixed)
		}
	}
}

// A trial's entries, and another site's, are never taken for the real ones.
func TestScopes(t *testing.T) {
	seen := map[string]bool{}
	for _, edit := range []func(map[string]any){
		func(map[string]any) {},
		func(raw map[string]any) { raw["product"] = "sth-customer" },
		func(raw map[string]any) { raw["site_name"] = "vanilla" },
		func(raw map[string]any) { raw["dsn"] = "sandbox" },
		func(raw map[string]any) { raw["base_url"] = "https://test.example.com" },
	} {
		v, err := archtics.New(block(edit), archtics.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		if seen[v.Scope.Key()] {
			t.Errorf("twice: %+v", v.Scope)
		}
		seen[v.Scope.Key()] = true
	}
}

// A share that is small for its plan is told with what it does to the gate.
func TestAdviceOfASmallShare(t *testing.T) {
	for share, want := range map[[2]int]string{
		{80, 5000}: "",
		{16, 1000}: "learns about every 8m: until then a ticket that entered there can enter here. The other half is for scans: about 500 tickets in 24 h, and 16 a minute at most",
		{1, 100}:   "learns about every 1h17m: until then a ticket that entered there can enter here. The other half is for scans: about 50 tickets in 24 h, and 1 a minute at most",
	} {
		v, err := archtics.New(block(func(raw map[string]any) {
			raw["calls_per_minute"], raw["calls_per_day"], raw["events"] = share[0], share[1], []any{"EVENT01"}
		}), archtics.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(v.Advice); want == "" && n != 1 || want != "" && (n != 2 || !strings.Contains(v.Advice[1], want) ||
			!strings.HasPrefix(v.Advice[1], "vendor.calls_per_day: ") || !strings.Contains(v.Advice[1], "more API keys")) {
			t.Errorf("%v: %q", share, v.Advice)
		}
	}
}
