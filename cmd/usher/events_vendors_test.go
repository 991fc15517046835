package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/vendors/acme/acmesim"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/ticketing/ticketingsim"
)

// What can be scanned is one listing, whoever the vendor is (AudienceView's has a
// test of its own).
func TestUsherEventsAtEveryVendor(t *testing.T) {
	for _, tt := range []struct {
		vendor string
		open   func(*testing.T) *rig.Rig
		// event is the first one's id, name, series, venue and the vendor's ids; sections how
		// many it has, window whether its admission times are told.
		event, ids string
		sections   int
		window     bool
		row        string
	}{
		{"archtics", func(t *testing.T) *rig.Rig {
			b := newBallpark(t, "")
			b.start(asking)
			return b.Rig
		}, archticssim.DemoEvent + "|Home opener|2026|Demo Arena", "map[archtics_venue_id:1 event_name:EVENT01]", 0, false,
			`Home opener +2026 +Demo Arena +\S.* +- +- +- +archtics_venue_id: 1, event_name: EVENT01 +scanned here`},
		{"ticketing", func(t *testing.T) *rig.Rig {
			f := newField(t, 4, ticketingsim.DemoGlobal, "")
			f.start()
			return f.Rig
		}, ticketingsim.DemoEvent + "|Carnival Monday|Festivals Office|Recreation Ground", "map[event:" + ticketingsim.DemoEvent + "]", 2, false,
			`Carnival Monday +Festivals Office +Recreation Ground +\S.* +- +Front Stage \(16993964783416\), Back Lawn \(16993964783417\) +- +event: 16993717817996 +scanned here`},
		{"acme", func(t *testing.T) *rig.Rig {
			d := newDome(t, time.UTC, thisEvent)
			d.event(time.Now().Add(time.Minute).Truncate(time.Minute), acmesim.Minutes(30, 15))
			d.start()
			return d.Rig
		}, acmesim.DemoEvent + "|Planetarium||", "map[event_instance:" + acmesim.DemoEvent + " templateId:" + acmesim.DemoTemplate + "]", 0, true,
			`Planetarium +- +- +\S*( ?\d\d)?:\d\d.* +\S*( ?\d\d)?:\d\d to \S.* +- +- +event_instance: \S+, templateId: \S+ +scanned here`},
	} {
		t.Run(tt.vendor, func(t *testing.T) {
			r := tt.open(t)
			from, to := time.Now().Add(-12*time.Hour).Format(time.RFC3339), time.Now().Add(48*time.Hour).Format(time.RFC3339)
			out, errs, code := usherCommand(t, r, "events", "--json", "--from", from, "--to", to)
			var got control.VendorEvents
			if err := json.Unmarshal([]byte(out), &got); code != exitOK || err != nil || len(got.Events) == 0 {
				t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
			}
			e := got.Events[0]
			if id := strings.Join([]string{e.ID, e.Name, e.Series, e.Venue}, "|"); id != tt.event || fmt.Sprint(e.IDs) != tt.ids || len(e.Sections) != tt.sections || !e.Configured || got.Cached {
				t.Errorf("got %+v", e)
			}
			if e.StartsAt.IsZero() || !e.EndsAt.After(e.StartsAt.Time) {
				t.Errorf("from %v to %v", e.StartsAt, e.EndsAt)
			}
			switch opens, closes := e.StartsAt.Add(-30*time.Minute), e.StartsAt.Add(15*time.Minute); {
			case tt.window && (!e.OpensAt.Equal(opens) || !e.ClosesAt.Equal(closes)):
				t.Errorf("admits from %v to %v, it starts at %v", e.OpensAt, e.ClosesAt, e.StartsAt)
			case !tt.window && !e.OpensAt.IsZero():
				t.Errorf("admits from %v", e.OpensAt)
			}
			if lower := strings.ToLower(out); strings.Contains(lower, "remain") || strings.Contains(lower, "availab") || strings.Contains(lower, "sold\"") {
				t.Errorf("tells how many tickets are left: %s", out)
			}
			table, _, code := usherCommand(t, r, "events", "--from", from, "--to", to)
			if rows := strings.Split(table, "\n"); code != exitOK || len(rows) < 2 || !regexp.MustCompile("^"+tt.row+"$").MatchString(rows[1]) {
				t.Errorf("exit %d:\n%s", code, table)
			}
		})
	}
}
