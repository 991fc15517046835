package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"golang.org/x/term" // is it a terminal, and how large

	"usher/scanner"
)

// writeJSON writes the value for programs. Control characters beyond ASCII, which
// JSON allows and terminals obey, are escaped; the value stays the same.
func (a *app) writeJSON(v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, escaped(text.String()))
	return err
}

// writeJSONLine writes the value on one line.
func (a *app) writeJSONLine(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, escaped(string(text))+"\n")
	return err
}

// plainLines escapes what is written to it likewise, one line of JSON a call: the
// library's handler lets control characters beyond ASCII and direction marks pass,
// and somebody reads the log at a terminal.
type plainLines struct{ w io.Writer }

func (p plainLines) Write(line []byte) (int, error) {
	if _, err := io.WriteString(p.w, escaped(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

func escaped(text string) string {
	unsafe := func(r rune) bool { return r > unicode.MaxASCII && !unicode.IsPrint(r) || r == 0x7F }
	if !strings.ContainsFunc(text, unsafe) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if unsafe(r) {
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// table lines up rows under headings. Every cell is cleaned.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, headings ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(headings) > 0 {
		t.row(headings...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		if cells[i] = clean(c); cells[i] == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() error { return t.w.Flush() }

// isTerminal tells whether the stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colourful tells whether to colour what goes to the stream. NO_COLOR:
// https://no-color.org.
func colourful(stream any) bool {
	return isTerminal(stream) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours of a verdict's word: black on green, white on red, black on
// yellow.
const (
	styleAdmit  = "\x1b[1;30;42m"
	styleRefuse = "\x1b[1;97;41m"
	styleReview = "\x1b[1;30;43m"
	styleOff    = "\x1b[0m"
)

// verdictWord is the verdict for a person, coloured where asked.
func verdictWord(v scanner.Verdict, repeat, colour bool) string {
	word, style := "?", ""
	switch {
	case repeat:
		word = "SAME TICKET"
	case v == scanner.Admit:
		word, style = "ADMIT", styleAdmit
	case v == scanner.Refuse:
		word, style = "REFUSE", styleRefuse
	case v == scanner.Review:
		word, style = "REVIEW", styleReview
	}
	if !colour || style == "" {
		return word
	}
	return style + " " + word + " " + styleOff
}
