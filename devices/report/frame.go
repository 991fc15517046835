package report

import (
	"strings"
	"time"
)

// ByHand is the silence that ends a code which a person types, on a keyboard that
// was taken for a scanner.
const ByHand = 2 * time.Second

// Framer cuts a stream of bytes into codes: at a terminator, or at silence for
// scanners that send none. It is pure: bytes and the times of their reads in,
// codes out. The cuts of reads mean nothing: any chunking of the same bytes
// gives the same codes.
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

	kept []byte
	// over says that the code outgrew MaxKept and was reported; the rest of it is
	// dropped.
	over bool
	// last is when the scanner was last heard, typed when it last gave bytes.
	last, typed time.Time
	// hand: a person types this code.
	hand bool
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
			codes = f.finish(codes)
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
// hand is complete; negative: no code is in hand.
func (f *Framer) Wait(at time.Time) time.Duration {
	if len(f.kept) == 0 && !f.over {
		return -1
	}
	idle := f.Idle
	if f.Keyboard && (f.hand || len(f.kept) == 1) {
		idle = max(idle, ByHand)
	}
	return max(0, f.last.Add(idle).Sub(at))
}

// Silence ends the code in hand: nothing came for as long as Wait told.
func (f *Framer) Silence() []string { return f.finish(nil) }

func (f *Framer) finish(codes []string) []string {
	code := string(f.kept)
	if !f.Keyboard {
		// Some scanners pad with NUL, and NUL inside a code is for the gate to refuse.
		code = strings.TrimRight(code, "\x00")
	}
	if code != "" {
		codes = append(codes, code)
	}
	f.kept, f.over, f.hand = f.kept[:0], false, false
	return codes
}

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
