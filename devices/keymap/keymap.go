// Package keymap turns the keys of a scanner that plays a keyboard into the text
// of its codes.
//
// Such a scanner does not send characters. It presses the keys that a keyboard of
// its configured country would need for them, as usages of the HID Usage Tables,
// page 0x07: a scanner set to France presses the key that an American keyboard
// calls Q where it means A. The same layout must be set on both sides; the
// self-test code ([SelfTest]) tells when it is not.
//
// What is understood beside plain keys: Shift and CapsLock, AltGr (also as
// Ctrl+Alt), dead keys, the keypad whatever NumLock says, Ctrl for control
// characters (Ctrl+] is GS), and characters typed as their decimal number on the
// keypad while Alt is held, all digits in one report and the same digit twice in
// it included.
//
// A key that types nothing (Escape, F5, an arrow, Alt+F4) becomes ESC in the
// text. A printed code can press such keys, and a code that holds one must be
// refused: dropping the key would make another code of it.
package keymap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Modifier bits, in the order of the boot report's first byte (HID 1.11,
// appendix B.1).
const (
	LeftCtrl byte = 1 << iota
	LeftShift
	LeftAlt
	LeftGUI
	RightCtrl
	RightShift
	RightAlt
	RightGUI

	shifts = LeftShift | RightShift
	ctrls  = LeftCtrl | RightCtrl
	guis   = LeftGUI | RightGUI
)

// Usages of keys that mean more than a character.
const (
	KeyEnter    byte = 0x28
	keyEscape   byte = 0x29
	keyTab      byte = 0x2b
	keySpace    byte = 0x2c
	keyCapsLock byte = 0x39
	keyScroll   byte = 0x47
	keyNumLock  byte = 0x53
	keyPadSlash byte = 0x54
	keyPadEnter byte = 0x58
	keyPad1     byte = 0x59
	keyPad0     byte = 0x62
	keyPadDot   byte = 0x63
	// firstModifier to lastModifier are the modifiers as keys, in the order of
	// their bits.
	firstModifier byte = 0xe0
	lastModifier  byte = 0xe7
)

// Nothing is what a key types that types no character: ESC, which makes the code
// unreadable.
const Nothing = '\x1b'

// Layout is a country's keyboard.
type Layout struct {
	name string
	// levels of a key: plain, Shift, AltGr, Shift+AltGr; zero: types nothing.
	keys map[byte][4]rune
	// dead are the characters that wait for the next one, direct those of them that
	// do not where AltGr types them.
	dead, direct string
}

// Name is the layout's name in a configuration.
func (l *Layout) Name() string { return l.name }

// Names lists the layouts.
func Names() []string { return slices.Sorted(maps.Keys(layouts())) }

// ByName gives a layout. Its error lists those there are.
func ByName(name string) (*Layout, error) {
	rows, ok := layouts()[name]
	if !ok {
		return nil, fmt.Errorf("%q is no known keyboard layout; one of %s", name, strings.Join(Names(), ", "))
	}
	return rows.layout(name), nil
}

// Stroke is a key pressed while modifiers are held.
type Stroke struct{ Mods, Key byte }

// Strokes is how a scanner set to the layout types the text: false where the
// layout lacks a character of it.
func (l *Layout) Strokes(text string) ([]Stroke, bool) {
	var all []Stroke
	for _, r := range text {
		stroke, ok := l.stroke(r)
		if !ok {
			return nil, false
		}
		all = append(all, stroke)
		if l.waits(r, stroke.Mods&RightAlt != 0) {
			all = append(all, Stroke{Key: keySpace})
		}
	}
	return all, true
}

// waits tells whether a key is dead: its character waits for the next one.
func (l *Layout) waits(r rune, altgr bool) bool {
	return strings.ContainsRune(l.dead, r) && !(altgr && strings.ContainsRune(l.direct, r))
}

func (l *Layout) stroke(r rune) (Stroke, bool) {
	switch r {
	case ' ':
		return Stroke{Key: keySpace}, true
	case '\r':
		return Stroke{Key: KeyEnter}, true
	case '\t':
		return Stroke{Key: keyTab}, true
	}
	mods := [4]byte{0, LeftShift, RightAlt, LeftShift | RightAlt}
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		for level, typed := range l.keys[key] {
			if typed == r {
				return Stroke{Mods: mods[level], Key: key}, true
			}
		}
	}
	return Stroke{}, false
}

