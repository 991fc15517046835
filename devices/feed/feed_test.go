package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/devices/devicetest"
	"usher/devices/feed"
	"usher/scanner"
)

const patience = 10 * time.Second

func newDriver(t *testing.T, path string, stdin *os.File) *feed.Driver {
	t.Helper()
	driver, err := feed.New(feed.Config{Path: path}, stdin)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run reads a driver until its end.
func run(t *testing.T, ctx context.Context, driver *feed.Driver) (<-chan string, <-chan error) {
	t.Helper()
	device, err := driver.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	codes, ended := make(chan string, 64), make(chan error, 1)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		ended <- device.Run(ctx, func(raw string) { codes <- raw })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return codes, ended
}

func wait[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// say is a writer that comes, writes and goes.
func say(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	stream := "TICKET-1\nTICKET-2\r\n01\x1d21\n\n TICKET-3 \n"
	devicetest.Contract(t, func(t *testing.T) devicetest.Rig {
		path := filepath.Join(t.TempDir(), "fifo")
		mkfifo(t, path)
		// Opened for both ways, so that it need not wait for the driver.
		writer, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { writer.Close() })
		return devicetest.Rig{
			Opener: newDriver(t, path, nil),
			Write:  func(b []byte) error { _, err := writer.Write(b); return err },
			Unplug: func() error { return os.Remove(path) },
		}
	}, []byte(stream), []string{"TICKET-1", "TICKET-2", "01\x1d21", " TICKET-3 "})
}

func TestWritersOfAFIFOComeAndGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	mkfifo(t, path)
	codes, ended := run(t, t.Context(), newDriver(t, path, nil))
	for i := range 20 {
		want := fmt.Sprintf("TICKET-%d", i)
		text := want + "\n"
		if i%2 == 0 {
			text = want // its leaving ends the line
		}
		say(t, path, text)
		if got := wait(t, codes); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("Run ended: %v", err)
	default:
	}
}

func TestAReplacedFIFOIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	mkfifo(t, path)
	driver := newDriver(t, path, nil)
	_, ended := run(t, t.Context(), driver)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mkfifo(t, path)
	if err := wait(t, ended); !errors.Is(err, scanner.ErrUnplugged) {
		t.Fatalf("Run returned %v", err)
	}
	codes, _ := run(t, t.Context(), driver)
	say(t, path, "NEW\n")
	if got := wait(t, codes); got != "NEW" {
		t.Errorf("got %q", got)
	}
}

func TestAFIFOReplacedByAFileIsNotReadForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	mkfifo(t, path)
	codes, ended := run(t, t.Context(), newDriver(t, path, nil))
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(path, []byte("FILE\n"), 0o600)
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, ended); !errors.Is(err, scanner.ErrUnplugged) {
		t.Fatalf("Run returned %v", err)
	}
	if len(codes) > 0 {
		t.Errorf("emitted %q", <-codes)
	}
}

func TestStdin(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	codes, ended := run(t, t.Context(), newDriver(t, feed.Stdin, reader))
	if _, err := io.WriteString(writer, "TICKET-1\nTICKET-2\nLAST"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 3 {
		got = append(got, wait(t, codes))
	}
	if diff := cmp.Diff([]string{"TICKET-1", "TICKET-2", "LAST"}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	err = wait(t, ended)
	if !errors.Is(err, io.EOF) || err.Error() != "standard input: input ended: EOF" {
		t.Errorf("Run returned %v", err)
	}
}

// TestStdinKeepsItsMode: a shell may share it, and would find it non-blocking.
func TestStdinKeepsItsMode(t *testing.T) {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	reader, writer := os.NewFile(uintptr(fds[0]), "stdin"), os.NewFile(uintptr(fds[1]), "writer")
	defer reader.Close()
	defer writer.Close()
	flags := func() uintptr {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[0]), syscall.F_GETFL, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return flags
	}
	before := flags()
	ctx, cancel := context.WithCancel(t.Context())
	codes, ended := run(t, ctx, newDriver(t, feed.Stdin, reader))
	if _, err := io.WriteString(writer, "TICKET-1\n"); err != nil {
		t.Fatal(err)
	}
	wait(t, codes)
	if now := flags(); now != before {
		t.Errorf("mode %#x, was %#x", now, before)
	}
	cancel()
	if err := wait(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, blocked on an input that says nothing", err)
	}
	if now := flags(); now != before {
		t.Errorf("mode %#x after Run, was %#x", now, before)
	}
}

func TestAFileIsReadOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "codes.txt")
	driver := newDriver(t, path, nil)
	for round, c := range []struct {
		text string
		want []string
	}{
		{"A\r\nB\r\nC", []string{"A", "B", "C"}},
		{"D\n", []string{"D"}},
		{"E\n", []string{"E"}}, // of the same size
		{"", nil},
		{"E\nF\n", []string{"E", "F"}}, // grown
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000*round), 0) // a disk's clock may be coarse
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		codes, ended := run(t, t.Context(), driver)
		if err := wait(t, ended); !errors.Is(err, scanner.ErrUnplugged) || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "mkfifo "+path) {
			t.Errorf("Run returned %v", err)
		}
		var got []string
		for len(codes) > 0 {
			got = append(got, <-codes)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if _, err := driver.Open(t.Context()); !errors.Is(err, scanner.ErrUnplugged) || !strings.Contains(err.Error(), "read to its end; write new codes to it") {
			t.Errorf("opened again: %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mkfifo(t, path)
	codes, _ := run(t, t.Context(), driver)
	say(t, path, "NEW\n")
	if got := wait(t, codes); got != "NEW" {
		t.Errorf("after a FIFO took its place: got %q", got)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "fifo")
	_, err := newDriver(t, missing, nil).Open(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), "make it with: mkfifo "+missing) {
		t.Errorf("a missing FIFO: %v", err)
	}
	_, err = newDriver(t, t.TempDir(), nil).Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

func TestNewFindsFaults(t *testing.T) {
	for path, want := range map[string]string{
		"":     "path: missing",
		"fifo": `path: "fifo" is neither "-" nor an absolute path`,
	} {
		if _, err := feed.New(feed.Config{Path: path}, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("path %q: %v, want %s", path, err, want)
		}
	}
}

// A device may never end, and a socket is nobody's line of codes.
func TestWhatIsNoFeedIsRefused(t *testing.T) {
	for _, path := range []string{"/dev/zero", "/dev/null", t.TempDir()} {
		driver, err := feed.New(feed.Config{Path: path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := driver.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "name a FIFO") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
