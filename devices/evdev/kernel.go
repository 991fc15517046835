package evdev

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests and event types of linux/input.h that x/sys does not have. The
// numbers are the same on amd64, arm64 and armhf.
const (
	eviocGrab    = 0x40044590 // EVIOCGRAB
	eviocGetKeys = 0x80604521 // EVIOCGBIT(EV_KEY, 96)

	evSyn = 0x00
	evKey = 0x01
	evMsc = 0x04
	evLED = 0x11

	synReport  = 0
	synDropped = 3
	mscScan    = 4
	ledCaps    = 1

	keyReleased = 0
	keyPressed  = 1
)

// wordSize is the size of a kernel long: an event begins with a time of two.
const wordSize = bits.UintSize / 8

// event is struct input_event without its time.
type event struct {
	kind, code uint16
	value      int32
}

// moves tells that a key goes down or up: the kernel's repeat of a held one is
// neither.
func (e event) moves() bool {
	return e.kind == evKey && (e.value == keyPressed || e.value == keyReleased)
}

// decode takes whole events out of what was read, for kernels whose longs have
// so many bytes: 8, or 4 on 32-bit ARM.
func decode(raw []byte, word int) []event {
	size := 2*word + 8
	var events []event
	for ; len(raw) >= size; raw = raw[size:] {
		e := raw[2*word:]
		events = append(events, event{
			kind:  binary.NativeEndian.Uint16(e),
			code:  binary.NativeEndian.Uint16(e[2:]),
			value: int32(binary.NativeEndian.Uint32(e[4:])),
		})
	}
	return events
}

// encode is the reverse, with a time of zero.
func encode(events []event, word int) []byte {
	var raw []byte
	for _, e := range events {
		raw = append(raw, make([]byte, 2*word)...)
		raw = binary.NativeEndian.AppendUint16(raw, e.kind)
		raw = binary.NativeEndian.AppendUint16(raw, e.code)
		raw = binary.NativeEndian.AppendUint32(raw, uint32(e.value))
	}
	return raw
}

// timeless is how recordings hold events: the same on every machine.
func timeless(events []event) []byte {
	var raw []byte
	for _, e := range events {
		raw = binary.LittleEndian.AppendUint16(raw, e.kind)
		raw = binary.LittleEndian.AppendUint16(raw, e.code)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(e.value))
	}
	return raw
}

func ioctl(fd int, request uint, arg uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), arg); errno != 0 {
		return errno
	}
	return nil
}

// typing tells whether the device has the keys of a keyboard.
func typing(fd int) (bool, error) {
	var keys [96]byte
	if err := ioctl(fd, eviocGetKeys, uintptr(unsafe.Pointer(&keys[0]))); err != nil {
		return false, err
	}
	return types(keys[:]), nil
}

// types tells it by the bits of its keys: digits, a letter and Enter.
func types(keys []byte) bool {
	for _, code := range []int{keyOne, keyZero, keyA, keyEnter} {
		if code/8 >= len(keys) || keys[code/8]>>(code%8)&1 == 0 {
			return false
		}
	}
	return true
}

// darken switches the CapsLock light off, where the device has one and may be
// written to.
func darken(fd int) {
	_, _ = unix.Write(fd, encode([]event{{evLED, ledCaps, 0}, {evSyn, synReport, 0}}, wordSize))
}
