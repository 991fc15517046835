// Package report turns what scanners report into codes, for every driver alike:
// streams of characters cut at terminators and at silence ([Framer]), HID report
// descriptors ([Parse]), and the reports of HID point-of-sale scanners ([POS]).
//
// All that makes codes is pure: bytes and times in, codes out. What every driver
// does around it stands here once, too: codes wait for a slow judge ([Deliver]), the
// end of the context ends a read ([Interrupt]), a working scanner has advice
// ([Adviser]), and a device's own words are read from sysfs ([Attribute]).
package report

import "usher/scanner"

// MaxKept bounds what is kept of one code, in bytes. It is twice the longest
// code that is judged, so that cutting never makes a judgeable code of a longer
// one.
const MaxKept = 2 * scanner.MaxCode

// Cut marks what was kept of a code that is not whole: both ends become NUL, so
// that the gate, which trims blanks, refuses it and finds no shorter code inside. It
// overwrites what it is given.
func Cut(kept []byte) string {
	if len(kept) < 2 {
		return "\x00\x00"
	}
	kept[0], kept[len(kept)-1] = 0, 0
	return string(kept)
}
