package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/cmd/internal/control"
	"usher/cmd/vmtest/internal/mux"
	"usher/scanner"
)

func (w *world) start(ctx context.Context) error {
	if _, err := w.guest.run(ctx, "systemctl", "enable", "--now", "usher"); err != nil {
		return err
	}
	go w.witness.follow(ctx, w.client)
	if err := w.state(ctx, control.ScannerMissing, w.lanes...); err != nil {
		return err
	}
	if err := w.online(ctx, control.LinkOnline); err != nil {
		return err
	}
	_, err := w.unit(ctx, "ActiveState=active", "SubState=running", "NRestarts=0", "UnitFileState=enabled")
	return err
}

// unit wants the service's properties to be these, and gives them all.
func (w *world) unit(ctx context.Context, want ...string) (map[string]string, error) {
	text, err := w.guest.run(ctx, "systemctl", "show", "usher")
	if err != nil {
		return nil, err
	}
	lines, all := strings.Split(text, "\n"), map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	var wrong []error
	for _, line := range want {
		if !slices.Contains(lines, line) {
			name, _, _ := strings.Cut(line, "=")
			wrong = append(wrong, fmt.Errorf("the unit: %s=%s, want %s", name, all[name], line))
		}
	}
	return all, errors.Join(wrong...)
}

// lights wants the device's own light to show an admission: on, and off again.
func (w *world) lights(ctx context.Context) error {
	seen, end, err := w.guest.listen(mux.Request{Watch: brightness(w.light)})
	if err != nil {
		return err
	}
	defer end()
	// The last admission may still be shown.
	if err := until(ctx, settle, func() error { return shown(seen, "0\n") }); err != nil {
		return err
	}
	if err := w.green(ctx, scanner.Online, w.lanes[0]); err != nil {
		return err
	}
	return until(ctx, settle, func() error { return shown(seen, "0\n1\n0\n") })
}

func brightness(light string) string { return "/sys/class/leds/" + light + "/brightness" }

// shown wants the light to have ended like that.
func shown(seen *notes, want string) error {
	if got := seen.String(); !strings.HasSuffix(got, want) {
		return fmt.Errorf("the light was %q, want %q", got, want)
	}
	return nil
}

// site is what an installer puts into `systemctl edit usher`: here a watchdog that
// does not take long, nor barks at an emulated machine.
const site = "[Service]\nWatchdogSec=6s\n"

// watchdog wants systemd to kill a daemon that hangs and to start it again, and
// every scanner to come back, those too that the death left without a driver.
func (w *world) watchdog(ctx context.Context) error {
	before, err := w.unit(ctx, "ActiveState=active", "NRestarts=0", "Result=success")
	if err != nil {
		return err
	}
	if _, err := w.guest.sh(ctx, "kill -STOP "+before["MainPID"]); err != nil {
		return err
	}
	err = until(ctx, settle, func() error {
		_, err := w.unit(ctx, "ActiveState=active", "NRestarts=1")
		return err
	})
	if err != nil {
		return err
	}
	if _, err := w.guest.sh(ctx, "journalctl -u usher --no-pager | grep -q 'Watchdog timeout'"); err != nil {
		return fmt.Errorf("it was not the watchdog that ended it: %w", err)
	}
	if err := w.state(ctx, control.ScannerConnected, w.lanes...); err != nil {
		return fmt.Errorf("after its death: %w", err)
	}
	if err := w.online(ctx, control.LinkOnline); err != nil {
		return err
	}
	return w.first(ctx, w.lanes...)
}
