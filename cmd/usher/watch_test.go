package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen/terminal/terminaltest"
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

const (
	green = "\x1b[0;1;38;5;16;48;5;40m"
	red   = "\x1b[0;1;38;5;231;48;5;124m"
)

func TestTheGateScreenOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	t.Setenv("LC_ALL", "C.UTF-8")
	h := newFakeHouse(control.Ready)
	path, stop := startFake(t, h)
	term := terminaltest.New(t, 80, 24)
	before, err := unix.IoctlGetTermios(int(term.User.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	var stderr text
	go func() {
		ended <- run(ctx, []string{"watch", "--socket", path, "--scanner", "lane-1"}, term.User, term.User, &stderr)
	}()
	calm := term.Shows("Ready: scan a ticket")
	term.Until(t, "the calm screen", 5*time.Second, calm)

	other := admitted()
	other.Scanner = "lane-9"
	term.Written()
	h.happen(other)
	h.happen(refused())
	term.Until(t, "the refusal", 2*time.Second, term.Shows("Ask for another ticket"))
	term.Until(t, "three bells", 2*time.Second, func() bool { return term.Bells() == 3 })
	if got := term.Written(); term.Ink() != red || strings.Contains(got, green) {
		t.Errorf("the refusal's colours: %q", got)
	}
	h.happen(admitted())
	term.Until(t, "the green", 2*time.Second, func() bool { return term.Ink() == green })
	term.Until(t, "one bell", 2*time.Second, func() bool { return term.Bells() == 4 })

	// A window of another size.
	term.Resize(t, 40, 10)
	if err := unix.Kill(unix.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	term.Until(t, "the small green", 2*time.Second, func() bool { return term.Ink() == green && term.Shows("To send: 31\nList: 4 min")() })

	// The daemon goes while a green is shown: within a second there is none.
	term.Written()
	stop()
	term.Until(t, "the news of the loss", time.Second, term.Shows("NO CONNECTION"))
	if strings.Contains(term.Written(), green) {
		t.Error("a green was drawn after the loss")
	}

	// It comes back by itself, and shows nothing that is over.
	stop, err = serveFake(path, h)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	term.Until(t, "the calm screen again", 5*time.Second, calm)
	if strings.Contains(term.Written(), green) {
		t.Error("an old green came back")
	}

	// A daemon that hangs is lost too.
	hang := make(chan struct{})
	h.mu.Lock()
	h.slow = hang
	h.mu.Unlock()
	term.Until(t, "the news of the hang", 1500*time.Millisecond, term.Shows("does not answer"))
	h.mu.Lock()
	h.slow = nil
	h.mu.Unlock()
	close(hang)
	term.Until(t, "the calm screen after the hang", 5*time.Second, calm)

	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("watch did not end")
	}
	term.Until(t, "the terminal given back", time.Second, func() bool { return !term.Mode("?1049") && term.Mode("?25") && term.Mode("?7") })
	after, err := unix.IoctlGetTermios(int(term.User.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal's modes changed: %+v, %+v, %v", before, after, err)
	}
}

// onTerminal starts a command as the first of a session on a terminal of its own.
func onTerminal(t *testing.T, cmd *exec.Cmd, env ...string) *terminaltest.Terminal {
	t.Helper()
	term := terminaltest.New(t, 80, 24)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.User, term.User, term.User
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: unix.SIGKILL}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be over
		_ = cmd.Wait()
	})
	return term
}

