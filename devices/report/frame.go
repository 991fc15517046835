package report

import (
	"strings"
	"time"
)

// ByHand is the silence that ends a code which a person types, on a keyboard that
// was taken for a scanner. A terminator that must come is waited for as long.
const ByHand = 2 * time.Second

// Framer cuts a stream of bytes into codes: at a terminator, or at silence for
// scanners that send none. It is pure: bytes and the times of their reads in,
// codes out. The cuts of reads mean nothing: any chunking of the same bytes
// gives the same codes.
//
// Of a scanner that ends its codes, silence makes no code: the line or the radio
// was held up, and the rest comes. Where it does not come in time the code is
// given cut (see Cut), and so is what comes next up to a terminator: it may be the
// rest, and half a code may be another ticket's.
//
// Silence is never concluded from the times of two reads alone, since a reader
// that was held up finds old bytes late: the owner asks Wait, looks for bytes
// that long, and calls Silence when none came.
type Framer struct {
	// Idle is the silence that ends a code without a terminator.
	Idle time.Duration
	// Keyboard says that a person may be typing: no scanner sends a code of one
	// character, or the second one later than Idle, so that what begins so waits
	// for Enter or for a longer silence. And nothing but CR, LF and TAB frames its
	// codes: any other control character was in the code, which must be refused.
	Keyboard bool
	// Suffix is what is known of the scanner's terminator; nil: it sends none that
	// must be waited for.
	Suffix *Suffix

	kept []byte
	// over says that the code outgrew MaxKept and was reported; the rest of it is
	// dropped.
	over bool
	// last is when the scanner was last heard, typed when it last gave bytes.
	last, typed time.Time
	// hand: a person types this code.
	hand bool
	// rest: what comes up to the next terminator may be of a code that was cut.
	rest bool
	// lacking is the code that was cut last, where no terminator came since.
	lacking string
}

// Push takes the bytes of one read and returns the codes they complete, in
// order. Empty codes (Enter alone, the LF of CR LF) are none.
func (f *Framer) Push(at time.Time, read []byte) []string {
	if f.Keyboard && len(f.kept) == 1 && at.Sub(f.typed) > f.Idle {
		f.hand = true
	}
	f.last, f.typed = at, at
	var codes []string
	for _, b := range read {
		switch {
		case f.terminates(b):
			codes = append(codes, f.terminated()...)
		case f.over:
		case len(f.kept) == 0 && f.precedes(b):
		case len(f.kept) == MaxKept:
			codes = append(codes, f.overlong())
		default:
			f.kept = append(f.kept, b)
		}
	}
	return codes
}

// Touch tells that the scanner goes on without giving bytes: a key goes up, or
// Shift or a digit of a number down. Slow scanners take longer than Idle from one
// character to the next.
func (f *Framer) Touch(at time.Time) { f.last = at }

// Wait tells how long the port must stay silent from at on until the code in
// hand is complete or cut; negative: no code is in hand.
func (f *Framer) Wait(at time.Time) time.Duration {
	if len(f.kept) == 0 && !f.over {
		return -1
	}
	idle := f.Idle
	// Of a code that was reported already nothing is waited for: the next one must
	// not be taken for the end of it.
	if f.byHand() || f.Suffix.awaits() && !f.over {
		idle = max(idle, ByHand)
	}
	return max(0, f.last.Add(idle).Sub(at))
}

// Silence ends the code in hand: nothing came for as long as Wait told.
func (f *Framer) Silence() []string {
	if !f.Suffix.awaits() {
		f.rest = f.rest && len(f.kept) == 0
		return f.finish(false)
	}
	if len(f.kept) == 0 {
		f.rest = f.rest || f.over
		return f.finish(false)
	}
	whole := false
	// What a person types, or a key that was touched, tells nothing of the scanner.
	if !f.byHand() {
		// Nothing but a scanner without a suffix gives the same twice in a row.
		whole = string(f.kept) == f.lacking
		f.lacking = string(f.kept)
		f.Suffix.stayed(whole)
	}
	f.rest = !whole
	return f.finish(!whole)
}

// terminated ends the code in hand at a terminator.
func (f *Framer) terminated() []string {
	cut := f.rest
	// The rest of a code may be a single character, or the terminator alone.
	if cut && !f.hand || len(f.kept) > 0 && !f.byHand() {
		f.Suffix.came()
	}
	f.rest, f.lacking = false, ""
	return f.finish(cut)
}

// finish gives the code in hand, if there is one, and begins anew.
func (f *Framer) finish(cut bool) []string {
	code := string(f.kept)
	switch {
	case code == "":
	case cut:
		code = Cut(f.kept)
	case !f.Keyboard:
		// Some scanners pad with NUL, and NUL inside a code is for the gate to refuse.
		code = strings.TrimRight(code, "\x00")
	}
	f.kept, f.over, f.hand = f.kept[:0], false, false
	if code == "" {
		return nil
	}
	return []string{code}
}

// byHand tells that a person may be typing the code in hand.
func (f *Framer) byHand() bool { return f.Keyboard && (f.hand || len(f.kept) == 1) }

// overlong gives what was kept of a code that outgrew MaxKept.
func (f *Framer) overlong() string {
	code := Cut(f.kept)
	f.kept, f.over = f.kept[:0], true
	return code
}

// terminates tells the suffixes that scanners send: CR, LF, TAB, ETX, EOT. GS
// (0x1D) is data.
func (f *Framer) terminates(b byte) bool {
	const etx, eot = 0x03, 0x04
	switch b {
	case '\r', '\n', '\t':
		return true
	case etx, eot:
		return !f.Keyboard
	}
	return false
}

// precedes tells what may come before a code without being of it: NUL (line
// noise, padding) and STX, the partner of ETX.
func (f *Framer) precedes(b byte) bool {
	const nul, stx = 0x00, 0x02
	return !f.Keyboard && (b == nul || b == stx)
}
