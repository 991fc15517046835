package devices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix" // the kernel's uevents, which the standard library lacks
)

// Hotplug tells of devices that come and go, by the kernel's uevents. Nothing
// depends on it: what is not told is found by trying again.
type Hotplug struct {
	mu sync.Mutex // guards changed
	// changed is closed at the next change.
	changed chan struct{}
}

// NewHotplug prepares one; Run starts it.
func NewHotplug() *Hotplug { return &Hotplug{changed: make(chan struct{})} }

// Changed is closed when a device next comes or goes.
func (h *Hotplug) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

func (h *Hotplug) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}

// ueventSize is more than the kernel puts into one message.
const ueventSize = 16 << 10

// Run listens until the context ends. Errors: the kernel's messages cannot be
// had, as in a container without its network; scanners are still found, up to
// two seconds later.
func (h *Hotplug) Run(ctx context.Context) error {
	file, err := listen()
	if err != nil {
		return fmt.Errorf("hot-plug: %w; scanners are found all the same, up to 2 s later", err)
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { _ = file.Close() })()
	conn, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("hot-plug: %w", err)
	}
	buf := make([]byte, ueventSize)
	for {
		message, err := receive(conn, buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			h.tell() // some were dropped
		case err != nil:
			return fmt.Errorf("hot-plug: %w", err)
		case concerns(message):
			h.tell()
		}
	}
}

// listen opens the kernel's uevents.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, err
	}
	const kernel = 1 // the group of messages that come from the kernel, not from udev
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernel}); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}

// receive gives the next message of the kernel's own; others could be anybody's
// and are empty.
func receive(conn syscall.RawConn, buf []byte) ([]byte, error) {
	var n int
	var from unix.Sockaddr
	var failed error
	err := conn.Read(func(fd uintptr) bool {
		n, _, _, from, failed = unix.Recvmsg(int(fd), buf, nil, 0)
		return failed != unix.EAGAIN && failed != unix.EINTR
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return nil, nil
	}
	return buf[:n], nil
}

// concerns tells whether a message is of a device that may be a scanner.
func concerns(message []byte) bool {
	for part := range bytes.SplitSeq(message, []byte{0}) {
		if name, ok := strings.CutPrefix(string(part), "SUBSYSTEM="); ok {
			switch name {
			case "usb", "tty", "input", "hid", "hidraw":
				return true
			}
		}
	}
	return false
}