// rows are a layout as one sees it: the four rows of keys from the upper left,
// once for each level. A blank types nothing.
type rows struct {
	plain, shift, altgr, both [4]string
	dead, direct              string
}

// places are the usages of the rows' keys. The last key of the third row is the
// one beside Enter, the first of the fourth the one beside the left Shift.
func places() [4][]byte {
	return [4][]byte{
		{0x35, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2d, 0x2e},
		{0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18, 0x0c, 0x12, 0x13, 0x2f, 0x30},
		{0x04, 0x16, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x33, 0x34, 0x31},
		{0x64, 0x1d, 0x1b, 0x06, 0x19, 0x05, 0x11, 0x10, 0x36, 0x37, 0x38},
	}
}

func (r rows) layout(name string) *Layout {
	l := &Layout{name: name, keys: map[byte][4]rune{}, dead: r.dead, direct: r.direct}
	for level, text := range [4][4]string{r.plain, r.shift, r.altgr, r.both} {
		for row, keys := range places() {
			for i, typed := range []rune(text[row]) {
				if typed == ' ' {
					continue
				}
				levels := l.keys[keys[i]]
				levels[level] = typed
				l.keys[keys[i]] = levels
			}
		}
	}
	// The key beside Enter has two usages: keyboards use either.
	l.keys[0x32] = l.keys[0x31]
	return l
}

// layouts lists them as their makers print them on the keys (Windows layouts,
// which scanners imitate).
func layouts() map[string]rows {
	us := rows{
		plain: [4]string{"`1234567890-=", "qwertyuiop[]", `asdfghjkl;'\`, `\zxcvbnm,./`},
		shift: [4]string{"~!@#$%^&*()_+", "QWERTYUIOP{}", `ASDFGHJKL:"|`, `|ZXCVBNM<>?`},
	}
	return map[string]rows{
		"us": us,
		"uk": {
			plain: [4]string{"`1234567890-=", "qwertyuiop[]", `asdfghjkl;'#`, `\zxcvbnm,./`},
			shift: [4]string{`¬!"£$%^&*()_+`, "QWERTYUIOP{}", `ASDFGHJKL:@~`, `|ZXCVBNM<>?`},
			altgr: [4]string{"¦   €", "  é   úíó", "á"},
			both:  [4]string{"", "  É   ÚÍÓ", "Á"},
		},
		"de": {
			plain: [4]string{"^1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"},
			shift: [4]string{"°!\"§$%&/()=?`", "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"},
			altgr: [4]string{`  ²³   {[]}\`, "@ €        ~", "", "|      µ"},
			dead:  "^´`",
		},
		"fr": {
			plain: [4]string{`²&é"'(-è_çà)=`, "azertyuiop^$", "qsdfghjklmù*", "<wxcvbn,;:!"},
			shift: [4]string{" 1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM%µ", ">WXCVBN?./§"},
			altgr: [4]string{"  ~#{[|`\\^@]}", "  €        ¤"},
			dead:  "^¨~`", direct: "^",
		},
		"es": {
			plain: [4]string{"º1234567890'¡", "qwertyuiop`+", "asdfghjklñ´ç", "<zxcvbnm,.-"},
			shift: [4]string{`ª!"·$%&/()=?¿`, "QWERTYUIOP^*", "ASDFGHJKLÑ¨Ç", ">ZXCVBNM;:_"},
			altgr: [4]string{`\|@#~€¬`, "  €       []", "          {}"},
			dead:  "`^´¨~",
		},
		"it": {
			plain: [4]string{`\1234567890'ì`, "qwertyuiopè+", "asdfghjklòàù", "<zxcvbnm,.-"},
			shift: [4]string{`|!"£$%&/()=?^`, "QWERTYUIOPé*", "ASDFGHJKLç°§", ">ZXCVBNM;:_"},
			altgr: [4]string{"", "  €       []", "         @#"},
			both:  [4]string{"", "          {}"},
		},
	}
}
