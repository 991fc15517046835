package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// Whatever a person decided is in the export with the name, in both formats.
func TestExportNamesThePersonBehindEveryDecision(t *testing.T) {
	for _, kind := range []scanner.Kind{scanner.KindOverride, scanner.KindUndo, scanner.KindRequeue, scanner.KindAcknowledge} {
		in := row()
		in.Record.Kind, in.Record.By, in.Record.Of = kind, "Eve", 5
		got := table(t, exported(t, control.CSV, in))[0]
		if got["kind"] != string(kind) || got["by"] != "Eve" || got["of"] != "5" {
			t.Errorf("%s in CSV: %v", kind, got)
		}
		var line struct {
			Kind, By string
			Of       uint64
		}
		if err := json.Unmarshal([]byte(exported(t, control.JSONLines, in)), &line); err != nil {
			t.Fatal(err)
		}
		if line.Kind != string(kind) || line.By != "Eve" || line.Of != 5 {
			t.Errorf("%s in JSON Lines: %+v", kind, line)
		}
		event, err := json.Marshal(control.EventOf(scanner.Outcome{Record: in.Record}))
		if want := `"kind":"` + string(kind) + `","by":"Eve","of":5`; err != nil || !strings.Contains(string(event), want) {
			t.Errorf("%s as an event: %s, %v", kind, event, err)
		}
	}
}