// The whole way: a real daemon with a language, a hold and a zone of its own, and a
// real `usher watch`, once started by a shell and once in the place of one.
func TestWatchSpeaksAsTheDaemonAndForgetsNames(t *testing.T) {
	r := newRig(t, 10, "gate: { name: Porte 7, timezone: Asia/Tokyo }\nscreen: { language: fr, hold: 1s }\n", "lane-1")
	start(t, r)
	shell := exec.Command("sh", "-i")
	term := onTerminal(t, shell, "PS1=shell$ ", "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	watch := r.Command(t.Context(), "watch")
	kiosk := r.Command(t.Context(), "watch")
	console := onTerminal(t, kiosk, "TERM=vt100", "LC_ALL=C.UTF-8")

	term.Until(t, "the shell", 10*time.Second, term.Shows("shell$"))
	term.Type(t, strings.Join(watch.Args, " ")+"\r")
	calm := term.Shows("Prêt : scannez un billet")
	term.Until(t, "the calm screen", 10*time.Second, calm)
	console.Until(t, "the console's calm screen", 10*time.Second, console.Shows("Prêt : scannez un billet"))
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	if hour := time.Now().In(tokyo).Format("15:"); !strings.Contains(term.Text(), hour) {
		t.Errorf("not the venue's time, %s.., in\n%s", hour, term.Text())
	}

	// Green, with the name, for a second and no longer.
	scanFor(t, r, "lane-1", "T-00000", scanner.Admit, scanner.OK)
	term.Until(t, "the green", 3*time.Second, func() bool { return term.Ink() == green && term.Shows("Nom Holder 0")() })
	gone := func() bool { return calm() && !term.Shows("Holder")() }
	if took := term.Until(t, "the calm after it, without the name", 3*time.Second, gone); took > 2*time.Second {
		t.Errorf("a hold of a second took %s", took)
	}

	// Ctrl-Z under a shell: the picture goes with its name, and what was scanned
	// meanwhile is not told as new.
	scanFor(t, r, "lane-1", "T-00001", scanner.Admit, scanner.OK)
	term.Until(t, "the second green", 3*time.Second, term.Shows("Holder 1"))
	term.Type(t, "\x1a")
	term.Until(t, "the shell again", 2*time.Second, func() bool { return !term.Mode("?1049") && term.Shows("shell$")() })
	if text := term.Text() + term.Hidden(); strings.Contains(text, "Holder") {
		t.Errorf("stopped, the name stays:\n%s", text)
	}
	scanFor(t, r, "lane-1", "T-00002", scanner.Admit, scanner.OK)
	term.Written()
	term.Type(t, "fg\r")
	term.Until(t, "the calm screen after fg", 3*time.Second, func() bool { return term.Mode("?1049") && calm() })
	scanFor(t, r, "lane-1", "T-00003", scanner.Admit, scanner.OK)
	term.Until(t, "the next green", 3*time.Second, term.Shows("Holder 3"))
	if strings.Contains(term.Written(), "Holder 2") {
		t.Error("what happened while it was stopped was told as new")
	}

	// On a console without job control the same key must not freeze the screen.
	console.Type(t, "\x1a")
	console.Until(t, "the console's picture after Ctrl-Z", 3*time.Second, func() bool { return console.Mode("?1049") && console.Shows("Prêt")() })
	scanFor(t, r, "lane-1", "NOBODY", scanner.Refuse, scanner.NotFound)
	console.Until(t, "the console's refusal", 3*time.Second, console.Shows("Ce n'est pas un billet"))
	if strings.Contains(console.Written(), "\x1b[0;1;3") {
		t.Error("colours on a terminal without")
	}

	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, screen := range []*terminaltest.Terminal{term, console} {
		screen.Until(t, "the news of the loss", time.Second, screen.Shows("ne vous y fiez pas"))
	}
	term.Type(t, "\x03")
	term.Until(t, "the shell at the end", 3*time.Second, func() bool { return !term.Mode("?1049") })
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
	if strings.Contains(got, "Ann Lee") || strings.Contains(got, "C12") {
		t.Errorf("a name or a seat stays in the lines:\n%s", got)
	}
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

func TestAScannerThatIsThereIsNotMistyped(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "lane-1": "", "lane-2": "", "manual": "",
		"lane-3": `no scanner is named "lane-3": there is lane-1, lane-2, manual`,
	} {
		if got := unknownScanner(busyStatus(), name); got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}
