// Package terminaltest is a terminal for tests: a real pseudo-terminal, and what a
// person would see on it.
package terminaltest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal. It obeys what the gate screen uses of a
// terminal's codes, and fails the test at any other.
type Terminal struct {
	// User is the program's end.
	User *os.File

	master *os.File

	// mu guards what follows.
	mu      sync.Mutex
	rest    []byte // of a code or character whose end has not come
	w, h    int
	cells   [][]cell
	other   [][]cell // the screen that is not shown
	x, y    int
	ink     string
	bells   int
	modes   map[string]bool
	raw     strings.Builder
	unknown string
}

type cell struct {
	r   rune
	ink string
}

// New opens a terminal of that size, and closes it when the test ends.
func New(t testing.TB, w, h int) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	term := &Terminal{master: master, w: w, h: h, modes: map[string]bool{}}
	term.cells, term.other = blank(w, h), blank(w, h)
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	term.resize(t)
	if term.User, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			term.obey(buf[:n])
			if err != nil {
				return // EIO: the last user's end is closed
			}
		}
	}()
	t.Cleanup(func() {
		term.User.Close()
		<-read
		master.Close()
		if term.unknown != "" {
			t.Errorf("a code that no terminal was asked to know: %q", term.unknown)
		}
	})
	return term
}

func blank(w, h int) [][]cell {
	cells := make([][]cell, h)
	for y := range cells {
		cells[y] = make([]cell, w)
	}
	return cells
}

// Resize is what a person does with a window. What was shown is gone.
func (m *Terminal) Resize(t testing.TB, w, h int) {
	t.Helper()
	m.mu.Lock()
	m.w, m.h, m.x, m.y = w, h, 0, 0
	m.cells, m.other = blank(w, h), blank(w, h)
	m.mu.Unlock()
	m.resize(t)
}

func (m *Terminal) resize(t testing.TB) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(m.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(m.h), Col: uint16(m.w)}); err != nil {
		t.Fatal(err)
	}
}

// Type types.
func (m *Terminal) Type(t testing.TB, text string) {
	t.Helper()
	if _, err := m.master.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// Text is what can be read, line by line.
func (m *Terminal) Text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return read(m.cells)
}

// Hidden is what stands on the screen that is not shown.
func (m *Terminal) Hidden() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return read(m.other)
}

func read(cells [][]cell) string {
	var out strings.Builder
	for _, row := range cells {
		var line strings.Builder
		for _, c := range row {
			if c.r == 0 {
				c.r = ' '
			}
			line.WriteRune(c.r)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

// Ink is the code that coloured the cell in the upper left corner.
func (m *Terminal) Ink() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cells[0][0].ink
}

// Bells counts the bells so far.
func (m *Terminal) Bells() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bells
}

// Mode tells whether a private mode is set, "?1049" for example.
func (m *Terminal) Mode(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.modes[name]
}

// Written is all that was written since the last call, codes included.
func (m *Terminal) Written() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.raw.String()
	m.raw.Reset()
	return text
}

// Until waits for a condition that the program on the terminal brings about, and
// says how long it took.
func (m *Terminal) Until(t testing.TB, what string, within time.Duration, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		if time.Since(begin) > within {
			t.Fatalf("waited %s in vain: %s. The terminal shows:\n%s", within, what, m.Text())
		}
		<-look.C
	}
	return time.Since(begin)
}

// Shows is a condition for Until: the text can be read.
func (m *Terminal) Shows(text string) func() bool {
	return func() bool { return strings.Contains(m.Text(), text) }
}

func (m *Terminal) obey(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raw.Write(p)
	text := append(m.rest, p...)
	for len(text) > 0 {
		n := m.one(text)
		if n == 0 {
			break
		}
		text = text[n:]
	}
	m.rest = append([]byte(nil), text...)
}

// one obeys the first code or character and says how long it was; 0: its end has
// not come.
func (m *Terminal) one(text []byte) int {
	switch text[0] {
	case '\a':
		m.bells++
		return 1
	case '\r':
		m.x = 0
		return 1
	case '\n':
		m.down()
		return 1
	case '\b':
		m.x = max(0, m.x-1)
		return 1
	case 0x1b:
		return m.code(text)
	}
	if !utf8.FullRune(text) {
		return 0
	}
	r, n := utf8.DecodeRune(text)
	if m.x >= m.w && !m.off("?7") {
		m.x = 0
		m.down()
	}
	m.x = min(m.x, m.w-1)
	m.cells[m.y][m.x] = cell{r, m.ink}
	m.x++
	return n
}

// off tells whether a mode that is on from the start was taken away.
func (m *Terminal) off(mode string) bool {
	on, set := m.modes[mode]
	return set && !on
}

func (m *Terminal) down() {
	if m.y++; m.y >= m.h {
		m.y = m.h - 1
		m.cells = append(m.cells[1:], make([]cell, m.w))
	}
}

func (m *Terminal) code(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	if text[1] != '[' {
		m.unknown = string(text[:2])
		return 2
	}
	for i, b := range text[2:] {
		if b >= 0x40 && b <= 0x7e {
			m.csi(string(text[2:2+i]), b)
			return i + 3
		}
	}
	return 0
}

func (m *Terminal) csi(args string, final byte) {
	switch final {
	case 'm':
		m.ink = "\x1b[" + args + "m"
	case 'H':
		x, y := 1, 1
		if args != "" {
			if _, err := fmt.Sscanf(args, "%d;%d", &y, &x); err != nil {
				m.unknown = args + "H"
			}
		}
		m.x, m.y = min(x, m.w)-1, min(y, m.h)-1
	case 'K':
		clear(m.cells[m.y][min(m.x, m.w):])
	case 'h', 'l':
		on := final == 'h'
		if args == "?1049" && on != m.modes[args] {
			m.cells, m.other = m.other, m.cells
			if on {
				m.cells = blank(m.w, m.h)
			}
		}
		m.modes[args] = on
	default:
		m.unknown = args + string(final)
	}
}
