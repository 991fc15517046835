package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/configs"
	"usher/scanner"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

// venueIn is a venue whose clocks and whose configuration are in that zone.
func venueIn(t *testing.T, name string) (*venue, *time.Location) {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("install tzdata: %v", err)
	}
	v := newVenue(t, 20, "", "lane-1")
	v.sim.SetZone(zone)
	text, err := os.ReadFile(v.Config())
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "gate: { name: Gate 7 }", "gate: { name: Gate 7, timezone: "+name+" }", 1))
	if err := os.WriteFile(v.Config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return v, zone
}

// told tells whether the daemon knows the vendor's events.
func told(s control.Status) bool { return online(s) && !s.Vendor.EventsAt.IsZero() }

// listed asks `usher events --json`.
func (v *venue) listed(args ...string) control.VendorEvents {
	v.t.Helper()
	out, errs, code := usherCommand(v.t, v.Rig, append([]string{"events", "--json"}, args...)...)
	if code != exitOK {
		v.t.Fatalf("exit %d: %s", code, errs)
	}
	if strings.Contains(out, fmt.Sprint(audienceviewsim.DemoRemaining)) {
		v.t.Errorf("the number of tickets left is told: %s", out)
	}
	var got control.VendorEvents
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		v.t.Fatalf("%v in %s", err, out)
	}
	return got
}

func TestUsherEventsAtAudienceView(t *testing.T) {
	v, zone := venueIn(t, "Pacific/Auckland")
	v.start()
	starts := time.Now().Add(time.Hour).Truncate(time.Hour)

	got := v.listed()
	if got.Vendor != "audienceview" || got.Timezone != "Pacific/Auckland" || got.Cached || got.Note != "" || got.AgeS == nil || len(got.Events) != 3 {
		t.Fatalf("got %+v", got)
	}
	if today := time.Now().In(zone); got.From.In(zone).Format(time.DateOnly+" 15:04") != today.Format(time.DateOnly)+" 00:00" {
		t.Errorf("from %v, and it is %v there", got.From.In(zone), today)
	}
	for i, want := range []control.VendorEvent{
		{ID: "49182", StartsAt: control.At(starts), OpenNow: true, Configured: true},
		{ID: "49183", StartsAt: control.At(starts.AddDate(0, 0, 1)), State: "sold out"},
		{ID: "49184", StartsAt: control.At(starts.AddDate(0, 0, 2)), State: "cancelled"},
	} {
		e := got.Events[i]
		if e.ID != want.ID || !e.StartsAt.Equal(want.StartsAt.Time) || e.OpenNow != want.OpenNow || e.State != want.State || e.Configured != want.Configured ||
			e.Name != "Spamalot" || e.Series != "Spamalot" || e.Venue != "Jonas James" || len(e.Sections) != 0 {
			t.Errorf("event %d: %+v, want %+v", i, e, want)
		}
		if ids := fmt.Sprint(e.IDs); ids != "map[client_id:284 performance_id:"+want.ID+" production_id:3622]" {
			t.Errorf("ids %s", ids)
		}
	}
	if one := v.listed("--from", starts.In(zone).AddDate(0, 0, 1).Format("2006-01-02T15:04"), "--to", starts.AddDate(0, 0, 1).Add(time.Minute).Format(time.RFC3339)); len(one.Events) != 1 || one.Events[0].ID != "49183" {
		t.Errorf("of one minute: %+v", one.Events)
	}
	if day := starts.In(zone).AddDate(0, 0, 2).Format(time.DateOnly); true {
		if one := v.listed("--from", day, "--to", day); len(one.Events) != 1 || one.Events[0].ID != "49184" {
			t.Errorf("of %s: %+v", day, one.Events)
		}
	}

	table, _, code := usherCommand(t, v.Rig, "events")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	want := []string{
		`^EVENT +SERIES +VENUE +STARTS +ADMISSION +SECTIONS +STATE +IDS +HERE$`,
		`^Spamalot +- +Jonas James +\S*( \d\d)?:00 +- +- +open now +client_id: 284, performance_id: 49182, production_id: 3622 +scanned here$`,
		`^Spamalot +- +Jonas James +` + starts.In(zone).AddDate(0, 0, 1).Format("2006-01-02 15:04") + ` +- +- +sold out +client_id: 284, performance_id: 49183, production_id: 3622 +-$`,
		`^Spamalot +- +Jonas James +` + starts.In(zone).AddDate(0, 0, 2).Format("2006-01-02 15:04") + ` +- +- +cancelled +client_id: 284, performance_id: 49184, production_id: 3622 +-$`,
	}
	if code != exitOK || len(rows) != len(want) {
		t.Fatalf("exit %d:\n%s", code, table)
	}
	for i, row := range rows {
		if !regexp.MustCompile(want[i]).MatchString(row) {
			t.Errorf("row %d: %q does not match %s", i, row, want[i])
		}
	}

	// What the vendor says against a call, in a 200, and what filterOptions still tells.
	v.sim.FailFuture("", "Closed for repairs", 100)
	if got = v.listed(); !got.Cached || len(got.Events) != 3 || !strings.Contains(got.Note, "AudienceView says: Closed for repairs") || !strings.Contains(got.Note, "; shown is what it told ") {
		t.Errorf("got %+v", got)
	}
	v.sim.FailFuture("", "", 0)
	if got = v.listed(); got.Cached || len(got.Events) != 3 || got.Note != "" {
		t.Errorf("after the repairs: %+v", got)
	}
	v.fault(faults.Fault{Kind: faults.Close})
	if got = v.listed(); !got.Cached || len(got.Events) != 3 || got.Events[0].OpenNow || got.AgeS == nil || !strings.Contains(got.Note, "audienceview could not be asked") {
		t.Errorf("without a network: %+v", got)
	}
	if got = v.listed("--from", "2030-01-01"); len(got.Events) != 0 || !got.Cached {
		t.Errorf("of another year: %+v", got)
	}
	if text, _, code := usherCommand(t, v.Rig, "events"); code != exitOK || !strings.Contains(text, "Spamalot") || !strings.Contains(text, "shown is what it told") {
		t.Errorf("exit %d:\n%s", code, text)
	}

	// A device that never was told says why it has nothing to say.
	if err := v.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(v.Dir, "state", "events.cache")); err != nil {
		t.Fatal(err)
	}
	if err := v.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	soon(t, v.Rig, 5*time.Second, "a status", func(s control.Status) bool { return s.Tickets.Count > 0 })
	if got = v.listed(); len(got.Events) != 0 || !strings.Contains(got.Note, "and told nothing before.") {
		t.Errorf("a device that was never told: %+v", got)
	}
}

