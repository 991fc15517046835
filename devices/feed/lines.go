package feed

import "usher/scanner"

// maxKept bounds what is kept of one line, in bytes. It is twice the longest
// code that is judged, so that cutting never makes a judgeable code of a longer
// one.
const maxKept = 2 * scanner.MaxCode

// lines cuts bytes into codes. It is pure, and the cuts of reads mean nothing.
type lines struct {
	kept []byte
	// over says that the line outgrew maxKept and was reported; the rest of it is
	// dropped.
	over bool
}

// push takes the bytes of one read and returns the codes they complete, in
// order; empty lines are none.
func (l *lines) push(read []byte) []string {
	var codes []string
	for _, b := range read {
		switch {
		case terminates(b):
			codes = append(codes, l.end()...)
		case l.over:
		case len(l.kept) == maxKept:
			// The gate trims blanks, and must not find a shorter code inside the cut.
			l.kept[0], l.kept[maxKept-1] = 0, 0
			codes = append(codes, string(l.kept))
			l.kept, l.over = l.kept[:0], true
		default:
			l.kept = append(l.kept, b)
		}
	}
	return codes
}

// end completes the line in hand.
func (l *lines) end() []string {
	code := string(l.kept)
	l.kept, l.over = l.kept[:0], false
	if code == "" {
		return nil
	}
	return []string{code}
}

func terminates(b byte) bool {
	const etx, eot = 0x03, 0x04
	switch b {
	case '\r', '\n', '\t', etx, eot:
		return true
	}
	return false
}
