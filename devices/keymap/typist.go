package keymap

import (
	"unicode"

	"golang.org/x/text/encoding/charmap" // the code pages behind Alt and a number
	"golang.org/x/text/unicode/norm"     // what a dead key makes of a letter
)

// maxNumber is how many digits a number typed with Alt may have. More are a key
// that hangs, and must not fill the memory.
const maxNumber = 8

// Typist follows a keyboard's keys and gives the text they type. Enter is CR,
// Tab is HT, and a key that types no character is ESC. It is pure and not safe
// for concurrent use.
type Typist struct {
	layout *Layout
	mods   byte
	caps   bool
	// number are the digits typed while Alt is held.
	number []byte
	// endless: the number has more digits than any character's.
	endless bool
	// dead waits for the character it changes; zero: none does.
	dead rune
	// us decodes Ctrl with keys that the layout gives to letters of its own.
	us *Layout
	// lossy: a digit of a number that was typed twice at once came once.
	lossy bool
}

// NewTypist starts with no key held and CapsLock off.
func NewTypist(layout *Layout) *Typist {
	us := layouts()["us"].layout("us")
	return &Typist{layout: layout, us: us}
}

// NewLossyTypist is for keys that come through the kernel's input core, which
// drops a digit that one report names twice. A number that may have lost one, or
// that would end the code, types Nothing.
func NewLossyTypist(layout *Layout) *Typist {
	t := NewTypist(layout)
	t.lossy = true
	return t
}

// Hold sets the modifiers that are held from now on. Releasing Alt ends a
// number and types its character.
func (t *Typist) Hold(mods byte) string {
	before := t.mods
	t.mods = mods
	if before&LeftAlt == 0 || mods&LeftAlt != 0 || len(t.number) == 0 {
		return ""
	}
	typed := numbered(t.number)
	if t.endless || t.lossy && (len(t.number) < 3 || typed == '\r' || typed == '\n' || typed == '\t') {
		typed = Nothing
	}
	t.number, t.endless = t.number[:0], false
	return t.flush() + string(typed)
}

// Press types the key with the modifiers that are held. Modifiers themselves may
// be pressed and released as keys, too.
func (t *Typist) Press(key byte) string {
	switch {
	case key >= firstModifier && key <= lastModifier:
		return t.Hold(t.mods | 1<<(key-firstModifier))
	case key == keyCapsLock:
		t.caps = !t.caps
		return ""
	case key == keyNumLock, key == keyScroll:
		return ""
	case t.numbering() && digit(key) != 0:
		if len(t.number) == maxNumber {
			t.endless = true
			return ""
		}
		t.number = append(t.number, digit(key))
		return ""
	}
	r := t.typed(key)
	switch {
	case t.dead != 0:
		return t.join(r)
	case t.layout.waits(r, t.altgr()):
		t.dead = r
		return ""
	}
	return string(r)
}

// Release lets a key go.
func (t *Typist) Release(key byte) string {
	if key < firstModifier || key > lastModifier {
		return ""
	}
	return t.Hold(t.mods &^ (1 << (key - firstModifier)))
}

// Pending tells that a dead key waits for the character it changes.
func (t *Typist) Pending() bool { return t.dead != 0 }

// Caps tells that CapsLock is on.
func (t *Typist) Caps() bool { return t.caps }

// Forget lets every key go, as where it is not known any more which are held.
// CapsLock goes off: the press that switches it off may be the one that was lost.
func (t *Typist) Forget() { t.mods, t.number, t.endless, t.dead, t.caps = 0, nil, false, 0, false }

// Silence gives what still waits for another key when none comes. It switches
// CapsLock off: a scanner that uses it does so for one code, and a press by
// accident must not turn the letters of every later one around. Enter does not,
// since some scanners press CapsLock again only after it.
func (t *Typist) Silence() string {
	t.caps = false
	return t.flush()
}

