package serial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/devices/devicetest"
	"usher/devices/report"
	"usher/devices/serial"
	"usher/scanner"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func newDriver(t *testing.T, port string) *serial.Driver {
	t.Helper()
	cfg := serial.Defaults()
	cfg.Port = port
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func plug(t *testing.T) *devicetest.Pty {
	t.Helper()
	pty, err := devicetest.NewPty(filepath.Join(t.TempDir(), "usb-scanner-if00"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pty.Close(); err != nil {
			t.Error(err)
		}
	})
	return pty
}

// read runs an opened device until the test ends and gives its codes.
func read(t *testing.T, device scanner.Device) <-chan string {
	t.Helper()
	return readUntil(t, device, context.Canceled)
}

// readUntil is read with an end that may be another than the test's.
func readUntil(t *testing.T, device scanner.Device, end error) <-chan string {
	t.Helper()
	// Not the test's own context, which ends before anything is cleaned up.
	ctx, cancel := context.WithCancel(context.Background())
	codes, ended := make(chan string, 4096), make(chan struct{})
	go func() {
		defer close(ended)
		if err := device.Run(ctx, func(raw string) { codes <- raw }); !errors.Is(err, end) {
			t.Errorf("Run returned %v", err)
		}
	}()
	t.Cleanup(func() {
		if end != context.Canceled {
			select {
			case <-ended:
			case <-time.After(patience):
			}
		}
		cancel()
		<-ended
	})
	return codes
}

func mustOpen(t *testing.T, driver *serial.Driver) scanner.Device {
	t.Helper()
	device, err := driver.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return device
}

func next(t *testing.T, codes <-chan string) string {
	t.Helper()
	select {
	case code := <-codes:
		return code
	case <-time.After(patience):
		t.Fatal("no code came")
		return ""
	}
}

func send(t *testing.T, pty *devicetest.Pty, text string) {
	t.Helper()
	if _, err := pty.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	log, err := devicetest.OpenLog("testdata/gs1.log")
	if err != nil {
		t.Fatal(err)
	}
	stream := append(log.Bytes(), "SECOND-2\r\n\x02THIRD-3\x03"...)
	codes := []string{"]d2010950600013435217150331\x1d10ABC123\x1d21SER9", "SECOND-2", "THIRD-3"}
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		pty := plug(t)
		cfg := serial.Defaults()
		cfg.Port, cfg.Suffix = pty.Path(), report.SuffixEnter // a busy machine holds codes up, too
		driver, err := serial.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return devicetest.Rig{
			Opener: driver,
			Write:  func(b []byte) error { return pty.WriteChunks(b) },
			Unplug: pty.Unplug,
		}
	}, stream, codes)
}

func TestSilenceEndsACode(t *testing.T) {
	pty := plug(t)
	codes := read(t, mustOpen(t, newDriver(t, pty.Path())))
	send(t, pty, "NO-SUFFIX-1")
	if got := next(t, codes); got != "NO-SUFFIX-1" {
		t.Errorf("got %q", got)
	}
	send(t, pty, "NO-SUFFIX-2")
	if got := next(t, codes); got != "NO-SUFFIX-2" {
		t.Errorf("got %q", got)
	}
}

func TestNoiseIsOneUnreadableCode(t *testing.T) {
	pty := plug(t)
	codes := read(t, mustOpen(t, newDriver(t, pty.Path())))
	noise := bytes.Repeat([]byte("\x55\xAA\xFF\x80"), 16<<10)
	send(t, pty, string(noise)+"\rTICKET-1\r")
	got := next(t, codes)
	if err := scanner.Clean(got).Check(); len(got) <= scanner.MaxCode || !errors.Is(err, scanner.ErrUnreadable) {
		t.Errorf("first a code of %d bytes, which the gate finds %v", len(got), err)
	}
	if got := next(t, codes); got != "TICKET-1" {
		t.Errorf("then %.40q, want TICKET-1", got)
	}
}

