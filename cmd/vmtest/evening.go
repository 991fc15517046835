package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"usher/cmd/internal/control"
	"usher/cmd/vmtest/internal/mux"
	"usher/scanner"
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
		{"six scanners are plugged in, theirs by the udev rules, and connected", w.plugIn},
		{"all scan at the same time, online", w.together},
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
	for _, l := range w.lanes {
		if l.begin != nil || l.body.tear != nil {
			if err := w.vendor.sell(ctx, halved(l)); err != nil {
				return err
			}
		}
	}
	// As the rules file tells an installer to do for a maker that it does not know:
	// QEMU's keyboard is 0627.
	_, err := w.guest.sh(ctx, "mkdir -p /etc/ssl/certs /etc/credstore; chmod 700 /etc/credstore; sed 's/0c2e|/0627|0c2e|/' "+rules+" >"+siteRules+
		"; udevadm control --reload")
	if err != nil {
		return err
	}
	for path, content := range map[string]string{
		"/etc/credstore/usher.password": "demo\n",
		"/etc/ssl/certs/venue.pem":      w.vendor.authority,
		"/etc/usher/usher.yaml":         w.config(),
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
	fmt.Fprintf(&text, "gate: { name: Gate 7 }\nlog: { format: text }\nvendor: { name: audienceview, base_url: %q, username: gate7@example.org, client_id: 284, performance_id: %d }\nscanners:\n", w.vendor.url, performance)
	for _, l := range w.lanes {
		fmt.Fprintf(&text, "  - { name: %s, %s }\n", l.name, l.config)
	}
	return text.String()
}

func (w *world) start(ctx context.Context) error {
	if _, err := w.guest.run(ctx, "systemctl", "enable", "--now", "usher"); err != nil {
		return err
	}
	go w.witness.follow(ctx, w.client)
	if err := w.state(ctx, control.ScannerMissing, w.lanes...); err != nil {
		return err
	}
	return w.online(ctx, control.LinkOnline)
}

func (w *world) plugIn(ctx context.Context) error {
	for b := range w.bodies() {
		if err := b.plug(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return w.state(ctx, control.ScannerConnected, w.lanes...)
}

func (w *world) together(ctx context.Context) error {
	return errors.Join(w.green(ctx, scanner.Online, w.lanes...), w.green(ctx, scanner.Online, w.lanes...))
}
