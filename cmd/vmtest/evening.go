package main

import (
	"context"
	"fmt"
	"strings"

	"usher/cmd/vmtest/internal/mux"
)

// step is one thing that is shown.
type step struct {
	name string
	run  func(context.Context) error
}

// evening is what happens at the gate, in order.
func (w *world) evening() []step {
	return []step{
		{"the guest boots", w.boot},
		{"scripts/install installs usher, a site adds its own rule", w.install},
		{"the unit starts with no scanner there, and says which are missing", w.start},
		{"six scanners are plugged in, given to usher by the udev rules, and read", w.plugIn},
		{"all scan at the same time, online", w.together},
		{"the device's own light shows an admission", w.lights},
		{"each is pulled out in the middle of a code, and plugged in again", w.tornOut},
		{"the network is cut, and comes back", w.cut},
		{"the watchdog ends a daemon that hangs; every scanner comes back", w.watchdog},
		{"gate, device and vendor tell the same", w.books},
		{"grabbed keyboards typed nothing into the console", w.silence},
		{"usher check opens every scanner", w.check},
	}
}

func (w *world) boot(ctx context.Context) error {
	if err := w.guest.booted(ctx); err != nil {
		return err
	}
	var err error
	if w.console, _, err = w.guest.listen(mux.Request{Console: "/dev/tty1"}); err != nil {
		return err
	}
	w.lanes, err = hardware(ctx, w.machine, w.guest)
	return err
}

// rules is where the udev rules are installed, and siteRules what a site puts in
// their place.
const (
	rules     = "/usr/lib/udev/rules.d/70-usher-scanner.rules"
	siteRules = "/etc/udev/rules.d/70-usher-scanner.rules"
)

func (w *world) install(ctx context.Context) error {
	if _, err := w.guest.sh(ctx, "cd / && USHER_BINARY=/opt/vmtest/usher /opt/vmtest/scripts/install"); err != nil {
		return err
	}
	// The light of the keyboard that every PC has stands for the device's own.
	text, err := w.guest.sh(ctx, "basename $(grep -l 'AT Translated' /sys/class/leds/*::capslock/device/name | xargs dirname | xargs dirname)")
	if err != nil {
		return err
	}
	w.light = strings.TrimSpace(text)
	// Without plugging in or starting anew: an installer sees it at once.
	err = until(ctx, settle, func() error {
		owner, err := w.guest.run(ctx, "stat", "-c", "%G %a", brightness(w.light))
		if err == nil && owner != "usher 664\n" {
			err = fmt.Errorf("the light %s belongs to %q, want usher 664", w.light, owner)
		}
		return err
	})
	if err != nil {
		return err
	}
	// As the rules file tells an installer to do for a maker that it does not know:
	// QEMU's keyboard is 0627.
	_, err = w.guest.sh(ctx, "mkdir -p /etc/ssl/certs /etc/credstore /etc/systemd/system/usher.service.d; chmod 700 /etc/credstore; sed 's/0c2e|/0627|0c2e|/' "+rules+" >"+siteRules+
		"; udevadm control --reload")
	if err != nil {
		return err
	}
	for path, content := range map[string]string{
		"/etc/credstore/usher.password":                     "demo\n",
		"/etc/ssl/certs/venue.pem":                          w.vendor.authority,
		"/etc/usher/usher.yaml":                             w.config(),
		"/etc/systemd/system/usher.service.d/override.conf": site,
	} {
		mode := uint32(0o644)
		if strings.HasPrefix(path, "/etc/credstore") {
			mode = 0o600
		}
		if err := w.guest.put(ctx, path, mode, content); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) config() string {
	var text strings.Builder
	fmt.Fprintf(&text, "gate: { name: Gate 7 }\nlog: { format: text }\nsignals: { admit_led: %q }\nvendor: { name: audienceview, base_url: %q, username: gate7@example.org, client_id: 284, performance_id: %d }\nscanners:\n", w.light, w.vendor.url, performance)
	for _, l := range w.lanes {
		fmt.Fprintf(&text, "  - { name: %s, %s }\n", l.name, l.config)
	}
	return text.String()
}