// TestSlowEmitLosesNothing sends more than the driver's queue and the kernel's
// buffer hold together while emit waits.
func TestSlowEmitLosesNothing(t *testing.T) {
	pty := plug(t)
	device := mustOpen(t, newDriver(t, pty.Path()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The kernel gives 4095 bytes at most: lines of 18 bytes make reads end
	// within a code.
	const scans = 2000
	var sent []byte
	for i := range scans {
		sent = fmt.Appendf(sent, "TICKET-%09d\r\n", i)
	}
	written := make(chan error, 1)
	blocked, release := make(chan struct{}), make(chan struct{})
	var got []string
	ended := make(chan error, 1)
	go func() {
		ended <- device.Run(ctx, func(raw string) {
			if len(got) == 0 {
				close(blocked)
				<-release
			}
			got = append(got, raw)
			if len(got) == scans {
				cancel()
			}
		})
	}()
	go func() { _, err := pty.Write(sent); written <- err }()
	<-blocked
	select {
	case err := <-written:
		t.Fatalf("everything was taken (%v) while emit waited: the test proves nothing", err)
	case <-time.After(200 * time.Millisecond): // longer than the idle time: half a code must not end by it
	}
	close(release)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("codes are missing")
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for i, code := range got {
		if want := fmt.Sprintf("TICKET-%09d", i); code != want {
			t.Fatalf("code %d is %q, want %q", i, code, want)
		}
	}
}

// TestAFloodIsTold: more codes than are judged, as of a stuck trigger.
func TestAFloodIsTold(t *testing.T) {
	pty := plug(t)
	device := mustOpen(t, newDriver(t, pty.Path()))
	ctx, cancel := context.WithCancel(t.Context())
	judged, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- device.Run(ctx, func(string) { <-judged }) }()
	defer func() {
		cancel()
		close(judged)
		<-ended
	}()
	advice := device.(scanner.Adviser).Advice
	send(t, pty, strings.Repeat("TICKET\r", 10))
	if got := advice(); got != "" {
		t.Errorf("ten codes that wait: advice %q", got)
	}
	send(t, pty, strings.Repeat("TICKET\r", 100))
	waitFor(t, "the advice", func() bool { return advice() == report.Flooding })
}

func TestHalfAScanFromBeforeIsDropped(t *testing.T) {
	pty := plug(t)
	raw, err := os.OpenFile(pty.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	send(t, pty, "OLD-1\rOLD-2\nHALF-A-")
	waitFor(t, "old bytes in the kernel's buffer", func() bool {
		fds := []unix.PollFd{{Fd: int32(raw.Fd()), Events: unix.POLLIN}}
		n, _ := unix.Poll(fds, 0)
		return n > 0
	})
	codes := read(t, mustOpen(t, newDriver(t, pty.Path())))
	send(t, pty, "NEW-1\r")
	if got := next(t, codes); got != "NEW-1" {
		t.Errorf("got %q, want only what came after opening", got)
	}
}

// TestACodeCutOffByUnpluggingIsDropped: half a code would be another ticket.
func TestACodeCutOffByUnpluggingIsDropped(t *testing.T) {
	pty := plug(t)
	device := mustOpen(t, newDriver(t, pty.Path()))
	codes, ended := make(chan string, 16), make(chan error, 1)
	go func() { ended <- device.Run(t.Context(), func(raw string) { codes <- raw }) }()
	send(t, pty, "WHOLE-1\rHALF")
	if got := next(t, codes); got != "WHOLE-1" {
		t.Errorf("got %q", got)
	}
	if err := pty.Unplug(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, scanner.ErrUnplugged) {
		t.Errorf("Run returned %v", err)
	}
	if len(codes) > 0 {
		t.Errorf("emitted %q after the hang-up", <-codes)
	}
}

func TestTheNameIsResolvedAtEachOpening(t *testing.T) {
	pty := plug(t)
	driver := newDriver(t, pty.Path())
	for range 3 {
		device := mustOpen(t, driver)
		ended := make(chan error, 1)
		codes := make(chan string, 1)
		go func() { ended <- device.Run(t.Context(), func(raw string) { codes <- raw }) }()
		send(t, pty, "PLUGGED\r")
		if got := next(t, codes); got != "PLUGGED" {
			t.Errorf("got %q", got)
		}
		if err := errors.Join(pty.Unplug(), pty.Plug()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, scanner.ErrUnplugged) {
			t.Fatalf("Run returned %v: the scanner was replaced under its name", err)
		}
	}
}

func TestOnlyOneReader(t *testing.T) {
	pty := plug(t)
	driver := newDriver(t, pty.Path())
	codes := read(t, mustOpen(t, driver))

	_, err := driver.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use by another program; see: fuser -v "+pty.Path()) {
		t.Errorf("a second usher got: %v", err)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("%v does not wrap the errno", err)
	}
	if out := openAsSomebody(t, pty.Path()); !strings.Contains(out, "busy") {
		t.Errorf("another program's open: %q, want it to find the port busy", out)
	}
	send(t, pty, "STILL-MINE\r")
	if got := next(t, codes); got != "STILL-MINE" {
		t.Errorf("got %q", got)
	}
}

// openAsSomebody opens the port in another program, without root's right to
// pass TIOCEXCL, and gives its words.
func openAsSomebody(t *testing.T, port string) string {
	t.Helper()
	node, err := filepath.EvalSymlinks(port)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `exec 3<>"$0"; echo opened`, node)
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		if err := os.Chmod(node, 0o666); err != nil {
			t.Fatal(err)
		}
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, _ := cmd.CombinedOutput() // it is to fail
	return string(out)
}

