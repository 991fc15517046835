package control_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/cmd/internal/control"
)

func TestTheSocketsRights(t *testing.T) {
	dir := filepath.Join(directory(t), "run", "usher")
	server := &control.Server{Path: filepath.Join(dir, "u.sock"), House: &house{}}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for path, want := range map[string]os.FileMode{dir: 0o750, server.Path: 0o660} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestASecondDaemonIsTold(t *testing.T) {
	client, _ := serve(t, &house{})
	second := &control.Server{Path: client.Path, House: &house{}}
	err := second.Listen(t.Context())
	defer second.Close()
	if err == nil || !strings.Contains(err.Error(), "another usher is running at "+client.Path) {
		t.Fatalf("got %v", err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("the first one was disturbed: %v", err)
	}
}

func TestADeadDaemonsSocketIsReplaced(t *testing.T) {
	path := filepath.Join(directory(t), "u.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // as SIGKILL leaves it

	server := &control.Server{Path: path, House: &house{}}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestClosingLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(directory(t), "u.sock")
	first := &control.Server{Path: path, House: &house{}}
	if err := first.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Somebody moved it away and started another one.
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	second := &control.Server{Path: path, House: &house{}}
	if err := second.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second one's socket is gone: %v", err)
	}
}

func TestWhatIsInTheWayIsNeverRemoved(t *testing.T) {
	dir := directory(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 108-len(dir)-1))
	tests := []struct{ name, path, want string }{
		{"a file", file, "is not a socket"},
		{"a symbolic link", link, "is not a socket"},
		{"a directory", dir, "is not a socket"},
		{"a file as directory", filepath.Join(file, "u.sock"), "is not a directory"},
		{"108 bytes", long, "108 bytes long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := &control.Server{Path: tt.path, House: &house{}}
			err := server.Listen(t.Context())
			defer server.Close()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file: %q, %v", text, err)
	}
	fits := &control.Server{Path: long[:107], House: &house{}}
	if err := fits.Listen(t.Context()); err != nil {
		t.Errorf("107 bytes: %v", err)
	}
	fits.Close()
}

func TestNobodyAnswers(t *testing.T) {
	client := &control.Client{Path: filepath.Join(directory(t), "u.sock")}
	_, err := client.Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not running") || !strings.Contains(err.Error(), client.Path) {
		t.Errorf("got %v", err)
	}
}

// Whatever the umask, there is no moment in which everybody may connect.
func TestTheSocketIsNeverOpenToAll(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := directory(t)
	path := filepath.Join(dir, "u.sock")
	stop, wide := make(chan struct{}), make(chan os.FileMode, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
				select {
				case wide <- info.Mode():
				default:
				}
			}
		}
	}()
	for range 300 {
		server := &control.Server{Path: path, House: &house{}}
		if err := server.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-watched
	select {
	case mode := <-wide:
		t.Errorf("for a moment the socket is %v", mode)
	default:
	}
	if now := syscall.Umask(0); now != 0 {
		t.Errorf("the process's umask is left at %04o", now)
	}
	made := filepath.Join(dir, "run")
	server := &control.Server{Path: filepath.Join(made, "u.sock"), House: &house{}}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}

// A socket that another program holds is left alone, whatever it speaks; so are a
// link to one, and what a link leads to.
func TestAnotherProgramsSocketIsLeftAlone(t *testing.T) {
	dir := directory(t)
	for _, network := range []string{"unix", "unixpacket", "unixgram"} {
		path := filepath.Join(dir, network)
		var held io.Closer
		var err error
		if network == "unixgram" {
			held, err = net.ListenPacket(network, path)
		} else {
			held, err = net.Listen(network, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		link := path + "-link"
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{path, link} {
			server := &control.Server{Path: at, House: &house{}}
			if err := server.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), at) {
				t.Errorf("%s: claimed, %v", at, err)
			}
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was touched: %v", network, err)
		}
	}
}
