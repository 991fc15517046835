package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"usher/cache/seal"
	"usher/scanner"
)

var secret = []byte("0123456789abcdefghijklmnopqrstuv")

func newKey(t *testing.T, secret []byte) *seal.Key {
	t.Helper()
	key, err := seal.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

func TestLoadCreatesOnceAndKeeps(t *testing.T) {
	dir := t.TempDir()
	first, origin, err := seal.Load("", dir)
	if err != nil || origin.Source != seal.Created {
		t.Fatalf("first start: %v, %v", origin, err)
	}
	info, err := os.Stat(filepath.Join(dir, "device.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("device.key: %v, %v", info.Mode(), err)
	}
	second, origin, err := seal.Load("", dir)
	if err != nil || origin.Source != seal.File || len(origin.Warnings) != 0 {
		t.Fatalf("second start: %v, %v", origin, err)
	}
	if !bytes.Equal(first.Check(), second.Check()) {
		t.Error("the second start has another key")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestLoadAtOnceGivesOneKey(t *testing.T) {
	dir := t.TempDir()
	checks := make([]string, 8)
	var group sync.WaitGroup
	for i := range checks {
		group.Go(func() {
			key, _, err := seal.Load("", dir)
			if err != nil {
				t.Error(err)
				return
			}
			checks[i] = string(key.Check())
		})
	}
	group.Wait()
	for _, check := range checks {
		if check != checks[0] {
			t.Fatal("two processes went on with different keys")
		}
	}
}

func TestLoadSources(t *testing.T) {
	want := newKey(t, secret).Check()
	for name, data := range map[string][]byte{
		"raw": secret, "hex": []byte(hex.EncodeToString(secret)), "hex line": []byte(hex.EncodeToString(secret) + "\n"),
	} {
		credentials, state := t.TempDir(), t.TempDir()
		write(t, filepath.Join(credentials, "device_key"), data, 0o400)
		write(t, filepath.Join(state, "device.key"), bytes.Repeat([]byte("ab"), 16), 0o600)
		key, origin, err := seal.Load(credentials, state)
		if err != nil || origin.Source != seal.Credential || !bytes.Equal(key.Check(), want) {
			t.Errorf("%s: %v, %v", name, origin, err)
		}
		if key, origin, err = seal.Load(t.TempDir(), state); err != nil || origin.Source != seal.File || bytes.Equal(key.Check(), want) {
			t.Errorf("%s: no credential: %v, %v", name, origin, err)
		}
	}
}

func TestLoadFaults(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want string
	}{
		"empty":   {"", "holds 0 bytes, want 32 raw bytes or 64 hexadecimal digits"},
		"short":   {"abc", "holds 3 bytes"},
		"not hex": {strings.Repeat("zz", 32), "holds 64 bytes"},
		"zeros":   {strings.Repeat("\x00", 32), "one byte repeated"},
	} {
		state := t.TempDir()
		path := filepath.Join(state, "device.key")
		write(t, path, []byte(c.data), 0o600)
		made, origin, err := seal.Load("", state)
		if err != nil || origin.Source != seal.Created || len(origin.Warnings) != 1 || !strings.Contains(origin.Warnings[0], c.want) {
			t.Errorf("%s: %v, %v", name, origin, err)
			continue
		}
		aside, _ := filepath.Glob(path + ".damaged-*")
		if len(aside) != 1 {
			t.Fatalf("%s: aside: %v", name, aside)
		}
		if kept, _ := os.ReadFile(aside[0]); string(kept) != c.data {
			t.Errorf("%s: the file that was moved aside was changed", name)
		}
		if again, origin, err := seal.Load("", state); err != nil || origin.Source != seal.File || !bytes.Equal(again.Check(), made.Check()) {
			t.Errorf("%s: the new key does not stay: %v, %v", name, origin, err)
		}
		_, _, err = seal.Load(state, t.TempDir()) // no such credential: a new key
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		write(t, filepath.Join(state, "device_key"), []byte(c.data), 0o600)
		if _, _, err = seal.Load(state, t.TempDir()); err == nil || !strings.Contains(err.Error(), "give the unit a credential device_key") {
			t.Errorf("%s: bad credential: %v", name, err)
		}
	}
	if _, _, err := seal.Load("", filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "writable for the service") {
		t.Errorf("no state directory: %v", err)
	}
}

func TestReadChangesNothing(t *testing.T) {
	for _, data := range []string{"", "abc", strings.Repeat("\x00", 32)} {
		state := t.TempDir()
		path := filepath.Join(state, "device.key")
		write(t, path, []byte(data), 0o600)
		if _, err := seal.Read(state); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", data, err)
		}
		names, _ := filepath.Glob(filepath.Join(state, "*"))
		if kept, err := os.ReadFile(path); err != nil || string(kept) != data || len(names) != 1 {
			t.Errorf("%q: changed: %q, %v, %v", data, kept, err, names)
		}
	}
	state := t.TempDir()
	if _, err := seal.Read(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(state, "*")); len(names) != 0 {
		t.Errorf("made %v", names)
	}
	write(t, filepath.Join(state, "device.key"), secret, 0o600)
	if key, err := seal.Read(state); err != nil || !bytes.Equal(key.Check(), newKey(t, secret).Check()) {
		t.Errorf("a good key: %v", err)
	}
}

func TestLoadWarnsOfReadableKey(t *testing.T) {
	state := t.TempDir()
	path := filepath.Join(state, "device.key")
	write(t, path, secret, 0o600)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, origin, err := seal.Load("", state)
	if err != nil || len(origin.Warnings) != 1 || !strings.Contains(origin.Warnings[0], "chmod 600") {
		t.Errorf("%v, %v", origin, err)
	}
}

func TestSealOpen(t *testing.T) {
	key, other := newKey(t, secret), newKey(t, bytes.Repeat([]byte("xy"), 16))
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := key.Seal(plain)
		got, err := key.Open(sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open: %x, %v", got, err)
		}
		if len(plain) > 3 && bytes.Contains(sealed, plain) {
			t.Fatal("the plain text shows")
		}
		if _, err := other.Open(sealed); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("another key: %v", err)
		}
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := key.Open(sealed); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("changed: %v", err)
		}
	})
	if _, err := key.Open(nil); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("nothing: %v", err)
	}
	if bytes.Equal(key.Seal([]byte("A")), key.Seal([]byte("A"))) {
		t.Error("equal values are sealed alike")
	}
}

