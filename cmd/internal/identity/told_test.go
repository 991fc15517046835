package identity_test

import (
	"testing"

	"usher/cmd/internal/identity"
)

// What a vendor is told of a device needs no id, and a network card that is missing
// today keeps its address; on a copied card the original's is nobody's.
func TestHardwareIsTold(t *testing.T) {
	d := newDevice(t)
	d.put(d.root+"/class/dmi/id/product_serial", "S-1\n")
	d.put(d.root+"/class/dmi/id/product_name", "XT2\n")
	d.card("eth0", "pci0", macA)
	if got := identity.Hardware(d.opts); got.MAC != macA || got.Serial != "S-1" || got.Model != "XT2" || got.ID != "" {
		t.Errorf("before there is an id: %+v", got)
	}
	d.load()
	d.noCards()
	if got := identity.Hardware(d.opts); got.MAC != macA {
		t.Errorf("without its card: %+v", got)
	}
	own := d.opts
	own.MAC, own.Serial, own.Model = "00:11:22:33:44:55", "S-2", "M"
	if got := identity.Hardware(own); got.MAC != own.MAC || got.Serial != "S-2" || got.Model != "M" {
		t.Errorf("configured: %+v", got)
	}
	d.machine("ffffffffffffffffffffffffffffffff")
	if got := identity.Hardware(d.opts); got.MAC != "" {
		t.Errorf("a copy has its original's address %s", got.MAC)
	}
	elsewhere := d.opts
	elsewhere.StateDir = t.TempDir() + "/none"
	if got := identity.Hardware(elsewhere); got.MAC != "" {
		t.Errorf("nothing known: %+v", got)
	}
}
