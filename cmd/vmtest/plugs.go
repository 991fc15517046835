package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/cmd/internal/control"
	"usher/scanner"
)

func (w *world) plugIn(ctx context.Context) error {
	for _, b := range w.bodies() {
		if err := b.plug(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	if err := w.state(ctx, control.ScannerConnected, w.lanes...); err != nil {
		return err
	}
	return until(ctx, settle, func() error { return w.owned(ctx) })
}

// owners lists whom the nodes of scanners belong to: those on USB by their makers,
// and what the kernel's drivers made of them.
const owners = `
for d in /sys/bus/usb/devices/*; do
	[ -f $d/idVendor ] || continue
	case $(cat $d/idVendor) in
	0627 | 0c2e | 05e0 | 1eab) stat -c '%G %a %n' /dev/bus/usb/$(printf %03d/%03d $(cat $d/busnum) $(cat $d/devnum)) ;;
	esac
done
stat -c '%G %a %n' /dev/hidraw* /dev/ttyACM*
stat -L -c '%G %a %n' /dev/input/by-id/*ENG1*
`

// owned wants every node of a scanner given to usher, and the adapter, whose maker
// is no scanner's, to the group that usher is in by its sysusers file.
func (w *world) owned(ctx context.Context) error {
	text, err := w.guest.sh(ctx, owners)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	// Four on USB; hidraw of the composite one's keyboard and of the engine; a port;
	// the engine's input device.
	const nodes = 8
	var wrong []error
	if len(lines) != nodes {
		wrong = append(wrong, fmt.Errorf("%d nodes, want %d: %s", len(lines), nodes, text))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "usher 660 ") {
			wrong = append(wrong, fmt.Errorf("%s: want usher 660", line))
		}
	}
	adapter, err := w.guest.sh(ctx, "stat -c '%G %a' /dev/ttyUSB0; id -nG usher")
	if err != nil || adapter != "dialout 660\nusher dialout\n" {
		wrong = append(wrong, fmt.Errorf("the adapter's port: %q, %v", adapter, err))
	}
	return errors.Join(wrong...)
}

func (w *world) together(ctx context.Context) error {
	return errors.Join(w.first(ctx, w.lanes...), w.green(ctx, scanner.Online, w.lanes...))
}

// tornOut pulls each out in the middle of a code, has the others scan meanwhile,
// and plugs it in again.
func (w *world) tornOut(ctx context.Context) error {
	for _, b := range w.bodies() {
		if err := w.tear(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func (w *world) tear(ctx context.Context, b *body) error {
	mine, others := w.lanesOf(b), w.others(b)
	for _, l := range mine {
		if l.begin == nil {
			continue
		}
		if err := l.begin(ctx, halved(l.name)); err != nil {
			return fmt.Errorf("the half of a code: %w", err)
		}
	}
	pull := b.pull
	if b.tear != nil {
		pull = func(ctx context.Context) error { return b.tear(ctx, halved(b.name)) }
	}
	if err := pull(ctx); err != nil {
		return fmt.Errorf("pull it out: %w", err)
	}
	// The others do not wait until it is missed.
	if err := w.green(ctx, scanner.Online, others...); err != nil {
		return fmt.Errorf("while it was out: %w", err)
	}
	if err := w.state(ctx, control.ScannerMissing, mine...); err != nil {
		return err
	}
	if err := w.state(ctx, control.ScannerConnected, others...); err != nil {
		return fmt.Errorf("while it was out: %w", err)
	}
	if err := b.plug(ctx); err != nil {
		return fmt.Errorf("plug it in again: %w", err)
	}
	if err := w.state(ctx, control.ScannerConnected, mine...); err != nil {
		return fmt.Errorf("plugged in again: %w", err)
	}
	if err := w.first(ctx, mine...); err != nil {
		return fmt.Errorf("plugged in again: %w", err)
	}
	return w.halves()
}

// halves wants no verdict of which a scan was not made, but on a point-of-sale code
// that was to go on: where the unplugging takes long it is called unreadable.
func (w *world) halves() error {
	events, _ := w.witness.all()
	admitted := w.greens()
	for _, e := range events {
		known := slices.ContainsFunc(admitted, func(code string) bool { return shows(e, code) })
		goesOn := e.Scanner == "pos" || e.Scanner == "combo"
		if !known && (e.Reason != scanner.Unreadable || !goesOn) {
			return fmt.Errorf("a verdict on half a code: %w", summary([]control.Event{e}))
		}
	}
	return nil
}