// The event that is scanned here is named in words on every verdict and in status:
// online, offline, and after a restart without a network.
func TestTheEventIsNamedInWords(t *testing.T) {
	v, zone := venueIn(t, "America/New_York")
	v.start()
	soon(t, v.Rig, 10*time.Second, "the vendor's events", told)
	starts := time.Now().Add(time.Hour).Truncate(time.Hour)

	named := func(what string, e control.Event) {
		t.Helper()
		if e.EventName != "Spamalot" || !e.EventStartsAt.Equal(starts) {
			t.Errorf("%s: the event is %q at %v", what, e.EventName, e.EventStartsAt)
		}
	}
	checkStatus := func(what string) {
		t.Helper()
		s, err := v.Client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Device.EventName != "Spamalot" || !s.Device.EventStartsAt.Equal(starts) || s.Vendor.EventsAt.IsZero() {
			t.Errorf("%s: device %+v, vendor %+v", what, s.Device, s.Vendor)
		}
		words := map[string]string{}
		for _, e := range s.Events {
			words[e.Event] = e.EventName
		}
		if len(words) > 0 && words["performance 49182"] != "Spamalot" {
			t.Errorf("%s: events %v", what, words)
		}
		out, _, _ := usherCommand(t, v.Rig, "status")
		if !regexp.MustCompile(`(?m)^event +Spamalot, \S*( \S+)?\d\d:\d\d$`).MatchString(out) {
			t.Errorf("%s:\n%s", what, out)
		}
	}
	// A refusal names the event of the gate, since nothing is known of the ticket; the
	// ticket's own text comes first where there is one.
	named("online", v.scan("nobody-1", scanner.Refuse, scanner.NotFound))
	e := v.scan(barcode(1), scanner.Admit, scanner.OK)
	if want := "Spamalot: " + starts.In(zone).Format("Jan 2 3:04PM Mon"); e.Mode != scanner.Online || e.EventName != want || e.Ticket.Event != want || !e.EventStartsAt.IsZero() {
		t.Errorf("by the ticket: %+v, %+v", e, e.Ticket)
	}
	checkStatus("online")
	out, _, _ := usherCommand(t, v.Rig, "scan", "nobody-2")
	if !strings.Contains(out, "\n  Spamalot, ") {
		t.Errorf("usher scan:\n%s", out)
	}

	v.fault(faults.Fault{Kind: faults.Close})
	e = v.scan("nobody-3", scanner.Refuse, scanner.NotFound)
	if named("offline", e); e.Mode != scanner.Offline {
		t.Errorf("mode %s", e.Mode)
	}
	checkStatus("offline")

	if err := v.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := v.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	soon(t, v.Rig, 10*time.Second, "the list of the last run", func(s control.Status) bool {
		return s.Tickets.Count > 0 && s.Scanners[0].State == control.ScannerConnected
	})
	e = v.scan("nobody-4", scanner.Refuse, scanner.NotFound)
	if named("after a restart", e); e.Mode != scanner.Offline {
		t.Errorf("mode %s", e.Mode)
	}
	checkStatus("after a restart")
	past, err := v.Client.Newest(t.Context(), 10, 0)
	if err != nil || len(past) < 4 {
		t.Fatalf("%d events, %v", len(past), err)
	}
	for _, e := range past {
		if e.EventName == "" {
			t.Errorf("#%d has no event", e.Seq)
		}
		if e.Ticket == nil {
			named(fmt.Sprintf("#%d in history", e.Seq), e)
		}
	}

}

