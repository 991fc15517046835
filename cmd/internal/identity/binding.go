package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// binding is what surrounds an id on its device. Empty: not known.
type binding struct {
	// Machine is a hash of the machine-id.
	Machine string `json:"machine,omitempty"`
	// MACs are the addresses of the network hardware, the best first.
	MACs []string `json:"macs,omitempty"`
	// Disk is a hash of the serial number of the disk that holds the file.
	Disk string `json:"disk,omitempty"`
}

// sameDevice tells whether an id bound to b was made on the device that is here;
// the rules are in the package comment.
func (b binding) sameDevice(here binding) bool {
	machine := b.Machine == here.Machine
	diskKnown := b.Disk != "" && here.Disk != ""
	disk := diskKnown && b.Disk == here.Disk
	switch {
	case len(b.MACs) > 0 && len(here.MACs) > 0:
		return slices.ContainsFunc(b.MACs, func(mac string) bool { return slices.Contains(here.MACs, mac) }) ||
			machine && here.Machine != "" && disk
	case diskKnown:
		return disk
	}
	return machine || b.Machine == "" || here.Machine == ""
}

// follow gives the binding that the id has from now on: what is here, and what was
// known before where nothing is here to replace it. A network card that is missing
// today may be back tomorrow.
func (b binding) follow(here binding) binding {
	if here.Machine != "" {
		b.Machine = here.Machine
	}
	if len(here.MACs) > 0 {
		b.MACs = here.MACs
	}
	if here.Disk != "" {
		b.Disk = here.Disk
	}
	return b
}

func (b binding) equal(c binding) bool {
	return b.Machine == c.Machine && b.Disk == c.Disk && slices.Equal(b.MACs, c.MACs)
}

// hash hides a number that must not be passed on (machine-id(5) asks for that)
// while it can still be compared.
func hash(secret string) string {
	if secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("usher device.id"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
