package cache

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"        // full case folding: ß and ss are one
	"golang.org/x/text/unicode/norm" // takes accents off their letters
)

// fold reduces a text to what a search compares: without case and accents.
func fold(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(cases.Fold().String(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case plain[r] != "":
			b.WriteString(plain[r])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plain are letters that people type without their stroke, and that Unicode
// does not take apart.
var plain = map[rune]string{'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'æ': "ae", 'œ': "oe", 'ı': "i", 'ħ': "h"}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
