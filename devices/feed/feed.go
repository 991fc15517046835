// Package feed reads codes from standard input, a FIFO or a file: for trials,
// for demonstrations, and for programs that scan on their own (a camera, a
// keypad, another machine over ssh).
//
// One line is one code; lines end at CR, LF, TAB, ETX or EOT, and at the end of
// the input. Standard input and files end the feed for good, which Run reports as
// io.EOF. A FIFO does not: writers come and go, and each one's leaving ends its
// last line. A FIFO that is removed or replaced counts as unplugged.
package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
}

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
	fd, mode, err := openPath(d.cfg.Path)
	if err != nil {
		return nil, explain(d.cfg.Path, err)
	}
	if mode == unix.S_IFDIR {
		return nil, errors.Join(fmt.Errorf("%s: is a directory; name a FIFO (mkfifo) or a file", d.cfg.Path), unix.Close(fd))
	}
	return &input{name: d.cfg.Path, fd: fd, fifo: mode == unix.S_IFIFO}, nil
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

// openPath opens without waiting for a FIFO's first writer, and tells the type
// of what it opened (S_IFMT). The descriptor stays out of Go's poller: Run polls
// by itself, since standard input must keep its mode.
func openPath(path string) (fd int, mode uint32, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, 0, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, 0, errors.Join(err, unix.Close(fd))
	}
	return fd, stat.Mode & unix.S_IFMT, nil
}

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
