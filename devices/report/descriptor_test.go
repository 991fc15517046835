package report

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"usher/scanner"
)

func unhex(t interface {
	Helper()
	Fatal(...any)
}, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const (
	// bootKeyboard is the descriptor of HID 1.11, appendix B.1.
	bootKeyboard = `05 01 09 06 A1 01 05 07 19 E0 29 E7 15 00 25 01 75 01 95 08 81 02
		95 01 75 08 81 01 95 05 75 01 05 08 19 01 29 05 91 02 95 01 75 03 91 01
		95 06 75 08 15 00 25 65 05 07 19 00 29 65 81 00 C0`
	// keyboardWithID has a report ID and a consumer control beside it.
	keyboardWithID = `05 01 09 06 A1 01 85 03 05 07 19 E0 29 E7 15 00 25 01 75 01 95 08 81 02
		95 06 75 08 15 00 25 65 19 00 29 65 81 00 C0
		05 0C 09 01 A1 01 85 04 19 00 2A 3C 02 15 00 26 3C 02 95 01 75 10 81 00 C0`
	// bitmapKeyboard names each key by a bit of its own.
	bitmapKeyboard = `05 01 09 06 A1 01 05 07 19 E0 29 E7 15 00 25 01 75 01 95 08 81 02
		19 00 29 67 95 68 81 02 C0`
	// pos64 is the layout that Honeywell and Access-IS describe.
	pos64 = `05 8C 09 02 A1 01 09 12 A1 02 85 02 15 00 26 FF 00 75 08 95 01
		05 01 09 3B 81 02 05 8C 09 FB 09 FC 09 FD 95 03 81 02 09 FE 95 38 82 02 01
		95 02 81 01 09 FF 75 01 95 01 81 02 75 07 81 01 C0 C0`
	// posPlain has no byte count and no continued bit.
	posPlain = `05 8C 09 02 A1 01 85 01 15 00 26 FF 00 75 08 95 10 09 FE 82 02 01 C0`
)

func parse(t testing.TB, text string) Descriptor {
	t.Helper()
	d, err := Parse(unhex(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestKeyboards(t *testing.T) {
	tests := map[string]struct {
		keyboard  func(*testing.T) Keyboard
		report    string
		mods      byte
		keys      []byte
		isAnother bool
	}{
		"boot, without a descriptor": {func(*testing.T) Keyboard { return BootKeyboard() }, "02 00 04 05 00 00 00 00", 0x02, []byte{4, 5}, false},
		"boot":                       {keyboardOf(bootKeyboard), "41 00 04 05 00 00 00 65", 0x41, []byte{4, 5, 0x65}, false},
		"with a report ID":           {keyboardOf(keyboardWithID), "03 02 04 00 00 00 00 00", 0x02, []byte{4}, false},
		"another report":             {keyboardOf(keyboardWithID), "04 e9 00", 0, nil, true},
		"a bit for each key":         {keyboardOf(bitmapKeyboard), "02 30 00 00 00 01 00 00 00 00 00 00 00 00", 0x02, []byte{4, 5, 0x20}, false},
		"a short report":             {keyboardOf(bootKeyboard), "02 00 04", 0x02, []byte{4}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mods, keys, ok := tt.keyboard(t).Read(unhex(t, tt.report))
			if mods != tt.mods || !slices.Equal(keys, tt.keys) || ok == tt.isAnother {
				t.Errorf("mods %#x, keys %x, %v; want %#x, %x", mods, keys, ok, tt.mods, tt.keys)
			}
		})
	}
	for name, text := range map[string]string{"a POS scanner": pos64, "nothing": ""} {
		if _, ok := parse(t, text).Keyboard(); ok {
			t.Errorf("%s is taken for a keyboard", name)
		}
	}
}

func keyboardOf(text string) func(*testing.T) Keyboard {
	return func(t *testing.T) Keyboard {
		k, ok := parse(t, text).Keyboard()
		if !ok {
			t.Fatal("no keyboard found")
		}
		return k
	}
}

func posOf(t testing.TB, text string) POS {
	p, ok := parse(t, text).POS()
	if !ok {
		t.Fatal("no point-of-sale scanner found")
	}
	return p
}

func TestPOSIsToldByItsDescriptor(t *testing.T) {
	for name, text := range map[string]string{"boot keyboard": bootKeyboard, "consumer": keyboardWithID} {
		if _, ok := parse(t, text).POS(); ok || parse(t, text).IsPOS() {
			t.Errorf("%s is taken for a point-of-sale scanner", name)
		}
	}
	if !parse(t, pos64).IsPOS() {
		t.Error("a point-of-sale scanner is not told")
	}
	if diff := cmp.Diff(pos(64), posOf(t, pos64), cmp.AllowUnexported(POS{}, place{})); diff != "" {
		t.Errorf("the described layout differs from the fall-back (-fall-back +described):\n%s", diff)
	}
}

// pos is the fall-back as a descriptor would state it.
func pos(length int) POS {
	p := FallbackPOS(length)
	p.shifts, p.kind = false, place{}
	return p
}

// part is a 64-byte report of the layout of Honeywell.
func part(aim, data string, kind byte, more bool) []byte {
	report := make([]byte, 64)
	report[0], report[1], report[61] = 2, byte(len(data)), kind
	copy(report[2:5], aim)
	copy(report[5:61], data)
	if more {
		report[63] = 1
	}
	return report
}

func TestPOSReports(t *testing.T) {
	long := strings.Repeat("M1GATHERGOOD/MR       EABC123 ", 60) // a boarding pass and more
	type read struct {
		after  time.Duration
		report []byte
	}
	whole := func(code string) (reads []read) {
		for rest := code; len(rest) > 0; {
			n := min(56, len(rest))
			reads = append(reads, read{report: part("]L0", rest[:n], 'r', n < len(rest))})
			rest = rest[n:]
		}
		return reads
	}
	full := strings.Repeat("x", 55) + "?"
	plain := func(code string) []byte {
		return append([]byte{1}, append([]byte(code), make([]byte, 16-len(code))...)...)
	}
	tests := map[string]struct {
		layout POS
		reads  []read
		want   []string
	}{
		"one report":                  {FallbackPOS(64), []read{{0, part("]Q1", "TICKET-1", 's', false)}}, []string{"TICKET-1"}},
		"by its descriptor":           {posOf(t, pos64), []read{{0, part("]Q1", "TICKET-1", 's', false)}}, []string{"TICKET-1"}},
		"continued":                   {FallbackPOS(64), whole(long), []string{long}},
		"GS is data":                  {FallbackPOS(64), []read{{0, part("]C1", "01095\x1d21X", 'I', false)}}, []string{"01095\x1d21X"}},
		"a zero is data":              {FallbackPOS(64), []read{{0, part("]Q1", "A\x00", 's', false)}}, []string{"A\x00"}},
		"padded, without a count":     {posOf(t, posPlain), []read{{0, plain("TICKET-1")}}, []string{"TICKET-1"}},
		"menu replies":                {FallbackPOS(64), []read{{0, part("]X0", "REVINF.", 0, false)}, {0, part("]Z6", "OK", 0, false)}, {0, part("]A0", "X", '?', false)}}, nil},
		"another report ID":           {FallbackPOS(64), []read{{0, append([]byte{9}, part("]Q1", "X", 's', false)[1:]...)}}, nil},
		"nothing in it":               {FallbackPOS(64), []read{{0, part("]Q1", "", 's', false)}}, nil},
		"a length beyond the end":     {FallbackPOS(64), []read{{0, func() []byte { r := part("]Q1", strings.Repeat("x", 56), 's', false); r[1] = 255; return r }()}}, []string{"\x00" + strings.Repeat("x", 54) + "\x00"}},
		"a report cut short":          {FallbackPOS(64), []read{{0, part("]Q1", "EVENT-7-123456", 's', false)[:12]}, {0, part("]Q1", "NEXT", 's', false)}}, []string{"\x00VENT-\x00", "NEXT"}},
		"a second part cut short":     {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {0, part("]Q1", "BBBB", 's', false)[:7]}}, []string{"AAAA\x00\x00"}},
		"the second part late":        {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {600 * time.Millisecond, part("]Q1", "BBBB", 's', false)}, {time.Second, part("]Q1", "CCCC", 's', false)}}, []string{"\x00AA\x00", "\x00BB\x00", "CCCC"}},
		"every part late":             {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {time.Second, part("]Q1", "BBBB", 's', true)}, {time.Second, part("]Q1", "CCCC", 's', false)}}, []string{"\x00AA\x00", "\x00BB\x00", "\x00CC\x00"}},
		"a long rest late":            {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {time.Second, part("]Q1", "BBBB", 's', true)}, {0, part("]Q1", "CCCC", 's', false)}, {0, part("]Q1", "DDDD", 's', false)}}, []string{"\x00AA\x00", "\x00BBBCCC\x00", "DDDD"}},
		"the rest lost, once more":    {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {time.Second, part("]Q1", "AAAA", 's', true)}, {0, part("]Q1", "BBBB", 's', false)}}, []string{"\x00AA\x00", "AAAABBBB"}},
		"the rest lost, another kind": {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {time.Second, part("]L0", "BBBB", 'r', false)}}, []string{"\x00AA\x00", "BBBB"}},
		"the second part of another":  {FallbackPOS(64), []read{{0, part("]Q1", "AAAA", 's', true)}, {0, part("]L0", "BBBB", 's', false)}}, []string{"\x00AA\x00", "BBBB"}},
		"one byte later":              {FallbackPOS(64), []read{{0, func() []byte { r := make([]byte, 64); copy(r, "\x02\x08\x00]Q1TICKET-1"); return r }()}}, []string{"TICKET-1"}},
		"one byte later, to the end":  {FallbackPOS(64), []read{{0, func() []byte { r := make([]byte, 64); copy(r, "\x02\x38\x00]Q1"+full); return r }()}}, []string{full}},
		"a middle that looks asked":   {FallbackPOS(64), []read{{0, part("]Q1", "AA", 's', true)}, {0, part("]Q1", "BB", '?', true)}, {0, part("]Q1", "CC", 's', false)}}, []string{"AABBCC"}},
		"62 bytes":                    {FallbackPOS(62), []read{{0, func() []byte { r := part("]Q1", "AB", 1, false)[:62]; return r }()}, {0, part("]Q1", "CD", 0, false)[:62]}}, []string{"ABCD"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := NewAssembler(tt.layout)
			now := time.Unix(1e9, 0)
			var got []string
			for _, r := range tt.reads {
				if w := a.Wait(now); w >= 0 && r.after > w {
					got = append(got, a.Silence()...)
				}
				now = now.Add(r.after)
				got = append(got, a.Push(now, r.report)...)
			}
			if got = append(got, a.Silence()...); !slices.Equal(got, tt.want) {
				t.Errorf("codes %q, want %q", got, tt.want)
			}
		})
	}
}

