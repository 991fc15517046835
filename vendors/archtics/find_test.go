package archtics_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// A look-up gives a record that this device decides on.
func TestFind(t *testing.T) {
	g := newGate(t, archticssim.Options{}, func(raw map[string]any, _ *archtics.Deps) { raw["events"] = []any{event} })
	want := scanner.Ticket{
		Code: "good00000001", ID: "EVENT01:101:A:7", Name: "Ada Byron", Section: "101", Seat: "A7", Event: event, Status: scanner.StatusValid,
	}
	for _, nested := range []bool{false, true} {
		g.sim.SetNested(nested)
		if diff := cmp.Diff(want, g.listed(t, "good00000001")); diff != "" {
			t.Errorf("nested %v: %s", nested, diff)
		}
	}
	if got := g.listed(t, "void00000003"); got.Status != scanner.StatusVoided {
		t.Errorf("voided: %+v", got)
	}
	if got := g.listed(t, "show00000004"); got.Status != scanner.StatusElsewhere || got.Seat != "3-7" {
		t.Errorf("elsewhere: %+v", got)
	}
	if got, found, err := g.find(t, "nobody000000"); err != nil || found != scanner.Missing {
		t.Errorf("unknown: %v, %v, %+v", found, err, got)
	}
}

// A seat that was entered at another gate counts as used, with the venue's time.
func TestAttendance(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	g.sim.Attend(scan(7, start.Add(-10*time.Minute)))
	g.watch(t)
	got := g.listed(t, "good00000001")
	if got.Status != scanner.StatusUsed || !got.UsedAt.Equal(start.Add(-10*time.Minute)) || got.UsedGate != "North" {
		t.Errorf("%+v", got)
	}
	if got := g.listed(t, "more00000002"); got.Status != scanner.StatusValid {
		t.Errorf("nobody entered there: %+v", got)
	}
	again := *g
	again.client = g.again(t, nil)
	if got := again.listed(t, "good00000001"); got.Status != scanner.StatusUsed {
		t.Errorf("after a restart: %+v", got)
	}
	again.client = g.again(t, func(raw map[string]any, _ *archtics.Deps) { raw["attendance_every"] = "0s" })
	if got := again.listed(t, "good00000001"); got.Status != scanner.StatusValid {
		t.Errorf("without attendance: %+v", got)
	}
}
