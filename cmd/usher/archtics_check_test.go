package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/vendors/archtics/archticssim"
	"usher/vendors/vendortest/faults"
)

// What an installer must know of Archtics is said before a gate opens: that it
// redeems nothing, how long it takes, and whose time its entries are in.
func TestCheckOfArchtics(t *testing.T) {
	sim := archticssim.New(archticssim.Options{})
	wire, err := faults.Listen("127.0.0.1:0", sim, archticssim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(archticssim.DemoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := func(zone, patience, keys string) string {
		t.Helper()
		path := filepath.Join(dir, "usher.yaml")
		config := fmt.Sprintf("state_dir: %s/state\nstatus: { socket: %s/usher.sock, screen: \"off\" }\ngate: { name: Gate 7, timezone: %q }\nclock: { trust: wall }\nonline: { patience: %s }\n"+
			"vendor: { name: archtics, base_url: %q, product: %s, api_key_file: %s/key, uid: %s, dsn: %s%s }\n",
			dir, dir, zone, patience, wire.URL(), archticssim.Product, dir, archticssim.DemoUID, archticssim.DemoDSN, keys)
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, f := range inspect(t.Context(), path, nil) {
			fmt.Fprintf(&out, "%s %s: %s\n", f.Grade, f.What, f.Text)
		}
		return out.String()
	}
	hints := []string{
		"warn online.patience: 1.5s, and archtics normally takes up to 2s to answer: scans would be decided without it; set 2.5s",
		"warn gate.timezone: missing, and archtics tells in the venue's time when tickets entered elsewhere",
	}
	always := []string{"ok vendor: archtics: signed in", "warn vendor: Archtics looks tickets up and redeems nothing, so this device decides by itself: use one gate only"}
	text := found("", "1500ms", "")
	for _, want := range append(hints, always...) {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text = found("America/New_York", "2500ms", ", attendance_every: 0s")
	for _, want := range append(always, "warn vendor.attendance_every: 0s, so this device knows of no entry at another gate") {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, hint := range hints {
		if path, _, _ := strings.Cut(hint, ": "); strings.Contains(text, path) {
			t.Errorf("%q in\n%s", path, text)
		}
	}
	sim.SetKey("another")
	if text := found("UTC", "2500ms", ""); !strings.Contains(text, "fail vendor: archtics: ping: denied: HTTP 401 Unauthorized: the API key is wrong") || strings.Contains(text, archticssim.DemoKey+"\n") {
		t.Errorf("found\n%s", text)
	}
}
