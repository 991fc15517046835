package serial

import (
	"strings"
	"time"

	"usher/scanner"
)

// maxKept bounds what is kept of one code, in bytes. It is twice the longest
// code that is judged, so that cutting never makes a judgeable code of a longer
// one.
const maxKept = 2 * scanner.MaxCode

// framer cuts a stream of bytes into codes: at a terminator, or at silence for
// scanners that send none. It is pure: bytes and the times of their reads in,
// codes out. The cuts of reads mean nothing: any chunking of the same bytes
// gives the same codes.
//
// Silence is never concluded from the times of two reads alone, since a reader
// that was held up finds old bytes late: the owner asks wait, looks for bytes
// that long, and calls silence when none came.
type framer struct {
	idle time.Duration

	kept []byte
	// over says that the code outgrew maxKept and was reported; the rest of it is
	// dropped.
	over bool
	last time.Time
}

// push takes the bytes of one read and returns the codes they complete, in
// order. Empty codes (Enter alone, the LF of CR LF) are none.
func (f *framer) push(at time.Time, read []byte) []string {
	f.last = at
	var codes []string
	for _, b := range read {
		switch {
		case terminates(b):
			codes = f.finish(codes)
		case f.over:
		case len(f.kept) == 0 && precedes(b):
		case len(f.kept) == maxKept:
			codes = append(codes, f.overlong())
		default:
			f.kept = append(f.kept, b)
		}
	}
	return codes
}

// wait tells how long the port must stay silent from at on until the code in
// hand is complete; negative: no code is in hand.
func (f *framer) wait(at time.Time) time.Duration {
	if len(f.kept) == 0 && !f.over {
		return -1
	}
	return max(0, f.last.Add(f.idle).Sub(at))
}

// silence ends the code in hand: nothing came for as long as wait told.
func (f *framer) silence() []string { return f.finish(nil) }

func (f *framer) finish(codes []string) []string {
	// Some scanners pad with NUL, and NUL inside a code is for the gate to refuse.
	if code := strings.TrimRight(string(f.kept), "\x00"); code != "" {
		codes = append(codes, code)
	}
	f.kept, f.over = f.kept[:0], false
	return codes
}

// overlong gives what was kept of a code that outgrew maxKept. Both ends become
// NUL: the gate trims blanks, and must not find a shorter code inside the cut.
func (f *framer) overlong() string {
	f.kept[0], f.kept[maxKept-1] = 0, 0
	code := string(f.kept)
	f.kept, f.over = f.kept[:0], true
	return code
}

// terminates tells the suffixes that scanners send: CR, LF, TAB, ETX, EOT. GS
// (0x1D) is data.
func terminates(b byte) bool {
	const etx, eot = 0x03, 0x04
	switch b {
	case '\r', '\n', '\t', etx, eot:
		return true
	}
	return false
}

// precedes tells what may come before a code without being of it: NUL (line
// noise, padding) and STX, the partner of ETX.
func precedes(b byte) bool {
	const nul, stx = 0x00, 0x02
	return b == nul || b == stx
}
