package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term" // is it a terminal, and how large
)

// device is the terminal taken over by the live view. A keyboard scanner may type
// into it: nothing is echoed, and nothing typed is left for the shell.
type device struct {
	out   *os.File
	input int // -1 where the input is no terminal
	saved unix.Termios
	// console: the Linux console, whose palette is set; utf8: the same, and it is
	// given UTF-8.
	console, utf8 bool
}

// newDevice keeps the terminal's modes, to give them back.
func newDevice(in io.Reader, out *os.File, st style) (*device, error) {
	d := &device{out: out, input: -1, console: st.depth == console, utf8: st.unicode && !st.rich}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		saved, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			return nil, err
		}
		d.input, d.saved = int(f.Fd()), *saved
	}
	return d, nil
}

// take takes the alternate screen, hides the cursor and lets no line wrap: a
// picture that fills the last cell must not scroll. Ctrl-C still interrupts.
func (d *device) take() error {
	if d.input >= 0 {
		quiet := d.saved
		quiet.Lflag &^= unix.ECHO | unix.ICANON
		// Ctrl-S would freeze the screen with whatever it shows, and what nobody
		// reads must not ring.
		quiet.Iflag &^= unix.IXON | unix.IMAXBEL
		if err := unix.IoctlSetTermios(d.input, unix.TCSETS, &quiet); err != nil {
			return err
		}
	}
	text := "\x1b[?1049h\x1b[?25l\x1b[?7l"
	if d.console {
		text += palette
	}
	if d.utf8 {
		text += consoleUTF8
	}
	_, err := io.WriteString(d.out, text)
	return err
}

// give wipes that many lines, gives the terminal back as it was and discards what
// was typed.
func (d *device) give(rows int) {
	var out strings.Builder
	out.WriteString(inkOff)
	for y := range rows {
		fmt.Fprintf(&out, "\x1b[%d;1H\x1b[K", y+1)
	}
	if d.console {
		out.WriteString(paletteOff)
	}
	out.WriteString("\x1b[H\x1b[?7h\x1b[?25h\x1b[?1049l")
	// A terminal that is gone needs nothing.
	_, _ = io.WriteString(d.out, out.String())
	if d.input >= 0 {
		_ = unix.IoctlSetTermios(d.input, unix.TCSETSF, &d.saved)
	}
}

// size is in columns and rows.
func (d *device) size() (w, h int) {
	w, h, err := term.GetSize(int(d.out.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}
