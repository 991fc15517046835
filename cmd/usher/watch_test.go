package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-look.C:
		}
	}
}

// text is a buffer that two goroutines may use.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

// reset forgets what was written so far.
func (x *text) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.buf.Reset()
}

// terminalPair is a real pseudo-terminal: its user's end, and all that is
// written to it.
func terminalPair(t *testing.T) (user *os.File, screen *text) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	user, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	screen = &text{}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(screen, master) // ends with EIO when the user's end is closed
	}()
	t.Cleanup(func() {
		user.Close()
		<-copied
		master.Close()
	})
	return user, screen
}

func TestTheGateScreenOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	t.Setenv("LC_ALL", "C.UTF-8")
	h := newFakeHouse(control.Ready)
	path, stop := startFake(t, h)
	user, screen := terminalPair(t)
	before, err := unix.IoctlGetTermios(int(user.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	var stderr text
	go func() {
		ended <- run(ctx, []string{"watch", "--socket", path, "--scanner", "lane-1"}, user, user, &stderr)
	}()

	shows := func(what string) func() bool {
		return func() bool { return strings.Contains(screen.String(), what) }
	}
	until(t, "the calm screen", 5*time.Second, shows("Ready: scan a ticket"))

	other := admitted()
	other.Scanner = "lane-9"
	screen.reset()
	h.happen(other)
	h.happen(refused())
	until(t, "the refusal", 2*time.Second, shows("Already entered at Gate 3"))
	until(t, "three bells", 2*time.Second, func() bool { return strings.Count(screen.String(), "\a") == 3 })
	if got := screen.String(); !strings.Contains(got, styleRefuse) || strings.Contains(got, styleAdmit) {
		t.Errorf("the refusal's colours: %q", got)
	}
	screen.reset()
	h.happen(admitted())
	until(t, "the green", 2*time.Second, shows(styleAdmit))
	until(t, "one bell", 2*time.Second, shows("\a"))

	// The daemon goes while a green is shown: within a second there is none.
	screen.reset()
	stop()
	until(t, "the news of the loss", time.Second, shows("do not go by it"))
	if strings.Contains(screen.String(), styleAdmit) {
		t.Error("a green was drawn after the loss")
	}

	// It comes back by itself, and shows nothing that is over.
	screen.reset()
	stop, err = serveFake(path, h)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	until(t, "the calm screen again", 5*time.Second, shows("Ready: scan a ticket"))
	if strings.Contains(screen.String(), styleAdmit) {
		t.Error("an old green came back")
	}

	// A daemon that hangs is lost too.
	screen.reset()
	hang := make(chan struct{})
	h.mu.Lock()
	h.slow = hang
	h.mu.Unlock()
	until(t, "the news of the hang", 1500*time.Millisecond, shows("does not answer"))
	h.mu.Lock()
	h.slow = nil
	h.mu.Unlock()
	close(hang)
	until(t, "the calm screen after the hang", 5*time.Second, shows("Ready: scan a ticket"))

	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("watch did not end")
	}
	until(t, "the terminal given back", time.Second, shows("\x1b[?1049l"))
	after, err := unix.IoctlGetTermios(int(user.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal's modes changed: %+v, %+v, %v", before, after, err)
	}
}

func TestWatchWritesLinesIntoAPipe(t *testing.T) {
	h := newFakeHouse(control.Ready)
	path, stop := startFake(t, h)
	var stdout, stderr text
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"watch", "--socket", path}, strings.NewReader(""), &stdout, &stderr)
	}()

	// It may begin after the first ones: send until one is seen.
	seen := func(what string) func() bool {
		return func() bool { return strings.Contains(stdout.String(), what) }
	}
	until(t, "an event", 5*time.Second, func() bool {
		h.happen(refused())
		return seen("REFUSE")()
	})
	stop()
	until(t, "the loss", 2*time.Second, seen("NO CONNECTION: the daemon stopped"))
	// What happens while it is away comes first when it is back, once.
	missed := admitted()
	missed.Message = "the missed one"
	h.happen(missed)
	stop, err := serveFake(path, h)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	until(t, "the missed event", 5*time.Second, seen("the missed one"))
	later := admitted()
	later.Message = "the later one"
	h.happen(later)
	until(t, "the later event", 5*time.Second, seen("the later one"))
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	got := stdout.String()
	if strings.Count(got, "the missed one") != 1 || strings.Count(got, "the later one") != 1 || strings.Contains(got, "\x1b") {
		t.Errorf("got:\n%s", got)
	}
}

func TestWatchIntoAPipeSaysThatAScannerIsUnknown(t *testing.T) {
	path, _ := startFake(t, newFakeHouse(control.Ready))
	var stdout, stderr text
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"watch", "--socket", path, "--scanner", "lane-l"}, strings.NewReader(""), &stdout, &stderr)
	}()
	until(t, "the word about the name", 5*time.Second, func() bool {
		return strings.Contains(stdout.String(), `NO SCANNER: no scanner is named "lane-l": there is lane-1, manual`)
	})
	cancel()
	<-ended
}

func TestAVerdictsTimeEnds(t *testing.T) {
	now := evening
	s := &screen{now: func() time.Time { return now }, view: watchView{zone: time.UTC}, resync: func() {}}
	yes, status := true, busyStatus()
	e := admitted()
	s.take(news{following: &yes, round: 1})
	s.take(news{event: &e, round: 1})
	if s.view.shown != nil {
		t.Error("shown before the daemon answered")
	}
	s.take(news{status: &status})
	s.take(news{event: &e, round: 1})
	now = now.Add(holdTime - time.Millisecond)
	if s.calm(); s.view.shown == nil {
		t.Error("calm too early")
	}
	now = now.Add(time.Millisecond)
	if s.calm(); s.view.shown != nil {
		t.Error("a stale green")
	}

	// Stopped for a minute (Ctrl-Z, a closed lid): what waited in the stream
	// meanwhile is not shown as if it happened now.
	s.take(news{event: &e, round: 1})
	seen := now
	now = now.Add(time.Minute)
	s.stopped(&seen)
	s.take(news{event: &e, round: 1})
	if s.view.shown != nil {
		t.Error("an event of before is shown as new")
	}
	s.take(news{following: &yes, round: 2})
	s.take(news{event: &e, round: 2})
	if s.view.shown == nil {
		t.Error("the new stream's event is not shown")
	}
	// What somebody decided at a desk is no verdict: the last one stays.
	for _, kind := range []scanner.Kind{scanner.KindRequeue, scanner.KindAcknowledge} {
		desk := control.Event{Seq: 99, Kind: kind, By: "Eve"}
		s.fresh = false
		if s.take(news{event: &desk, round: 2}); s.fresh || s.view.shown == nil || s.view.shown.Kind == kind {
			t.Errorf("%s is shown at the gate", kind)
		}
	}
	// Any loss takes it away at once.
	s.take(news{err: context.DeadlineExceeded})
	if s.view.shown != nil || s.view.connected {
		t.Error("shown without a connection")
	}
}
