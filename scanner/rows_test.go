package scanner_test

import (
	"testing"

	"usher/scanner"
	"usher/scanner/gatetest"
)

// TestGateRulesByDecide holds the pure rule to the table.
func TestGateRulesByDecide(t *testing.T) {
	for _, row := range gatetest.Rows() {
		t.Run(row.Name, func(t *testing.T) {
			f := listed()
			f.Rule.Reentry, f.Rule.ExitRequired = row.Reentry, row.ExitRequired
			for i, step := range row.Steps {
				f.Rule.Kind, f.Direction = step.Kind, step.Way
				d := scanner.Decide(f)
				if d.Verdict != step.Verdict() || d.Reason != step.Want {
					t.Fatalf("step %d, %s: %s/%s at mark %+v", i+1, step, d.Verdict, d.Reason, f.Mark)
				}
				if d.Next != nil {
					f.Mark = *d.Next
				}
			}
		})
	}
}

// TestTheTableTellsEachRule: a row for every verdict of both kinds, both ways, so
// that no rule can lose its rows unseen.
func TestTheTableTellsEachRule(t *testing.T) {
	told := map[string]bool{}
	for _, row := range gatetest.Rows() {
		for _, step := range row.Steps {
			told[step.String()] = true
		}
	}
	for _, kind := range []scanner.GateKind{scanner.External, scanner.Internal} {
		for _, want := range []gatetest.Step{
			{Kind: kind, Way: scanner.Entry, Want: scanner.OK}, {Kind: kind, Way: scanner.Entry, Want: scanner.AlreadyEntered},
			{Kind: kind, Way: scanner.Exit, Want: scanner.Exited}, {Kind: kind, Way: scanner.Exit, Want: scanner.ExitNotPermitted},
		} {
			if !told[want.String()] {
				t.Errorf("no row tells %s", want)
			}
		}
	}
}
