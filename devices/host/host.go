// Package host shows verdicts by the handheld's own lights and beeper, for
// scanners that cannot: /sys/class/leds and an input device that makes sounds
// (EV_SND: pcspkr, pwm-beeper).
//
// Each signal has a pattern of its own, in light and in sound:
//
//	signal  light                       sound
//	admit   admit_led, 1 s              one high tone
//	refuse  refuse_led, 3 long blinks   three low tones
//	review  review_led, 2 long blinks   high, low, high, low
//	repeat  review_led, 2 flashes       two short ticks
//
// so that a device with a single light, named three times, still tells them apart.
// Nothing here can delay a verdict: a signal is put where the newest one waits, and a
// goroutine of its own plays it. A light or a beeper that is missing or not ours to
// write is logged once, and tried again at the next signal.
//
// The rules for udev that come with usher give the lights and beepers to its group.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"usher/scanner"
)

// leds is where the kernel lists lights.
const leds = "/sys/class/leds"

// Config names the lights and the beeper. Empty: there is none.
type Config struct {
	// AdmitLED, RefuseLED and ReviewLED are names under /sys/class/leds.
	AdmitLED, RefuseLED, ReviewLED string
	// Beeper is the path of an input device that makes sounds.
	Beeper string
}

// Host shows signals. Show may be called at any time; Run shows what it is given.
type Host struct {
	cfg Config
	// root is what all paths are below: "/" but in tests.
	root string
	log  *slog.Logger

	newest atomic.Pointer[scanner.Signal]
	wake   chan struct{}
	beeper beeper
	// said are the faults that were logged, by what is at fault. Only Run uses it.
	said map[string]string
}

// New prepares the host's lights and beeper. Root is "/" on a device.
func New(cfg Config, root string, log *slog.Logger) *Host {
	return &Host{
		cfg: cfg, root: root, log: log, wake: make(chan struct{}, 1), said: map[string]string{},
		beeper: beeper{path: below(root, cfg.Beeper)},
	}
}

func below(root, path string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(root, path)
}

// Show shows a signal, in place of one that still shows or waits. It never waits.
func (h *Host) Show(s scanner.Signal) {
	h.newest.Store(&s)
	h.tell()
}

func (h *Host) tell() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Run plays signals until the context ends, and returns nil then, everything dark
// and silent.
func (h *Host) Run(ctx context.Context) error {
	defer func() { _ = h.beeper.close() }() // silent already
	// A crash in the middle of a pattern left its light lit and its tone on.
	h.show(moment{})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
			if s := h.newest.Swap(nil); s != nil {
				h.play(ctx, pattern(*s))
			}
		}
	}
}

// play shows a pattern to its end, or until a newer signal comes.
func (h *Host) play(ctx context.Context, p []moment) {
	defer h.show(moment{})
	for _, m := range p {
		h.show(m)
		if !h.lasts(ctx, m.lasts) {
			return
		}
	}
}

// lasts waits, and tells whether nothing ended the wait: a newer signal does. A wake
// may be the one of the signal that is playing, when it came in the moment in which
// Run took the one before.
func (h *Host) lasts(ctx context.Context, d time.Duration) bool {
	pause := time.NewTimer(d)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
			return true
		case <-ctx.Done():
			return false
		case <-h.wake:
			if h.newest.Load() != nil {
				h.tell() // for Run
				return false
			}
		}
	}
}

// show lights one of the lights, or none, and sounds a tone, or none.
func (h *Host) show(m moment) {
	lit := h.led(m.light)
	for _, name := range h.names() {
		h.complain(name, light(h.dir(name), name == lit))
	}
	if h.cfg.Beeper != "" {
		h.complain("beeper", h.beeper.tone(m.hertz))
	}
}

// led is the configured name of a light.
func (h *Host) led(of scanner.Signal) string {
	switch of {
	case scanner.SignalAdmit:
		return h.cfg.AdmitLED
	case scanner.SignalRefuse:
		return h.cfg.RefuseLED
	case scanner.SignalReview:
		return h.cfg.ReviewLED
	}
	return ""
}

// names are the configured lights, each once.
func (h *Host) names() []string {
	var names []string
	for _, name := range []string{h.cfg.AdmitLED, h.cfg.RefuseLED, h.cfg.ReviewLED} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (h *Host) dir(name string) string { return filepath.Join(h.root, leds, name) }

// complain logs what is newly at fault, and that it is no more.
func (h *Host) complain(what string, err error) {
	text := ""
	if err != nil {
		text = explain(err)
	}
	if h.said[what] == text {
		return
	}
	h.said[what] = text
	if err != nil {
		h.log.Warn("a signal cannot be shown", "on", what, "err", text)
		return
	}
	h.log.Info("signals are shown again", "on", what)
}

// Fault is a configured light or beeper that cannot be used.
type Fault struct {
	// Key is that of the configuration: admit_led, refuse_led, review_led, beeper.
	Key string
	Err error
}

// Check looks at everything that is configured, and shows nothing.
func (h *Host) Check() []Fault {
	var faults []Fault
	check := func(key string, err error) {
		if err != nil {
			faults = append(faults, Fault{Key: key, Err: errors.New(explain(err))})
		}
	}
	for _, l := range []struct{ key, name string }{
		{"admit_led", h.cfg.AdmitLED}, {"refuse_led", h.cfg.RefuseLED}, {"review_led", h.cfg.ReviewLED},
	} {
		if l.name != "" {
			check(l.key, usable(h.dir(l.name)))
		}
	}
	if h.cfg.Beeper != "" {
		check("beeper", h.beeper.check())
	}
	return faults
}

// explain says what to do.
func explain(err error) string {
	var path *fs.PathError
	where := ""
	if errors.As(err, &path) {
		where = path.Path
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(where, brightness):
		return fmt.Sprintf("there is no light %s; ls %s lists them", filepath.Base(filepath.Dir(where)), leds)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s is not there; name a device of /dev/input that makes sounds", where)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s: permission denied; install the udev rules, then restart the device", where)
	case errors.Is(err, errNoBeeper):
		return fmt.Sprintf("%s %v; name a device of /dev/input that does", where, errNoBeeper)
	}
	return err.Error()
}

// brightness is the file that lights a light.
const brightness = "/brightness"

// usable tells why a light cannot be used.
func usable(dir string) error {
	file, err := os.OpenFile(dir+brightness, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

// light lights one, or puts it out.
func light(dir string, on bool) error {
	value := "0"
	if on {
		value = "1"
		// A light that can be dimmed is wanted bright.
		if most, err := os.ReadFile(dir + "/max_brightness"); err == nil {
			value = strings.TrimSpace(string(most))
		}
	}
	file, err := os.OpenFile(dir+brightness, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}
