package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/configs"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest/faults"
)

// presenceDir is a directory with a configuration for Presence; extra are whole
// sections, keys go into the vendor's block.
func presenceDir(t *testing.T, url, keys, extra string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(presencesim.DemoKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("state_dir: %s/state\nstatus: { socket: %s/usher.sock, screen: \"off\" }\ngate: { name: Gate 7 }\nclock: { trust: wall }\n"+
		"vendor: { name: presence, base_url: %q, api_key_file: %s/key, venue_id: %s%s }\n%s", dir, dir, url, dir, presencesim.DemoVenue, keys, extra)
	path := filepath.Join(dir, "usher.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const wholeDevice = "device: { name: dev, serial: S-1, model: Janam XT2, mac: \"00:00:00:00:00:07\" }\n"

// What Presence wants of a device and the hardware does not tell is a fault with its
// path; with it, the check configures the device as the daemon does.
func TestCheckOfPresence(t *testing.T) {
	sim := presencesim.New(presencesim.Options{})
	wire, err := faults.Listen("127.0.0.1:0", sim, presencesim.CallName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	found := func(keys, extra string) string {
		t.Helper()
		var out strings.Builder
		for _, f := range inspect(t.Context(), presenceDir(t, wire.URL()+presencesim.Base, keys, extra), nil) {
			fmt.Fprintf(&out, "%s %s: %s\n", f.Grade, f.What, f.Text)
		}
		return out.String()
	}
	text := found("", wholeDevice)
	for _, want := range []string{
		"ok vendor: presence: signed in",
		"warn vendor.upload_path: missing, so entries made offline are kept on this device and exported, never uploaded: the path is not public, ask Ticketmaster's Nexus Partner Program coordinator for it; what was kept before it is set is not uploaded afterwards",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if d := sim.Devices(); len(d) != 1 || d[0].Serial != "S-1" || d[0].Model != "Janam XT2" || d[0].MAC != "00:00:00:00:00:07" || d[0].Name != "dev" || d[0].GateName != "Gate 7" {
		t.Errorf("devices %+v", d)
	}
	if text := found(", upload_path: /ticket/upload", wholeDevice); !strings.Contains(text, "warn vendor.upload_path: holds no {direction}") {
		t.Errorf("found\n%s", text)
	}
	if text := found(`, upload_path: "/ticket/upload/{direction}"`, wholeDevice); strings.Contains(text, "upload_path") {
		t.Errorf("found\n%s", text)
	}
	sim.SetKey("another")
	if text := found("", wholeDevice); !strings.Contains(text, "fail vendor: presence: device/init: denied: the API key is refused") || strings.Contains(text, "apikey") {
		t.Errorf("found\n%s", text)
	}
}

// A device of which nothing is known says so for each field, by its path.
func TestPresenceWantsToKnowTheDevice(t *testing.T) {
	for field, without := range map[string]string{
		"device.serial": "device: { name: dev, model: M, mac: \"00:00:00:00:00:07\" }\n",
		"device.model":  "device: { name: dev, serial: S, mac: \"00:00:00:00:00:07\" }\n",
		"device.mac":    "device: { name: dev, serial: S, model: M }\n",
	} {
		cfg, err := configs.Load(presenceDir(t, "http://127.0.0.1:1", "", without), nil)
		if err != nil {
			t.Fatal(err)
		}
		hw := vendorDevice(cfg)
		told := map[string]string{"device.serial": hw.Serial, "device.model": hw.Model, "device.mac": hw.MAC}[field]
		faults := checkBlocks(cfg)
		named := slices.ContainsFunc(faults, func(f configs.Fault) bool {
			return f.Path == field && strings.HasPrefix(f.Text, "missing, and Ticketmaster Presence wants it of every device")
		})
		if named == (told != "") || len(faults) > 1 {
			t.Errorf("%s, which the hardware tells as %q: %v", field, told, faults)
		}
	}
}

// What Presence was told at the start cannot change in a reload.
func TestAReloadKeepsWhatPresenceWasTold(t *testing.T) {
	load := func(device, gate string) *configs.Config {
		t.Helper()
		cfg, err := configs.Load(presenceDir(t, "http://127.0.0.1:1", "", device), []string{"USHER_GATE_NAME=" + gate})
		if err != nil {
			t.Fatal(err)
		}
		cfg.StateDir, cfg.Status.Socket, cfg.Vendor.Block["api_key_file"] = "/x", "/y", "/z"
		return cfg
	}
	old := load(wholeDevice, "Gate 7")
	if f := fixed(old, load(wholeDevice, "Gate 7")); len(f) != 0 {
		t.Errorf("nothing changed: %v", f)
	}
	for path, now := range map[string]*configs.Config{
		"gate.name":     load(wholeDevice, "Gate 8"),
		"device.serial": load(strings.Replace(wholeDevice, "S-1", "S-2", 1), "Gate 7"),
		"device.name":   load(strings.Replace(wholeDevice, "dev,", "other,", 1), "Gate 7"),
		"device.model":  load(strings.Replace(wholeDevice, "Janam XT2", "Janam XT3", 1), "Gate 7"),
	} {
		f := fixed(old, now)
		if len(f) != 1 || f[0].Path != path || !strings.Contains(f[0].Text, "systemctl restart usher") {
			t.Errorf("%s: %v", path, f)
		}
	}
	manifest := *old
	manifest.Vendor = configs.Vendor{Name: "manifest"}
	other := manifest
	other.Gate.Name = "Gate 8"
	if f := fixed(&manifest, &other); len(f) != 0 {
		t.Errorf("a manifest is told nothing: %v", f)
	}
}
