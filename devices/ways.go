package devices

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"usher/devices/evdev"
	"usher/devices/hid"
	"usher/devices/serial"
)

// rank orders the ways to one device, the best first.
type rank int

const (
	reportsCodes rank = iota
	undescribed
	sendsLines
	types
	// secondBest is of what another way reads more exactly.
	secondBest
	// unfit is of what cannot be told from another device that is plugged in.
	unfit
)

// way is a Way with what is needed to recommend it.
type way struct {
	Way
	rank
	// keys is the stanza after name and driver.
	keys   string
	advice []string
}

const betterMode = "if it can, set it to HID POS or USB serial (COM, CDC) by its maker's code and run this again: both send codes as they are, whatever the layout; " +
	"as a keyboard, set its country to the layout of the stanza, best United States"

// waysOfHID gives the ways over USB HID: one, which finds the interface by itself,
// unless several are alike.
func waysOfHID(nodes []hid.Node, f Found, twin bool) []way {
	for _, kind := range []struct {
		mode, what, why string
		rank            rank
	}{
		{hid.ModePOS, "point-of-sale scanner (HID POS)", "codes come whole and as they are, and never reach a console", reportsCodes},
		{hid.ModeUnknown, "not known: held by a program, or left by a crashed one", "its first code tells what it is", undescribed},
		{hid.ModeKeyboard, "keyboard", "reads each key as the scanner sends it, and types nothing into a console", types},
	} {
		var ways []way
		for _, n := range nodes {
			if n.Mode != kind.mode {
				continue
			}
			w := way{
				Way: Way{
					Driver: "hid", Path: strings.TrimSpace(f.IDs + " " + n.Serial), What: kind.what, Why: kind.why,
					Problem: deniedUSB(n),
				},
				rank: kind.rank,
				keys: fmt.Sprintf("vendor_id: 0x%04x, product_id: 0x%04x", n.VendorID, n.ProductID),
			}
			if n.Serial != "" {
				w.keys += ", serial: " + scalar(n.Serial)
			}
			if kind.mode == hid.ModeKeyboard && f.Maker != "" {
				w.advice = append(w.advice, betterMode)
			}
			if twin {
				w.rank, w.Why = unfit, "cannot tell it from the other one with the same ids and serial number"
			}
			ways = append(ways, w)
		}
		for i, n := range nodesOf(nodes, kind.mode) {
			if len(ways) > 1 {
				ways[i].keys += fmt.Sprintf(", interface: %d", n.Interface)
				ways[i].Path += fmt.Sprintf(" interface %d", n.Interface)
				ways[i].advice = append(ways[i].advice, "it has several interfaces alike: if no code comes, take another of its interface numbers")
			}
			if kind.mode == hid.ModeKeyboard {
				ways[i].keys += ", layout: us"
			}
		}
		if len(ways) > 0 {
			return ways
		}
	}
	return nil
}

func nodesOf(nodes []hid.Node, mode string) []hid.Node {
	var of []hid.Node
	for _, n := range nodes {
		if n.Mode == mode {
			of = append(of, n)
		}
	}
	return of
}

// wayOfSerial proposes, beside the port, what lets scanners of its maker show
// verdicts.
func wayOfSerial(root string, n serial.Node, f Found, twin bool) way {
	w := way{
		Way: Way{
			Driver: "serial", Path: n.Path, What: "serial port",
			Why:     "codes come as they are, and the scanner itself can show verdicts",
			Problem: deniedPort(n, serial.Access(filepath.Join(root, n.Path))),
		},
		rank: sendsLines,
	}
	if twin {
		// One link of by-id cannot mean two.
		w.Path = cmp.Or(n.Socket, n.Path)
		w.advice = append(w.advice, "the port is named by its socket, since two of a kind are plugged in: leave each where it is")
	}
	w.keys = fmt.Sprintf("port: %s, baud: %d", scalar(w.Path), serial.Defaults().Baud)
	switch f.Maker {
	case "Honeywell":
		w.keys += ", feedback: honeywell"
		w.advice = append(w.advice, `scan "Host ACK On" in its manual, so that it stays silent until the verdict; or leave feedback out`)
	case "Zebra":
		w.keys += ", protocol: ssi, feedback: zebra"
		w.advice = append(w.advice, `scan "SSI Host" (RS-232 or USB CDC) in its manual, or nothing is read; in plain COM or CDC mode leave protocol and feedback out`)
	case "Datalogic":
		w.keys += ", feedback: datalogic"
		w.advice = append(w.advice, `scan "Good Read Beep Control = Disable" in its manual, so that it stays silent until the verdict; or leave feedback out`)
	case "":
		w.Why = "if a scanner is behind it: codes come as they are, and it can show verdicts"
		w.advice = append(w.advice, "set baud as in the scanner; let it show verdicts by its maker: feedback: honeywell, feedback: datalogic, or for Zebra protocol: ssi and feedback: zebra")
	default:
		w.advice = append(w.advice, "set the suffix CR by its maker's code, so that codes are not waited for")
	}
	return w
}

func wayOfInput(root string, n evdev.Node, f Found, twin bool) way {
	w := way{
		Way: Way{
			Driver: "evdev", Path: n.Path, What: "keyboard of the kernel",
			Why:     "the way for what is built in or comes by Bluetooth; nobody else gets its keys",
			Problem: deniedInput(n, evdev.Access(filepath.Join(root, n.Event))),
		},
		rank: types,
	}
	switch {
	case twin:
		w.Path = cmp.Or(n.Socket, n.Event)
		w.Why = "named by its socket, since two of a kind are plugged in"
		w.advice = append(w.advice, "it is named by its socket, since two of a kind are plugged in: leave each where it is")
	case n.Bus == evdev.BusUSB:
		w.rank, w.Why = secondBest, "driver hid reads it more exactly: the kernel drops some keys of a code that is typed as numbers (ALT mode)"
	case f.Maker != "":
		w.advice = append(w.advice, "set its country to the layout of the stanza, best United States, and a suffix of Enter")
	}
	w.keys = "path: " + scalar(w.Path) + ", layout: us"
	if n.Bus == evdev.BusBluetooth && n.Path == n.Event {
		// Its number changes with every connection.
		literal := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)
		w.keys = "match: " + scalar(literal.Replace(n.Name)) + ", layout: us"
	}
	return w
}

// scalar writes a text as YAML, quoted only where it must be.
func scalar(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._+-", r)
	}
	begins := text != "" && (text[0] == '/' || text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z')
	if begins && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return strconv.QuoteToASCII(text)
}
