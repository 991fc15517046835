package main

import (
	"errors"
	"io"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix" // ioctls of terminals and serial ports

	"usher/cmd/vmtest/internal/mux"
)

// patience bounds how long the host may take to fetch a report.
const patience = 10 * time.Second

// reports sends each report when the host has fetched the one before it, and so
// has fetched all but the last when it returns.
func reports(r mux.Reports) error {
	fd, err := unix.Open(r.Path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: r.Path, Err: err}
	}
	file := os.NewFile(uintptr(fd), r.Path)
	defer file.Close()
	if err := file.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for _, report := range r.Reports {
		if _, err := file.Write(report); err != nil {
			return err
		}
		time.Sleep(time.Duration(r.PauseMS) * time.Millisecond)
	}
	if r.Pull == "" {
		return nil
	}
	return os.WriteFile(r.Pull, []byte("\n"), 0)
}

// console reads a terminal byte by byte, as a getty would.
func console(s *mux.Stream, path string) error {
	tty, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	conn, err := tty.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = conn.Control(func(fd uintptr) {
		var t *unix.Termios
		if t, set = unix.IoctlGetTermios(int(fd), unix.TCGETS); set != nil {
			return
		}
		t.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
		t.Iflag &^= unix.ICRNL | unix.IXON
		set = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
	})
	if err := errors.Join(err, set); err != nil {
		return err
	}
	_, err = io.Copy(s, tty)
	return err
}

// icount is the kernel's struct serial_icounter_struct.
type icount struct {
	CTS, DSR, RNG, DCD, RX, TX            int32
	Frame, Overrun, Parity, Brk, Overrun2 int32
	_                                     [9]int32
}

// received asks the port's driver for its count. Root may open what another holds
// alone.
func received(path string) (int32, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var counts icount
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGICOUNT, uintptr(unsafe.Pointer(&counts))); errno != 0 {
		return 0, os.NewSyscallError("TIOCGICOUNT", errno)
	}
	return counts.RX, nil
}
