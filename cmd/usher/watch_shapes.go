package main

import "strings"

// The shapes of the verdicts, to be told apart without colour. X is ink.
var (
	shapeCheck = []string{
		"........X",
		".......XX",
		"......XX.",
		"X....XX..",
		"XX..XX...",
		".XXXX....",
		"..XX.....",
	}
	shapeCross = []string{
		"XX.....XX",
		".XX...XX.",
		"..XX.XX..",
		"...XXX...",
		"..XX.XX..",
		".XX...XX.",
		"XX.....XX",
	}
	shapeWarn = []string{
		"....X....",
		"...X.X...",
		"..X.X.X..",
		"..X.X.X..",
		".X.....X.",
		"X...X...X",
		"XXXXXXXXX",
	}
	shapeSame = []string{
		".........",
		"XXXXXXXXX",
		".........",
		".........",
		".........",
		"XXXXXXXXX",
		".........",
	}
	shapeGap = []string{
		".........",
		".........",
		".........",
		"XXX...XXX",
		".........",
		".........",
		".........",
	}
)

// alphabet holds the letters of the words that a screen shows large.
var alphabet = map[rune][5]string{
	'A': {".XXX.", "X...X", "XXXXX", "X...X", "X...X"},
	'C': {".XXXX", "X....", "X....", "X....", ".XXXX"},
	'D': {"XXXX.", "X...X", "X...X", "X...X", "XXXX."},
	'E': {"XXXXX", "X....", "XXXX.", "X....", "XXXXX"},
	'F': {"XXXXX", "X....", "XXXX.", "X....", "X...."},
	'I': {"XXX", ".X.", ".X.", ".X.", "XXX"},
	'M': {"X...X", "XX.XX", "X.X.X", "X...X", "X...X"},
	'N': {"X...X", "XX..X", "X.X.X", "X..XX", "X...X"},
	'O': {".XXX.", "X...X", "X...X", "X...X", ".XXX."},
	'R': {"XXXX.", "X...X", "XXXX.", "X..X.", "X...X"},
	'S': {".XXXX", "X....", ".XXX.", "....X", "XXXX."},
	'T': {"XXXXX", "..X..", "..X..", "..X..", "..X.."},
	'U': {"X...X", "X...X", "X...X", "X...X", ".XXX."},
	'V': {"X...X", "X...X", "X...X", ".X.X.", "..X.."},
	'W': {"X...X", "X...X", "X.X.X", "XX.XX", "X...X"},
	'X': {"X...X", ".X.X.", "..X..", ".X.X.", "X...X"},
	'Y': {"X...X", ".X.X.", "..X..", "..X..", "..X.."},
	' ': {"..", "..", "..", "..", ".."},
}

// letters sets a word in the alphabet's letters.
func letters(word string) []string {
	rows := make([]string, 5)
	for i, r := range word {
		letter, ok := alphabet[r]
		for y := range rows {
			if i > 0 {
				rows[y] += "."
			}
			if ok {
				rows[y] += letter[y]
			}
		}
	}
	return rows
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
