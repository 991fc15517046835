// Package identity says which device this is. The id is made once, kept in a
// small file of its own in the state directory, and bound to what surrounds it:
// the machine-id of the system, the addresses of the network hardware and the
// serial number of the disk that the file is on.
//
// Installers copy cards. Two devices with one id would give two scans the same
// name, and the vendor would take only one of them: an id too many harms nobody, a
// doubled one loses scans. So an id is kept only where something says that this is
// the device it was made on:
//
//	network hardware known then and now: one of its addresses is still here (a
//	  reinstalled system, a new disk), or both the machine-id and the disk are the
//	  same (a new network card, the card moved to another handheld)
//	otherwise, disk known then and now: it is the same
//	otherwise: the machine-id is the same, or there is nothing to compare
//
// Anything else is a copy: it gets a new id, loudly, and the old file is kept
// aside. A copied card has the machine-id of its original unless the image was
// prepared for copying, so that the machine-id alone proves nothing. An id in the
// configuration stands above all this.
//
// # Promises and their tests
//
//	the id is made once and stays                   TestTheIDIsMadeOnceAndStays, TestWhoKeepsTheID
//	a copied card gets another, loudly              TestACopiedVirtualMachine, TestASharedDockDoesNotHideACopy; cmd/usher: TestACopiedCard
//	a damaged file gives a new id, never a wrong one TestADamagedFileGivesANewID, TestAFlippedByteIsNoOtherID
//	a file that cannot be read is not replaced      TestAnUnreadableFileIsNotReplaced
package identity

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"
)

// FileName is the file in the state directory.
const FileName = "device.id"

// Options say where to look. ID, MAC, Serial and Model are the configured ones and
// win over what is found; the paths default to the system's own.
type Options struct {
	StateDir string

	ID     string
	MAC    string
	Serial string
	Model  string

	// MachineIDPath defaults to /etc/machine-id, SysRoot to /sys.
	MachineIDPath string
	SysRoot       string

	// Now names the file that a replaced one is kept in.
	Now func() time.Time
	Log *slog.Logger
}

// Identity is who this device is.
type Identity struct {
	ID string
	// MAC is the address of the first built-in network interface, empty where
	// there is none.
	MAC    string
	Serial string
	Model  string
	// Machine is a hash of the machine-id, which itself is nobody's business.
	Machine string
	// New: the id was made just now. Cloned: because this is a copy of another
	// device's card.
	New    bool
	Cloned bool
	// Notes are for people: what happened to the id and what to do.
	Notes []string
}

// Hardware gives what the configuration and the hardware say of this device, and
// makes no id. A network card that is missing today has the address that it had when
// the id was bound: a vendor knows the device by it.
func Hardware(o Options) Identity {
	o.MachineIDPath = cmp.Or(o.MachineIDPath, "/etc/machine-id")
	hw := hardware{root: cmp.Or(o.SysRoot, "/sys")}
	macs := hw.addresses(o)
	if len(macs) == 0 && o.StateDir != "" {
		if stored, _, err := (store{o.StateDir}).read(); err == nil && stored.sameDevice(hw.binding(o)) {
			macs = stored.MACs
		}
	}
	return hw.describe(o, macs)
}

// Load finds the device's identity, making and storing an id where there is none
// for this device. It returns once the id is on the disk. An error means that the
// id could neither be read nor stored.
func Load(o Options) (Identity, error) {
	o.MachineIDPath = cmp.Or(o.MachineIDPath, "/etc/machine-id")
	hw := hardware{root: cmp.Or(o.SysRoot, "/sys")}
	if o.Now == nil {
		o.Now = time.Now
	}
	store, err := openStore(o.StateDir)
	if err != nil {
		return Identity{}, err
	}
	here := hw.binding(o)
	id := hw.describe(o, here.MACs)
	id.ID, id.Machine = o.ID, here.Machine
	if o.ID != "" {
		return id, nil
	}
	return id, id.settle(store, here, o)
}

// settle reads the stored id or makes one.
func (id *Identity) settle(store store, here binding, o Options) error {
	stored, raw, err := store.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return id.renew(store, here, o)
	case errors.Is(err, errDamaged):
		var aside string
		if errors.Is(err, errUnreadable) {
			aside, err = store.moveAside("damaged", o.Now())
		} else {
			aside, err = store.keepAside("damaged", raw, o.Now())
		}
		if err != nil {
			return err
		}
		if err := id.renew(store, here, o); err != nil {
			return err
		}
		id.say(o.Log, "the file of the device's id was damaged: this device is %s now; the old file is kept as %s; "+
			"to go back to an id you know, set device.id", id.ID, aside)
		return nil
	case err != nil:
		return err
	case !stored.sameDevice(here):
		return id.replace(store, stored, raw, here, o)
	}
	id.ID = stored.ID
	if next := stored.follow(here); !next.equal(stored.binding) {
		if err := store.write(file{ID: stored.ID, binding: next}); err != nil {
			id.say(o.Log, "the device's id cannot be bound to its new hardware: %v", err)
		} else {
			o.Log.Info("device id bound anew: hardware or system changed", "id", id.ID)
		}
	}
	return nil
}

// replace gives a copied card an id of its own.
func (id *Identity) replace(store store, old file, raw []byte, here binding, o Options) error {
	aside, err := store.keepAside("cloned", raw, o.Now())
	if err != nil {
		return err
	}
	if err := id.renew(store, here, o); err != nil {
		return err
	}
	id.Cloned = true
	id.say(o.Log, "this card was copied from device %s: this device is %s now; the old file is kept as %s; "+
		"if it is the same device with other hardware, set device.id to %s", old.ID, id.ID, aside, old.ID)
	return nil
}

// renew makes an id and stores it.
func (id *Identity) renew(store store, here binding, o Options) error {
	id.ID, id.New = newID(), true
	if err := store.write(file{ID: id.ID, binding: here}); err != nil {
		return err
	}
	o.Log.Info("device id made", "id", id.ID)
	return nil
}

// say is loud: in the log and, through Notes, in the status.
func (id *Identity) say(log *slog.Logger, format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	log.Warn(note)
	id.Notes = append(id.Notes, note)
}

// alphabet is Crockford's base 32: no letter is taken for a digit when read out.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// newID makes an id of 60 random bits in three groups that can be read over a
// telephone: k7q2-m9xt-3fzh. Among a million devices, two share one with a chance
// of less than one in two million.
func newID() string {
	random := make([]byte, 12)
	rand.Read(random) // never fails, see crypto/rand
	out := make([]byte, 0, 14)
	for i, b := range random {
		if i > 0 && i%4 == 0 {
			out = append(out, '-')
		}
		out = append(out, alphabet[b&31])
	}
	return string(out)
}

// path is the file's own path.
func (s store) path() string { return filepath.Join(s.dir, FileName) }
