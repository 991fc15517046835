package keymap

import (
	"encoding/hex"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid" // random texts
)

func layout(t *testing.T, name string) *Layout {
	t.Helper()
	l, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// typeText presses strokes one after the other, as a scanner does.
func typeText(l *Layout, strokes []Stroke) string {
	boot := NewBoot(l)
	var text string
	for _, s := range strokes {
		text += boot.Report([]byte{s.Mods, 0, s.Key, 0, 0, 0, 0, 0})
		text += boot.Report(make([]byte, 8))
	}
	return text + boot.Silence()
}

func TestEveryKeyOfEveryLayoutHasItsPlace(t *testing.T) {
	for name, r := range layouts() {
		for level, text := range [4][4]string{r.plain, r.shift, r.altgr, r.both} {
			for row, keys := range places() {
				n := len([]rune(text[row]))
				if level < 2 && n != len(keys) || n > len(keys) {
					t.Errorf("%s: level %d, row %d has %d keys of %d", name, level, row, n, len(keys))
				}
			}
		}
		l := r.layout(name)
		for c := rune('!'); c < unicode.MaxASCII; c++ {
			missing := name == "it" && strings.ContainsRune("`~", c)
			if _, ok := l.Strokes(string(c)); ok == missing {
				t.Errorf("%s: %q can be typed: %v", name, c, ok)
			}
		}
	}
}

func TestWhatALayoutTypesItReads(t *testing.T) {
	for _, name := range Names() {
		l := layout(t, name)
		var runes []rune
		for _, levels := range l.keys {
			for _, r := range levels {
				if r != 0 {
					runes = append(runes, r)
				}
			}
		}
		rapid.Check(t, func(t *rapid.T) {
			want := string(rapid.SliceOf(rapid.SampledFrom(append(runes, ' '))).Draw(t, "text"))
			strokes, ok := l.Strokes(want)
			if !ok {
				t.Fatalf("%s cannot type %q", name, want)
			}
			if got := typeText(l, strokes); got != want {
				t.Fatalf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}

func TestWhatKeysType(t *testing.T) {
	tests := map[string]struct{ layout, reports, want string }{
		"captured: digit and Enter":           {"us", "00001e0000000000 0000000000000000 0000280000000000", "1\r"},
		"captured: capital, Shift first":      {"us", "0200000000000000 0200040000000000 0200000000000000 0000000000000000", "A"},
		"captured: Alt numbers, digits twice": {"us", "04006260 5b000000 0000000000000000 0400625f5b000000 0000000000000000 0400626062000000 0000000000000000 04 00625c5d000000 0000000000000000 0000280000000000", "SIP-\r"},
		"Alt numbers digit by digit":          {"us", "0400620000000000 0400000000000000 04005a0000000000 0400000000000000 0400610000000000 0400000000000000 0000000000000000", "\x1d"},
		"the two code pages":                  {"us", "0400595c5a000000 0000000000000000 0400625a595a0000 0000000000000000", "ÄÔ"},
		"a digit twice needs a release":       {"us", "00001e0000000000 00001e0000000000 0000000000000000 00001e0000000000", "11"},
		"two keys in one report, in order":    {"us", "00001e1f00000000", "12"},
		"a second key while one is held":      {"us", "00001e0000000000 00001e1f00000000", "12"},
		"roll-over is not typed":              {"us", "0000010101010101 00001e0000000000", "1"},
		"keypad whatever NumLock says":        {"us", "0000530000000000 0000590000000000 0000000000000000 0000620000000000 0000000000000000 0000630000000000 0000580000000000", "10.\r"},
		"CapsLock inverts letters only":       {"us", "0000390000000000 0000000000000000 0000040000000000 0000000000000000 0200040000000000 00001e0000000000 0000390000000000 0000000000000000 0000040000000000", "Aa1a"},
		"Ctrl and a letter":                   {"us", "0100100000000000", "\r"},
		"GS as Ctrl and ]":                    {"us", "0100300000000000", "\x1d"},
		"GS where ] is elsewhere":             {"de", "0100300000000000", "\x1d"},
		"keys that type nothing":              {"us", "0000290000000000 00003a0000000000 0000500000000000 00002a0000000000", "\x1b\x1b\x1b\x1b"},
		"Alt and a letter is a command":       {"us", "0400040000000000", "\x1b"},
		"the Windows key is a command":        {"us", "0800150000000000", "\x1b"},
		"AZERTY digits":                       {"fr", "02001e0000000000 0000000000000000 00001e0000000000 0000140000000000", "1&a"},
		"QWERTZ":                              {"de", "00001c0000000000 00001d0000000000 0000380000000000", "zy-"},
		"AltGr":                               {"de", "4000140000000000", "@"},
		"Ctrl and Alt is AltGr":               {"de", "0500140000000000", "@"},
		"the key beside Enter, both usages":   {"de", "0000310000000000 0000320000000000", "##"},
		"dead key and blank":                  {"de", "0000350000000000 0000000000000000 00002c0000000000", "^"},
		"dead key and letter":                 {"fr", "00002f0000000000 0000000000000000 0000080000000000", "ê"},
		"dead key and what it cannot change":  {"fr", "00002f0000000000 0000000000000000 0000060000000000 0000000000000000 02001e0000000000", "ĉ1"},
		"a dead key's character on another":   {"fr", "4000260000000000 0000000000000000 0000140000000000", "^a"},
		"a dead key by Ctrl and Alt":          {"es", "0500210000000000 0000000000000000 00002c0000000000", "~"},
		"dead key before Enter":               {"es", "00002f0000000000 0000000000000000 0000280000000000", "`\r"},
		"a report that is too short":          {"us", "0000", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := hex.DecodeString(strings.ReplaceAll(tt.reports, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			boot := NewBoot(layout(t, tt.layout))
			var got string
			for len(raw) > 0 {
				n := min(8, len(raw))
				got += boot.Report(raw[:n])
				raw = raw[n:]
			}
			if got += boot.Silence(); got != tt.want {
				t.Errorf("typed %q, want %q", got, tt.want)
			}
		})
	}
}

func TestModifiersAsKeys(t *testing.T) {
	typist := NewTypist(layout(t, "us"))
	got := typist.Press(0xe1) + typist.Press(0x04) + typist.Release(0x04) + typist.Release(0xe1) + typist.Press(0x04)
	if got != "Aa" {
		t.Errorf("typed %q", got)
	}
	got = typist.Press(0xe2) + typist.Press(0x5e) + typist.Press(0x5d) + typist.Release(0x5e) + typist.Release(0xe2)
	if got != "A" {
		t.Errorf("Alt, 6, 5 typed %q", got)
	}
}

func TestADeadKeyIsPending(t *testing.T) {
	boot := NewBoot(layout(t, "fr"))
	for _, step := range []struct {
		key     byte
		pending bool
		want    string
	}{{0x2f, true, ""}, {0, true, ""}, {0x08, false, "ê"}, {0, false, ""}, {0x2f, true, ""}} {
		if got := boot.Keys(0, []byte{step.key}); got != step.want || boot.Pending() != step.pending {
			t.Errorf("key %#x typed %q, pending %v; want %q, %v", step.key, got, boot.Pending(), step.want, step.pending)
		}
	}
	if got := boot.Silence(); got != "^" || boot.Pending() {
		t.Errorf("silence typed %q, pending %v", got, boot.Pending())
	}
}

func TestForgetLetsKeysGo(t *testing.T) {
	typist := NewTypist(layout(t, "fr"))
	got := typist.Press(keyCapsLock) + typist.Press(0xe1) + typist.Press(0x2f)
	typist.Forget()
	if got += typist.Press(0x08) + typist.Silence(); got != "e" {
		t.Errorf("typed %q, want e", got)
	}
}

// TestAnEndlessNumberIsNoCharacter, and the next one is.
func TestAnEndlessNumberIsNoCharacter(t *testing.T) {
	typist := NewTypist(layout(t, "us"))
	number := func(digits int) string {
		typist.Hold(LeftAlt)
		for range digits - 2 {
			typist.Press(keyPad0)
		}
		typist.Press(0x5e)
		typist.Press(0x5d)
		return typist.Hold(0)
	}
	if got := number(8) + number(9) + number(1000) + number(3); got != "A\x1b\x1bA" || cap(typist.number) > 2*maxNumber {
		t.Errorf("typed %q, room for %d digits", got, cap(typist.number))
	}
}

// TestSilenceSwitchesCapsLockOff, and Enter does not.
func TestSilenceSwitchesCapsLockOff(t *testing.T) {
	typist := NewTypist(layout(t, "us"))
	got := typist.Press(keyCapsLock) + typist.Press(0x04) + typist.Press(KeyEnter) + typist.Press(0x04) + typist.Silence() + typist.Press(0x04)
	if got != "A\rAa" {
		t.Errorf("typed %q", got)
	}
}

func TestTheSelfTestTellsTheLayout(t *testing.T) {
	for _, reading := range Names() {
		seen := map[string]string{}
		for _, typing := range Names() {
			strokes, ok := layout(t, typing).Strokes(SelfTest)
			if !ok {
				t.Fatalf("layout %s cannot type the self-test", typing)
			}
			text := typeText(layout(t, reading), strokes)
			if other, ok := seen[text]; ok {
				t.Errorf("read as %s, %s and %s look the same: %q", reading, typing, other, text)
			}
			seen[text] = typing
			found, ok := NewTester(layout(t, reading)).Diagnose(text)
			if !ok || found.Layout != typing || found.Inverted {
				t.Errorf("typed as %s, read as %s: found %+v, %v", typing, reading, found, ok)
			}
			if found.OK(layout(t, reading)) != (typing == reading) {
				t.Errorf("typed as %s, read as %s is right: %v", typing, reading, found)
			}
			if advice := found.Advice(layout(t, reading)); (advice == "") != (typing == reading) || typing != reading && !strings.Contains(advice, "set layout: "+typing) {
				t.Errorf("typed as %s, read as %s: advice %q", typing, reading, advice)
			}
		}
		inverted := strings.Map(swapped, SelfTest)
		if found, ok := NewTester(layout(t, reading)).Diagnose(inverted); !ok || !found.Inverted || found.Layout != reading || found.Advice(layout(t, reading)) == "" {
			t.Errorf("inverted, read as %s: %+v, %v", reading, found, ok)
		}
	}
	if found, ok := NewTester(layout(t, "us")).Diagnose("TICKET-1"); ok {
		t.Errorf("a ticket is taken for the self-test: %+v", found)
	}
}

func TestAnUnknownLayoutNamesTheKnown(t *testing.T) {
	_, err := ByName("dvorak")
	if err == nil || !strings.Contains(err.Error(), `"dvorak"`) || !strings.Contains(err.Error(), "de, es, fr, it, uk, us") {
		t.Errorf("error %v", err)
	}
}
