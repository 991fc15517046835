// Package feed reads codes from standard input, a FIFO or a file: for trials,
// for demonstrations, and for programs that scan on their own (a camera, a
// keypad, another machine over ssh).
//
// One line is one code; lines end at CR, LF, TAB, ETX or EOT, and at the end of
// the input. Standard input ends the feed for good, which Run reports as io.EOF.
// A FIFO does not: writers come and go, and each one's leaving ends its last line.
// A FIFO that is removed or replaced counts as unplugged, and so does a file that
// was read to its end: it is read again, from its beginning, once it is another
// or has changed. Codes that come one by one want a FIFO.
package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix" // poll on a descriptor that must stay blocking

	"usher/scanner"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Config is what a scanner's block says to this driver.
type Config struct {
	// Path is "-" for standard input, or a FIFO or file.
	Path string `mapstructure:"path"`
}

// Defaults is the configuration that a scanner's block starts from.
func Defaults() Config { return Config{} }

// Driver opens one configured input.
type Driver struct {
	cfg   Config
	stdin *os.File
	// finished is the file last read to its end.
	finished atomic.Pointer[version]
}

// version tells a file from another, and from itself before a change.
type version struct {
	device, inode uint64
	size          int64
	modified      unix.Timespec
}

func versionOf(stat *unix.Stat_t) version {
	return version{uint64(stat.Dev), stat.Ino, stat.Size, stat.Mtim}
}

// endedError says that a file was read to its end. To the outside it is a
// scanner that is not there.
type endedError struct{ path string }

func (e endedError) Error() string {
	return fmt.Sprintf("%s: read to its end; write new codes to it, or make it a FIFO: rm %s && mkfifo %s", e.path, e.path, e.path)
}

func (endedError) Unwrap() error { return scanner.ErrUnplugged }

// New checks the configuration. Its error begins with the key and a colon. The
// driver reads stdin where the path is "-", and never closes it or changes its
// mode, which it may share with a shell.
func New(cfg Config, stdin *os.File) (*Driver, error) {
	switch {
	case cfg.Path == "":
		return nil, errors.New(`path: missing; "-" for standard input, or a FIFO`)
	case cfg.Path != Stdin && !filepath.IsAbs(cfg.Path):
		return nil, fmt.Errorf(`path: %q is neither "-" nor an absolute path`, cfg.Path)
	}
	return &Driver{cfg: cfg, stdin: stdin}, nil
}

// Source is the configured path: two scanners must not share one.
func (d *Driver) Source() string { return d.cfg.Path }

// Open makes one attempt. Errors say what to do; they wrap the errno of what
// failed.
func (d *Driver) Open(ctx context.Context) (scanner.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.cfg.Path == Stdin {
		return openStdin(d.stdin)
	}
	fd, stat, err := openPath(d.cfg.Path)
	if err != nil {
		return nil, explain(d.cfg.Path, err)
	}
	switch finished := d.finished.Load(); {
	case stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil, errors.Join(fmt.Errorf("%s: is a directory; name a FIFO (mkfifo) or a file", d.cfg.Path), unix.Close(fd))
	case stat.Mode&unix.S_IFMT != unix.S_IFREG && !isFIFO(stat):
		// Some devices never end, and a scanner has a driver of its own.
		return nil, errors.Join(fmt.Errorf("%s: is a device or socket; name a FIFO (mkfifo) or a file", d.cfg.Path), unix.Close(fd))
	case isFIFO(stat):
		return &input{name: d.cfg.Path, fd: fd, fifo: true}, nil
	case finished != nil && *finished == versionOf(stat):
		if err := unix.Close(fd); err != nil {
			return nil, fmt.Errorf("%s: close: %w", d.cfg.Path, err)
		}
		return nil, endedError{d.cfg.Path}
	}
	return &input{name: d.cfg.Path, fd: fd, finished: &d.finished}, nil
}

func openStdin(file *os.File) (*input, error) {
	in := &input{name: "standard input", borrowed: file}
	conn, err := file.SyscallConn() // file.Fd would change its mode
	if err == nil {
		err = conn.Control(func(fd uintptr) { in.fd = int(fd) })
	}
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return in, nil
}

// openPath opens without waiting for a FIFO's first writer, and tells what it
// opened. The descriptor stays out of Go's poller: Run polls
// by itself, since standard input must keep its mode.
func openPath(path string) (fd int, stat *unix.Stat_t, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, nil, err
	}
	stat = new(unix.Stat_t)
	if err := unix.Fstat(fd, stat); err != nil {
		return 0, nil, errors.Join(err, unix.Close(fd))
	}
	return fd, stat, nil
}

func isFIFO(stat *unix.Stat_t) bool { return stat.Mode&unix.S_IFMT == unix.S_IFIFO }

func explain(path string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch errno {
	case unix.ENOENT:
		return fmt.Errorf("%s: %w; make it with: mkfifo %s", path, errno, path)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("%s: %w; let group usher read it", path, errno)
	}
	return fmt.Errorf("%s: %w", path, errno)
}
