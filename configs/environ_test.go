package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/configs"
)

func TestTheEnvironmentReachesEveryScalar(t *testing.T) {
	values := map[string]string{
		"state_dir": "/e", "device.id": "e1", "device.name": "e2", "device.serial": "0123", "device.model": "e4", "device.mac": "00:11:22:33:44:66",
		"gate.name": "e5", "gate.direction": "exit", "gate.rule": "internal", "gate.reentry": "allow", "gate.exit_required": "true",
		"gate.exit_unknown": "admit", "gate.forget_after": "1h30m0s", "gate.timezone": "UTC", "gate.event": "e6", "gate.series": "e7",
		"offline.stale_after": "2h0m0s", "offline.unknown": "review", "offline.manifest": "/e.csv", "history.keep": "72h0m0s",
		"offline.refresh": "10m0s", "online.patience": "1s", "online.timeout": "2s", "online.probe_min": "2s", "online.probe_max": "20s",
		"online.in_doubt": "review", "upload.batch": "50", "upload.retry_min": "2s", "upload.retry_max": "20s",
		"status.socket": "/e.sock", "status.screen": "[::1]:81", "screen.language": "fr", "screen.hold": "9s", "clock.trust": "wall", "log.level": "warn", "log.format": "text",
		"signals.admit_led": "green:a", "signals.refuse_led": "red:r", "signals.review_led": "amber:v", "signals.beeper": "/dev/input/e9",
	}
	var environ []string
	for key, value := range values {
		environ = append(environ, "USHER_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
	}
	got := configs.Values(load(t, least+"gate: {name: file, sections: [A]}\nlog: {level: debug}\n", environ...))
	for _, key := range configs.Keys() {
		if key == "gate.sections" {
			continue // a list
		}
		want, ok := values[key]
		if !ok {
			t.Errorf("%s is not tried", key)
		} else if fmt.Sprint(got[key]) != want {
			t.Errorf("%s: got %v, want %s", key, got[key], want)
		}
	}
	if diff := cmp.Diff([]string{"A"}, got["gate.sections"]); diff != "" {
		t.Error(diff)
	}
}

func TestTheEnvironmentReachesTheVendorsBlock(t *testing.T) {
	cfg := load(t, "vendor: {name: audienceview, client_id: 7, venue: north}\n",
		"USHER_VENDOR_NAME=manifest", "USHER_VENDOR_CLIENT_ID=284", "USHER_VENDOR_VENUE=0123", "USHER_VENDOR_DEBUG=true", "USHER_VENDOR_WAIT=1500ms",
		`USHER_VENDOR_TENANT="0123"`, "USHER_VENDOR_BASE_URL=https://example.org/?a=b", "USHER_VENDOR_FROM=2026-11-21",
		"USHER_VENDOR_PASSWORD=hunter2", "USHER_VENDOR_API_KEY=hunter2")
	want := configs.Vendor{Name: "manifest", Block: configs.Block{
		"client_id": 284, "venue": "0123", "debug": true, "wait": "1500ms",
		"tenant": "0123", "base_url": "https://example.org/?a=b", "from": "2026-11-21",
	}}
	if diff := cmp.Diff(want, cfg.Vendor); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesThatSetNothing(t *testing.T) {
	cfg := load(t, least+"gate: {event: E1}\n",
		"USHER_GATE_EVENT=", "USHER_BINARY=/usr/bin/usher", "USHER_PORT_8680_TCP=tcp://10.0.0.1:8680", "GATE_NAME=x", "USHERX=1",
		"USHER_GATE_NAME=first", "USHER_GATE_NAME=last")
	if cfg.Gate.Event != "E1" {
		t.Error("an empty variable opened the gate to every event")
	}
	if cfg.Gate.Name != "last" {
		t.Errorf("of one variable twice, %q counts", cfg.Gate.Name)
	}
}

func TestFaultyVariables(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"USHER_GATE_DIRECTION=in", `USHER_GATE_DIRECTION: "in": must be entry or exit`},
		{"USHER_GATE_DIRECTON=exit", `USHER_GATE_DIRECTON: unknown variable: did you mean USHER_GATE_DIRECTION?`},
		{"USHER_GATE_COLOUR=red", `USHER_GATE_COLOUR: unknown variable: remove it, or see the keys of gate`},
		{"USHER_STATEDIR=/x", `USHER_STATEDIR: unknown variable: did you mean USHER_STATE_DIR?`},
		{"USHER_GATE_SECTIONS=A,B", `USHER_GATE_SECTIONS: is a list: set gate.sections in the file`},
		{"USHER_SCANNERS_0_PORT=/dev/x", `USHER_SCANNERS_0_PORT: scanners are a list: set them in the file`},
		{"USHER_HISTORY_KEEP=5", `USHER_HISTORY_KEEP: "5": has no unit: write 5s, 5m or 5h`},
		{"USHER_GATE_EXIT_REQUIRED=1", `USHER_GATE_EXIT_REQUIRED: "1": must be true or false`},
		{"USHER_VENDOR_TENANT=0123", `USHER_VENDOR_TENANT: a number that begins with 0 would be read as octal: put it in quotes, or drop the 0`},
		{"USHER_VENDOR_EVENTS=[1, 2]", `USHER_VENDOR_EVENTS: must be a single value; put text in quotes of its own ('"..."')`},
		{"USHER_VENDOR_EVENTS={", `USHER_VENDOR_EVENTS: must be a single value; put text in quotes of its own ('"..."')`},
		{"USHER_VENDOR_EVENTS=# none", `USHER_VENDOR_EVENTS: must be a single value; put text in quotes of its own ('"..."')`},
		{"USHER_STATE_DIR=here", `USHER_STATE_DIR: "here": must be a whole path, beginning with /`},
	} {
		if got := faultsOf(t, least, c.env); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.env, got, c.want)
		}
	}
}
