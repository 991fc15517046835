package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// world is the guest, what is plugged into it, and the vendor outside.
type world struct {
	options
	machine *machine
	guest   *guest
	vendor  *vendor
	client  *control.Client
	witness *witness
	lanes   []*lane
	// console is what was typed into the guest's first terminal.
	console *notes
	// light is the name of the device's own light.
	light string

	sold atomic.Int64 // codes handed out

	mu       sync.Mutex // guards admitted
	admitted []string   // codes that were green
}

const (
	// digits is how many characters at the end tell one code from all others.
	digits = 3
	// stock is how many tickets there are: more than the test needs.
	stock       = 400
	guestSocket = "/run/usher/usher.sock"
)

// ticket names one that nobody has scanned yet. The capital wants shift; events show
// a third of a code.
func (w *world) ticket() string { return ticketCode(int(w.sold.Add(1))) }

func ticketCode(n int) string { return fmt.Sprintf("Ticket%0*d", digits, n) }

// halved is what a scanner reads of a code until it is pulled out. It is a ticket,
// too: who takes the half for the whole admits it.
func halved(name string) string { return "Half" + name }

// open starts the vendor and the machine, and waits for neither.
func (w *world) open(ctx context.Context) error {
	var err error
	if w.vendor, err = startVendor(ctx, w.vendorsim); err != nil {
		return err
	}
	codes := []string{halved("wedge"), halved("cable"), halved("pos"), halved("combo"), halved("port"), halved("engine")}
	for n := range stock {
		codes = append(codes, ticketCode(n+1))
	}
	if err := w.vendor.sell(ctx, codes...); err != nil {
		return err
	}
	if w.machine, err = startMachine(ctx, w.dir, w.image, w.payload); err != nil {
		return err
	}
	w.guest = newGuest(w.machine.agent)
	path := filepath.Join(w.dir, "usher.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go w.guest.forward(listener, guestSocket)
	w.client, w.witness = &control.Client{Path: path}, newWitness()
	return nil
}

func (w *world) close() error {
	var err error
	if w.machine != nil {
		err = w.machine.close()
	}
	if w.vendor != nil {
		err = errors.Join(err, w.vendor.close())
	}
	return err
}

// green scans a fresh ticket at each lane at the same time, and wants each
// admitted in that mode.
func (w *world) green(ctx context.Context, mode scanner.Mode, lanes ...*lane) error {
	failed := make([]error, len(lanes))
	var all sync.WaitGroup
	for i, l := range lanes {
		all.Go(func() { failed[i] = w.admit(ctx, mode, l, w.ticket()) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// admit scans a code once, and wants it admitted in that mode.
func (w *world) admit(ctx context.Context, mode scanner.Mode, l *lane, code string) error {
	if err := l.scan(ctx, code); err != nil {
		return fmt.Errorf("scanner %s: %w", l.name, err)
	}
	e, err := w.witness.verdict(ctx, l.name, code, told)
	if err != nil {
		return err
	}
	return w.admitting(mode, l, code, e)
}

func (w *world) admitting(mode scanner.Mode, l *lane, code string, e control.Event) error {
	if e.Verdict != scanner.Admit || e.Mode != mode {
		return fmt.Errorf("scanner %s: %s was %s %s (%s, %q), want admit %s", l.name, code, e.Verdict, e.Mode, e.Reason, e.Message, mode)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.admitted = append(w.admitted, code)
	return nil
}

// first scans at lanes that were connected this moment. What comes while a driver
// throws away what was scanned before is thrown away whole: a person scans again.
func (w *world) first(ctx context.Context, lanes ...*lane) error {
	failed := make([]error, len(lanes))
	var all sync.WaitGroup
	for i, l := range lanes {
		code := w.ticket()
		all.Go(func() {
			for range 3 {
				if failed[i] = l.scan(ctx, code); failed[i] != nil {
					return
				}
				var e control.Event
				if e, failed[i] = w.witness.verdict(ctx, l.name, code, told/3); failed[i] == nil {
					failed[i] = w.admitting(scanner.Online, l, code, e)
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// settle is how long the guest may take to find or lose a device, or to start a
// service, emulated as it is.
const settle = 30 * time.Second

// await waits until the status is as wanted; wrong tells what is not.
func (w *world) await(ctx context.Context, wrong func(control.Status) string) error {
	return until(ctx, settle, func() error {
		status, err := w.client.Status(ctx)
		if err != nil {
			return err
		}
		if text := wrong(status); text != "" {
			return errors.New(text)
		}
		return nil
	})
}

// state wants lanes in that state; any but connected must say why.
func (w *world) state(ctx context.Context, want string, lanes ...*lane) error {
	return w.await(ctx, func(s control.Status) string {
		var texts []string
		for _, l := range lanes {
			if text := laneWrong(s, l.name, want); text != "" {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, "; ")
	})
}

func laneWrong(s control.Status, name, want string) string {
	for _, is := range s.Scanners {
		switch {
		case is.Name != name:
		case is.State != want:
			return fmt.Sprintf("scanner %s is %s (%s), want %s", name, is.State, is.Detail, want)
		case want != control.ScannerConnected && is.Detail == "":
			return fmt.Sprintf("scanner %s is %s and does not say why", name, is.State)
		default:
			return ""
		}
	}
	return "there is no scanner " + name
}

func (w *world) online(ctx context.Context, want string) error {
	return w.await(ctx, func(s control.Status) string {
		if s.Link.State != want {
			return fmt.Sprintf("the link is %s (%s), want %s", s.Link.State, s.Link.Reason, want)
		}
		return ""
	})
}

// bodies are the pieces of hardware, each once.
func (w *world) bodies() []*body {
	var bodies []*body
	for _, l := range w.lanes {
		if !slices.Contains(bodies, l.body) {
			bodies = append(bodies, l.body)
		}
	}
	return bodies
}

func (w *world) lanesOf(b *body) []*lane {
	return slices.DeleteFunc(slices.Clone(w.lanes), func(l *lane) bool { return l.body != b })
}

// others are the lanes that stay when a body is pulled out.
func (w *world) others(b *body) []*lane {
	return slices.DeleteFunc(slices.Clone(w.lanes), func(l *lane) bool { return l.body == b })
}

// greens are the codes that were admitted so far.
func (w *world) greens() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.admitted)
}

// artefacts writes what tells why a run failed.
func (w *world) artefacts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	keep := func(name, text string, err error) {
		if err != nil {
			text += "\n" + err.Error() + "\n"
		}
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "vmtest:", err)
		}
	}
	if w.vendor != nil {
		keep("vendor.txt", w.vendor.record(ctx), nil)
	}
	if w.guest == nil {
		return
	}
	for name, script := range map[string]string{
		"usher.log":     "journalctl --no-pager -o short -u usher",
		"journal.log":   "journalctl --no-pager -o short-monotonic",
		"dmesg.log":     "dmesg",
		"status.txt":    "systemctl --no-pager status usher || true; usher status || true",
		"devices.txt":   "usher devices || true; ls -lR /dev/bus/usb /dev/hidraw* /dev/input /dev/serial /dev/ttyUSB* /dev/ttyACM* /sys/class/leds 2>&1 || true",
		"udev.txt":      "udevadm info --export-db",
		"installed.txt": "cat /etc/usher/usher.yaml /etc/udev/rules.d/*.rules",
	} {
		text, err := w.guest.sh(ctx, script)
		keep(name, text, err)
	}
	keep("console-typed.txt", w.console.String(), nil)
}
