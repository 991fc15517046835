package wire

import (
	"strings"
	"unicode"

	"golang.org/x/net/html" // a vendor's HTML is whatever somebody typed; this is the parser browsers agree with
	"golang.org/x/net/html/atom"
)

const (
	// maxPlain is the longest plain text, in characters: what fits a screen.
	maxPlain = 200
	// maxMarkup is how much HTML is looked at, in bytes.
	maxMarkup = 64 << 10
	separator = " · "
)

// PlainText reduces a vendor's HTML to one line of plain text: block elements
// become separators, entities are decoded, scripts and styles dropped, and so is
// every character that does not print (control, bidirectional, zero width). It is
// at most 200 characters long. It is for reading: whoever puts it into a page
// must escape it like any text.
func PlainText(markup string) string {
	if len(markup) > maxMarkup {
		markup = markup[:maxMarkup]
	}
	var parts []string
	var part strings.Builder
	flush := func() {
		if text := printable(part.String()); text != "" {
			parts = append(parts, text)
		}
		part.Reset()
	}
	tokens := html.NewTokenizer(strings.NewReader(markup))
	hidden := atom.Atom(0)
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			flush()
			return shorten(strings.Join(parts, separator))
		case html.TextToken:
			if hidden == 0 {
				part.Write(tokens.Text())
			}
		case html.StartTagToken:
			tag := tagOf(tokens)
			if hidden == 0 && hides(tag) {
				hidden = tag
			}
			if breaks(tag) {
				flush()
			}
		case html.EndTagToken:
			tag := tagOf(tokens)
			if tag == hidden {
				hidden = 0
			}
			if breaks(tag) {
				flush()
			}
		case html.SelfClosingTagToken:
			if breaks(tagOf(tokens)) {
				flush()
			}
		}
	}
}

func tagOf(t *html.Tokenizer) atom.Atom {
	name, _ := t.TagName()
	return atom.Lookup(name)
}

func hides(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Template, atom.Head, atom.Iframe, atom.Noscript, atom.Textarea, atom.Select, atom.Svg, atom.Object:
		return true
	}
	return false
}

func breaks(a atom.Atom) bool {
	switch a {
	case atom.Div, atom.P, atom.Br, atom.Hr, atom.Li, atom.Ul, atom.Ol, atom.Table, atom.Tr, atom.Td, atom.Th,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Pre, atom.Blockquote, atom.Section,
		atom.Article, atom.Header, atom.Footer, atom.Dl, atom.Dt, atom.Dd, atom.Body, atom.Form, atom.Center:
		return true
	}
	return false
}

// Plain reduces a vendor's plain text in the same way, for texts that are no
// HTML: "<" is a character there.
func Plain(text string) string {
	if len(text) > maxMarkup {
		text = text[:maxMarkup]
	}
	return shorten(printable(text))
}

// printable leaves what prints, with single blanks between words.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r) && r != unicode.ReplacementChar:
			return r
		}
		return -1
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= maxPlain {
		return text
	}
	return strings.TrimRight(string(runes[:maxPlain-1]), " ·") + "…"
}
