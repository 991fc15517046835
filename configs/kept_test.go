package configs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/configs"
)

// kept runs a configuration once, so that it is kept, and gives its path and its
// state directory.
func kept(t *testing.T, text string, environ ...string) (path, state string) {
	t.Helper()
	state = t.TempDir()
	path = write(t, "state_dir: "+state+"\n"+text)
	cfg, err := configs.Load(path, environ)
	if err != nil {
		t.Fatal(err)
	}
	if err := configs.Keep(cfg.StateDir, cfg.Source()); err != nil {
		t.Fatal(err)
	}
	return path, state
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAValidFileRuns(t *testing.T) {
	path, _ := kept(t, least+"gate: {name: old}\n")
	overwrite(t, path, least+"gate: {name: new}\n")
	cfg, faults := configs.LoadOrKept(path, nil)
	if len(faults) > 0 || cfg == nil || cfg.Gate.Name != "new" {
		t.Errorf("got %v, %v", cfg, faults)
	}
}

func TestAFaultyFileRunsTheKeptOne(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"a wrong value", "state_dir: STATE\nvendor: {name: manifest}\ngate: {name: new, direction: in}\n", "gate.direction"},
		{"no YAML", "gate: {name: new\nstate_dir: STATE # here\n", "not valid YAML"},
		{"an empty file", "", "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, state := kept(t, least+"gate: {name: old}\n")
			overwrite(t, path, strings.ReplaceAll(c.file, "STATE", state))
			cfg, faults := configs.LoadOrKept(path, []string{"STATE_DIRECTORY=" + state})
			if cfg == nil {
				t.Fatalf("refused: %v", faults)
			}
			if cfg.Gate.Name != "old" || cfg.StateDir != state {
				t.Errorf("got %v", cfg)
			}
			if !strings.Contains(faults.Error(), c.want) {
				t.Errorf("got faults %v, want %s", faults, c.want)
			}
		})
	}
}

func TestTheKeptOneIsFound(t *testing.T) {
	path, state := kept(t, least+"gate: {name: old}\n")
	broken := "gate: {direction: in}\n"
	for _, c := range []struct {
		name, file string
		environ    []string
		found      bool
	}{
		{"by the variable", broken, []string{"USHER_STATE_DIR=" + state}, true},
		{"by the file's line", broken + "state_dir: '" + state + "'\n", nil, true},
		{"by a line among rubble", "gate: {\nstate_dir: " + state + "\n", nil, true},
		{"by systemd", broken, []string{"STATE_DIRECTORY=" + state}, true},
		{"by systemd, the line being wrong too", broken + "state_dir: /no/such\n", []string{"STATE_DIRECTORY=" + state}, true},
		{"not beside the variable", broken + "state_dir: " + state + "\n", []string{"USHER_STATE_DIR=" + t.TempDir(), "STATE_DIRECTORY=" + state}, false},
		{"by systemd, the variable being no path", broken, []string{"USHER_STATE_DIR=here", "STATE_DIRECTORY=" + state}, true},
		{"not by a relative line", broken + "state_dir: " + filepath.Base(state) + "\n", []string{"STATE_DIRECTORY=" + t.TempDir()}, false},
	} {
		overwrite(t, path, c.file)
		cfg, faults := configs.LoadOrKept(path, c.environ)
		if len(faults) == 0 {
			t.Errorf("%s: no faults", c.name)
		}
		if (cfg != nil) != c.found {
			t.Errorf("%s: got %v, %v", c.name, cfg, faults)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if cfg, faults := configs.LoadOrKept(path, []string{"STATE_DIRECTORY=" + state}); cfg == nil || len(faults) != 1 {
		t.Errorf("without the file: got %v, %v", cfg, faults)
	}
}

func TestNothingKeptIsRefused(t *testing.T) {
	path := write(t, "gate: {direction: in}\n")
	cfg, faults := configs.LoadOrKept(path, []string{"STATE_DIRECTORY=" + t.TempDir()})
	if cfg != nil || len(faults) != 2 {
		t.Errorf("got %v, %v, want the file's two faults", cfg, faults)
	}
}

func TestADamagedKeptFileIsNotUsed(t *testing.T) {
	path, state := kept(t, least+"gate: {name: old, event: E1}\n")
	overwrite(t, path, "gate: {direction: in}\n")
	file := filepath.Join(state, configs.KeptName)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"STATE_DIRECTORY=" + state}
	for n := range whole {
		changed := bytes.Clone(whole)
		changed[n] ^= 1
		for _, damaged := range [][]byte{whole[:n], changed} {
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, faults := configs.LoadOrKept(path, environ)
			if cfg != nil {
				t.Fatalf("byte %d: ran %v", n, cfg)
			}
			if !strings.Contains(faults.Error(), file+": the kept configuration is damaged") {
				t.Fatalf("byte %d: got %v", n, faults)
			}
		}
	}
}

func TestAKeptFileWithFaultsIsNotUsed(t *testing.T) {
	state := t.TempDir()
	if err := configs.Keep(state, []byte("vendor: {name: manifest, later: true}\n")); err != nil {
		t.Fatal(err)
	}
	cfg, faults := configs.LoadOrKept(write(t, "log: {level: x}\n"), []string{"STATE_DIRECTORY=" + state}, noKeys)
	if cfg != nil || !strings.Contains(faults.Error(), "not used: vendor: unknown keys: {later}") {
		t.Errorf("got %v, %v", cfg, faults)
	}
}

func TestTheEnvironmentIsNotKept(t *testing.T) {
	path, state := kept(t, least+"gate: {name: file}\n", "USHER_GATE_NAME=environment")
	raw, err := os.ReadFile(filepath.Join(state, configs.KeptName))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("environment")) {
		t.Errorf("kept:\n%s", raw)
	}
	overwrite(t, path, "{")
	cfg, _ := configs.LoadOrKept(path, []string{"STATE_DIRECTORY=" + state, "USHER_GATE_NAME=another"})
	if cfg == nil || cfg.Gate.Name != "another" {
		t.Errorf("got %v, want the environment of now over the kept file", cfg)
	}
}

