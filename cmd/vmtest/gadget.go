package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"usher/cmd/vmtest/internal/mux"
)

// gadget is a USB device that the guest's own kernel plays (dummy_hcd and
// configfs) and its own host drivers find: a scanner in all but plastic.
type gadget struct {
	name, maker, product, serial string
	vendorID, productID          string
	// udc is the place where it is plugged in.
	udc       string
	functions []function
}

// function is one of a gadget's interfaces. Exactly one of descriptor and acm is
// set.
type function struct {
	name       string
	descriptor string // of HID reports, as hexadecimal digits
	boot       bool   // a keyboard by its USB class
	length     int    // of a report, in bytes
	acm        bool   // a serial port
}

const (
	// keyboardDescriptor is the boot keyboard of HID 1.11, appendix B.1.
	keyboardDescriptor = "05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507190029658100c0"
	// posDescriptor describes reports of 64 bytes: ID 2, byte count, AIM identifier,
	// 56 bytes of data, and a bit that says that more follows.
	posDescriptor = "058c0902a1010912a1028502150026ff00750895010501093b8102058c09fb09fc09fd9503810209fe95388202019502810109ff75019501810275078101c0c0"
	posLength     = 64
)

func keyboardFunction() function {
	return function{name: "hid.keys", descriptor: keyboardDescriptor, boot: true, length: 8}
}

func posFunction() function {
	return function{name: "hid.pos", descriptor: posDescriptor, length: posLength}
}

func acmFunction() function { return function{name: "acm.port", acm: true} }

// keyPause is what a fast keyboard scanner takes between two reports, in
// milliseconds.
const keyPause = 10

// places are where gadgets can be plugged in at once.
const places = 3

// bench readies the guest for gadgets.
const bench = `
modprobe dummy_hcd num=%d
modprobe libcomposite
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
`

func (u *gadget) dir() string { return "/sys/kernel/config/usb_gadget/" + u.name }

// make describes the gadget to the kernel; plug plugs it in.
func (u *gadget) make(ctx context.Context, g *guest) error {
	var script strings.Builder
	fmt.Fprintf(&script, bench, places)
	fmt.Fprintf(&script, "mkdir %[1]s; cd %[1]s\n", u.dir())
	fmt.Fprintf(&script, "echo 0x%s >idVendor; echo 0x%s >idProduct\n", u.vendorID, u.productID)
	fmt.Fprintf(&script, "mkdir strings/0x409 configs/c.1\necho %s >strings/0x409/manufacturer; echo %s >strings/0x409/product; echo %s >strings/0x409/serialnumber\n", u.maker, u.product, u.serial)
	for _, f := range u.functions {
		fmt.Fprintf(&script, "mkdir functions/%s\n", f.name)
		if !f.acm {
			class := 0
			if f.boot {
				class = 1
			}
			descriptor, err := escaped(f.descriptor)
			if err != nil {
				return err
			}
			fmt.Fprintf(&script, "(cd functions/%s; echo %d >protocol; echo %d >subclass; echo %d >report_length; printf '%s' >report_desc)\n",
				f.name, class, class, f.length, descriptor)
		}
		fmt.Fprintf(&script, "ln -s functions/%s configs/c.1/\n", f.name)
	}
	_, err := g.sh(ctx, script.String())
	return err
}

// escaped is hexadecimal digits as the shell's printf wants bytes: octal.
func escaped(digits string) (string, error) {
	raw, err := hex.DecodeString(digits)
	var text strings.Builder
	for _, b := range raw {
		fmt.Fprintf(&text, `\%03o`, b)
	}
	return text.String(), err
}

func (u *gadget) plug(ctx context.Context, g *guest) error {
	return g.put(ctx, u.dir()+"/UDC", 0, u.udc+"\n")
}

func (u *gadget) pull(ctx context.Context, g *guest) error {
	return g.put(ctx, u.dir()+"/UDC", 0, "\n")
}

// node is where a function's data is written to.
func (u *gadget) node(ctx context.Context, g *guest, f function) (string, error) {
	file, device := "dev", "/dev/hidg"
	if f.acm {
		file, device = "port_num", "/dev/ttyGS"
	}
	text, err := g.run(ctx, "cat", path.Join(u.dir(), "functions", f.name, file))
	if err != nil {
		return "", err
	}
	number := strings.TrimSpace(text)
	return device + number[strings.LastIndex(number, ":")+1:], nil
}

// send has the function send reports. With tear the gadget is pulled out right
// after the last but one, which its host has fetched then.
func (u *gadget) send(ctx context.Context, g *guest, f function, reports [][]byte, tear bool) error {
	node, err := u.node(ctx, g, f)
	if err != nil {
		return err
	}
	r := mux.Reports{Path: node, Reports: reports}
	if f.boot {
		// Little more than ten characters fit into the queue of an input device.
		r.PauseMS = keyPause
	}
	if tear {
		r.Pull = u.dir() + "/UDC"
	}
	_, err = g.ask(ctx, mux.Request{Reports: &r})
	return err
}

// keyReports types a text of letters and digits on a boot keyboard, each key down
// and up; enter adds Enter.
func keyReports(text string, enter bool) [][]byte {
	var reports [][]byte
	press := func(mods, key byte) {
		reports = append(reports, []byte{mods, 0, key, 0, 0, 0, 0, 0}, make([]byte, 8))
	}
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z':
			press(0, c-'a'+4)
		case c >= 'A' && c <= 'Z':
			press(2, c-'A'+4)
		case c == '0':
			press(0, 0x27)
		default:
			press(0, c-'1'+0x1e)
		}
	}
	if enter {
		press(0, 0x28)
	}
	return reports
}

// posReport is one report of a point-of-sale scanner, a QR code's; more says that
// another follows.
func posReport(text string, more bool) []byte {
	report := make([]byte, posLength)
	report[0], report[1] = 2, byte(len(text))
	copy(report[2:], "]Q1")
	copy(report[5:], text)
	if more {
		report[posLength-1] = 1
	}
	return report
}

// posOther is a report of no interest.
func posOther() []byte {
	report := make([]byte, posLength)
	report[0] = 9
	return report
}

// qcodes are QEMU's names of the keys that type a text.
func qcodes(text string) []string {
	var keys []string
	for _, c := range text {
		key := strings.ToLower(string(c))
		if key != string(c) {
			key = "+" + key
		}
		keys = append(keys, key)
	}
	return keys
}
