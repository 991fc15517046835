package terminal

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"usher/cmd/internal/screen"
)

// The shapes of the verdicts, to be told apart without colour. X is ink.
func shapeOf(s screen.Shape) []string {
	switch s {
	case screen.ShapeCheck:
		return []string{
			"........X",
			".......XX",
			"......XX.",
			"X....XX..",
			"XX..XX...",
			".XXXX....",
			"..XX.....",
		}
	case screen.ShapeCross:
		return []string{
			"XX.....XX",
			".XX...XX.",
			"..XX.XX..",
			"...XXX...",
			"..XX.XX..",
			".XX...XX.",
			"XX.....XX",
		}
	case screen.ShapeWarn:
		return []string{
			"....X....",
			"...X.X...",
			"..X.X.X..",
			"..X.X.X..",
			".X.....X.",
			"X...X...X",
			"XXXXXXXXX",
		}
	case screen.ShapeSame:
		return []string{
			".........",
			"XXXXXXXXX",
			".........",
			".........",
			".........",
			"XXXXXXXXX",
			".........",
		}
	case screen.ShapeGap:
		return []string{
			".........",
			".........",
			".........",
			"XXX...XXX",
			".........",
			".........",
			".........",
		}
	}
	return nil
}

// signOf is the shape where there is one cell for it. Rich: beyond what the fonts of
// consoles have.
func signOf(s screen.Shape, rich bool) string {
	switch s {
	case screen.ShapeCheck:
		if rich {
			return "✔"
		}
		return "+"
	case screen.ShapeCross:
		if rich {
			return "✘"
		}
		return "X"
	case screen.ShapeWarn:
		return "!"
	case screen.ShapeSame:
		return "="
	case screen.ShapeGap:
		return "-"
	}
	return ""
}

// letterRows and markRows are how high a letter and its accent are.
const (
	letterRows = 5
	markRows   = 2
)

// alphabet is how the letters of the large words look.
var alphabet = map[rune][letterRows]string{
	'A': {".XXX.", "X...X", "XXXXX", "X...X", "X...X"},
	'B': {"XXXX.", "X...X", "XXXX.", "X...X", "XXXX."},
	'C': {".XXXX", "X....", "X....", "X....", ".XXXX"},
	'D': {"XXXX.", "X...X", "X...X", "X...X", "XXXX."},
	'E': {"XXXXX", "X....", "XXXX.", "X....", "XXXXX"},
	'F': {"XXXXX", "X....", "XXXX.", "X....", "X...."},
	'G': {".XXXX", "X....", "X..XX", "X...X", ".XXXX"},
	'H': {"X...X", "X...X", "XXXXX", "X...X", "X...X"},
	'I': {"XXX", ".X.", ".X.", ".X.", "XXX"},
	'J': {"..XXX", "...X.", "...X.", "X..X.", ".XX.."},
	'K': {"X...X", "X..X.", "XXX..", "X..X.", "X...X"},
	'L': {"X....", "X....", "X....", "X....", "XXXXX"},
	'M': {"X...X", "XX.XX", "X.X.X", "X...X", "X...X"},
	'N': {"X...X", "XX..X", "X.X.X", "X..XX", "X...X"},
	'O': {".XXX.", "X...X", "X...X", "X...X", ".XXX."},
	'P': {"XXXX.", "X...X", "XXXX.", "X....", "X...."},
	'Q': {".XXX.", "X...X", "X.X.X", "X..X.", ".XX.X"},
	'R': {"XXXX.", "X...X", "XXXX.", "X..X.", "X...X"},
	'S': {".XXXX", "X....", ".XXX.", "....X", "XXXX."},
	'T': {"XXXXX", "..X..", "..X..", "..X..", "..X.."},
	'U': {"X...X", "X...X", "X...X", "X...X", ".XXX."},
	'V': {"X...X", "X...X", "X...X", ".X.X.", "..X.."},
	'W': {"X...X", "X...X", "X.X.X", "XX.XX", "X...X"},
	'X': {"X...X", ".X.X.", "..X..", ".X.X.", "X...X"},
	'Y': {"X...X", ".X.X.", "..X..", "..X..", "..X.."},
	'Z': {"XXXXX", "...X.", "..X..", ".X...", "XXXXX"},
	' ': {"..", "..", "..", "..", ".."},
}

// marks are what stands above letters, by the combining character.
var marks = map[rune][markRows]string{
	'\u0300': {".X...", "..X.."}, // grave
	'\u0301': {"...X.", "..X.."}, // acute
	'\u0302': {"..X..", ".X.X."}, // circumflex
	'\u0303': {".XX.X", "X..X."}, // tilde
	'\u0308': {".X.X.", "....."}, // two dots
}

// letters sets a word in the alphabet's letters; a word with accents is higher.
// What the alphabet lacks is left out.
func letters(word string) []string {
	rows := make([]string, markRows+letterRows)
	accents := false
	for i, unit := range units(word) {
		letter, mark := alphabet[unit[0]], [markRows]string{".....", "....."}
		if len(unit) > 1 {
			mark, accents = marks[unit[1]], true
		}
		if i > 0 {
			for y := range rows {
				rows[y] += "."
			}
		}
		// A mark is five wide; above a narrow letter its middle stays.
		side := (5 - len(letter[0])) / 2
		for y := range mark {
			rows[y] += mark[y][side : side+len(letter[0])]
		}
		for y := range letter {
			rows[markRows+y] += letter[y]
		}
	}
	if !accents {
		return rows[markRows:]
	}
	return rows
}

// units are the word's drawn letters, each with its accent if it has one.
func units(word string) [][]rune {
	var out [][]rune
	for _, r := range norm.NFD.String(word) {
		_, letter := alphabet[r]
		_, mark := marks[r]
		switch n := len(out) - 1; {
		case letter:
			out = append(out, []rune{r})
		case mark && n >= 0 && len(out[n]) == 1:
			out[n] = append(out[n], r)
		}
	}
	return out
}

// arranged is the word on one line, and on two where that is narrower.
func arranged(word string) [][]string {
	out := [][]string{letters(word)}
	var best []string
	for i, r := range word {
		if r != ' ' {
			continue
		}
		upper, lower := letters(word[:i]), letters(word[i+1:])
		split := append(append(beside(upper, widest(lower)), ""), beside(lower, widest(upper))...)
		if best == nil || widest(split) < widest(best) {
			best = split
		}
	}
	if best != nil {
		out = append(out, best)
	}
	return out
}

// beside puts a bitmap into the middle of the width.
func beside(bitmap []string, w int) []string {
	before := strings.Repeat(".", max(0, (w-widest(bitmap))/2))
	out := make([]string, len(bitmap))
	for i, row := range bitmap {
		out[i] = before + row
	}
	return out
}

// pixels draws a bitmap with each pixel so many columns and rows large.
func pixels(bitmap []string, ink string, wide, high int) []string {
	var lines []string
	for _, row := range bitmap {
		var line strings.Builder
		for _, dot := range row {
			mark := " "
			if dot == 'X' {
				mark = ink
			}
			line.WriteString(strings.Repeat(mark, wide))
		}
		text := strings.TrimRight(line.String(), " ")
		for range high {
			lines = append(lines, text)
		}
	}
	return lines
}
