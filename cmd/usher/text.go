package main

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"usher/cmd/internal/screen/terminal"
)

// clean makes foreign text safe to print.
func clean(text string) string { return terminal.Clean(text) }

// cleanWriter cleans what goes through it, line by line as it is.
type cleanWriter struct {
	w io.Writer
	// begun is the beginning of a character whose end has not come yet.
	begun []byte
}

func (c *cleanWriter) Write(p []byte) (int, error) {
	text := append(c.begun, p...)
	whole := len(text)
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole = len(text) - n
			}
			break
		}
	}
	c.begun = append([]byte(nil), text[whole:]...)
	lines := strings.Split(string(text[:whole]), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	if _, err := io.WriteString(c.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// kindText says what a file that is no regular one is.
func kindText(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device"
}

// age is a duration as people say it, in two units at most.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// grouped is a number with its thousands apart.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// plural is a number and its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// clockTime is the time of day, with the date where it is another day than now.
func clockTime(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.In(zone), now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// eventWords are an event in words: its name, and when it starts, with the day
// where that is not now's. Empty: no name is known.
func eventWords(name string, starts, now time.Time, zone *time.Location) string {
	if starts.IsZero() || name == "" {
		return name
	}
	return name + ", " + dayTime(starts, now, zone)
}

// nameAndID is a name with the vendor's id behind it; whichever there is.
func nameAndID(name, id string) string {
	switch {
	case name == "":
		return id
	case id == "" || id == name:
		return name
	}
	return name + " (" + id + ")"
}

// dayTime is the time of day to the minute, with the date where it is another day
// than now.
func dayTime(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.In(zone), now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
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

// labelled is the value behind its label, nothing where there is none.
func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}
