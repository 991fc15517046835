package main

import (
	"fmt"
	"strings"
	"testing"

	"usher/vendors/ticketing/ticketingsim"
)

// The check exchanges the token as the daemon does and says what the device admits
// to, by name.
func TestCheckOfTicketing(t *testing.T) {
	site := newIssuerSite(t)
	found := func(keys, extra string) string {
		t.Helper()
		var out strings.Builder
		for _, f := range inspect(t.Context(), site.config(t, keys, extra), nil) {
			fmt.Fprintf(&out, "%s %s: %s\n", f.Grade, f.What, f.Text)
		}
		return out.String()
	}
	token := site.byKey() + ", admission_token: " + ticketingsim.DemoFront
	event := ", event: " + ticketingsim.DemoEvent
	text := found(token+event, "gate: { sections: [\"front stage\", \"Back Lawn\"] }\n")
	for _, want := range []string{
		"ok vendor: ticketing: signed in",
		"ok sections: this device admits to Front Stage of Carnival Monday",
		`warn gate.sections: the vendor does not let this device admit to "Back Lawn"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, `admit to "front stage"`) || strings.Contains(text, "vendor.event") {
		t.Errorf("found\n%s", text)
	}
	if text := found(token, ""); !strings.Contains(text, "warn vendor.event: missing") {
		t.Errorf("found\n%s", text)
	}
	for keys, want := range map[string]string{
		site.byKey() + event + ", admission_token: N0B0DYS0":       "fail vendor: ticketing: exchange token: denied: TickeTing knows no such admission token",
		token + ", event: 42":                                      "fail vendor: ticketing: exchange token: denied: the admission token is for event 16993717817996, and vendor.event says 42",
		site.byKey() + event:                                       "fail vendor: ticketing: exchange token: denied: no admission_token",
		site.byKey() + event + ", admission_token: a0f9gg8d":       "fail vendor.admission_token: is not 8 characters",
		site.byKey() + ", admission_token_file: /x":                "fail vendor.event: missing",
		"admission_token: " + ticketingsim.DemoFront + event:       "fail vendor: ticketing: exchange token: denied: no api_key",
		token + event + ", api_key: " + "s3cret-0f-the-host":       "fail vendor.api_key: a secret does not belong in this file",
		token + event + ", records: 5000, batch: 0, list_with: me": "fail vendor.records: is not a number from 1 to 1000",
	} {
		if text := found(keys, ""); !strings.Contains(text, want) || strings.Contains(text, "s3cret") || strings.Contains(text, "N0B0DYS0") {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	site.sim.SetVersion(4, 0, 0)
	if text := found(token+event, ""); !strings.Contains(text, "fail vendor: ticketing: exchange token: denied: TickeTing takes no client of version 3.0.0 any more (HTTP 412 Precondition Failed): usher must be upgraded") {
		t.Errorf("found\n%s", text)
	}
}
