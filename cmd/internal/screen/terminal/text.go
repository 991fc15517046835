package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm" // letters apart from their accents
	"golang.org/x/text/width"        // how many cells a character takes
)

// Clean makes foreign text (a name in a vendor's list, a code, an error) safe to
// print: a terminal obeys control characters, and direction marks reorder a
// line. They become a visible replacement; white space becomes a blank.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c', r == '\u200d':
			return r // joiners: names need them, terminals do not obey them
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// inASCII is cleaned text for a terminal that knows nothing else: letters without
// accents, and a question mark for what has no likeness.
func inASCII(text string) string {
	likeness := strings.NewReplacer("ß", "ss", "œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L",
		"“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "’", "'", "‘", "'", "–", "-", "—", "-", "…", "...", "¿", "", "¡", "")
	return strings.Map(func(r rune) rune {
		switch {
		case r <= unicode.MaxASCII:
			return r
		case columnsOf(r) == 0:
			return -1
		}
		return '?'
	}, norm.NFKD.String(likeness.Replace(text)))
}

// columns is how many columns the text takes.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if r < '\u0300' || '\u2500' <= r && r <= '\u259f' {
		return 1 // most of all, and what pictures are made of
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func widest(lines []string) int {
	most := 0
	for _, line := range lines {
		most = max(most, columns(line))
	}
	return most
}

// cut keeps what fits into the width.
func cut(text string, w int) string {
	used := 0
	for i, r := range text {
		if used += columnsOf(r); used > w {
			return text[:i]
		}
	}
	return text
}

func centred(line string, w int) string {
	return strings.Repeat(" ", max(0, (w-columns(line))/2)) + line
}

// blocked makes the lines equally wide, so that they are centred as one.
func blocked(lines []string) []string {
	w := widest(lines)
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line + strings.Repeat(" ", w-columns(line))
	}
	return out
}

// middled puts lines into the middle of the width, all by the same amount.
func middled(lines []string, w int) []string {
	indent := strings.Repeat(" ", max(0, (w-widest(lines))/2))
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = indent + line
	}
	return out
}

// wrapped breaks the text between words where it can, and has no lines for none.
func wrapped(text string, w int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && columns(line)+1+columns(word) <= w {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for columns(word) > w {
			head := cut(word, w)
			if head == "" {
				break // a wide character on a screen of one column
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// joined puts what is there of the parts in one line.
func joined(separator string, parts ...string) string {
	var there []string
	for _, part := range parts {
		if part != "" {
			there = append(there, part)
		}
	}
	return strings.Join(there, separator)
}