func (t *Typist) flush() string {
	if t.dead == 0 {
		return ""
	}
	dead := t.dead
	t.dead = 0
	return string(dead)
}

// join ends a dead key: with a blank it is itself, with a letter that it changes
// the two are one, otherwise both are typed.
func (t *Typist) join(next rune) string {
	dead := t.dead
	t.dead = 0
	if next == ' ' {
		return string(dead)
	}
	if one := []rune(norm.NFC.String(string(next) + combining(dead))); len(one) == 1 {
		return string(one)
	}
	return string(dead) + string(next)
}

// combining is the accent of a dead key as Unicode puts it behind a letter.
func combining(dead rune) string {
	switch dead {
	case '^':
		return "\u0302"
	case '´':
		return "\u0301"
	case '`':
		return "\u0300"
	case '¨':
		return "\u0308"
	case '~':
		return "\u0303"
	}
	return ""
}

// numbering tells that Alt alone is held, as for a number on the keypad.
func (t *Typist) numbering() bool { return t.mods&^shifts == LeftAlt }

// altgr tells that AltGr is held. Windows takes Ctrl and Alt for it.
func (t *Typist) altgr() bool {
	return t.mods&RightAlt != 0 || t.mods&ctrls != 0 && t.mods&LeftAlt != 0
}

// typed is the character of a key.
func (t *Typist) typed(key byte) rune {
	switch key {
	case KeyEnter, keyPadEnter:
		return '\r'
	case keyTab:
		return '\t'
	}
	if t.mods&guis != 0 {
		return Nothing
	}
	altgr := t.altgr()
	ctrl := t.mods&ctrls != 0 && t.mods&LeftAlt == 0
	if t.mods&LeftAlt != 0 && t.mods&ctrls == 0 {
		return Nothing
	}
	if r := pad(key); r != 0 && !ctrl {
		return r
	}
	if key == keySpace {
		if ctrl {
			return Nothing
		}
		return ' '
	}
	level := 0
	if t.mods&shifts != 0 {
		level |= 1
	}
	if altgr {
		level |= 2
	}
	r := t.layout.keys[key][level]
	if ctrl {
		return t.control(key, r)
	}
	if t.caps {
		r = swapped(r)
	}
	if r == 0 {
		return Nothing
	}
	return r
}

// control is the character that Ctrl makes of a key: of what the layout types,
// else of what the key types in the United States, where control characters come
// from.
func (t *Typist) control(key byte, r rune) rune {
	for _, r := range []rune{r, t.us.keys[key][0]} {
		if r = unicode.ToUpper(r); r >= '@' && r <= '_' {
			return r & 0x1f
		}
	}
	return Nothing
}

// swapped is what CapsLock makes of a character.
func swapped(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	// Letters like ß and µ have no capital on any key.
	if up := unicode.ToUpper(r); unicode.IsLower(r) && up != r && r != 'ß' && r != 'µ' {
		return up
	}
	return r
}

// pad is the character of a keypad key.
func pad(key byte) rune {
	switch {
	case digit(key) != 0:
		return rune(digit(key))
	case key >= keyPadSlash && key < keyPadEnter:
		return rune("/*-+"[key-keyPadSlash])
	case key == keyPadDot:
		return '.'
	}
	return 0
}

// digit is a keypad key's digit; zero: it has none.
func digit(key byte) byte {
	switch {
	case key == keyPad0:
		return '0'
	case key >= keyPad1 && key < keyPad0:
		return '1' + key - keyPad1
	}
	return 0
}

// numbered is the character of a number typed with Alt: of the Windows code page
// where it begins with a zero, else of the DOS one. Both are ASCII below 128.
func numbered(digits []byte) rune {
	value := 0
	for _, d := range digits {
		value = (value*10 + int(d-'0')) % 256
	}
	page := charmap.CodePage437
	if digits[0] == '0' {
		page = charmap.Windows1252
	}
	if value < 0x80 {
		return rune(value)
	}
	return page.DecodeByte(byte(value))
}
