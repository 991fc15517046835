package seal

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever device.key holds, usher starts with a key, keeps the old file aside
// where it was none, and says nothing of what it held.
func FuzzKeyFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, readErr := Read(dir)
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, content) {
			t.Fatalf("reading changed it: %v", err)
		}
		key, origin, err := Load("", dir)
		if err != nil {
			t.Fatal(err)
		}
		if (readErr == nil) != (origin.Source == File) {
			t.Errorf("Read: %v; Load: %+v", readErr, origin)
		}
		if sealed := key.Seal([]byte("Ada")); bytes.Contains(sealed, []byte("Ada")) {
			t.Error("not sealed")
		}
		said := strings.Join(origin.Warnings, "\n")
		if readErr != nil {
			said += readErr.Error()
		}
		if word := strings.TrimSpace(string(content)); len(word) > 8 && strings.Contains(said, word) {
			t.Errorf("the file's content is told: %q", said)
		}
		if origin.Source == File {
			secret, err := parse(content)
			if err != nil || len(secret) != Size {
				t.Fatalf("%x: %v", secret, err)
			}
			again, err := parse(hex.AppendEncode(nil, secret))
			if err != nil || !bytes.Equal(again, secret) {
				t.Errorf("as digits it is another key: %v", err)
			}
			return
		}
		// A second start finds the key that was made.
		second, origin, err := Load("", dir)
		if err != nil || origin.Source != File || !bytes.Equal(second.Check(), key.Check()) {
			t.Errorf("another key at the next start: %+v, %v", origin, err)
		}
	})
}
