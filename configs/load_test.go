package configs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/configs"
)

const least = "vendor: {name: manifest}\n"

// write puts a configuration into a directory of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, environ ...string) *configs.Config {
	t.Helper()
	cfg, err := configs.Load(write(t, text), environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// faultsOf loads what must be at fault.
func faultsOf(t *testing.T, text string, environ ...string) string {
	t.Helper()
	_, err := configs.Load(write(t, text), environ)
	var faults configs.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want faults", err)
	}
	return err.Error()
}

func TestDefaults(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"state_dir": "/var/lib/usher",
		"device.id": "", "device.name": host, "device.serial": "", "device.model": "", "device.mac": "",
		"gate.name": "", "gate.direction": "entry", "gate.rule": "external", "gate.reentry": "refuse",
		"gate.exit_required": false, "gate.exit_unknown": "refuse", "gate.forget_after": 24 * time.Hour,
		"gate.timezone": "", "gate.event": "", "gate.series": "", "gate.sections": []string(nil),
		"online.patience": 1500 * time.Millisecond, "online.timeout": 3 * time.Second, "online.probe_min": time.Second,
		"online.probe_max": 30 * time.Second, "online.in_doubt": "admit", "offline.refresh": time.Duration(0),
		"upload.batch": 100, "upload.retry_min": time.Second, "upload.retry_max": time.Minute,
		"offline.stale_after": time.Duration(0), "offline.unknown": "refuse", "offline.manifest": "",
		"history.keep": 336 * time.Hour, "status.socket": "/run/usher/usher.sock", "status.screen": "127.0.0.1:8680",
		"screen.language": "en", "screen.hold": 5 * time.Second,
		"clock.trust": "kernel", "log.level": "info", "log.format": "json",
		"signals.admit_led": "", "signals.refuse_led": "", "signals.review_led": "", "signals.beeper": "",
	}
	if diff := cmp.Diff(want, configs.Values(load(t, least))); diff != "" {
		t.Error(diff)
	}
}

func TestTheFileReachesEveryKey(t *testing.T) {
	cfg := load(t, `
state_dir: /srv/usher
device: {id: g7, name: Handheld 7, serial: "0123", model: CT60, mac: "00:11:22:33:44:55"}
gate: {name: Gate 7, direction: exit, rule: internal, reentry: allow, exit_required: true, exit_unknown: review,
  forget_after: 90m, timezone: Europe/Zurich, event: E1, series: S1, sections: [A, "7"]}
scanners:
  - {name: lane-1, driver: serial, direction: entry, port: /dev/ttyUSB0, baud: 9600}
  - {name: keys, driver: feed}
vendor: {name: manifest, colour: red}
online: {patience: 1s, timeout: 2s, probe_min: 2s, probe_max: 20s, in_doubt: review}
upload: {batch: 50, retry_min: 2s, retry_max: 20s}
offline: {refresh: 10m, stale_after: 1h, unknown: review, manifest: /srv/list.csv}
history: {keep: 48h}
status: {socket: /srv/usher.sock, screen: off}
screen: {language: de, hold: 10s}
clock: {trust: wall}
log: {level: debug, format: text}
signals: {admit_led: "green:status", refuse_led: "red:status", review_led: "amber:status", beeper: /dev/input/event9}
`)
	want := map[string]any{
		"state_dir": "/srv/usher",
		"device.id": "g7", "device.name": "Handheld 7", "device.serial": "0123", "device.model": "CT60", "device.mac": "00:11:22:33:44:55",
		"gate.name": "Gate 7", "gate.direction": "exit", "gate.rule": "internal", "gate.reentry": "allow",
		"gate.exit_required": true, "gate.exit_unknown": "review", "gate.forget_after": 90 * time.Minute,
		"gate.timezone": "Europe/Zurich", "gate.event": "E1", "gate.series": "S1", "gate.sections": []string{"A", "7"},
		"online.patience": time.Second, "online.timeout": 2 * time.Second, "online.probe_min": 2 * time.Second,
		"online.probe_max": 20 * time.Second, "online.in_doubt": "review", "offline.refresh": 10 * time.Minute,
		"upload.batch": 50, "upload.retry_min": 2 * time.Second, "upload.retry_max": 20 * time.Second,
		"offline.stale_after": time.Hour, "offline.unknown": "review", "offline.manifest": "/srv/list.csv",
		"history.keep": 48 * time.Hour, "status.socket": "/srv/usher.sock", "status.screen": "off",
		"screen.language": "de", "screen.hold": 10 * time.Second,
		"clock.trust": "wall", "log.level": "debug", "log.format": "text",
		"signals.admit_led": "green:status", "signals.refuse_led": "red:status", "signals.review_led": "amber:status",
		"signals.beeper": "/dev/input/event9",
	}
	if diff := cmp.Diff(want, configs.Values(cfg)); diff != "" {
		t.Error(diff)
	}
	scanners := []configs.Scanner{
		{Name: "lane-1", Driver: "serial", Direction: "entry", Block: configs.Block{"port": "/dev/ttyUSB0", "baud": 9600}},
		{Name: "keys", Driver: "feed", Block: configs.Block{}},
	}
	if diff := cmp.Diff(scanners, cfg.Scanners); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(configs.Vendor{Name: "manifest", Block: configs.Block{"colour": "red"}}, cfg.Vendor); diff != "" {
		t.Error(diff)
	}
}

