package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// checkFaults: each is one line that says something and that no terminal obeys.
func checkFaults(t *testing.T, faults Faults) {
	t.Helper()
	for _, f := range faults {
		if f.Text == "" || len(f.String()) > 4<<10 {
			t.Errorf("a fault of %d bytes: %.100q", len(f.String()), f)
		}
		if i := strings.IndexFunc(f.String(), unicode.IsControl); i >= 0 {
			t.Errorf("control characters in %.200q", f.String())
		}
	}
}

// A file with faults never runs, and what runs is valid, whatever stands in the
// file and in the environment (one variable a line).
func FuzzConfig(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte, environ string) {
		vars := strings.Split(environ, "\n")
		cfg, faults := compose("usher.yaml", raw, vars, nil)
		checkFaults(t, faults)
		if len(faults) > 0 {
			return
		}
		if more := cfg.Validate(); len(more) > 0 {
			t.Errorf("it runs with faults: %v", more)
		}
		if !bytes.Equal(cfg.Source(), raw) {
			t.Error("its source is not the file")
		}
		for _, text := range []string{cfg.Gate.Name, cfg.Gate.Event, cfg.Device.Name, cfg.StateDir, cfg.Status.Socket, cfg.Offline.Manifest} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unseen) {
				t.Errorf("%q is shown as it is", text)
			}
		}
		for key := range cfg.Vendor.Block {
			if secretKey(key) {
				t.Errorf("a secret came in as %s", key)
			}
		}
		if shown := fmt.Sprintf("%v %+v %#v", cfg, *cfg, cfg.Vendor.Block); len(shown) > 4<<10+4*len(cfg.StateDir)+20*len(raw) {
			t.Errorf("%d bytes in a log", len(shown))
		}
		again, faults := compose("usher.yaml", raw, vars, nil)
		if len(faults) > 0 || fmt.Sprint(again.Scanners, Values(again)) != fmt.Sprint(cfg.Scanners, Values(cfg)) {
			t.Errorf("read again it is another: %v", faults)
		}
	})
}

// What lies in the state directory as the kept configuration runs only where it is
// byte for byte what was kept.
func FuzzKept(f *testing.F) {
	f.Fuzz(func(t *testing.T, whole []byte) {
		raw, ok := unwrapKept(whole)
		if !ok {
			return
		}
		dir := t.TempDir()
		if err := Keep(dir, raw); err != nil {
			t.Fatal(err)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, KeptName)); err != nil || !bytes.Equal(kept, whole) {
			t.Errorf("taken for a kept configuration, and Keep writes %.200q: %v", kept, err)
		}
	})
}
