package serial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"usher/devices/report"
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

// setSpeed sets any rate, also those that the library's table lacks.
func setSpeed(baud int) func(fd int) error {
	return func(fd int) error {
		line, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return err
		}
		line.Cflag = line.Cflag&^(unix.CBAUD|unix.CBAUD<<unix.IBSHIFT) | unix.BOTHER
		line.Ispeed, line.Ospeed = uint32(baud), uint32(baud)
		if err := unix.IoctlSetTermios(fd, unix.TCSETS2, line); err != nil {
			return err
		}
		// The driver has put the rate that it really runs at in its place.
		if line, err = unix.IoctlGetTermios(fd, unix.TCGETS2); err != nil {
			return err
		}
		if real := int(line.Ospeed); max(real, baud)-min(real, baud) > baud/offBy {
			return speedError(real)
		}
		return nil
	}
}

// offBy is the part of its rate by which a line may be off: 3 % is what a
// receiver of ten bits bears.
const offBy = 33

// speedError is the rate that a port runs at instead.
type speedError int

func (e speedError) Error() string {
	return fmt.Sprintf("this port cannot run at the configured baud, only at %d", int(e))
}

// linesError is returned for a port without control lines.
type linesError struct{ error }

func (linesError) Error() string   { return "has no control lines; set dtr and rts to true" }
func (e linesError) Unwrap() error { return e.error }

// setLines lowers the control lines that the scanner is to see low; the kernel
// has raised both.
func setLines(dtr, rts bool) func(fd int) error {
	return func(fd int) error {
		low := 0
		if !dtr {
			low |= unix.TIOCM_DTR
		}
		if !rts {
			low |= unix.TIOCM_RTS
		}
		if low == 0 {
			return nil
		}
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCMBIC, low); err != nil {
			return linesError{err}
		}
		return nil
	}
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
	if slow, ok := errors.AsType[speedError](err); ok {
		return fmt.Errorf("%s: %w; set another baud, in the scanner too", port, slow)
	}
	if none, ok := errors.AsType[linesError](err); ok {
		return fmt.Errorf("%s: %w", port, none)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", port, err)
	}
	switch errno {
	case unix.ENOENT, unix.ENXIO, unix.ENODEV:
		return fmt.Errorf("%s: %w; is the scanner plugged in?", port, errno)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("%s: %w; "+report.Denied, port, errno)
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
