package keymap

// bootKeys is how many keys a boot report names.
const bootKeys = 6

// Boot reads the reports of a boot keyboard: a byte of modifiers, a reserved one
// and six keys (HID 1.11, appendix B.1). It is pure.
type Boot struct {
	typist *Typist
	held   []byte
}

// NewBoot starts with no key held.
func NewBoot(layout *Layout) *Boot { return &Boot{typist: NewTypist(layout)} }

// Report gives the text that a report types; one that is too short types
// nothing.
func (b *Boot) Report(report []byte) string {
	if len(report) < 3 {
		return ""
	}
	return b.Keys(report[0], report[2:min(len(report), 2+bootKeys)])
}

// Keys gives the text that is typed when these modifiers and keys are held. A key
// is pressed when it is named now more often than before: Alt and a number may
// name one digit twice. Usages 1 to 3 say only that too many keys are held, and
// change nothing.
func (b *Boot) Keys(mods byte, keys []byte) string {
	for _, key := range keys {
		if key >= 0x01 && key <= 0x03 {
			return ""
		}
	}
	text := b.typist.Hold(mods)
	was := counts(b.held)
	var seen [256]int
	b.held = b.held[:0]
	for _, key := range keys {
		if key == 0 {
			continue
		}
		b.held = append(b.held, key)
		if seen[key]++; seen[key] > was[key] {
			text += b.typist.Press(key)
		}
	}
	return text
}

// Pending tells that a dead key waits for the character it changes.
func (b *Boot) Pending() bool { return b.typist.Pending() }

// Caps tells that CapsLock is on.
func (b *Boot) Caps() bool { return b.typist.Caps() }

// Silence ends a code: it switches CapsLock off, and gives what still waits for another key when none comes.
func (b *Boot) Silence() string { return b.typist.Silence() }

func counts(keys []byte) (n [256]int) {
	for _, key := range keys {
		n[key]++
	}
	return n
}
