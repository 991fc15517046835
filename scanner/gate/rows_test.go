package gate_test

import (
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gatetest"
)

// TestGateRulesOffline holds a gate with a real journal and a real list to the
// table. The device is moved from one kind of gate to the other, and dies after
// every other step.
func TestGateRulesOffline(t *testing.T) {
	for _, row := range gatetest.Rows() {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			d := openDoor(t, scanner.Ticket{Code: "AAA111"})
			entries, exits := 0, 0
			for i, step := range row.Steps {
				d.cfg.Rule.Kind, d.cfg.Rule.Reentry, d.cfg.Rule.ExitRequired = step.Kind, row.Reentry, row.ExitRequired
				d.Configure(d.cfg)
				out := d.want(d.scan("lane-1", "AAA111", step.Way), step.Verdict(), step.Want)
				switch {
				case step.Want == scanner.Exited:
					exits++
				case step.Want == scanner.OK:
					entries++
				}
				if out.Direction != step.Way || (out.Fate == scanner.FateKept) != (step.Verdict() == scanner.Admit) {
					t.Errorf("step %d, %s: %+v", i+1, step, out)
				}
				d.clock.pass(time.Minute)
				if i%2 == 1 {
					d.restart(false)
				}
			}
			for _, tally := range d.journal.Status().Tallies {
				if tally.Entries != entries || tally.Exits != exits || tally.Inside != entries-exits {
					t.Errorf("tally %+v, want %d in and %d out", tally, entries, exits)
				}
			}
		})
	}
}
