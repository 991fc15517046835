package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// DefaultSocket is where the daemon listens unless configured otherwise.
const DefaultSocket = "/run/usher/usher.sock"

const (
	// maxSocketPath is what sockaddr_un holds besides its final zero, unix(7).
	maxSocketPath = 107
	socketGroup   = "usher"
	dialTimeout   = time.Second
)

// socket is a listening unix socket that removes only its own file.
type socket struct {
	net.Listener
	path string
	file os.FileInfo
	once sync.Once
}

// listen claims the path. An answering daemon there is an error, a dead one's
// socket is removed, and a file of any other kind is never touched.
func listen(ctx context.Context, path string) (*socket, error) {
	if path == "" {
		return nil, errors.New("status.socket: no path")
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("status.socket %s: the path is %d bytes long, a unix socket's at most %d: choose a shorter one",
			path, len(path), maxSocketPath)
	}
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := makeFree(ctx, path); err != nil {
		return nil, err
	}
	l, err := bind(ctx, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, runningError(path)
	}
	if err != nil {
		return nil, fmt.Errorf("status.socket %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	s := &socket{Listener: l, path: path}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("status.socket: %w", err), s.Close())
	}
	giveToGroup(path)
	if s.file, err = os.Lstat(path); err != nil {
		return nil, errors.Join(fmt.Errorf("status.socket: %w", err), s.Close())
	}
	return s, nil
}

// bind makes the socket without a moment in which everybody may connect: between
// its making and a chmod it has the rights that the umask leaves, and a service may
// be started with none. The umask is the whole process's; the socket is claimed
// before anything else runs.
func bind(ctx context.Context, path string) (net.Listener, error) {
	old := syscall.Umask(0o117)
	defer syscall.Umask(old)
	var config net.ListenConfig
	return config.Listen(ctx, "unix", path)
}

// Close stops listening and removes the socket's file, unless another daemon
// has put its own there. Only the first call does anything: the file's number may
// be another file's later.
func (s *socket) Close() error {
	var err error
	s.once.Do(func() {
		err = s.Listener.Close()
		if now, statErr := os.Lstat(s.path); statErr == nil && s.file != nil && os.SameFile(now, s.file) {
			err = errors.Join(err, os.Remove(s.path))
		}
	})
	return err
}

func runningError(path string) error {
	return fmt.Errorf("another usher is running at %s: stop it first, or set status.socket to another path", path)
}

// makeDirectory makes the socket's directory for the group usher alone. One that
// exists (systemd's RuntimeDirectory) keeps its rights.
func makeDirectory(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("status.socket: %s is in the way: it is not a directory", dir)
		}
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("status.socket: %w", err)
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		return fmt.Errorf("status.socket: %w", err)
	}
	giveToGroup(dir)
	return nil
}

// giveToGroup is a best effort: without the group, or without the right to give
// to it, the file stays its owner's, which is the safer side.
func giveToGroup(path string) {
	group, err := user.LookupGroup(socketGroup)
	if err != nil {
		return
	}
	if gid, err := strconv.Atoi(group.Gid); err == nil {
		_ = os.Chown(path, -1, gid)
	}
}

// makeFree makes the path free, or says why it cannot.
func makeFree(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("status.socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("status.socket: %s is in the way: it is not a socket, so it is left alone; move it away or set another path", path)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return runningError(path)
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("status.socket: remove the socket of a dead usher: %w", err)
		}
		return nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		// Its queue is full: somebody holds it, though busy.
		return runningError(path)
	}
	return fmt.Errorf("status.socket %s: cannot tell whether another usher is running: %w", path, err)
}
