package terminal

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/screen"
)

// depth is which colours a terminal has.
type depth int

const (
	// none: NO_COLOR, or a terminal without.
	none depth = iota
	// eight: the basic ones, whatever its owner made of them.
	eight
	// console: the same on the Linux console, whose palette is set (see palette).
	console
	// cube: the 256, of which the upper 240 look alike everywhere.
	cube
)

// style is what a terminal can do.
type style struct {
	depth depth
	// unicode: it takes UTF-8; rich: its font has more than letters and blocks.
	unicode bool
	rich    bool
}

// say is text as this terminal can show it.
func (s style) say(text string) string {
	text = Clean(text)
	if !s.unicode {
		text = inASCII(text)
	}
	return text
}

// tone is a pair of colours with a meaning.
type tone int

const (
	toneCalm tone = iota
	toneGood
	toneBad
	toneDoubt
	toneNeutral
	toneLost
	toneBar
	toneAlarm
)

func toneOf(k screen.Kind) tone {
	switch k {
	case screen.Admitted, screen.Exited:
		return toneGood
	case screen.Refused:
		return toneBad
	case screen.Reviewed, screen.Conflict, screen.Blind:
		return toneDoubt
	case screen.Repeated, screen.Undone:
		return toneNeutral
	case screen.Lost:
		return toneLost
	}
	return toneCalm
}

// inks are the codes of a tone. Text on its surface reaches 7:1 where the colours
// are known: in the cube, and in the console's palette as it is set here.
func (d depth) ink(t tone) string {
	switch d {
	case cube:
		return cubeInks[t]
	case eight, console:
		return eightInks[t]
	}
	return ""
}

const inkOff = "\x1b[0m"

// Not bold where the text is black: that is dark grey on consoles.
var eightInks = map[tone]string{
	toneCalm:    "\x1b[0m",
	toneGood:    "\x1b[0;30;42m",
	toneBad:     "\x1b[0;1;37;41m",
	toneDoubt:   "\x1b[0;30;43m",
	toneNeutral: "\x1b[0;30;47m",
	toneLost:    "\x1b[0;1;37;44m",
	toneBar:     "\x1b[0;7m",
	toneAlarm:   "\x1b[0;30;43m",
}

var cubeInks = map[tone]string{
	toneCalm:    "\x1b[0;38;5;231;48;5;16m",
	toneGood:    "\x1b[0;1;38;5;16;48;5;40m",
	toneBad:     "\x1b[0;1;38;5;231;48;5;124m",
	toneDoubt:   "\x1b[0;1;38;5;16;48;5;220m",
	toneNeutral: "\x1b[0;1;38;5;16;48;5;252m",
	toneLost:    "\x1b[0;1;38;5;231;48;5;18m",
	toneBar:     "\x1b[0;38;5;231;48;5;237m",
	toneAlarm:   "\x1b[0;38;5;16;48;5;220m",
}

// palette makes the Linux console's red, green, yellow and blue fit for reading on:
// its yellow is a brown. paletteOff gives its own back. console_codes(4).
const (
	palette    = "\x1b]P1a00000\x1b]P200c000\x1b]P3ffc400\x1b]P40000a0"
	paletteOff = "\x1b]R"
)

// consoleUTF8 has the Linux console read UTF-8: Debian sets it to another character
// set where the system has no locale, whatever that of usher's unit is.
// console_codes(4).
const consoleUTF8 = "\x1b%G"

// styleOf asks the environment, and of out whether the kernel takes its input for
// UTF-8: a console's unit often has no locale at all.
func styleOf(out *os.File, env func(string) string) style {
	s := style{depth: depthOf(env)}
	switch charset := charset(env); {
	case strings.Contains(charset, "utf-8"), strings.Contains(charset, "utf8"):
		s.unicode = true
	case charset == "", charset == "c", charset == "posix":
		modes, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
		s.unicode = err == nil && modes.Iflag&unix.IUTF8 != 0
	}
	s.rich = s.unicode && env("TERM") != "linux"
	return s
}

// charset is the locale that decides about characters, in lower case.
func charset(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := env(name); value != "" {
			return strings.ToLower(value)
		}
	}
	return ""
}

// monochrome are the names of terminals without colours: vt100 and its kin.
var monochrome = regexp.MustCompile(`^vt\d|-m(ono)?$`)

// depthOf goes by the terminal's name. NO_COLOR: https://no-color.org.
func depthOf(env func(string) string) depth {
	name := env("TERM")
	switch {
	case env("NO_COLOR") != "", monochrome.MatchString(name):
		return none
	case name == "linux":
		return console
	case strings.Contains(name, "256color"), strings.Contains(name, "direct"), env("COLORTERM") == "truecolor", env("COLORTERM") == "24bit":
		return cube
	}
	return eight
}

// language guesses what is spoken here, until the daemon tells.
func language(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			spoken := strings.ToLower(value)
			if end := strings.IndexAny(spoken, "_.@"); end >= 0 {
				spoken = spoken[:end]
			}
			if slices.Contains(screen.Languages(), spoken) {
				return spoken
			}
			break
		}
	}
	return screen.Languages()[0]
}
