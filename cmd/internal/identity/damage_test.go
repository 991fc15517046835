package identity_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/identity"
)

// TestAFlippedByteIsNoOtherID: whatever byte of the file is wrong, the device has
// its own id or a new one and says so; never one that is nearly its own.
func TestAFlippedByteIsNoOtherID(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	first := d.load()
	path := filepath.Join(d.state, identity.FileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for _, flip := range []byte{1, 0x20, 0x80} {
			raw := bytes.Clone(whole)
			raw[at] ^= flip
			d.put(path, string(raw))
			if got := d.load(); got.ID != first.ID && (!got.New || len(got.Notes) != 1) {
				t.Errorf("byte %d ^ %#x: %+v", at, flip, got)
			}
		}
	}
}

// TestAFIFOInTheFilesPlace must not be waited for.
func TestAFIFOInTheFilesPlace(t *testing.T) {
	d := newDevice(t)
	d.load()
	path := filepath.Join(d.state, identity.FileName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	got := d.load()
	if !got.New || len(got.Notes) != 1 {
		t.Errorf("got %+v", got)
	}
	if again := d.load(); again.ID != got.ID || again.New {
		t.Errorf("again %+v", again)
	}
}

// TestASectorThatIsGone: what the disk does not give back comes back by no restart,
// so the device goes on under a new id, and the file is kept.
func TestASectorThatIsGone(t *testing.T) {
	d := newDevice(t)
	first := d.load()
	path := filepath.Join(d.state, identity.FileName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// Its first bytes give EIO.
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
	got := d.load()
	if !got.New || got.ID == first.ID || len(got.Notes) != 1 {
		t.Errorf("got %+v", got)
	}
	if aside, err := filepath.Glob(path + ".damaged-*"); err != nil || len(aside) != 1 {
		t.Errorf("kept aside: %v, %v", aside, err)
	}
	if again := d.load(); again.ID != got.ID || again.New {
		t.Errorf("again %+v", again)
	}
}