func TestBlocksStayAsWritten(t *testing.T) {
	cfg := load(t, `
vendor:
  name: manifest
  Labels: {Gate-A: x, user.name: y, VIP: [1, 0x1f, 2.5, true, 2026-11-21]}
`)
	want := configs.Block{"Labels": map[string]any{
		"Gate-A": "x", "user.name": "y", "VIP": []any{1, 31, 2.5, true, "2026-11-21"},
	}}
	if diff := cmp.Diff(want, cfg.Vendor.Block); diff != "" {
		t.Error(diff)
	}
}

func TestStateDirectoryFromSystemd(t *testing.T) {
	for _, c := range []struct{ name, file, env, want string }{
		{"systemd's", least, "STATE_DIRECTORY=/var/lib/private/usher", "/var/lib/private/usher"},
		{"the first of several", least, "STATE_DIRECTORY=/a:/b", "/a"},
		{"the file's over systemd's", least + "state_dir: /c\n", "STATE_DIRECTORY=/a", "/c"},
	} {
		if got := load(t, c.file, c.env).StateDir; got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestUnusableFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("# long\n"), 200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(dir, "hidden.yaml")
	if err := os.WriteFile(hidden, []byte(least), 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "is a directory",
		large:                           "larger than",
		hidden:                          "permission denied",
	} {
		if path == hidden && os.Geteuid() == 0 {
			continue // root reads everything
		}
		_, err := configs.Load(path, nil)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s: ... %s ...", err, path, want)
		}
	}
}