// TestBreaksPassUnnoticed: a scanner that loses power must not read as a NUL. A
// pty has no breaks, so that only the setting can be seen.
func TestBreaksPassUnnoticed(t *testing.T) {
	pty := plug(t)
	other, err := os.OpenFile(pty.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	read(t, mustOpen(t, newDriver(t, pty.Path())))
	line, err := unix.IoctlGetTermios(int(other.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if line.Iflag&unix.IGNBRK == 0 || line.Lflag != 0 || line.Iflag&(unix.ICRNL|unix.IXON) != 0 {
		t.Errorf("line settings: input %#o, local %#o", line.Iflag, line.Lflag)
	}
}

func TestTheLineIsGivenBack(t *testing.T) {
	pty := plug(t)
	// Somebody who has it open keeps the line's flags alive over our close.
	other, err := os.OpenFile(pty.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	device := mustOpen(t, newDriver(t, pty.Path()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := device.Run(ctx, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Run returned %v", err)
	}
	if out := openAsSomebody(t, pty.Path()); out != "opened\n" {
		t.Errorf("another program's open after ours ended: %q", out)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		port string
		want string
		is   error
	}{
		"not plugged in": {filepath.Join(dir, "ttyUSB0"), "no such file or directory; is the scanner plugged in?", fs.ErrNotExist},
		"a plain file":   {file, "not a serial port; usher devices lists what is plugged in", nil},
		"no terminal":    {"/dev/null", "not a serial port", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newDriver(t, tt.port).Open(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), tt.port+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s: %s", err, tt.port, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := serial.New(serial.Config{Port: "ttyUSB0", Baud: 12, Idle: time.Minute, Suffix: "cr", Protocol: "usb"})
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		`port: "ttyUSB0" is not an absolute path`,
		"baud: 12 is not between 50 and 4000000",
		`protocol: "usb" is none; one of lines, ssi`,
		"idle: 1m0s is not between 20ms and 2s",
		`suffix: "cr" is none of auto, enter, none`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestFeedbackNeedsItsProtocol(t *testing.T) {
	for _, tt := range []struct{ feedback, protocol, want string }{
		{"", "lines", ""}, {"honeywell", "lines", ""}, {"datalogic", "lines", ""}, {"", "ssi", ""}, {"zebra", "ssi", ""},
		{"zebra", "lines", "feedback: zebra goes over protocol: ssi; set that, and scan SSI Host in the scanner's manual"},
		{"honeywell", "ssi", "feedback: honeywell goes over protocol: lines"},
		{"datalogic", "ssi", "feedback: datalogic goes over protocol: lines"},
		{"beep", "lines", `feedback: "beep" is none; one of honeywell, zebra, datalogic, or leave it out`},
	} {
		cfg := serial.Defaults()
		cfg.Port, cfg.Feedback, cfg.Protocol = "/dev/x", tt.feedback, tt.protocol
		_, err := serial.New(cfg)
		if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
			t.Errorf("%s over %s: got %v, want %s", tt.feedback, tt.protocol, err, tt.want)
		}
	}
}

// TestAnyBaudOpens: those of the library's table and those that it lacks.
func TestAnyBaudOpens(t *testing.T) {
	pty := plug(t)
	other, err := os.OpenFile(pty.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, rate := range []int{50, 1200, 9600, 12345, 31250, 115200, 250000, 4000000} {
		cfg := serial.Defaults()
		cfg.Port, cfg.Baud = pty.Path(), rate
		driver, err := serial.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		device := mustOpen(t, driver)
		line, err := unix.IoctlGetTermios(int(other.Fd()), unix.TCGETS2)
		if err != nil {
			t.Fatal(err)
		}
		if int(line.Ospeed) != rate || int(line.Ispeed) != rate || line.Iflag&unix.IGNBRK == 0 {
			t.Errorf("baud %d: the line runs at %d and %d", rate, line.Ospeed, line.Ispeed)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = device.Run(ctx, func(string) {}) // the context's error
	}
}

// TestControlLinesThatAreNotThere: a pty has none.
func TestControlLinesThatAreNotThere(t *testing.T) {
	cfg := serial.Defaults()
	cfg.Port, cfg.RTS = plug(t).Path(), false
	driver, err := serial.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "set dtr and rts to true") {
		t.Errorf("got %v", err)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
