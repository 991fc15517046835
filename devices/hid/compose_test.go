package hid

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/devices/devicetest"
	"usher/devices/keymap"
)

var compose = flag.Bool("compose", false, "write the recordings that are composed here anew")

// story is a recording that is composed by hand, after manuals and captures.
type story struct {
	device, notes string
	headers       map[string]string
	reads         []devicetest.Read
}

// hand composes reads.
type hand struct {
	t      *testing.T
	layout string
	// id begins each report, where it is not zero.
	id  byte
	gap time.Duration
}

func (h hand) report(after time.Duration, mods byte, keys ...byte) devicetest.Read {
	data := append([]byte{mods, 0}, keys...)
	if h.id != 0 {
		data = append([]byte{h.id, mods}, keys...)
	}
	return devicetest.Read{After: after, Data: append(data, make([]byte, 8-len(data))...)}
}

// press is a key and its release; the first report comes after the duration.
func (h hand) press(after time.Duration, mods, key byte) []devicetest.Read {
	return []devicetest.Read{h.report(after, mods, key), h.report(h.gap, 0)}
}

// types gives a text that begins after the duration.
func (h hand) types(after time.Duration, text string) (reads []devicetest.Read) {
	h.t.Helper()
	l, err := keymap.ByName(h.layout)
	if err != nil {
		h.t.Fatal(err)
	}
	strokes, ok := l.Strokes(text)
	if !ok {
		h.t.Fatalf("layout %s cannot type %q", h.layout, text)
	}
	for _, s := range strokes {
		reads = append(reads, h.press(after, s.Mods, s.Key)...)
		after = h.gap
	}
	return reads
}

func join(parts ...[]devicetest.Read) (all []devicetest.Read) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// posReads splits a code over reports of 64 bytes, in the layout of Honeywell and
// Access-IS.
func posReads(after time.Duration, aim, code string, kind byte) (reads []devicetest.Read) {
	for rest := code; ; after = 2 * time.Millisecond {
		n := min(56, len(rest))
		data := make([]byte, 64)
		data[0], data[1], data[61] = 2, byte(n), kind
		copy(data[2:], aim)
		copy(data[5:61], rest[:n])
		if rest = rest[n:]; rest != "" {
			data[63] = 1
		}
		reads = append(reads, devicetest.Read{After: after, Data: data})
		if rest == "" {
			return reads
		}
	}
}

