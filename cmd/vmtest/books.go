package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/cmd/internal/control"
)

// books wants what was green at the gate, what the device holds and what the
// vendor holds to be the same, each once, and the device content.
func (w *world) books(ctx context.Context) error {
	if err := w.halves(); err != nil {
		return err
	}
	var export bytes.Buffer
	if err := w.client.Export(ctx, control.JSONLines, &export); err != nil {
		return err
	}
	device, doubted := map[string]int{}, map[string]bool{}
	for dec := json.NewDecoder(&export); dec.More(); {
		var row struct {
			Code, Verdict string
			InDoubt       bool `json:"in_doubt"`
		}
		if err := dec.Decode(&row); err != nil {
			return fmt.Errorf("the export: %w", err)
		}
		if row.Verdict == "admit" {
			device[row.Code]++
			doubted[row.Code] = row.InDoubt
		}
	}
	vendor, err := w.vendor.Scans(ctx)
	if err != nil {
		return err
	}
	// The guest's kernel delivers what was on its way when the cable was pulled: the
	// vendor was told once by that call, and again by the upload.
	for code := range doubted {
		if doubted[code] && vendor[code] == 2 {
			vendor[code] = 1
		}
	}
	gate := map[string]int{}
	for _, code := range w.greens() {
		gate[code]++
	}
	status, err := w.guest.run(ctx, "usher", "status")
	if err != nil {
		err = fmt.Errorf("the device is not ready: %w %s", err, status)
	}
	return errors.Join(err, same("device", device, gate), same("vendor", vendor, gate))
}

// same wants each code once on both sides.
func same(who string, has, gate map[string]int) error {
	var wrong []string
	for _, code := range slices.Sorted(maps.Keys(gate)) {
		if has[code] != 1 || gate[code] != 1 {
			wrong = append(wrong, fmt.Sprintf("%s green %d times, there %d times", code, gate[code], has[code]))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(has)) {
		if gate[code] == 0 {
			wrong = append(wrong, code+" never green, there all the same")
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("the %s: %s", who, strings.Join(wrong, "; "))
}

// silence wants nothing typed into the console while usher read the keyboards, and
// the very same typing to be seen there without it.
func (w *world) silence(ctx context.Context) error {
	if typed := w.console.String(); typed != "" {
		return fmt.Errorf("typed into the console: %q", typed)
	}
	if _, err := w.guest.run(ctx, "systemctl", "stop", "usher"); err != nil {
		return err
	}
	if _, err := w.unit(ctx, "ActiveState=inactive", "Result=success"); err != nil {
		return err
	}
	// What was read by driver hid when the daemon died has no driver of the kernel's
	// until it is plugged in again.
	var want []string
	for _, name := range []string{"wedge", "engine"} {
		l := w.lanes[slices.IndexFunc(w.lanes, func(l *lane) bool { return l.name == name })]
		link := "/dev/input/by-id/*" + l.serial + "-event-kbd"
		if err := l.body.pull(ctx); err != nil {
			return err
		}
		if err := w.holds(ctx, "! test -e "+link); err != nil {
			return fmt.Errorf("scanner %s is still there: %w", name, err)
		}
		if err := l.body.plug(ctx); err != nil {
			return err
		}
		if err := w.holds(ctx, "test -e "+link); err != nil {
			return fmt.Errorf("scanner %s is no keyboard of the kernel's: %w", name, err)
		}
		code := w.ticket()
		if err := l.scan(ctx, code); err != nil {
			return err
		}
		want = append(want, code+"\r")
	}
	return until(ctx, settle, func() error {
		if typed := w.console.String(); typed != strings.Join(want, "") {
			return fmt.Errorf("with usher stopped %q was typed into the console, want %q: this check cannot see typing", typed, want)
		}
		return nil
	})
}

// holds waits until a shell's condition does.
func (w *world) holds(ctx context.Context, condition string) error {
	return until(ctx, settle, func() error {
		_, err := w.guest.run(ctx, "sh", "-c", condition)
		return err
	})
}

// check has the installer's own test try every scanner as the service's user.
func (w *world) check(ctx context.Context) error {
	// It finds the service's password in the credential store by itself.
	text, err := w.guest.run(ctx, "usher", "--json", "check")
	if err != nil {
		return err
	}
	var found []struct{ What, Grade, Text string }
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return fmt.Errorf("usher check: %w", err)
	}
	opened := 0
	for _, f := range found {
		if strings.HasPrefix(f.What, "scanner") && f.Grade == "ok" {
			opened++
		}
	}
	if opened != len(w.lanes) {
		return fmt.Errorf("usher check opens %d of %d scanners: %s", opened, len(w.lanes), text)
	}
	return nil
}
