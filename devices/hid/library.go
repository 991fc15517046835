package hid

import (
	"errors"

	"github.com/karalabe/hid" // USB HID over libusb; see the package comment for what is wrapped
)

// library is what is used of github.com/karalabe/hid; tests put their own
// devices behind it.
type library interface {
	// supported is false in a program built without cgo.
	supported() bool
	// enumerate lists the interfaces of devices with these ids; product 0: any.
	enumerate(vendor, product uint16) []hid.DeviceInfo
	open(hid.DeviceInfo) (handle, error)
}

// handle is an open device. One goroutine owns it.
type handle interface {
	// ReadTimeout gives one report, with its ID where the device numbers them, or
	// nothing after so many milliseconds.
	ReadTimeout(report []byte, ms int) (int, error)
	Write([]byte) (int, error)
	Close() error
}

type karalabe struct{}

func (karalabe) supported() bool { return hid.Supported() }

func (karalabe) enumerate(vendor, product uint16) []hid.DeviceInfo {
	// The library hides its errors behind an empty list; what is wrong is found out
	// from sysfs.
	list, _ := hid.Enumerate(vendor, product)
	return list
}

func (karalabe) open(info hid.DeviceInfo) (handle, error) {
	device, err := info.Open()
	if err != nil {
		return nil, err
	}
	if device == nil {
		return nil, errors.New("hidapi gave no device")
	}
	return device, nil
}
