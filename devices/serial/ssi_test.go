package serial

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/devices/devicetest"
	"usher/devices/report"
	"usher/scanner"
)

var update = flag.Bool("update", false, "rewrite the expected codes")

// told collects what a scanner is told, by opcode.
type told struct{ packets [][]byte }

func (w *told) ssi() *ssi {
	return &ssi{
		gap:    80 * time.Millisecond,
		answer: func(p []byte) { w.packets = append(w.packets, p) },
		heard:  func() { w.packets = append(w.packets, []byte("heard")) },
	}
}

func (w *told) String() string {
	var all []string
	for _, p := range w.packets {
		switch p[1] {
		case ssiAck:
			all = append(all, "ack")
		case ssiNak:
			all = append(all, "nak")
		case ssiSegmentAck:
			all = append(all, "segment")
		default:
			all = append(all, string(p))
		}
	}
	return strings.Join(all, " ")
}

// replay feeds reads as the port's owner does, with time going as it is told.
func replay(f framer, reads []devicetest.Read) []string {
	now := time.Unix(1e9, 0)
	var codes []string
	still := func(left time.Duration) {
		for w := f.Wait(now); w >= 0 && w <= left; w = f.Wait(now) {
			now, left = now.Add(w), left-w
			codes = append(codes, f.Silence()...)
		}
		now = now.Add(left)
	}
	for _, read := range reads {
		still(read.After)
		codes = append(codes, f.Push(now, read.Data)...)
	}
	still(time.Hour)
	return codes
}

// chopped cuts every read into pieces of n bytes, which come at once.
func chopped(reads []devicetest.Read, n int) []devicetest.Read {
	var all []devicetest.Read
	for _, read := range reads {
		after := read.After
		for piece := range slices.Chunk(read.Data, n) {
			all = append(all, devicetest.Read{After: after, Data: piece})
			after = 0
		}
	}
	return all
}

