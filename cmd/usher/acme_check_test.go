package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest/faults"
)

// acmeDir is a directory with a configuration for ACME; keys go into the vendor's
// block.
func acmeDir(t *testing.T, url, keys string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(acmesim.DemoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("state_dir: %s/state\nstatus: { socket: %s/usher.sock, screen: \"off\" }\ngate: { name: Gate 7, timezone: America/New_York }\nclock: { trust: wall }\n"+
		"vendor: { name: acme, base_url: %q, api_key_file: %s/key, tenant_id: %q, terminal_id: 7%s }\n", dir, dir, url, dir, acmesim.DemoTenant, keys)
	path := filepath.Join(dir, "usher.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The check says which statuses are still to be found out and how, and when the
// configured event lets people in.
func TestCheckOfACME(t *testing.T) {
	sim := acmesim.New(acmesim.Options{})
	sim.Demo(0)
	wire, err := faults.Listen("127.0.0.1:0", sim, acmesim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	found := func(keys string) string {
		t.Helper()
		var out strings.Builder
		for _, f := range inspect(t.Context(), acmeDir(t, wire.URL(), keys), nil) {
			fmt.Fprintf(&out, "%s %s: %s\n", f.Grade, f.What, f.Text)
		}
		return out.String()
	}
	const named = ", admit_statuses: [555], refuse_statuses: { already_entered: [20] }"
	for keys, want := range map[string][]string{
		"": {
			"ok vendor: acme: signed in", "warn vendor.admit_statuses: empty, so no online answer admits anybody (amber) and nothing is uploaded",
			"scan a test ticket", "warn vendor.refuse_statuses: no status stands for already_entered", "warn vendor.event_instance: empty",
		},
		named + ", event_instance: " + acmesim.DemoEvent: {"ok check-in window: event " + acmesim.DemoEvent + ": ", "ok vendor: acme: signed in"},
		named + ", event_instance: nowhere":              {"fail vendor: acme: event instance: denied: ACME does not know the event nowhere: correct vendor.event_instance"},
		", admit_statuses: [x], refuse_statuses: { ok: 1 }": {
			`fail vendor.admit_statuses: x is no check-in status`, `fail vendor.refuse_statuses: "ok" is no reason to refuse`,
		},
	} {
		text := found(keys)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", keys, w, text)
			}
		}
		if warned := strings.Contains(text, "vendor.admit_statuses: empty"); warned != (keys == "") {
			t.Errorf("%s: warned %v", keys, warned)
		}
	}
	zoned := found(named + ", event_instance: " + acmesim.DemoEvent)
	if !strings.Contains(zoned, " EST to ") && !strings.Contains(zoned, " EDT to ") {
		t.Errorf("not in the venue's zone:\n%s", zoned)
	}
	sim.AddEvents(acmesim.Event{ID: "b", Template: acmesim.DemoTemplate, Start: time.Now(), Window: &acmesim.Window{BlockScan: true}})
	if text := found(named + ", event_instance: b"); !strings.Contains(text, "warn check-in window: ACME blocks the scanning") {
		t.Errorf("found\n%s", text)
	}
	sim.SetKey("another")
	if text := found(named); !strings.Contains(text, "fail vendor: acme: event instance summaries: denied: the API key is refused (HTTP 401)") {
		t.Errorf("found\n%s", text)
	}
}