func TestACutOffPOSCodeIsUnreadable(t *testing.T) {
	a := NewAssembler(FallbackPOS(64))
	a.Push(time.Unix(0, 0), part("]Q1", "TICKET-1", 's', true))
	codes := a.Silence()
	if len(codes) != 1 || scanner.Clean(codes[0]).Check() == nil {
		t.Errorf("the gate would judge %q", codes)
	}
}

func TestEndlessPOSCodeIsBounded(t *testing.T) {
	a := NewAssembler(FallbackPOS(64))
	var codes []string
	for range 1000 {
		codes = append(codes, a.Push(time.Unix(0, 0), part("]Q1", strings.Repeat("x", 56), 's', true))...)
	}
	codes = append(codes, a.Push(time.Unix(0, 0), part("]Q1", "tail", 's', false))...)
	codes = append(codes, a.Push(time.Unix(0, 0), part("]Q1", "NEXT", 's', false))...)
	if len(codes) != 2 || scanner.Clean(codes[0]).Check() == nil || codes[1] != "NEXT" || cap(a.kept) > 4*MaxKept {
		t.Errorf("%d codes, buffer %d", len(codes), cap(a.kept))
	}
}

func TestBrokenDescriptors(t *testing.T) {
	tests := map[string]string{
		"cut off":                "05 01 09",
		"cut off in a long item": "FE 05 00",
		"an end without a begin": "C0",
		"a pop without a push":   "B4",
		"report ID 0":            "85 00",
		"values of 64 bits":      "75 40",
		"too many values":        "96 FF FF",
		"a report without end":   "75 20 96 FF 7F 81 02",
		"usages backwards":       "05 07 19 10 29 01",
		"usages without a begin": "05 07 29 01",
		"nested for ever":        strings.Repeat("A1 01 ", 40),
		"pushed for ever":        strings.Repeat("A4 ", 40),
		"longer than any":        strings.Repeat("00 ", maxDescriptor+1),
	}
	for name, text := range tests {
		if _, err := Parse(unhex(t, text)); err == nil || !strings.HasPrefix(err.Error(), "report descriptor") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestAWholePageOfUsages: many keyboards of dongles have a second report for keys such
// as volume, which claims every usage of its page. Their descriptor is as good as any.
func TestAWholePageOfUsages(t *testing.T) {
	d, err := Parse(unhex(t, keyboardWithID+" 05 0C 09 01 A1 01 85 05 15 00 26 FF 7F 19 00 2A FF FF 75 10 95 01 81 00 C0"))
	if err != nil {
		t.Fatal(err)
	}
	k, ok := d.Keyboard()
	if !ok || k.ID() != 3 {
		t.Fatalf("keyboard with the report ID %d, found: %v; want 3", k.ID(), ok)
	}
}

// TestForeignBytes: neither a descriptor nor a report can do more than give
// codes.
func TestForeignBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := unhex(t, rapid.SampledFrom([]string{bootKeyboard, keyboardWithID, bitmapKeyboard, pos64, posPlain}).Draw(t, "descriptor"))
		for range rapid.IntRange(0, 4).Draw(t, "flips") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
		}
		d, err := Parse(raw)
		if err != nil {
			return
		}
		reports := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 70)).Draw(t, "reports")
		if k, ok := d.Keyboard(); ok {
			for _, r := range reports {
				k.Read(r)
			}
		}
		if p, ok := d.POS(); ok {
			a := NewAssembler(p)
			for _, r := range reports {
				for _, code := range a.Push(time.Unix(0, 0), r) {
					if len(code) == 0 || len(code) > 2*MaxKept {
						t.Fatalf("a code of %d bytes", len(code))
					}
				}
			}
		}
	})
}
