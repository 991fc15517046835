package identity_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"usher/cmd/internal/identity"
)

// Whatever device.id holds, the device has an id that can be named to a vendor and
// read out, the same at the next start, and what the file held is kept.
func FuzzIDFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte, machine string) {
		dir := t.TempDir()
		state := filepath.Join(dir, "state")
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string][]byte{filepath.Join(state, identity.FileName): content, filepath.Join(dir, "machine-id"): []byte(machine)} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := identity.Options{StateDir: state, MachineIDPath: filepath.Join(dir, "machine-id"), SysRoot: filepath.Join(dir, "sys"), Log: slog.New(slog.DiscardHandler)}
		id, err := identity.Load(o)
		if err != nil {
			t.Fatal(err)
		}
		if id.ID == "" || len(id.ID) > 64 || strings.ContainsFunc(id.ID, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
			t.Errorf("id %q out of %q", id.ID, content)
		}
		for _, note := range id.Notes {
			if strings.ContainsFunc(note, unicode.IsControl) {
				t.Errorf("note %q", note)
			}
		}
		if word := strings.TrimSpace(machine); len(word) >= 16 && strings.Contains(id.Machine, word) {
			t.Errorf("the machine-id is passed on: %s", id.Machine)
		}
		aside, err := filepath.Glob(filepath.Join(state, identity.FileName+".*"))
		if err != nil || id.New != (len(aside) == 1) {
			t.Errorf("new: %v, kept aside: %v, %v", id.New, aside, err)
		}
		again, err := identity.Load(o)
		if err != nil || again.ID != id.ID || again.New || len(again.Notes) > 0 {
			t.Errorf("the next start: %+v after %+v, %v", again, id, err)
		}
	})
}
