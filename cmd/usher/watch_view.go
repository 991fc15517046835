package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width" // how many cells a character takes

	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/scanner/gate"
)

// watchView is all that the live view shows, so that drawing is a pure function
// of it.
type watchView struct {
	now  time.Time
	zone *time.Location
	// shown is the verdict on the screen; nil: calm.
	shown *control.Event
	// status is the newest one; nil before the first.
	status *control.Status
	// connected: the daemon answers. Otherwise lost says why not.
	connected bool
	lost      string
	// scanner is the only one shown; "": all.
	scanner string
}

// watchStyle is what the terminal can do.
type watchStyle struct {
	colour  bool
	unicode bool
}

// surface is what fills the screen: its colours, its shape, its word, and lines
// of text. The word and the shape say the same as the colour.
type surface struct {
	style string
	shape []string
	sign  string // the shape where there is no room for it
	word  string
	text  []string
}

const (
	styleCalm    = "\x1b[0m"
	styleNeutral = "\x1b[1;30;47m"
	styleLost    = "\x1b[1;97;100m"
	styleFooter  = "\x1b[0;7m"
)

// surface decides what the screen says. Without a connection it says so, and
// nothing else: what was there may be old.
func (v watchView) surface() surface {
	switch {
	case !v.connected:
		return surface{
			style: styleLost, shape: shapeGap, sign: "-", word: "NO CONNECTION",
			text: []string{"This screen does not see the scanner now: do not go by it.", v.lost},
		}
	case v.shown != nil:
		return eventSurface(*v.shown)
	case v.status != nil && v.status.State == control.NotReady:
		return surface{
			style: styleReview, shape: shapeWarn, sign: "!", word: "NOT READY",
			text: append([]string{"No ticket can be checked here: call support."}, v.status.Problems...),
		}
	case v.status != nil && unknownScanner(*v.status, v.scanner) != "":
		return surface{
			style: styleReview, shape: shapeWarn, sign: "!", word: "NO SCANNER",
			text: []string{"This screen will show no scan.", unknownScanner(*v.status, v.scanner)},
		}
	}
	return surface{style: styleCalm, text: v.calmText()}
}

// unknownScanner says that the daemon has no scanner of the name that alone is
// to be shown; "": it has.
func unknownScanner(s control.Status, name string) string {
	if name == "" || name == gate.Manual {
		return ""
	}
	names := make([]string, 0, len(s.Scanners)+1)
	for _, sc := range s.Scanners {
		if sc.Name == name {
			return ""
		}
		names = append(names, sc.Name)
	}
	return fmt.Sprintf("no scanner is named %q: there is %s", name, strings.Join(append(names, gate.Manual), ", "))
}

func eventSurface(e control.Event) surface {
	s := surface{style: styleNeutral, shape: shapeSame, sign: "=", word: "SAME"}
	switch {
	case e.Repeat:
		s.text = append(s.text, "Same ticket, "+age(time.Duration(e.AgoMS)*time.Millisecond)+" ago")
	case e.Kind == scanner.KindUndo:
		s.word = "UNDONE"
		s.text = append(s.text, "Taken back by "+e.By)
	case e.Verdict == scanner.Admit:
		s.style, s.shape, s.sign, s.word = styleAdmit, shapeCheck, "+", "ADMIT"
		if e.Direction == scanner.Exit {
			s.word = "EXIT"
		}
	case e.Verdict == scanner.Refuse:
		s.style, s.shape, s.sign, s.word = styleRefuse, shapeCross, "X", "REFUSE"
	default:
		// Review, and whatever a newer daemon may send: a person decides.
		s.style, s.shape, s.sign, s.word = styleReview, shapeWarn, "!", "REVIEW"
	}
	if e.Repeat || e.Kind == scanner.KindUndo {
		s.text = append(s.text, labelled("Before:", e.Message))
	} else {
		s.text = append(s.text, eventWhy(e), advice(e))
	}
	if t := e.Ticket; t != nil {
		s.text = append(s.text, joined(", ", labelled("Section", t.Section), labelled("Seat", t.Seat)), t.Name)
	}
	s.text = append(s.text, joined("  ", e.Scanner, e.Code, fmt.Sprintf("#%d", e.Seq), marksText(e)))
	return s
}

// advice is what to do now, where the message does not say it.
func advice(e control.Event) string {
	switch {
	case e.Verdict == scanner.Admit, strings.Contains(e.Message, "supervisor"):
		return ""
	case e.Verdict != scanner.Refuse:
		return "Ask a supervisor."
	}
	switch e.Reason {
	case scanner.AlreadyEntered:
		return "Ask for another ticket. The same person again? Ask a supervisor."
	case scanner.NotFound, scanner.Voided, scanner.Refunded:
		return "Send to the box office."
	case scanner.WrongClient, scanner.WrongSeries, scanner.WrongEvent:
		return "Ask for the ticket of this event, or send to the box office."
	case scanner.WrongSection:
		return "Send to the gate of that section."
	case scanner.TooEarly:
		return "Ask to come back later."
	case scanner.TooLate:
		return "Ask a supervisor, or send to the box office."
	case scanner.ExitNotPermitted:
		return "Ask a supervisor."
	case scanner.Unreadable:
		return "Clean it, or raise the light of the phone, and scan again."
	}
	return "Ask a supervisor, or send to the box office."
}