func stories(t *testing.T) map[string]story {
	const ms = time.Millisecond
	us, fr, de := hand{t, "us", 0, 2 * ms}, hand{t, "fr", 0, 4 * ms}, hand{t, "de", 0, 8 * ms}
	numbered := hand{t, "us", 3, ms}
	ctrl := keymap.LeftCtrl
	boarding := "M1DESMARAIS/LUC       EABC123 YULFRAAC 0834 326J001A0025 147>3180 M6326BAC              2A0142345678901 0                          N"
	var qr, bin strings.Builder
	for i := 0; qr.Len() < 2048; i++ {
		qr.WriteString("{\"row\":\"")
		qr.WriteByte(byte('A' + i%26))
		qr.WriteString("\",\"seat\":")
		qr.WriteByte(byte('0' + i%10))
		qr.WriteString("},")
	}
	for i := range 128 {
		bin.WriteByte(byte(255 - 2*i))
	}
	described := func(hex, class string, more ...string) map[string]string {
		h := map[string]string{"Descriptor": strings.ReplaceAll(hex, " ", ""), "Interface": class}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	boot := func(more ...string) map[string]string { return described(bootKeyboard, bootClass, more...) }
	pos := func(more ...string) map[string]string { return described(pos64, plainClass, more...) }
	shifted := func() []devicetest.Read {
		reads := posReads(time.Second, "]Q1", "SHIFTED-1", 's')
		reads[0].Data = append([]byte{2, reads[0].Data[1], 0}, reads[0].Data[2:63]...)
		return reads
	}
	short := func(code string) []devicetest.Read {
		reads := posReads(time.Second, "]d1", code, 0)
		for i := range reads {
			more := reads[i].Data[63]
			reads[i].Data = reads[i].Data[:62]
			reads[i].Data[61] = more
		}
		return reads
	}
	return map[string]story{
		"kbd-enter":  {"keyboard, suffix Enter", "the usual: digits, a capital, Enter", boot(), join(us.types(time.Second, "TICKET-000123\r"), us.types(2*time.Second, "TICKET-000124\r"))},
		"kbd-tab":    {"keyboard, suffix Tab", "programmed to move between the fields of a form", boot(), us.types(time.Second, "SEAT A12\tSEAT A13\t")},
		"kbd-silent": {"keyboard, no suffix", "Zebra as it comes: only silence ends a code", boot(), join(us.types(time.Second, "1234567890"), us.types(time.Second, "ABCDEF"))},
		"kbd-around": {"keyboard, Enter before and after", "empty codes are none", boot(), join(us.types(time.Second, "\rAROUND-1\r"), us.types(time.Second, "\rAROUND-2\r"))},
		"kbd-lf":     {"keyboard, suffix LF", "line feed as Ctrl and J", boot(), join(us.types(time.Second, "LINE-1"), us.press(2*ms, ctrl, 0x0d), us.types(time.Second, "LINE-2"), us.press(2*ms, ctrl, 0x0d))},
		"kbd-crlf":   {"keyboard, suffix CR LF", "Enter, then Ctrl and J", boot(), join(us.types(time.Second, "BOTH-1\r"), us.press(2*ms, ctrl, 0x0d), us.types(20*ms, "BOTH-2\r"), us.press(2*ms, ctrl, 0x0d))},
		"kbd-two":    {"keyboard, suffix Enter", "two codes without a pause, the third without its end, so that nobody knows whether it is whole", boot(), us.types(time.Second, "FIRST-1\rSECOND-2\rTHIRD-3")},
		"kbd-cut":    {"keyboard, suffix Enter", "a code cut by 600 ms, over a bad cordless link, before anything is known of the scanner: neither half is the code", boot(), join(us.types(time.Second, "LEFT-HALF-"), us.types(600*ms, "RIGHT-HALF\r"), us.types(time.Second, "WHOLE-1\r"))},
		"kbd-held":   {"keyboard, suffix Enter", "after a whole code one cut by 600 ms in its middle, and one after its first character: both are waited for", boot(), join(us.types(time.Second, "WHOLE-1\r"), us.types(time.Second, "LEFT-HALF-"), us.types(600*ms, "RIGHT-HALF\r"), us.types(time.Second, "W"), us.types(600*ms, "HOLE-2\r"))},
		"kbd-held-1": {"keyboard, suffix Enter", "the first code of all cut by 600 ms, of a scanner that is configured to end its codes", boot("Suffix", "enter"), join(us.types(time.Second, "LEFT-HALF-"), us.types(600*ms, "RIGHT-HALF\r"), us.types(time.Second, "WHOLE-1\r"))},
		"kbd-lost":   {"keyboard, suffix Enter", "a code cut by 3 s: scan again, and once more since the second may be the rest of the first", boot(), join(us.types(time.Second, "WHOLE-1\r"), us.types(time.Second, "LEFT-HALF-"), us.types(3*time.Second, "RIGHT-HALF\r"), us.types(2*time.Second, "LEFT-HALF-RIGHT-HALF\r"))},
		"kbd-off":    {"keyboard, suffix switched off after the first code", "nobody knows at first that the second code is whole; the third is the same, and from then on silence ends a code", boot(), join(us.types(time.Second, "WHOLE-1\r"), us.types(time.Second, "TICKET-2"), us.types(3*time.Second, "TICKET-2"), us.types(3*time.Second, "TICKET-3"), us.types(500*ms, "TICKET-4"))},
		"kbd-off-2":  {"keyboard, suffix switched off, then on", "two other tickets, neither known to be whole; then silence ends a code until one has its end again", boot(), join(us.types(time.Second, "WHOLE-1\r"), us.types(time.Second, "TICKET-2"), us.types(3*time.Second, "TICKET-3"), us.types(3*time.Second, "TICKET-4"), us.types(500*ms, "TICKET-5"), us.types(500*ms, "WHOLE-6\r"), us.types(time.Second, "WHOLE"), us.types(600*ms, "-7\r"))},
		"kbd-mixed":  {"keyboard, suffix Enter, and a person at it", "typed by hand, without Enter and then with: the first is no whole code, the second may be its rest", boot(), join(us.types(time.Second, "WHOLE-1\r"), hand{t, "us", 0, 150 * ms}.types(time.Second, "4711"), hand{t, "us", 0, 150 * ms}.types(3*time.Second, "4711\r"), hand{t, "us", 0, 150 * ms}.types(3*time.Second, "4711\r"), us.types(time.Second, "WHOLE-2\r"))},
		"kbd-pulled": {"keyboard, suffix Enter", "unplugged in the middle of a code", boot("Ends", "unplugged"), us.types(time.Second, "WHOLE-1\rHALF-OF-TH")},
		"kbd-azerty": {"keyboard set to France", "digits need Shift, and the minus has a key of theirs", boot("Layout", "fr"), fr.types(time.Second, "BILLET-0123456789 aqzw AQZW\r")},
		"kbd-qwertz": {"keyboard set to Germany", "AltGr, a dead key and the swapped Y and Z", boot("Layout", "de"), de.types(time.Second, "zY@{|}~^`\\/-_?\r")},
		"kbd-alt": {"keyboard, ALT mode", "captured (unix.stackexchange.com 392654): all digits of a number in one report, and repeated", boot(), []devicetest.Read{
			us.report(time.Second, 4, 0x62, 0x60, 0x5b), us.report(ms, 0), us.report(ms, 4, 0x62, 0x5f, 0x5b), us.report(ms, 0),
			us.report(ms, 4, 0x62, 0x60, 0x62), us.report(ms, 0), us.report(ms, 4, 0x62, 0x5c, 0x5d), us.report(ms, 0),
			us.report(ms, 4, 0x59, 0x59, 0x59), us.report(ms, 0), us.report(ms, 0, 0x28), us.report(ms, 0),
		}},
		"kbd-lower": {"keyboard, host CapsLock handling", "lower case typed with Shift while CapsLock is on", boot(), join(
			us.press(time.Second, 0, 0x39), us.press(2*ms, keymap.LeftShift, 0x04), us.press(2*ms, keymap.LeftShift, 0x05), us.press(2*ms, 0, 0x06), us.press(2*ms, 0, 0x1e),
			us.press(2*ms, 0, 0x39), us.press(2*ms, 0, 0x04), us.press(2*ms, 0, 0x28))},
		"kbd-gs1":     {"keyboard set to Germany", "GS1-128 with FNC1 as Ctrl and ], the key of + there", boot("Layout", "de"), join(de.types(time.Second, "010950600013435210ABC123"), de.press(8*ms, ctrl, 0x30), de.types(8*ms, "21SER9\r"))},
		"kbd-control": {"keyboard, full ASCII Code 39", "codes that press Ctrl and C, F5 and Escape: refused, not shortened", boot(), join(us.types(time.Second, "ADMIT"), us.press(2*ms, ctrl, 0x06), us.types(2*ms, "-1\r"), us.press(time.Second, 0, 0x3e), us.types(2*ms, "ADMIT-2\r"), us.types(time.Second, "ADMIT-3"), us.press(2*ms, 0, 0x29), us.types(2*ms, "\r"))},
		"kbd-numbered": {"composite, keyboard with a report ID", "volume keys between", described(numberedKeyboard, bootClass), join(
			numbered.types(time.Second, "NUM"), []devicetest.Read{{After: ms, Data: []byte{4, 0xe9, 0}}, {After: ms, Data: []byte{4, 0, 0}}}, numbered.types(ms, "BERED-1\r"))},
		"kbd-person":   {"keyboard that is a real one", "typed by hand, 300 ms a key, a key held while the next goes down", boot(), join(hand{t, "us", 0, 150 * ms}.types(time.Second, "4"), hand{t, "us", 0, 150 * ms}.types(150*ms, "711\r"))},
		"kbd-rollover": {"keyboard, suffix Enter", "a report of too many keys between: it presses none", boot(), join(us.types(time.Second, "ROLL"), []devicetest.Read{us.report(2*ms, 0, 1, 1, 1, 1, 1, 1)}, us.types(2*ms, "OVER-1\r"))},
		"kbd-selftest": {"keyboard set to France, read as us", "the self-test tells the layout and is no ticket", boot(), fr.types(time.Second, keymap.SelfTest+"\r")},

		"pos-qr":       {"Honeywell, HID POS", "a QR code in one report", pos(), posReads(time.Second, "]Q1", "TICKET-1", 's')},
		"pos-boarding": {"Access-IS LSR118, HID POS", "boarding pass, PDF417, continued over three reports", pos(), join(posReads(time.Second, "]L0", boarding, 'r'), posReads(time.Second, "]L0", boarding[:56], 'r'))},
		"pos-2kb":      {"Honeywell, HID POS", "a QR code of 2 KB", pos(), posReads(time.Second, "]Q1", qr.String()[:2048], 's')},
		"pos-binary":   {"Honeywell, HID POS", "a binary QR code: all that is sent, refused as no text", pos(), join(posReads(time.Second, "]Q1", bin.String(), 's'), posReads(time.Second, "]Q1", "TICKET-1", 's'))},
		"pos-gs1":      {"Honeywell, HID POS", "GS1 DataMatrix with GS between its elements", pos(), posReads(time.Second, "]d2", "010950600013435217150331\x1d10ABC123\x1d21SER9", 'w')},
		"pos-menu":     {"Honeywell, HID POS", "replies to commands are no tickets", described("", plainClass, "Mode", "pos"), join(posReads(time.Second, "]X0", "REVINF.\x06.", '?'), posReads(time.Second, "]Z6", "PAPSPB.\x06.", '?'), posReads(time.Second, "]Q1", "TICKET-1", 's'))},
		"pos-cut": {"Honeywell, HID POS", "the second part comes after 600 ms: neither is the code, and the second looks like a whole one", pos(), func() []devicetest.Read {
			r := posReads(time.Second, "]L0", boarding[:100], 'r')
			r[1].After = 600 * ms
			return r
		}()},
		"pos-pulled":      {"Honeywell, HID POS", "unplugged between two parts", pos("Ends", "unplugged"), join(posReads(time.Second, "]Q1", "WHOLE-1", 's'), posReads(time.Second, "]L0", boarding, 'r')[:1])},
		"pos-shifted":     {"Youjie, HID POS, not described", "everything one byte later, as some models send it", described("", plainClass), shifted()},
		"pos-62":          {"test device, HID POS", "reports of 62 bytes, the continued bit behind the data", described(pos62, plainClass), short(boarding)},
		"pos-undescribed": {"Honeywell, HID POS, after a crash", "no descriptor: told by the length of its reports", described("", plainClass), posReads(time.Second, "]L0", boarding, 'r')},
	}
}

// TestComposedRecordings keeps the recordings true to what composed them.
func TestComposedRecordings(t *testing.T) {
	for name, s := range stories(t) {
		log := devicetest.Log{Headers: map[string]string{
			"Device": s.device, "Notes": s.notes, "Transport": "USB HID, composed by hand",
		}, Reads: s.reads}
		for key, value := range s.headers {
			if value != "" {
				log.Headers[key] = value
			}
		}
		path := filepath.Join("testdata", name+".log")
		text := []byte(log.Text())
		if *compose {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("%s is not what is composed; run with -compose", path)
		}
	}
}
