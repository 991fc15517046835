package identity

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix" // major and minor numbers of the state directory's disk
)

// hardware reads sysfs.
type hardware struct{ root string }

// binding is what surrounds the id here.
func (h hardware) binding(o Options) binding {
	return binding{Machine: hash(machineID(o.MachineIDPath)), MACs: h.addresses(o), Disk: hash(h.disk(o.StateDir))}
}

// addresses are those of the network hardware, the best first; a configured one
// replaces them.
func (h hardware) addresses(o Options) []string {
	if hw, err := net.ParseMAC(o.MAC); err == nil {
		return []string{hw.String()}
	}
	return h.macs()
}

// describe gives what else the hardware tells of itself.
func (h hardware) describe(o Options, macs []string) Identity {
	id := Identity{Serial: cmp.Or(o.Serial, h.serial()), Model: cmp.Or(o.Model, h.model())}
	if len(macs) > 0 {
		id.MAC = macs[0]
	}
	return id
}

// machineID reads the system's id; a system that has not booted yet has none.
func machineID(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	if id := strings.TrimSpace(string(raw)); id != "uninitialized" {
		return id
	}
	return ""
}

// card is one physical network interface.
type card struct {
	mac string
	// local: administered locally, so perhaps not the only one of its kind.
	local bool
	// usb: perhaps a dongle or a dock that devices share.
	usb bool
}

// macs gives the addresses that stay with this device, the best first: those of
// built-in cards, else those of USB ones; global addresses before local ones.
func (h hardware) macs() []string {
	entries, err := os.ReadDir(filepath.Join(h.root, "class/net"))
	if err != nil {
		return nil
	}
	var cards []card
	for _, e := range entries {
		if c, ok := h.card(e.Name()); ok {
			cards = append(cards, c)
		}
	}
	builtIn := func(c card) bool { return !c.usb }
	if slices.ContainsFunc(cards, builtIn) {
		cards = slices.DeleteFunc(cards, func(c card) bool { return c.usb })
	}
	slices.SortStableFunc(cards, func(a, b card) int {
		return cmp.Or(compare(a.local, b.local), cmp.Compare(a.mac, b.mac))
	})
	var macs []string
	for _, c := range cards {
		macs = append(macs, c.mac)
	}
	return slices.Compact(macs)
}

// compare puts false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// card reads one interface; false where it is virtual, no Ethernet or WLAN, or
// without an address that outlives a boot.
func (h hardware) card(name string) (card, bool) {
	const ethernet = "1"            // ARPHRD_ETHER
	const permanent, none = "0", "" // NET_ADDR_PERM; old kernels do not say
	at := func(file string) string { return h.read("class/net/" + name + "/" + file) }
	device, err := filepath.EvalSymlinks(filepath.Join(h.root, "class/net", name, "device"))
	if err != nil || at("type") != ethernet {
		return card{}, false
	}
	// The radio's own address: the interface's may be a random one for privacy.
	address := at("phy80211/macaddress")
	if kind := at("addr_assign_type"); address == "" && (kind == permanent || kind == none) {
		address = at("address")
	}
	hw, err := net.ParseMAC(address)
	if err != nil || len(hw) != 6 || hw[0]&1 != 0 || slices.Equal(hw, make([]byte, 6)) {
		return card{}, false
	}
	return card{mac: hw.String(), local: hw[0]&2 != 0, usb: strings.Contains(device, "/usb")}, true
}

// disk gives the serial number of the disk under the directory, or "" where the
// file system has none (an overlay, a network) or the disk does not tell.
func (h hardware) disk(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return ""
	}
	node := fmt.Sprintf("dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	return h.diskSerial(filepath.Join(h.root, node), 0)
}

// diskSerial follows a mapped device (encryption, LVM) to the disk below it.
func (h hardware) diskSerial(node string, depth int) string {
	const deepest = 8
	path, err := filepath.EvalSymlinks(node)
	if err != nil || depth > deepest {
		return ""
	}
	if below, err := os.ReadDir(filepath.Join(path, "slaves")); err == nil && len(below) > 0 {
		return h.diskSerial(filepath.Join(path, "slaves", below[0].Name()), depth+1)
	}
	if _, err := os.Stat(filepath.Join(path, "partition")); err == nil {
		path = filepath.Dir(path)
	}
	// SD and eMMC cards, NVMe, SCSI and SATA. Not a virtio disk's serial: that is a
	// name, copied with the machine.
	for _, name := range []string{"device/cid", "device/serial", "device/wwid", "wwid"} {
		if s := readText(filepath.Join(path, name)); s != "" {
			return s
		}
	}
	return ""
}

// serial is the number that the maker gave the device.
func (h hardware) serial() string {
	return cmp.Or(meaningful(h.read("class/dmi/id/product_serial")), meaningful(h.read("firmware/devicetree/base/serial-number")))
}

// model is what the maker calls the device.
func (h hardware) model() string {
	maker, product := meaningful(h.read("class/dmi/id/sys_vendor")), meaningful(h.read("class/dmi/id/product_name"))
	if product != "" && !strings.HasPrefix(product, maker) {
		product = maker + " " + product
	}
	return cmp.Or(product, meaningful(h.read("firmware/devicetree/base/model")))
}

func (h hardware) read(name string) string { return readText(filepath.Join(h.root, name)) }

// readText reads a line of sysfs; device-tree texts end in a zero.
func readText(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.Trim(strings.ToValidUTF8(string(raw), ""), "\x00 \r\n\t")
}

// meaningful drops what makers leave in fields that they should have filled.
func meaningful(s string) string {
	switch strings.ToLower(s) {
	case "to be filled by o.e.m.", "default string", "none", "not specified", "not applicable", "unknown",
		"system serial number", "system product name", "system manufacturer", "o.e.m.", "oem", "n/a", "0123456789", "123456789":
		return ""
	}
	if strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}