func (v watchView) calmText() []string {
	if v.status == nil {
		return []string{"connecting"}
	}
	d := v.status.Device
	return []string{
		joined(", ", d.Gate, d.Direction),
		v.scanner,
		"Ready: scan a ticket",
	}
}

// footer says what must always be seen, in parts.
func (v watchView) footer() []string {
	clock := v.now.In(v.zone).Format("15:04:05")
	if v.status == nil {
		return []string{clock}
	}
	s := v.status
	parts := []string{s.Device.Gate}
	if !v.connected {
		// What was known of the rest may be old.
		return append(parts, clock)
	}
	parts = append(parts, strings.ToUpper(s.Link.State), "outbox "+grouped(s.Outbox.Pending), "list "+listAge(s.Tickets))
	if !s.Clock.Trusted {
		clock += " CLOCK NOT TRUSTED"
	}
	parts = append(parts, clock)
	for _, sc := range s.Scanners {
		if sc.State != control.ScannerConnected {
			parts = append(parts, strings.ToUpper(sc.State)+": "+sc.Name)
		}
	}
	if s.Parked > 0 {
		parts = append(parts, "parked "+grouped(s.Parked))
	}
	if s.State != control.Ready {
		parts = append(parts, strings.ToUpper(strings.ReplaceAll(string(s.State), "_", " ")))
	}
	return parts
}

func listAge(t control.TicketsStatus) string {
	switch {
	case t.AgeS == nil:
		return "NONE"
	case t.Stale:
		return age(seconds(*t.AgeS)) + " STALE"
	}
	return age(seconds(*t.AgeS))
}

// render draws the view as exactly height lines that fill the width.
func (v watchView) render(w, h int, style watchStyle) []string {
	w, h = max(w, 1), max(h, 1)
	footer := flow(v.footer(), w)
	footer = footer[:min(len(footer), max(0, h-3))]
	s := v.surface()
	body := s.body(w, h-len(footer), style)
	lines := make([]string, 0, h)
	for _, line := range body {
		lines = append(lines, painted(line, s.style, w, style))
	}
	for _, line := range footer {
		lines = append(lines, painted(line, styleFooter, w, style))
	}
	return lines
}

// body is the surface's lines, the largest that fits, in the middle.
func (s surface) body(w, h int, style watchStyle) []string {
	var text []string
	for _, line := range s.text {
		text = append(text, wrapped(clean(line), w)...)
	}
	var lines []string
	for _, head := range s.heads(style) {
		if len(head)+1+len(text) <= h && widest(head) <= w {
			lines = append(append(blocked(head), ""), text...)
			break
		}
	}
	if lines == nil {
		// The word comes before every explanation.
		if s.word != "" {
			lines = append(lines, joined(" ", s.signFor(style), s.word, s.signFor(style)))
		}
		lines = append(lines, text...)
		lines = lines[:min(len(lines), h)]
	}
	above := (h - len(lines)) / 2
	out := make([]string, 0, h)
	for range above {
		out = append(out, "")
	}
	for _, line := range lines {
		out = append(out, centred(line, w))
	}
	for len(out) < h {
		out = append(out, "")
	}
	return out
}

// heads are the shape and the word, the largest first; the shape goes only where
// there is no room for both. A pixel is twice as many columns as rows, as a cell
// is twice as high as wide.
func (s surface) heads(style watchStyle) [][]string {
	if s.word == "" {
		return nil
	}
	ink := "#"
	if style.unicode {
		ink = "█"
	}
	word := letters(s.word)
	both := func(shape, word []string) []string { return append(append(middled(shape, widest(word)), ""), word...) }
	var heads, words [][]string
	for scale := 5; scale >= 1; scale-- {
		big := pixels(word, ink, 2*scale, scale)
		heads = append(heads, both(pixels(s.shape, ink, 2*scale, scale), big))
		words = append(words, big)
	}
	small := pixels(word, ink, 1, 1)
	heads = append(heads, both(pixels(s.shape, ink, 2, 1), small))
	return append(append(heads, words...), small)
}

func (s surface) signFor(style watchStyle) string {
	if !style.unicode {
		return s.sign
	}
	switch s.sign {
	case "+":
		return "✔"
	case "X":
		return "✘"
	}
	return s.sign
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

// painted fills the width, in the style where there is colour.
func painted(line, code string, w int, style watchStyle) string {
	line = cut(line, w)
	line += strings.Repeat(" ", max(0, w-columns(line)))
	if !style.colour {
		return strings.TrimRight(line, " ")
	}
	return code + line + styleOff
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

// flow puts the parts into as few lines as hold them.
func flow(parts []string, w int) []string {
	var lines []string
	line := ""
	for _, part := range parts {
		part = clean(part)
		switch {
		case part == "":
		case line == "":
			line = part
		case columns(line)+3+columns(part) <= w:
			line += " | " + part
		default:
			lines = append(lines, line)
			line = part
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