func TestChecksJoinTheReport(t *testing.T) {
	check := func(*configs.Config) configs.Faults {
		f := configs.FaultsOf("", errors.Join(
			errors.New("scanner lane-1: port: missing"), errors.New("scanner lane-1: no such driver"),
			errors.New("scanners[1]: name: missing"), errors.New("vendor.base_url: must be https"),
			errors.New("a sentence: with a colon"), errors.New("another sentence")))
		f.Add("gate.name.first", "follows from another fault")
		return f
	}
	path := write(t, least+"gate: {name: 7}\nscanners: [{name: lane-1, driver: serial}, {driver: serial}]\n")
	_, err := configs.Load(path, []string{"USHER_VENDOR_BASE_URL=http://example.org"}, check)
	want := `a sentence: with a colon
another sentence
USHER_VENDOR_BASE_URL: must be https
gate.name: 7 is read as a number: put it in quotes, "7"
scanners[1].name: must not be empty: name the lane or the scanner
scanners[lane-1]: no such driver
scanners[lane-1].port: missing`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// The drivers find a name given twice as well, and call the scanner by its place
// then: it is one fault.
func TestANameGivenTwiceIsOneFault(t *testing.T) {
	check := func(*configs.Config) configs.Faults {
		return configs.FaultsOf("scanners", errors.New("scanners[1]: name: given to two scanners"))
	}
	path := write(t, least+"scanners: [{name: lane-1, driver: serial}, {name: lane-1, driver: serial}]\n")
	_, err := configs.Load(path, nil, check)
	if want := `scanners[1].name: "lane-1" is scanners[0] already: each needs its own`; err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAListMustBeFreshForLongerThanItIsLookedAt(t *testing.T) {
	got := faultsOf(t, least+"offline: {stale_after: 59s}\n")
	if want := "offline.stale_after: 59s: must be at least 1m: the manifest is looked at every 30s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	load(t, least+"offline: {stale_after: 1m}\n")
}

func TestFaultsOf(t *testing.T) {
	if f := configs.FaultsOf("vendor", nil); f.Err() != nil {
		t.Errorf("got %v for no error", f)
	}
	own := configs.Faults{{Path: "a", Text: "b"}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{own, "a: b"},
		{errors.Join(own, errors.New("port: missing")), "a: b\nvendor.port: missing"},
		{errors.Join(errors.Join(errors.New("one"), errors.New("two words: x"))), "vendor: one\nvendor: two words: x"},
		{fmt.Errorf("both %w and %w", errors.New("x"), errors.New("y")), "vendor: both x and y"},
	} {
		if got := configs.FaultsOf("vendor", c.err).Error(); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestNoSecretInAnyTextForm(t *testing.T) {
	const secret = "hunter2"
	cfg := load(t, least+"scanners: [{name: a, driver: b, pin: "+secret+"}]\n# "+secret, "USHER_VENDOR_TOKEN="+secret)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("run", "config", cfg, "vendor", cfg.Vendor, "scanners", cfg.Scanners, "block", cfg.Vendor.Block)
	slog.New(slog.NewTextHandler(&log, nil)).Info("run", "config", cfg, "vendor", cfg.Vendor, "scanners", cfg.Scanners, "block", cfg.Vendor.Block)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	log.Write(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb, cfg)
		fmt.Fprintf(&log, verb, *cfg)
		fmt.Fprintf(&log, verb, cfg.Vendor)
		fmt.Fprintf(&log, verb, cfg.Scanners)
		fmt.Fprintf(&log, verb, cfg.Vendor.Block)
	}
	hex := fmt.Sprintf("%x", secret)
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	for _, form := range []string{secret, hex, decimal} {
		if i := strings.Index(log.String(), form); i >= 0 {
			t.Errorf("shown: %s", log.String()[max(0, i-200):i+len(form)])
		}
	}
	if !strings.Contains(log.String(), "manifest") {
		t.Error("the vendor's name is not shown")
	}
}

func TestFaultsNeverShowABlockValue(t *testing.T) {
	got := faultsOf(t, "vendor: {name: v, password: hunter2, api_key: 0123456, token: 0777}\nscanners: [{name: a, driver: b, pin: 0555}]\n")
	for _, secret := range []string{"hunter2", "0123456", "0777", "0555"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is shown in\n%s", secret, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	cfg := load(t, least+"gate: {exit_required: true}\noffline: {unknown: admit}\ndevice: {name: localhost}\n")
	var paths []string
	for _, w := range cfg.Warnings() {
		paths = append(paths, w.Path)
	}
	want := []string{"device.name", "gate.exit_required", "offline.manifest", "offline.unknown", "scanners"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	quiet := load(t, "vendor: {name: manifest}\noffline: {manifest: /l.csv}\nscanners: [{name: a, driver: feed}]\ndevice: {name: g7}\n")
	if w := quiet.Warnings(); len(w) != 0 {
		t.Errorf("got %v, want none", w)
	}
}

func TestLocation(t *testing.T) {
	if loc, err := load(t, least).Gate.Location(); err != nil || loc != time.Local {
		t.Errorf("got %v, %v, want the device's zone", loc, err)
	}
	loc, err := load(t, least+"gate: {timezone: Europe/Zurich}\n").Gate.Location()
	if err != nil || loc.String() != "Europe/Zurich" {
		t.Errorf("got %v, %v", loc, err)
	}
}

// Any text of the file either loads or gives faults; it never panics, and one
// that loads loads the same again.
func TestAnyFile(t *testing.T) {
	dir := t.TempDir()
	word := rapid.SampledFrom([]string{
		"vendor", "name", "manifest", "gate", "scanners", "driver", "direction", "entry", "sections", "history", "keep", "48h",
		":", ": ", "\n", "\n  ", "\n- ", "- ", "{", "}", "[", "]", ", ", "&a ", "*a", "<<", "\"", "'", "#", "0123", "1e3", "~", "!!str ", "!x ", "---\n", "\t", "|\n", "? ",
	})
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(word, 0, 30).Draw(rt, "words"), "")
		if rapid.Bool().Draw(rt, "begun") {
			text = least + text
		}
		path := filepath.Join(dir, "usher.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		cfg, err := configs.Load(path, nil)
		if err != nil {
			return
		}
		again, err := configs.Load(path, nil)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(configs.Values(cfg), configs.Values(again)); diff != "" {
			rt.Error(diff)
		}
	})
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, "usher.yaml", "demo.yaml") {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 4<<10 {
			return
		}
		path := filepath.Join(t.TempDir(), "usher.yaml")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := configs.Load(path, []string{"USHER_VENDOR_KEY=" + string(raw), "USHER_GATE_NAME=" + string(raw)})
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("faults without words")
		}
	})
}

// TestTheScreenStaysOnThisDevice: it shows names to whoever can reach it.
func TestTheScreenStaysOnThisDevice(t *testing.T) {
	for value, fault := range map[string]string{
		"127.0.0.1:8680": "", `"[::1]:8680"`: "", "127.8.0.1:1": "", "off": "",
		"0.0.0.0:8680": "loopback", `"[::]:8680"`: "loopback", "192.168.1.4:8680": "loopback", "localhost:8680": "loopback", `":8680"`: "loopback",
		"127.0.0.1": "an address and a port", "127.0.0.1:0": "port", "127.0.0.1:70000": "port", "127.0.0.1:http": "port", `""`: "an address and a port",
	} {
		if fault == "" {
			load(t, least+"status: {screen: "+value+"}\n")
		} else if got := faultsOf(t, least+"status: {screen: "+value+"}\n"); !strings.Contains(got, "status.screen: ") || !strings.Contains(got, fault) {
			t.Errorf("%s: %q, want %q", value, got, fault)
		}
	}
	if got := faultsOf(t, least+"screen: {language: it, hold: 100ms}\n"); !strings.Contains(got, "screen.language: ") || !strings.Contains(got, "screen.hold: ") {
		t.Errorf("%q", got)
	}
}
