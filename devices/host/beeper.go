package host

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix" // input ioctls and the size of the kernel's times
)

// beeper is an input device that makes sounds. A tone lasts until the next one, or
// silence.
type beeper struct {
	path string
	file *os.File
}

// beepWithin bounds a write to a device that takes nothing.
const beepWithin = 100 * time.Millisecond

// The event that sounds a tone (linux/input-event-codes.h).
const (
	evSnd   = 0x12
	sndTone = 0x02
)

// tone sounds a tone, or with 0 none. A device that is gone is looked for again at
// the next one.
func (b *beeper) tone(hertz int32) error {
	if b.file == nil {
		var err error
		if b.file, err = openBeeper(b.path); err != nil {
			return err
		}
	}
	err := b.file.SetWriteDeadline(time.Now().Add(beepWithin))
	if err == nil {
		_, err = b.file.Write(toneEvent(hertz))
	}
	if err != nil {
		err = errors.Join(err, b.close())
	}
	return err
}

func (b *beeper) close() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}

func openBeeper(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil // non-blocking: deadlines work
}

// toneEvent is a struct input_event: a time, which the kernel sets itself, type,
// code, and value. The time is two words, so that the size differs by machine.
func toneEvent(hertz int32) []byte {
	event := make([]byte, unsafe.Sizeof(unix.Timeval{}))
	event = binary.NativeEndian.AppendUint16(event, evSnd)
	event = binary.NativeEndian.AppendUint16(event, sndTone)
	return binary.NativeEndian.AppendUint32(event, uint32(hertz))
}

// errNoBeeper is returned for a device that makes no tones.
var errNoBeeper = errors.New("makes no tones")

// check tells why the beeper cannot be used.
func (b *beeper) check() error {
	file, err := openBeeper(b.path)
	if err != nil {
		return err
	}
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var sounds [1]byte
	var errno unix.Errno
	err = conn.Control(func(fd uintptr) {
		// EVIOCGBIT(EV_SND, 1): which sounds it makes.
		const eviocgbitSnd = 0x80014520 + evSnd
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, eviocgbitSnd, uintptr(unsafe.Pointer(&sounds)))
	})
	if err != nil {
		return err
	}
	if errno != 0 || sounds[0]&(1<<sndTone) == 0 {
		return &fs.PathError{Op: "check", Path: b.path, Err: errNoBeeper}
	}
	return nil
}
