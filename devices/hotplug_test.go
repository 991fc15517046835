package devices

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"usher/scanner"
)

func TestConcerns(t *testing.T) {
	for message, want := range map[string]bool{
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=tty\x00":   true,
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=input\x00": true,
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=block\x00": false,
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=leds\x00":  false,
		"":                    false,
		"libudev\x00anything": false,
	} {
		if got := concerns([]byte(message)); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}

// TestTheKernelTells makes the kernel repeat the event of a terminal, which
// changes nothing.
func TestTheKernelTells(t *testing.T) {
	const uevent = "/sys/class/tty/tty/uevent"
	if file, err := os.OpenFile(uevent, os.O_WRONLY, 0); err != nil {
		t.Skipf("cannot ask the kernel for an event: %v (needs root and a writable /sys)", err)
	} else {
		file.Close()
	}
	h := NewHotplug()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	changed := h.Changed()
	for {
		if err := os.WriteFile(uevent, []byte("change"), 0); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run returned %v", err)
			}
			return
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		case <-time.After(50 * time.Millisecond): // it may not have been listening yet
		}
	}
}

// absent is a scanner that can be opened once it is there and allowed.
type absent struct {
	allowed time.Time
	opened  *time.Time
}

func (absent) Source() string { return "absent" }

func (a absent) Open(context.Context) (scanner.Device, error) {
	if time.Now().Before(a.allowed) {
		return nil, fs.ErrPermission
	}
	*a.opened = time.Now()
	return a, nil
}

func (absent) Run(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAScannerThatComesIsOpenedAsSoonAsUdevAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHotplug()
		var opened time.Time
		const away, udev = 10 * time.Minute, 300 * time.Millisecond
		came := time.Now().Add(away)
		s := NewSupervisor(Scanner{Opener: absent{came.Add(udev), &opened}}, nil, nil, h, nil, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(away)
		h.tell()
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if late := opened.Sub(came.Add(udev)); late < 0 || late > reopenSoon {
			t.Errorf("opened %v after it was allowed", late)
		}
	})
}

// broken is a scanner that can be opened, and fails then. Both opening and
// closing it are told by the kernel, the latter also a little later.
type broken struct {
	h     *Hotplug
	opens *int
}

func (broken) Source() string { return "broken" }

func (b broken) Open(context.Context) (scanner.Device, error) {
	*b.opens++
	b.h.tell()
	return b, nil
}

func (b broken) Run(context.Context, func(string)) error {
	time.Sleep(5 * time.Millisecond)
	b.h.tell()
	time.AfterFunc(100*time.Millisecond, b.h.tell)
	return errors.New("no reports")
}

func TestAScannerThatFailsAtOnceIsNotOpenedForItsOwnEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, opens := NewHotplug(), 0
		s := NewSupervisor(Scanner{Opener: broken{h, &opens}}, nil, nil, h, nil, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		h.tell()
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if opens < 30 || opens > 60 {
			t.Errorf("%d openings in a minute", opens)
		}
	})
}
