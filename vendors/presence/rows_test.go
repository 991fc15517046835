package presence_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"usher/scanner"
	"usher/scanner/gatetest"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
)

// TestGateRulesOnline holds Presence, as its documents tell it, to the table that
// the house decides by offline. A row ends where the documents say nothing.
func TestGateRulesOnline(t *testing.T) {
	for _, row := range gatetest.Rows() {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			sim := presencesim.New(presencesim.Options{AnyTime: true, Reentry: row.Reentry})
			sim.AddTicket("721744537954")
			sim.SetGate("Bar", presencesim.Gate{Kind: presencesim.Internal, ExitRequired: row.ExitRequired})
			server := httptest.NewServer(sim)
			t.Cleanup(server.Close)
			gates := map[scanner.GateKind]scanner.Vendor{
				scanner.External: atGate(t, server.URL, "Gate 7", "00:00:00:00:00:07"),
				scanner.Internal: atGate(t, server.URL, "Bar", "00:00:00:00:00:08"),
			}
			for i, step := range row.Steps {
				if step.House {
					break
				}
				at := scanner.Instant{At: time.Now(), Trusted: true}
				answer, err := gates[step.Kind].Validator.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: step.Way, True: at})
				if err != nil {
					t.Fatalf("step %d, %s: %v", i+1, step, err)
				}
				if answer.Verdict != step.Verdict() || answer.Reason != step.Want {
					t.Fatalf("step %d, %s: %s/%s (%s)", i+1, step, answer.Verdict, answer.Reason, answer.Detail)
				}
			}
		})
	}
}

// atGate is a device that is configured at a gate.
func atGate(t *testing.T, url, gate, mac string) scanner.Vendor {
	t.Helper()
	v, err := presence.New(map[string]any{"base_url": url + presencesim.Base, "venue_id": presencesim.DemoVenue}, presence.Deps{
		Device:  presence.Device{Name: gate, GateName: gate, MAC: mac, Serial: "S1", Model: "Janam XT2"},
		Environ: []string{"USHER_VENDOR_API_KEY=" + presencesim.DemoKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Session.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}