// noKeys is a vendor's check that names no key of its own as a path.
func noKeys(c *configs.Config) configs.Faults {
	if len(c.Vendor.Block) == 0 {
		return nil
	}
	return configs.FaultsOf("", fmt.Errorf("vendor: unknown keys: %v", c.Vendor.Block))
}

func TestAFaultyVariableDoesNotCloseAGateThatRan(t *testing.T) {
	path, state := kept(t, least+"gate: {name: old}\n")
	cfg, faults := configs.LoadOrKept(path, []string{
		"USHER_STATE_DIR=" + state, "USHER_LOG_LEVEL=debug",
		"USHER_GATE_DIRECTION=in", "USHER_HISTORY_KEEP=5", "USHER_GATE_DIRECTON=x", "USHER_VENDOR_COLOUR=red",
	}, noKeys)
	if cfg == nil || cfg.Gate.Direction != "entry" || cfg.Log.Level != "debug" || cfg.Gate.Name != "old" {
		t.Fatalf("got %v, %v", cfg, faults)
	}
	for _, path := range []string{"USHER_GATE_DIRECTION", "USHER_HISTORY_KEEP", "USHER_GATE_DIRECTON", "vendor"} {
		if !faults.Has(path) {
			t.Errorf("%s is not listed in %v", path, faults)
		}
	}
	// A check may blame nothing in particular.
	strange := func(c *configs.Config) configs.Faults {
		if c.Log.Level == "debug" {
			return configs.Faults{{Text: "something is wrong"}}
		}
		return nil
	}
	cfg, faults = configs.LoadOrKept(path, []string{"USHER_STATE_DIR=" + state, "USHER_LOG_LEVEL=debug"}, strange)
	if cfg == nil || cfg.Log.Level != "info" || cfg.StateDir != state || len(faults) != 1 {
		t.Errorf("got %v, %v", cfg, faults)
	}
}

func TestKeep(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(state, configs.KeptName)
	raw := []byte("# ours\r\nvendor: {name: manifest}")
	for range 2 {
		if err := configs.Keep(state, raw); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := configs.Keep(state, raw); err != nil {
		t.Fatal(err)
	}
	again, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(info, again) {
		t.Error("written again though nothing changed: flash wears")
	}
	// The kept file is itself a configuration that can be copied back.
	if _, err := configs.Load(file, nil); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(state)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if err := configs.Keep(filepath.Join(state, "none"), raw); err == nil {
		t.Error("no error without a state directory")
	}
}
