package evdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

// The requests of linux/uinput.h.
const (
	uiSetEv    = 0x40045564 // UI_SET_EVBIT
	uiSetKey   = 0x40045565 // UI_SET_KEYBIT
	uiSetMsc   = 0x40045568 // UI_SET_MSCBIT
	uiDevSetup = 0x405c5503 // UI_DEV_SETUP
	uiCreate   = 0x5501     // UI_DEV_CREATE
)

// kernelKeyboard makes a keyboard with the kernel's own input core.
func kernelKeyboard(t *testing.T, name string, keys bool) *os.File {
	t.Helper()
	file, err := os.OpenFile("/dev/uinput", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING OF THE KERNEL'S INPUT LAYER IS TESTED HERE: %v (modprobe uinput, and run as root)", err)
	}
	t.Cleanup(func() { _ = file.Close() }) // which destroys the device
	raw, err := file.SyscallConn()
	must(t, err)
	call := func(request uint, arg uintptr) {
		t.Helper()
		var failed error
		must(t, raw.Control(func(fd uintptr) { failed = ioctl(int(fd), request, arg) }))
		if failed != nil {
			t.Fatalf("uinput request %#x: %v", request, failed)
		}
	}
	call(uiSetEv, evKey)
	call(uiSetEv, evMsc)
	call(uiSetMsc, mscScan)
	for code := range uintptr(128) {
		if keys && usageOf(uint16(code)) != 0 {
			call(uiSetKey, code)
		}
	}
	setup := make([]byte, 92) // struct uinput_setup: an id of 8 bytes, a name of 80, 4 more
	setup[0], setup[2] = 0x05, 0xe0
	copy(setup[8:87], name)
	call(uiDevSetup, uintptr(unsafe.Pointer(&setup[0])))
	call(uiCreate, 0)
	return file
}

// TestTheKernelsInputLayer types through a keyboard of the kernel: found by its
// name, grabbed, read, taken away.
func TestTheKernelsInputLayer(t *testing.T) {
	name := fmt.Sprintf("usher test %d", os.Getpid())
	kernel := kernelKeyboard(t, name, true)
	d := driver(t, "/", func(c *Config) { c.Match = name })
	var opened *device
	waitFor(t, "the device's node", func() bool {
		found, err := d.Open(t.Context())
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		opened, _ = found.(*device)
		return err == nil
	})
	if _, err := d.Open(t.Context()); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "grabbed by another program") {
		t.Errorf("a second opening: %v", err)
	}
	codes, ended := make(chan string, 16), make(chan error, 1)
	opened.opened = time.Time{} // nothing is under way
	go func() { ended <- opened.Run(context.Background(), func(raw string) { codes <- raw }) }()
	p := &pipe{t: t, layout: "us", kernel: kernel}
	for _, code := range []string{"TICKET-1", "lower and UPPER"} {
		must(t, p.send(p.types(code+"\r")...))
		select {
		case got := <-codes:
			if got != code {
				t.Errorf("got %q, want %q", got, code)
			}
		case err := <-ended:
			t.Fatalf("Run returned %v", err)
		case <-time.After(patience):
			t.Fatal("no code came")
		}
	}
	must(t, p.send(p.types("HALF")...))
	must(t, kernel.Close())
	if err := <-ended; !errors.Is(err, scanner.ErrUnplugged) {
		t.Errorf("Run returned %v", err)
	}
	if len(codes) > 0 {
		t.Errorf("emitted %q after it", <-codes)
	}
}

// TestWhatHasNoKeysIsRefused: a lid switch is no scanner.
func TestWhatHasNoKeysIsRefused(t *testing.T) {
	name := fmt.Sprintf("usher lid %d", os.Getpid())
	kernelKeyboard(t, name, false)
	var node string
	waitFor(t, "the device's node", func() bool {
		nodes, err := Plugged("/")
		must(t, err)
		for _, n := range nodes {
			if n.Name == name {
				node = n.Event
			}
		}
		_, err = os.Stat(node)
		return node != "" && err == nil
	})
	_, err := driver(t, "/", func(c *Config) { c.Path = node }).Open(t.Context())
	if !errors.Is(err, errNoKeyboard) {
		t.Errorf("got %v", err)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
