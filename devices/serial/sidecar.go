package serial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNotSerial is returned for a node that is no terminal line.
var errNotSerial = errors.New("not a serial port")

// openSidecar opens the node beside tarm/serial and locks it against every
// other program that locks, root's included. It takes no bytes off the line.
func openSidecar(node string) (*os.File, error) {
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: node, Err: err}
	}
	side := os.NewFile(uintptr(fd), node) // non-blocking: deadlines work
	if err := lock(fd); err != nil {
		return nil, errors.Join(err, side.Close())
	}
	return side, nil
}

func lock(fd int) error {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		if err == unix.EIO {
			return err // a line that hung up this moment
		}
		return errNotSerial
	}
	return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
}

// takeLine shuts out later openers and lets a break pass unnoticed.
func takeLine(fd int) error {
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return err
	}
	line, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	line.Iflag |= unix.IGNBRK
	return unix.IoctlSetTermios(fd, unix.TCSETS, line)
}

// giveLine undoes what outlives a close while another program holds the line.
func giveLine(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) }

// sameNode makes sure that the name still means what the sidecar holds, and not
// a scanner that was plugged in between the two openings.
func sameNode(side *os.File, node string) error {
	held, err := side.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(node)
	if err != nil {
		return err
	}
	if !os.SameFile(held, named) {
		return &fs.PathError{Op: "open", Path: node, Err: unix.ENODEV}
	}
	return nil
}

// explain puts what failed at opening into words that tell what to do. The errno
// stays wrapped.
func explain(port string, err error) error {
	if errors.Is(err, errNotSerial) {
		return fmt.Errorf("%s: %w; usher devices lists what is plugged in", port, errNotSerial)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", port, err)
	}
	switch errno {
	case unix.ENOENT, unix.ENXIO, unix.ENODEV:
		return fmt.Errorf("%s: %w; is the scanner plugged in?", port, errno)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("%s: %w; add the service to group usher or install the udev rules", port, errno)
	case unix.EBUSY, unix.EWOULDBLOCK:
		return fmt.Errorf("%s: %w by another program; see: fuser -v %s", port, inUse(errno), port)
	case unix.EIO:
		return fmt.Errorf("%s: %w; nothing answers on this port, usher devices lists those with a device", port, errno)
	}
	return fmt.Errorf("%s: %w", port, errno)
}

// inUse is an errno whose own words ("resource temporarily unavailable") would
// mislead.
type inUse syscall.Errno

func (inUse) Error() string   { return "in use" }
func (e inUse) Unwrap() error { return syscall.Errno(e) }
