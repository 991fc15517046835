package terminal

import (
	"slices"
	"strings"

	"usher/cmd/internal/screen"
)

// render draws the view as exactly h lines of at most w columns.
func (v view) render(w, h int, st style) []string {
	w, h = max(w, 1), max(h, 1)
	bar := flowed(v.bar(), w, h/3, st)
	s := v.surface()
	lines := make([]string, 0, h)
	for _, line := range s.body(w, h-len(bar), st) {
		lines = append(lines, painted([]span{{line, s.tone}}, s.tone, w, st))
	}
	for _, line := range bar {
		lines = append(lines, painted(line, toneBar, w, st))
	}
	return lines
}

// span is text in one tone.
type span struct {
	text string
	tone tone
}

// painted fills the width in the tone, where there is colour.
func painted(line []span, t tone, w int, st style) string {
	var out strings.Builder
	used, ink := 0, ""
	for _, sp := range append(line, span{strings.Repeat(" ", w), t}) {
		text := cut(sp.text, w-used)
		used += columns(text)
		if next := st.depth.ink(sp.tone); next != ink && text != "" {
			out.WriteString(next)
			ink = next
		}
		out.WriteString(text)
	}
	if st.depth == none {
		return strings.TrimRight(out.String(), " ")
	}
	return out.String() + inkOff
}

// flowed puts the parts of the bar into as few lines as hold them. Where there are
// not so many, what alarms comes first. The exclamation mark is for eyes and
// terminals without colour.
func flowed(parts []screen.Part, w, most int, st style) [][]span {
	lines := flow(parts, w, st)
	if len(lines) > most {
		urgent := slices.Clone(parts)
		slices.SortStableFunc(urgent, func(a, b screen.Part) int { return rank(a) - rank(b) })
		lines = flow(urgent, w, st)[:most]
	}
	return lines
}

func rank(p screen.Part) int {
	if p.Grade == screen.Alarm {
		return 0
	}
	return 1
}

func flow(parts []screen.Part, w int, st style) [][]span {
	var lines [][]span
	used := 0
	for _, part := range parts {
		text, t := st.say(part.Text), toneBar
		if part.Grade == screen.Alarm {
			text, t = "! "+text, toneAlarm
		}
		n := len(lines) - 1
		switch {
		case strings.TrimSpace(text) == "":
		case n >= 0 && used+len(between)+columns(text) <= w:
			lines[n] = append(lines[n], span{between, toneBar}, span{text, t})
			used += len(between) + columns(text)
		default:
			lines = append(lines, []span{{text, t}})
			used = columns(text)
		}
	}
	return lines
}

// body is the surface as h lines: shape and word as large as what must be read
// leaves room for, in the middle.
func (s surface) body(w, h int, st style) []string {
	var text []string
	for _, p := range s.text {
		text = append(text, p.set(w, st)...)
	}
	lines := slices.Clone(text)
	if s.word != "" {
		// The word comes before every explanation.
		lines = slices.Insert(lines, 0, s.plainHead(w, st))
	}
	if head := s.head(w, h-1-len(text), st); head != nil {
		lines = append(append(head, ""), text...)
	}
	lines = lines[:min(len(lines), h)]
	for _, p := range s.more {
		more := p.set(w, st)
		if len(p) == 0 {
			more = []string{""}
		}
		if len(lines)+len(more) > h {
			break
		}
		lines = append(lines, more...)
	}
	above := (h - len(lines)) / 2
	out := make([]string, h)
	for i, line := range lines {
		out[above+i] = centred(line, w)
	}
	return out
}

// paragraph is text, or parts of which each stays on one line where it can.
type paragraph []string

// between keeps parts apart.
const between = " | "

// set breaks the paragraph into lines; what is empty of it has none.
func (p paragraph) set(w int, st style) []string {
	var lines []string
	for i, part := range p {
		broken := wrapped(st.say(part), w)
		n := len(lines) - 1
		if i > 0 && n >= 0 && len(broken) == 1 && columns(lines[n]+between+broken[0]) <= w {
			lines[n] += between + broken[0]
			continue
		}
		lines = append(lines, broken...)
	}
	return lines
}

// plainHead is shape and word in a line; in the narrowest the shape alone.
func (s surface) plainHead(w int, st style) string {
	sign, word := signOf(s.shape, st.rich), st.say(s.word)
	for _, head := range []string{joined(" ", sign, word, sign), joined(" ", sign, word), word} {
		if columns(head) <= w {
			return head
		}
	}
	return joined(" ", sign, word)
}

// head is shape and word as large as w columns and h rows hold, as a block; nil
// where they hold none. The shape goes only where there is no room for both. A pixel
// is twice as many columns as rows, as a cell is twice as high as wide.
func (s surface) head(w, h int, st style) []string {
	if s.word == "" {
		return nil
	}
	ink := "#"
	if st.unicode {
		ink = "█"
	}
	shape, words := shapeOf(s.shape), arranged(s.word)
	both := func(shape, word []string) []string {
		if len(shape) == 0 || len(word) == 0 {
			return nil
		}
		return append(append(middled(shape, widest(word)), ""), middled(word, widest(shape))...)
	}
	drawn := func(bitmap []string, wide, high int) []string {
		if len(bitmap)*high > h || widest(bitmap)*wide > w {
			return nil
		}
		return pixels(bitmap, ink, wide, high)
	}
	var all [][]string
	for scale := 5; scale >= 1; scale-- {
		big := drawn(shape, 2*scale, scale)
		for _, word := range words {
			all = append(all, both(big, drawn(word, 2*scale, scale)))
		}
	}
	for _, word := range words {
		all = append(all, both(drawn(shape, 2, 1), drawn(word, 1, 1)))
	}
	for scale := 5; scale >= 1; scale-- {
		for _, word := range words {
			all = append(all, drawn(word, 2*scale, scale))
		}
	}
	for _, word := range words {
		all = append(all, drawn(word, 1, 1))
	}
	for scale := 5; scale >= 1; scale-- {
		all = append(all, both(drawn(shape, 2*scale, scale), []string{st.say(s.word)}))
	}
	for _, head := range all {
		if head != nil && len(head) <= h && widest(head) <= w {
			return blocked(head)
		}
	}
	return nil
}
