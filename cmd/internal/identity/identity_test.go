package identity_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/identity"
)

// device is a pretended machine: a state directory, a machine-id and a sysfs.
type device struct {
	t     *testing.T
	state string
	root  string
	log   bytes.Buffer
	opts  identity.Options
}

func newDevice(t *testing.T) *device {
	t.Helper()
	dir := t.TempDir()
	d := &device{t: t, state: filepath.Join(dir, "state"), root: filepath.Join(dir, "sys")}
	d.opts = identity.Options{
		StateDir:      d.state,
		MachineIDPath: filepath.Join(dir, "machine-id"),
		SysRoot:       d.root,
		Now:           func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) },
		Log:           slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	d.machine("3d1219c7c4c5404aaa1f6d2a48adfda4")
	return d
}

func (d *device) put(path, text string) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) link(path, to string) {
	d.t.Helper()
	for _, dir := range []string{filepath.Dir(path), to} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := os.Symlink(to, path); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) machine(id string) { d.put(d.opts.MachineIDPath, id+"\n") }

// card plugs in a network card at a bus such as pci0 or usb1; no bus: virtual.
func (d *device) card(name, bus, mac string, more ...string) {
	dir := filepath.Join(d.root, "class/net", name)
	d.put(filepath.Join(dir, "type"), "1\n")
	d.put(filepath.Join(dir, "addr_assign_type"), "0\n")
	d.put(filepath.Join(dir, "address"), mac+"\n")
	if bus != "" {
		d.link(filepath.Join(dir, "device"), filepath.Join(d.root, "devices", bus, name))
	}
	for i := 0; i < len(more); i += 2 {
		d.put(filepath.Join(dir, more[i]), more[i+1]+"\n")
	}
}

func (d *device) noCards() {
	if err := os.RemoveAll(filepath.Join(d.root, "class/net")); err != nil {
		d.t.Fatal(err)
	}
}

