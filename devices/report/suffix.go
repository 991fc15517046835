package report

import "fmt"

// The values of a scanner's key suffix.
const (
	// SuffixAuto learns whether the scanner ends its codes.
	SuffixAuto = "auto"
	// SuffixEnter says that it does, by Enter, Tab or another terminator.
	SuffixEnter = "enter"
	// SuffixNone says that it does not.
	SuffixNone = "none"
)

// CheckSuffix checks a configured suffix.
func CheckSuffix(value string) error {
	switch value {
	case SuffixAuto, SuffixEnter, SuffixNone:
		return nil
	}
	return fmt.Errorf("suffix: %q is none of %s, %s, %s", value, SuffixAuto, SuffixEnter, SuffixNone)
}

// unended is how many codes in a row must lack the terminator until a scanner is
// not taken to send one any more.
const unended = 2

// Suffix is what is known of the terminator of one configured scanner. It outlives
// the Framer, since a scanner that is plugged in again or wakes up is mostly as it
// was. It is not safe for concurrent use.
type Suffix struct {
	learns, awaited bool
	// missing counts the codes in a row that lacked the terminator.
	missing int
	// lacking weighs how many lacked it lately, also where others between them did
	// not: two scanners of one base may be set differently.
	lacking int
}

// The weights of codes without and with the terminator. Of those that lack it, two in
// a row are worth telling, and every other one for some time.
const (
	lacks = 2
	heavy = unended * lacks
)

// NewSuffix takes a value that CheckSuffix accepts.
func NewSuffix(value string) *Suffix {
	return &Suffix{learns: value == SuffixAuto, awaited: value == SuffixEnter}
}

// Missing tells that the scanner's last codes lacked the terminator that was waited
// for.
func (s *Suffix) Missing() bool { return s != nil && s.lacking >= heavy }

// awaits tells that a code without a terminator is not whole.
func (s *Suffix) awaits() bool { return s != nil && s.awaited }

// came learns from a code that a terminator ended.
func (s *Suffix) came() {
	if s == nil {
		return
	}
	s.awaited = s.awaited || s.learns
	s.missing, s.lacking = 0, max(0, s.lacking-1)
}

// stayed learns from a code whose terminator was waited for in vain; whole: it was
// one all the same.
func (s *Suffix) stayed(whole bool) {
	s.missing++
	s.lacking = min(heavy, s.lacking+lacks)
	if s.learns && (whole || s.missing >= unended) {
		s.awaited = false
	}
}