func TestIndex(t *testing.T) {
	key, other := newKey(t, secret), newKey(t, bytes.Repeat([]byte("xy"), 16))
	scope := scanner.Scope{Vendor: "manifest", Event: "gala"}
	index := key.Index(scope, "A1")
	indexer := key.Indexer(scope)
	indexer.Index("B2")
	if indexer.Index("A1") != index {
		t.Error("Indexer and Index differ")
	}
	for what, got := range map[string][seal.IndexSize]byte{
		"another code":  key.Index(scope, "A2"),
		"another scope": key.Index(scanner.Scope{Vendor: "manifest"}, "A1"),
		"another key":   other.Index(scope, "A1"),
		"moved border":  key.Index(scanner.Scope{Vendor: "manifest", Event: "gal"}, "aA1"),
	} {
		if got == index {
			t.Errorf("%s has the same index", what)
		}
	}
}

func TestRecordsSalt(t *testing.T) {
	key := newKey(t, secret)
	a, _ := key.Records([]byte("a"))
	b, _ := key.Records([]byte("b"))
	if _, err := b.Open(nil, nil, a.Seal(nil, nil, []byte("x"), nil), nil); err == nil {
		t.Error("two generations share a key")
	}
}

func TestKeyStaysOutOfLogs(t *testing.T) {
	key := newKey(t, secret)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "key", key, "any", slog.AnyValue(key))
	fmt.Fprintf(&out, "%v %+v %#v %s", key, key, key, key)
	for _, form := range []string{string(secret), hex.EncodeToString(secret), "48 49 50", "0x30, 0x31"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the key shows: %s", out.String())
		}
	}
}

// TestWhatIsNoKeyFile is moved aside; a FIFO must not be waited for.
func TestWhatIsNoKeyFile(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"FIFO":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"empty":     func(path string) error { return os.WriteFile(path, nil, 0o600) },
		// Its first bytes give EIO, as a sector that is gone.
		"unreadable": func(path string) error { return os.Symlink("/proc/self/mem", path) },
	} {
		dir := t.TempDir()
		if err := harm(filepath.Join(dir, "device.key")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := seal.Find("", dir); err == nil {
			t.Errorf("%s: taken for a key", name)
		}
		key, origin, err := seal.Load("", dir)
		if err != nil || key == nil || len(origin.Warnings) != 1 {
			t.Errorf("%s: %+v, %v", name, origin, err)
		}
		if found, _, err := seal.Find("", dir); err != nil || !bytes.Equal(found.Check(), key.Check()) {
			t.Errorf("%s: the new key is not found, %v", name, err)
		}
	}
}