// disk gives the disk under the state directory a serial number; the directory is
// on a partition of it.
func (d *device) disk(file, serial string) {
	d.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(filepath.Dir(d.state), &st); err != nil {
		d.t.Fatal(err)
	}
	whole := filepath.Join(d.root, "devices/mmc0/block/mmcblk0")
	node := filepath.Join(d.root, "dev/block", fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	for _, old := range []string{whole, node} {
		if err := os.RemoveAll(old); err != nil {
			d.t.Fatal(err)
		}
	}
	d.put(filepath.Join(whole, "mmcblk0p2/partition"), "2\n")
	d.link(node, filepath.Join(whole, "mmcblk0p2"))
	d.put(filepath.Join(whole, file), serial+"\n")
}

func (d *device) load() identity.Identity {
	d.t.Helper()
	id, err := identity.Load(d.opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

// files lists the state directory.
func (d *device) files() []string {
	d.t.Helper()
	entries, err := os.ReadDir(d.state)
	if err != nil {
		d.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const (
	macA = "00:1b:21:00:00:01"
	macB = "00:1b:21:00:00:02"
	// other is a machine-id.
	other = "00000000000000000000000000000001"
)

func TestTheIDIsMadeOnceAndStays(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	first := d.load()
	if !first.New || first.Cloned || len(first.Notes) > 0 {
		t.Errorf("got %+v, want a new id without notes", first)
	}
	if !regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){2}$`).MatchString(first.ID) {
		t.Errorf("id %q", first.ID)
	}
	if first.MAC != macA || first.Machine == "" || strings.Contains(first.Machine, "3d1219c7") {
		t.Errorf("got %+v", first)
	}
	info, err := os.Stat(filepath.Join(d.state, identity.FileName))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("file: %v, %v", info.Mode(), err)
	}
	again := d.load()
	if again.New || again.ID != first.ID || len(again.Notes) > 0 {
		t.Errorf("got %+v, want %s again", again, first.ID)
	}
	after, err := os.Stat(filepath.Join(d.state, identity.FileName))
	if err != nil || !os.SameFile(info, after) {
		t.Error("written again though nothing changed")
	}
	if raw, _ := os.ReadFile(filepath.Join(d.state, identity.FileName)); bytes.Contains(raw, []byte("3d1219c7")) {
		t.Errorf("the machine-id is stored: %s", raw)
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 200 {
		d := newDevice(t)
		id := d.load().ID
		if seen[id] {
			t.Fatalf("%s twice", id)
		}
		seen[id] = true
		for _, r := range id {
			letters[r] = true
		}
	}
	if len(letters) != 33 {
		t.Errorf("%d different characters in 200 ids, want 32 and the dash", len(letters))
	}
}

// What may change around an id, and what becomes of the id then.
func TestWhoKeepsTheID(t *testing.T) {
	type change func(*device)
	both := func(a, b change) change { return func(d *device) { a(d); b(d) } }
	newMachine := func(d *device) { d.machine(other) }
	noMachine := func(d *device) { d.machine("") }
	newCard := func(d *device) { d.noCards(); d.card("eth0", "pci0", macB) }
	noCard := func(d *device) { d.noCards() }
	newDisk := func(d *device) { d.disk("device/cid", "bbbb") }
	unknownDisk := func(d *device) { d.disk("size", "1") }
	nothing := func(*device) {}
	withCard := func(d *device) { d.card("eth0", "pci0", macA) }
	withDisk := func(d *device) { d.disk("device/cid", "aaaa") }

	for _, c := range []struct {
		name          string
		before, after change
		keeps         bool
	}{
		{"nothing changed", both(withCard, withDisk), nothing, true},
		{"reinstalled system", both(withCard, withDisk), newMachine, true},
		{"reinstalled system, disk not telling", withCard, newMachine, true},
		{"reinstalled system on a new disk", both(withCard, withDisk), both(newMachine, newDisk), true},
		{"restored to a new disk", both(withCard, withDisk), newDisk, true},
		{"new network card, or the card moved to another handheld", both(withCard, withDisk), newCard, true},
		{"card copied to another handheld", both(withCard, withDisk), both(newCard, newDisk), false},
		{"card copied from a prepared image", both(withCard, withDisk), both(newMachine, both(newCard, newDisk)), false},
		{"machine-id and network card changed", both(withCard, withDisk), both(newMachine, newCard), false},
		{"card copied, disk not telling", withCard, newCard, false},
		{"card copied, disk not telling any more", both(withCard, withDisk), both(newCard, unknownDisk), false},
		{"machine-id and network card changed, disk not telling", withCard, both(newMachine, newCard), false},
		{"no network card today", both(withCard, withDisk), noCard, true},
		{"no network card today, reinstalled system", both(withCard, withDisk), both(noCard, newMachine), true},
		{"no network card today, another disk", both(withCard, withDisk), both(noCard, newDisk), false},
		{"no hardware known, system the same", nothing, nothing, true},
		{"no hardware known, system another", nothing, newMachine, false},
		{"nothing known at all", noMachine, nothing, true},
		{"the system's id is lost", nothing, noMachine, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDevice(t)
			c.before(d)
			first := d.load()
			c.after(d)
			second := d.load()
			if keeps := second.ID == first.ID; keeps != c.keeps {
				t.Fatalf("kept is %v; %v", keeps, second.Notes)
			}
			if second.New == c.keeps || second.Cloned == c.keeps {
				t.Errorf("got %+v", second)
			}
			aside := filepath.Join(d.state, "device.id.cloned-20261121T100000Z")
			raw, err := os.ReadFile(aside)
			if c.keeps {
				if len(second.Notes) > 0 || err == nil || strings.Contains(d.log.String(), "WARN") {
					t.Errorf("loud for nothing: %v, %s", second.Notes, d.log.String())
				}
			} else {
				if err != nil || !bytes.Contains(raw, []byte(first.ID)) {
					t.Errorf("kept aside: %s, %v", raw, err)
				}
				note := strings.Join(second.Notes, "\n")
				for _, word := range []string{first.ID, second.ID, filepath.Base(aside), "set device.id"} {
					if !strings.Contains(note, word) || !strings.Contains(d.log.String(), word) {
						t.Errorf("%s is not said in %q", word, note)
					}
				}
			}
			if third := d.load(); third.ID != second.ID || third.New || len(third.Notes) > 0 {
				t.Errorf("does not settle: %+v", third)
			}
		})
	}
}

// A chain of single changes, each bound anew, ends far from where it began.
func TestTheBindingFollows(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	first := d.load().ID
	d.machine(other)
	d.load()
	d.noCards()
	d.load()
	d.disk("device/cid", "aaaa")
	d.load()
	d.card("eth0", "pci0", macB)
	if got := d.load(); got.ID != first || got.MAC != macB {
		t.Errorf("got %+v, want %s", got, first)
	}
}

// A day without its network card must not make a card forget what it was bound to.
func TestTheBindingOutlivesAMissingCard(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	first := d.load().ID
	d.noCards()
	d.load()
	d.card("eth0", "pci0", macB)
	if got := d.load(); got.ID == first || !got.Cloned {
		t.Errorf("got %+v", got)
	}
}

func TestADamagedFileGivesANewID(t *testing.T) {
	for _, content := range []string{"", "{", "null", `{"id":""}`, `{"id":"a b"}`, `{"id":7}`, "\x00\x00\x00\x00"} {
		d := newDevice(t)
		first := d.load()
		d.put(filepath.Join(d.state, identity.FileName), content)
		second := d.load()
		if second.ID == first.ID || !second.New || second.Cloned {
			t.Errorf("%q: got %+v", content, second)
		}
		aside := "device.id.damaged-20261121T100000Z"
		if len(second.Notes) != 1 || !strings.Contains(second.Notes[0], aside) || !strings.Contains(d.log.String(), "WARN") {
			t.Errorf("%q: notes %v", content, second.Notes)
		}
		if raw, err := os.ReadFile(filepath.Join(d.state, aside)); err != nil || string(raw) != content {
			t.Errorf("kept aside: %q, %v", raw, err)
		}
		// A second damage in the same second keeps both.
		d.put(filepath.Join(d.state, identity.FileName), content)
		d.load()
		if len(d.files()) != 3 {
			t.Errorf("%q: got %v", content, d.files())
		}
	}
}

func TestTheConfiguredIDWins(t *testing.T) {
	d := newDevice(t)
	d.opts.ID, d.opts.Serial, d.opts.Model, d.opts.MAC = "gate-7", "S1", "M1", "00-1B-21-00-00-09"
	got := d.load()
	if got.ID != "gate-7" || got.Serial != "S1" || got.Model != "M1" || got.MAC != "00:1b:21:00:00:09" || got.New {
		t.Errorf("got %+v", got)
	}
	if len(d.files()) > 0 {
		t.Errorf("stored %v", d.files())
	}
}

func TestTheConfiguredMACBinds(t *testing.T) {
	d := newDevice(t)
	d.opts.MAC = macA
	first := d.load()
	d.opts.MAC = macB
	if second := d.load(); second.ID == first.ID || !second.Cloned {
		t.Errorf("got %+v", second)
	}
}

func TestWhatCannotBeStoredIsAnError(t *testing.T) {
	d := newDevice(t)
	d.put(d.state, "a file where the directory should be")
	if id, err := identity.Load(d.opts); err == nil || !strings.Contains(err.Error(), "state directory") {
		t.Errorf("got %+v, %v", id, err)
	}
	d = newDevice(t)
	if err := os.MkdirAll(filepath.Join(d.state, identity.FileName), 0o755); err != nil {
		t.Fatal(err)
	}
	if id, err := identity.Load(d.opts); err == nil {
		t.Errorf("got %+v for a directory in the file's place", id)
	}
}

func TestAnUnreadableFileIsNotReplaced(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	d := newDevice(t)
	d.load()
	if err := os.Chmod(filepath.Join(d.state, identity.FileName), 0); err != nil {
		t.Fatal(err)
	}
	if id, err := identity.Load(d.opts); err == nil || !strings.Contains(err.Error(), "chown") {
		t.Errorf("got %+v, %v", id, err)
	}
}
