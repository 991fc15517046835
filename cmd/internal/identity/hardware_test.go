package identity_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheMAC(t *testing.T) {
	for _, c := range []struct {
		name  string
		cards func(*device)
		want  string
	}{
		{"none", func(*device) {}, ""},
		{"a virtual one", func(d *device) { d.card("docker0", "", macA) }, ""},
		{"loopback", func(d *device) { d.card("lo", "pci0", macA, "type", "772") }, ""},
		{"no address", func(d *device) { d.card("eth0", "pci0", "00:00:00:00:00:00") }, ""},
		{"a group address", func(d *device) { d.card("eth0", "pci0", "01:1b:21:00:00:01") }, ""},
		{"InfiniBand", func(d *device) { d.card("ib0", "pci0", "00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01") }, ""},
		{"a random one for this boot", func(d *device) { d.card("usb0", "pci0", macA, "addr_assign_type", "1") }, ""},
		{"one set by the user", func(d *device) { d.card("eth0", "pci0", macA, "addr_assign_type", "3") }, ""},
		{"an old kernel", func(d *device) { d.card("eth0", "pci0", macA, "addr_assign_type", "") }, macA},
		{"the radio behind a private address", func(d *device) {
			d.card("wlan0", "pci0", "da:a1:19:00:00:01", "addr_assign_type", "3", "phy80211/macaddress", macB)
		}, macB},
		{"the global before the local one", func(d *device) {
			d.card("a0", "pci0", "02:fc:00:00:00:01")
			d.card("b0", "pci0", macA)
		}, macA},
		{"a local one alone", func(d *device) { d.card("eth0", "pci0", "02:fc:00:00:00:01") }, "02:fc:00:00:00:01"},
		{"the built-in before the dock's", func(d *device) {
			d.card("a0", "usb1", macA)
			d.card("b0", "pci0", "02:fc:00:00:00:01")
		}, "02:fc:00:00:00:01"},
		{"the dock's alone", func(d *device) { d.card("a0", "usb1", macA) }, macA},
		{"the same whatever the names", func(d *device) {
			d.card("a0", "pci0", macB)
			d.card("b0", "pci1", macA)
		}, macA},
	} {
		d := newDevice(t)
		c.cards(d)
		if got := d.load().MAC; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A dock that goes from device to device must not make them one.
func TestASharedDockDoesNotHideACopy(t *testing.T) {
	d := newDevice(t)
	d.card("wlan0", "pci0", macA)
	d.card("eth0", "usb1", "00:1b:21:00:00:0d")
	first := d.load()
	d.noCards()
	d.card("wlan0", "pci0", macB)
	d.card("eth0", "usb1", "00:1b:21:00:00:0d")
	if second := d.load(); !second.Cloned || second.ID == first.ID {
		t.Errorf("got %+v", second)
	}
}

func TestASecondCardMayComeAndGo(t *testing.T) {
	d := newDevice(t)
	d.card("wlan0", "pci0", macB)
	first := d.load().ID
	d.card("eth0", "pci1", macA)
	if got := d.load(); got.ID != first || got.MAC != macA {
		t.Errorf("got %+v", got)
	}
	d.noCards()
	d.card("eth0", "pci1", macA)
	if got := d.load(); got.ID != first {
		t.Errorf("got %+v", got)
	}
}

// Each kind of disk keeps the id over a new network card, and each other serial
// number gives it away as a copy.
func TestTheDisk(t *testing.T) {
	for _, file := range []string{"device/cid", "device/serial", "device/wwid", "wwid"} {
		d := newDevice(t)
		d.card("eth0", "pci0", macA)
		d.disk(file, "aaaa")
		first := d.load().ID
		d.noCards()
		d.card("eth0", "pci0", macB)
		if got := d.load(); got.ID != first {
			t.Errorf("%s: the same disk is not known again", file)
		}
		d.noCards()
		d.card("eth0", "pci0", macA)
		d.disk(file, "bbbb")
		if got := d.load(); got.ID == first {
			t.Errorf("%s: another disk is taken for the same", file)
		}
	}
}

func TestACopiedVirtualMachine(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	d.disk("serial", "root")
	first := d.load().ID
	d.noCards()
	d.card("eth0", "pci0", macB)
	if got := d.load(); got.ID == first || !got.Cloned {
		t.Errorf("got %+v", got)
	}
}

func TestTheDiskBelowAnEncryptedOne(t *testing.T) {
	d := newDevice(t)
	d.card("eth0", "pci0", macA)
	d.disk("device/cid", "aaaa")
	nodes, err := filepath.Glob(filepath.Join(d.root, "dev/block/*"))
	if err != nil || len(nodes) != 1 {
		t.Fatal(nodes, err)
	}
	partition, err := filepath.EvalSymlinks(nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	mapped := filepath.Join(d.root, "devices/virtual/block/dm-0")
	d.link(filepath.Join(mapped, "slaves/mmcblk0p2"), partition)
	if err := os.Remove(nodes[0]); err != nil {
		t.Fatal(err)
	}
	d.link(nodes[0], mapped)
	first := d.load().ID
	d.noCards()
	d.card("eth0", "pci0", macB)
	if got := d.load(); got.ID != first {
		t.Errorf("got %+v", got)
	}
}

func TestSerialAndModel(t *testing.T) {
	for _, c := range []struct {
		name          string
		files         map[string]string
		serial, model string
	}{
		{"nothing", nil, "", ""},
		{"a PC", map[string]string{
			"class/dmi/id/product_serial": "ABC123\n", "class/dmi/id/sys_vendor": "Acme\n", "class/dmi/id/product_name": "Tab 10\n",
		}, "ABC123", "Acme Tab 10"},
		{"the maker in the name", map[string]string{
			"class/dmi/id/sys_vendor": "Acme\n", "class/dmi/id/product_name": "Acme Tab 10\n",
		}, "", "Acme Tab 10"},
		{"a careless maker", map[string]string{
			"class/dmi/id/product_serial": "To Be Filled By O.E.M.\n", "class/dmi/id/sys_vendor": "System manufacturer\n", "class/dmi/id/product_name": "Default string\n",
		}, "", ""},
		{"an ARM board", map[string]string{
			"firmware/devicetree/base/serial-number": "10000000abcdef01\x00", "firmware/devicetree/base/model": "Raspberry Pi 4 Model B\x00",
		}, "10000000abcdef01", "Raspberry Pi 4 Model B"},
		{"zeros", map[string]string{"firmware/devicetree/base/serial-number": "0000000000000000\x00"}, "", ""},
	} {
		d := newDevice(t)
		for name, text := range c.files {
			d.put(filepath.Join(d.root, name), text)
		}
		if got := d.load(); got.Serial != c.serial || got.Model != c.model {
			t.Errorf("%s: got %q, %q, want %q, %q", c.name, got.Serial, got.Model, c.serial, c.model)
		}
	}
}
