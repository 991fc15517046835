package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// terminal is the screen taken over by the live view. A keyboard scanner may
// type into it: nothing is echoed, and nothing typed is left for the shell.
type terminal struct {
	out   io.Writer
	input int // -1 where stdin is no terminal
	saved unix.Termios
}

// openTerminal takes the alternate screen and hides the cursor. Ctrl-C still
// interrupts.
func openTerminal(stdin io.Reader, out io.Writer) (*terminal, error) {
	t := &terminal{out: out, input: -1}
	if f, ok := stdin.(*os.File); ok && isTerminal(f) {
		saved, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			return nil, err
		}
		t.input, t.saved = int(f.Fd()), *saved
		quiet := *saved
		quiet.Lflag &^= unix.ECHO | unix.ICANON
		// Ctrl-S would freeze the screen with whatever it shows.
		quiet.Iflag &^= unix.IXON
		if err := unix.IoctlSetTermios(t.input, unix.TCSETS, &quiet); err != nil {
			return nil, err
		}
	}
	_, err := io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[2J")
	if err != nil {
		t.restore()
	}
	return t, err
}

// restore gives the terminal back as it was and discards what was typed.
func (t *terminal) restore() {
	_, _ = io.WriteString(t.out, "\x1b[0m\x1b[?25h\x1b[?1049l")
	if t.input >= 0 {
		_ = unix.IoctlSetTermios(t.input, unix.TCSETSF, &t.saved)
	}
}

// speaksUnicode tells whether the locale's characters are UTF-8.
func speaksUnicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}