func TestWhatIsScannedHere(t *testing.T) {
	event := scanner.Event{
		ID: "E1", IDs: map[string]string{"performance_id": "49182", "production_id": "3622", "client_id": "284", "event": "E1"}, Name: "Spamalot", Series: "Season",
	}
	for _, tt := range []struct {
		block configs.Block
		gate  configs.Gate
		want  bool
	}{
		{nil, configs.Gate{}, false},
		{configs.Block{"client_id": 284}, configs.Gate{}, true},
		{configs.Block{"client_id": 284, "performance_id": 0, "production_id": 0}, configs.Gate{}, true},
		{configs.Block{"client_id": 284, "performance_id": 49182}, configs.Gate{}, true},
		{configs.Block{"client_id": 284, "performance_id": 49183}, configs.Gate{}, false},
		{configs.Block{"client_id": 285, "performance_id": 49182}, configs.Gate{}, false},
		{configs.Block{"event": "E1"}, configs.Gate{}, true},
		{configs.Block{"event": []any{"E0", "E1"}}, configs.Gate{}, true},
		{configs.Block{"event": []any{"E0"}}, configs.Gate{}, false},
		{configs.Block{"event": []any{}}, configs.Gate{}, false},
		{configs.Block{"events": []any{"E0", "E1"}}, configs.Gate{}, true},
		{configs.Block{"events": []any{"E0"}, "client_id": 284}, configs.Gate{}, false},
		{configs.Block{"base_url": "https://x", "event_key_file": "E1"}, configs.Gate{}, false},
		{nil, configs.Gate{Event: "E1"}, true},
		{nil, configs.Gate{Event: "Spamalot"}, true},
		{nil, configs.Gate{Event: "E2"}, false},
		{nil, configs.Gate{Series: "Season"}, true},
		{nil, configs.Gate{Series: "3622"}, true},
		{configs.Block{"event": "E1"}, configs.Gate{Series: "Other"}, false},
	} {
		cfg := &configs.Config{Gate: tt.gate}
		cfg.Vendor.Block = tt.block
		if got := scannedHere(event, cfg); got != tt.want {
			t.Errorf("%v, %+v: %v", tt.block, tt.gate, got)
		}
	}
}
