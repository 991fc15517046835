package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/configs"
	"usher/scanner"
	"usher/vendors/archtics/archticssim"
)

// What Archtics is asked by cannot change in a reload: a gate would admit one event's
// tickets, and the look-ups and the attendance be another's.
func TestAReloadKeepsWhatArchticsIsAskedBy(t *testing.T) {
	load := func(gate, keys string) *configs.Config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "usher.yaml")
		text := fmt.Sprintf("state_dir: /x\ngate: { name: Gate 7%s }\nvendor: { name: archtics, api_key_file: /z, uid: u, dsn: d%s }\n", gate, keys)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := configs.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const utc, one = ", timezone: UTC", ", event: EVENT01"
	for _, tt := range []struct{ old, now, keys, fault string }{
		{utc + one, utc + one, "", ""},
		{utc + one, utc + ", event: EVENT02", "", "gate.event"},
		{utc + one, utc, "", "gate.event"},
		{utc + one, utc + ", event: EVENT02", ", events: [EVENT01, EVENT02]", ""},
		{utc, ", timezone: Asia/Tokyo", "", "gate.timezone"},
	} {
		f := fixed(load(tt.old, tt.keys), load(tt.now, tt.keys))
		if tt.fault == "" && len(f) != 0 || tt.fault != "" && (len(f) != 1 || f[0].Path != tt.fault || !strings.Contains(f[0].Text, "systemctl restart usher")) {
			t.Errorf("%+v: %v", tt, f)
		}
	}
	for _, tt := range []struct{ gate, keys, want string }{
		{"", ", events: [EVENT02, EVENT01]", "EVENT01, EVENT02"}, {one, ", events: [EVENT02]", "EVENT01"}, {one, "", "EVENT01"}, {"", "", ""},
	} {
		if got, err := eventScope(load(tt.gate, tt.keys)); err != nil || got != tt.want {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}

// TestACardAtArchtics: a season card has one barcode for all events. Its entry keeps
// it out for the rest of that event, and not from the next.
func TestACardAtArchtics(t *testing.T) {
	b := newBallpark(t, "")
	seat := func(event string) string {
		return fmt.Sprintf(`{"event_name":%q,"section_name":"101","row_name":"A","seat_num":7}`, event)
	}
	b.sim.SetAnswer("verify_barcode", `{"command1":{"result":0,"seats":[`+seat(archticssim.DemoEvent)+`,`+seat("EVENT02")+`]}}`)
	b.start(asking)
	scanFor(t, b.Rig, "lane-1", "SEASON-CARD", scanner.Admit, scanner.OK)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	b.start(asking)
	scanFor(t, b.Rig, "lane-2", "SEASON-CARD", scanner.Refuse, scanner.AlreadyEntered)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, b.Rig, "events: ["+archticssim.DemoEvent+"]", "events: [EVENT02]")
	b.start(asking)
	scanFor(t, b.Rig, "lane-2", "SEASON-CARD", scanner.Admit, scanner.OK)
	scanFor(t, b.Rig, "lane-1", "SEASON-CARD", scanner.Refuse, scanner.AlreadyEntered)
}
