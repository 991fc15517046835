package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

func TestPeriod(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatalf("install tzdata: %v", err)
	}
	// Saturday noon, the day before the clocks go back.
	now := time.Date(2026, 10, 24, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ from, to, want string }{
		{"", "", "2026-10-24T00:00:00+02:00 2026-11-01T00:00:00+01:00"},
		{"2026-10-25", "", "2026-10-25T00:00:00+02:00 2026-11-02T00:00:00+01:00"},
		{"2026-10-25", "2026-10-25", "2026-10-25T00:00:00+02:00 2026-10-26T00:00:00+01:00"},
		{" 2026-10-24 18:00 ", "2026-10-24T23:30", "2026-10-24T18:00:00+02:00 2026-10-24T23:30:00+02:00"},
		{"2026-10-24T18:00:05", "2026-10-24T18:00:06Z", "2026-10-24T18:00:05+02:00 2026-10-24T20:00:06+02:00"},
		{"", "2026-10-24", "2026-10-24T00:00:00+02:00 2026-10-25T00:00:00+02:00"},
		{"2026-10-25", "2026-10-24", "not after"},
		{"2026-10-25T10:00", "2026-10-25T10:00", "not after"},
		{"2026-01-01", "2027-12-31", "400 days"},
		{"tomorrow", "", `from="tomorrow"`},
		{"9998-12-31", "", "9998-12-31T00:00:00+01:00 9999-01-08T00:00:00+01:00"},
		{"1970-01-01", "1970-01-01", "1970-01-01T00:00:00+01:00 1970-01-02T00:00:00+01:00"},
		{"9999-12-31", "", `from="9999-12-31": want a year from 1970 to 9998`},
		{"0001-01-01T00:00:00Z", "", "want a year from 1970 to 9998"},
		{"1969-12-31", "1970-01-02", "want a year from 1970 to 9998"},
		{"2026-10-25", "9999-01-01", `to="9999-01-01": want a year from 1970 to 9998`},
		{"", "24.10.2026", `to="24.10.2026"`},
	} {
		from, to, err := control.Period{From: tt.from, To: tt.to}.Between(now, zurich)
		got := from.Format(time.RFC3339) + " " + to.Format(time.RFC3339)
		if err != nil {
			got = err.Error()
			if !errors.Is(err, control.ErrBadRequest) {
				t.Errorf("%+v: %v is no bad request", tt, err)
			}
		}
		if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
			t.Errorf("%q to %q: got %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}

// A vendor's mad time is as good as none: what is written can be read.
func TestATimeThatTheWireHasNot(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for at, want := range map[time.Time]string{
		last: `"9999-12-31T23:59:59.000Z"`, last.Add(time.Second): "null", time.UnixMilli(1536768000000000): "null",
		time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC): "null", last.In(time.FixedZone("", 3600)): `"9999-12-31T23:59:59.000Z"`,
	} {
		raw, err := json.Marshal(control.VendorEventOf(scanner.Event{StartsAt: at}, false))
		var back control.VendorEvent
		if err := errors.Join(err, json.Unmarshal(raw, &back)); err != nil || !strings.Contains(string(raw), `"starts_at":`+want+`,`) {
			t.Errorf("%v: %s, %v", at, raw, err)
		}
	}
	if err := (control.Period{From: "9999-12-31"}).Check(); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("the command takes it: %v", err)
	}
}

func TestVendorEventOnTheWire(t *testing.T) {
	at := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	raw, err := json.Marshal(control.VendorEventOf(scanner.Event{
		ID: "1", IDs: map[string]string{"performance_id": "1"}, Name: "N", Series: "S", Venue: "V", StartsAt: at, EndsAt: at, DoorsAt: at, OpensAt: at, ClosesAt: at,
		EntryTimes: []time.Time{at}, AllDay: true, OpenNow: true, Sections: []scanner.Section{{ID: "7", Name: "Stalls"}}, State: "sold out",
	}, true))
	const when = `"2026-11-21T20:00:00.000Z"`
	want := `{"id":"1","ids":{"performance_id":"1"},"name":"N","series":"S","venue":"V","starts_at":` + when + `,"ends_at":` + when + `,"doors_at":` + when +
		`,"opens_at":` + when + `,"closes_at":` + when + `,"entry_times":[` + when + `],"all_day":true,"open_now":true,"sections":[{"id":"7","name":"Stalls"}],"state":"sold out","configured":true}`
	if string(raw) != want || err != nil {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	raw, err = json.Marshal(control.VendorEventOf(scanner.Event{}, false))
	want = `{"id":"","ids":{},"name":"","series":"","venue":"","starts_at":null,"ends_at":null,"doors_at":null,"opens_at":null,"closes_at":null,` +
		`"entry_times":[],"all_day":false,"open_now":false,"sections":[],"state":"","configured":false}`
	if string(raw) != want || err != nil {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}
