package scanner

import (
	"errors"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxCode is the longest code that is judged, in bytes. QR codes end at 2,953
// bytes of data; anything beyond is noise or an attack.
const MaxCode = 4 << 10

// groupSeparator is the one control character that is data in a barcode: GS1
// symbologies use it between variable-length elements.
const groupSeparator = 0x1D

// ErrUnreadable says that a code cannot be a ticket: too long, not text, or
// holding control characters.
var ErrUnreadable = errors.New("unreadable code")

// Code is the text of a ticket's barcode. It never reaches a log whole.
type Code string

// Clean removes what scanners put around a code: leading and trailing CR, LF,
// TAB and blanks. The result may be empty, which is no scan at all.
func Clean(raw string) Code {
	return Code(strings.Trim(raw, "\r\n\t "))
}

// Check returns an error wrapping [ErrUnreadable], with the cause in words,
// when the code cannot be judged.
func (c Code) Check() error {
	switch {
	case len(c) > MaxCode:
		return unreadable("longer than 4 KiB")
	case !utf8.ValidString(string(c)):
		return unreadable("not text")
	}
	for _, r := range string(c) {
		if r != groupSeparator && unicode.IsControl(r) {
			return unreadable("control characters inside")
		}
	}
	return nil
}

type unreadableError string

func unreadable(why string) error         { return unreadableError(why) }
func (e unreadableError) Error() string   { return "unreadable code: " + string(e) }
func (e unreadableError) Is(t error) bool { return t == ErrUnreadable }

// Bare is the code without any prefix that a scanner may have put before it: the
// last of its forms. Two readings of one ticket have the same bare code.
func (c Code) Bare() Code {
	forms := c.Forms()
	return forms[len(forms)-1]
}

// Forms lists what a list is asked for: the code as read, then without an AIM
// symbology identifier ("]C1", ISO/IEC 15424) and without a leading ECI
// designator ("\000026"). A ticket's payload may itself begin with "]", which is
// why the code as read comes first.
func (c Code) Forms() []Code {
	forms := []Code{c}
	rest := c
	if s, ok := rest.withoutAIM(); ok {
		rest = s
		forms = append(forms, rest)
	}
	if s, ok := rest.withoutECI(); ok {
		forms = append(forms, s)
	}
	return forms
}

func (c Code) withoutAIM() (Code, bool) {
	if len(c) <= 3 || c[0] != ']' {
		return c, false
	}
	letter := c[1] >= 'A' && c[1] <= 'Z' || c[1] >= 'a' && c[1] <= 'z'
	modifier := c[2] >= '0' && c[2] <= '9' || c[2] >= 'A' && c[2] <= 'Z' || c[2] >= 'a' && c[2] <= 'z'
	if !letter || !modifier {
		return c, false
	}
	return c[3:], true
}

func (c Code) withoutECI() (Code, bool) {
	const digits = 6
	if len(c) <= 1+digits || !strings.HasPrefix(string(c), `\0000`) {
		return c, false
	}
	for _, d := range []byte(c[1 : 1+digits]) {
		if d < '0' || d > '9' {
			return c, false
		}
	}
	return c[1+digits:], true
}

// Mask shows the last four characters of the code, never more than a third of
// it, behind an ellipsis. It is what logs, events and screens show.
func (c Code) Mask() string {
	if len(c) > MaxCode {
		c = c[len(c)-MaxCode:]
	}
	runes := []rune(strings.ToValidUTF8(string(c), "?"))
	show := min(4, len(runes)/3)
	tail := runes[len(runes)-show:]
	for i, r := range tail {
		if !unicode.IsPrint(r) {
			tail[i] = '?'
		}
	}
	return "…" + string(tail)
}

// LogValue keeps the whole code out of every log.
func (c Code) LogValue() slog.Value { return slog.StringValue(c.Mask()) }