func TestSSILogs(t *testing.T) {
	answers := map[string]string{
		"ssi-single":        "ack ack ack ack",
		"ssi-offset4":       "ack ack",
		"ssi-multipacket":   "segment segment segment ack",
		"ssi-segment-again": "segment segment segment segment",
		"ssi-resend":        "nak ack ack",
		"ssi-noise":         "ack nak ack ack",
		"ssi-again":         "ack ack ack",
		"ssi-cut":           "segment segment ack",
		"ssi-lost-segment":  "segment segment ack",
		"ssi-broken":        "nak ack",
		"ssi-events":        "ack ack heard ack heard",
	}
	logs, err := filepath.Glob("testdata/ssi-*.log")
	if err != nil || len(logs) != len(answers) {
		t.Fatalf("%d logs, %v; want %d", len(logs), err, len(answers))
	}
	for _, path := range logs {
		name := strings.TrimSuffix(filepath.Base(path), ".log")
		t.Run(name, func(t *testing.T) {
			log, err := devicetest.OpenLog(path)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(path, ".log") + ".want"
			if *update {
				var w told
				if err := os.WriteFile(golden, []byte(devicetest.Codes(replay(w.ssi(), log.Reads))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1 << 16, 1, 2, 7, 250} {
				var w told
				if diff := cmp.Diff(string(want), devicetest.Codes(replay(w.ssi(), chopped(log.Reads, size)))); diff != "" {
					t.Errorf("in pieces of %d: codes (-want +got):\n%s", size, diff)
				}
				if w.String() != answers[name] {
					t.Errorf("in pieces of %d: told %s, want %s", size, &w, answers[name])
				}
			}
		})
	}
}

func fromScanner(op, source, status byte, data ...byte) []byte {
	packet := append([]byte{byte(ssiHeader + len(data)), op, source, status}, data...)
	sum := checksum(packet)
	return append(packet, byte(sum>>8), byte(sum))
}

// TestKnownPackets compares with packets whose checksums others have published.
func TestKnownPackets(t *testing.T) {
	for want, got := range map[string][]byte{
		"\x04\xd0\x04\x00\xff\x28":     ssiPacket(ssiAck),
		"\x05\xd1\x04\x00\x01\xff\x25": ssiPacket(ssiNak, ssiResend),
		"\x05\xe6\x04\x00\x00\xff\x11": ssiPacket(ssiBeep, 0),
		"\x05\xe6\x04\x00\x12\xfe\xff": ssiPacket(ssiBeep, 0x12),
		"\x05\xe7\x04\x00\x01\xff\x0f": ssiPacket(ssiLEDOn, 1),
		"\x05\xe8\x04\x00\x01\xff\x0e": ssiPacket(ssiLEDOff, 1),
	} {
		if string(got) != want {
			t.Errorf("got % x, want % x", got, want)
		}
	}
}

// TestSSICutsMeanNothing: packets and noise, cut anywhere, give the same codes and
// the same answers.
func TestSSICutsMeanNothing(t *testing.T) {
	part := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 1, 12),
		rapid.SampledFrom([][]byte{{0x08, 0xf3, 0x00}, {0xff, 0x73, 0x02, 0x00}, {0x04, 0xd0}, {0x00}}),
		rapid.Custom(func(t *rapid.T) []byte {
			data := rapid.SliceOfN(rapid.ByteRange(' ', '~'), 2, 60).Draw(t, "data")
			return fromScanner(ssiDecodeData, 0, rapid.ByteRange(0, 1).Draw(t, "status"), data...)
		}),
		rapid.Custom(func(t *rapid.T) []byte {
			p := fromScanner(ssiDecodeData, 0, 0, []byte("\x03BROKEN-1")...)
			p[rapid.IntRange(0, len(p)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			return p
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		all := slices.Concat(rapid.SliceOfN(part, 0, 12).Draw(t, "parts")...)
		var whole, cut told
		want := replay(whole.ssi(), []devicetest.Read{{Data: all}})
		got := replay(cut.ssi(), chopped([]devicetest.Read{{Data: all}}, rapid.IntRange(1, 40).Draw(t, "size")))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("codes (-whole +cut):\n%s", diff)
		}
		if whole.String() != cut.String() {
			t.Fatalf("told %s, cut %s", &whole, &cut)
		}
	})
}

// TestNoiseNeverCostsAPacket: whatever comes before it, a good packet is read.
func TestNoiseNeverCostsAPacket(t *testing.T) {
	good := fromScanner(ssiDecodeData, 0, 0, []byte("\x03TICKET-1")...)
	rapid.Check(t, func(t *rapid.T) {
		noise := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "noise")
		var w told
		codes := replay(w.ssi(), []devicetest.Read{{Data: append(bytes.Clone(noise), good...)}})
		if !slices.Contains(codes, "TICKET-1") {
			t.Fatalf("got %q, told %s", codes, &w)
		}
	})
}

// TestSSIBounds: a code that claims more than is judged is refused, and its rest
// never kept.
func TestSSIBounds(t *testing.T) {
	var w told
	s := w.ssi()
	first := append([]byte{0, ssiDecodeData, 0, 0, 0xff, 0xff, 0x1c, 1, 0xff, 0xfc}, bytes.Repeat([]byte("x"), 241)...)
	reads := []devicetest.Read{{Data: fromScanner(ssiSegment, ssiFirst, 0, first...)}}
	for n := range 255 {
		reads = append(reads, devicetest.Read{Data: fromScanner(ssiSegment, 0, 0, append([]byte{byte(n + 1)}, bytes.Repeat([]byte("x"), 250)...)...)})
	}
	reads = append(reads, devicetest.Read{Data: fromScanner(ssiDecodeData, 0, 0, []byte("\x03OK")...)})
	var codes []string
	for _, read := range reads {
		codes = append(codes, s.Push(time.Unix(1e9, 0), read.Data)...)
		if kept := len(s.parts.data) + len(s.kept); kept > report.MaxKept {
			t.Fatalf("%d bytes are kept", kept)
		}
	}
	if len(codes) != 2 || scanner.Clean(codes[0]).Check() == nil || codes[1] != "OK" {
		t.Errorf("got %q", codes)
	}
}

// TestASecondTryIsReadWhole: a code in segments that broke off, scanned again.
func TestASecondTryIsReadWhole(t *testing.T) {
	log, err := devicetest.OpenLog("testdata/ssi-multipacket.log")
	if err != nil {
		t.Fatal(err)
	}
	again := slices.Clone(log.Reads)
	again[0].After = 4 * time.Second
	var w told
	codes := replay(w.ssi(), append(slices.Clone(log.Reads[:2]), again...))
	if len(codes) != 3 || scanner.Clean(codes[0]).Check() == nil || len(codes[1]) != 500 || codes[2] != "TICKET-1" {
		t.Errorf("got %q", codes)
	}
}

// TestAPacketThatGoesOnIsNoCode: half a code may be another ticket's. One mark is
// given for all that belongs together, and the next code is read.
func TestAPacketThatGoesOnIsNoCode(t *testing.T) {
	packet := func(status byte, code string) []byte {
		p := append([]byte{byte(ssiHeader + 1 + len(code)), ssiDecodeData, 0, status, 0x1c}, code...)
		return binary.BigEndian.AppendUint16(p, checksum(p))
	}
	soon, late := 100*time.Millisecond, 5*time.Second
	for name, tt := range map[string]struct {
		reads []devicetest.Read
		want  []string
	}{
		"both parts":        {[]devicetest.Read{{Data: packet(2, "HALF-")}, {After: soon, Data: packet(0, "REST")}, {After: soon, Data: packet(0, "NEXT")}}, []string{"\x00\x00", "NEXT"}},
		"three parts":       {[]devicetest.Read{{Data: packet(2, "A")}, {After: soon, Data: packet(2, "B")}, {After: soon, Data: packet(0, "C")}}, []string{"\x00\x00"}},
		"the last one lost": {[]devicetest.Read{{Data: packet(2, "HALF-")}, {After: late, Data: packet(0, "NEXT")}}, []string{"\x00\x00", "NEXT"}},
		"a part sent again": {[]devicetest.Read{{Data: packet(2, "HALF-")}, {After: soon, Data: packet(3, "HALF-")}, {After: soon, Data: packet(0, "REST")}}, []string{"\x00\x00"}},
		"other bits of it":  {[]devicetest.Read{{Data: packet(0x20, "WHOLE")}}, []string{"WHOLE"}},
	} {
		if diff := cmp.Diff(tt.want, replay(new(told).ssi(), tt.reads)); diff != "" {
			t.Errorf("%s: codes (-want +got):\n%s", name, diff)
		}
	}
}
