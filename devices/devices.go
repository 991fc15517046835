// Package devices knows the drivers, keeps each configured scanner open, and
// brings its codes to the judge.
//
// A driver is a folder here and one line in [drivers]. It frames bytes into
// codes and makes one attempt at everything; what is common (strict
// configuration, reopening, state, stamps) lives in this package. Drivers never
// import each other or this package.
package devices

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"usher/devices/evdev"
	"usher/devices/feed"
	"usher/devices/hid"
	"usher/devices/serial"
	"usher/scanner"
)

// manual is the scanner name of typed codes.
const manual = "manual"

// Opener is one configured scanner, as its driver gives it.
type Opener interface {
	// Open makes one attempt. Its errors say what to do and wrap the cause:
	// fs.ErrNotExist, ENODEV or ENXIO where nothing is plugged in.
	Open(context.Context) (scanner.Device, error)
	// Source names what is read, as configured. No two scanners may share one.
	Source() string
}

// Scanner is one entry of the configuration's scanners, checked.
type Scanner struct {
	Name   string
	Driver string
	// Direction of this scanner; empty: the gate's.
	Direction scanner.Direction
	Opener    Opener
}

// Open opens a scanner once for somebody who does not try again; one that is
// being set up is waited for.
func Open(ctx context.Context, opener Opener) (scanner.Device, error) {
	device, err := opener.Open(ctx)
	for end := time.Now().Add(triedFor); errors.Is(err, scanner.ErrSettling) && time.Now().Before(end); {
		pause(ctx, reopenSoon)
		device, err = opener.Open(ctx)
	}
	return device, err
}

// Try opens the scanner once and gives it back at once, reading nothing. A daemon
// that has it open makes this fail.
func (s Scanner) Try(ctx context.Context) error {
	device, err := Open(ctx, s.Opener)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := device.Run(ended, func(string) {}); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Deps is what drivers get from outside their configuration.
type Deps struct {
	// Stdin serves a feed from standard input.
	Stdin *os.File
}

// driver makes an Opener of a scanner's own keys. Faults come as one text each,
// beginning with the key and a colon.
type driver func(keys map[string]any) (Opener, []string)

// drivers is the list.
func drivers(deps Deps) map[string]driver {
	return map[string]driver{
		"serial": configured(serial.Defaults(), serial.New),
		"hid":    configured(hid.Defaults(), hid.New),
		"evdev":  configured(evdev.Defaults(), evdev.New),
		"feed": configured(feed.Defaults(), func(c feed.Config) (*feed.Driver, error) {
			return feed.New(c, deps.Stdin)
		}),
	}
}

// Configure checks the scanners block, one map a scanner: name, driver,
// direction, and the driver's own keys. The error joins every fault found; each
// begins with its scanner, which is called by its place where its name does not
// tell it from another: "scanner lane-1: " or "scanners[2]: ".
func Configure(blocks []map[string]any, deps Deps) ([]Scanner, error) {
	known := drivers(deps)
	var scanners []Scanner
	var faults []error
	bearers := map[string]int{}
	for _, block := range blocks {
		if name, ok := block["name"].(string); ok {
			bearers[name]++
		}
	}
	names := map[string]bool{}
	var labels []string
	for i, block := range blocks {
		s, texts := configure(block, known)
		label := "scanner " + s.Name
		if s.Name == "" || bearers[s.Name] > 1 {
			label = fmt.Sprintf("scanners[%d]", i)
		}
		labels = append(labels, label)
		if s.Name != "" && names[s.Name] {
			texts = append(texts, "name: given to two scanners")
		}
		names[s.Name] = true
		for before, other := range scanners {
			if s.Opener == nil || other.Opener == nil {
				continue
			}
			if text := again(s, other, labels[before]); text != "" {
				texts = append(texts, text)
				break
			}
		}
		for _, text := range texts {
			faults = append(faults, fmt.Errorf("%s: %s", label, text))
		}
		scanners = append(scanners, s)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return scanners, nil
}

// common is the part of a block that every scanner has.
type common struct {
	Name      string            `mapstructure:"name"`
	Driver    string            `mapstructure:"driver"`
	Direction scanner.Direction `mapstructure:"direction"`
}

func configure(block map[string]any, known map[string]driver) (Scanner, []string) {
	var head common
	headKeys := keysOf(&head)
	shared, own := map[string]any{}, map[string]any{}
	for key, value := range block {
		if slices.Contains(headKeys, key) {
			shared[key] = value
		} else {
			own[key] = value
		}
	}
	faults := strict(shared, &head)
	faults = append(faults, unlessFaulty(faults, head.check(known))...)

	s := Scanner{Name: head.Name, Driver: head.Driver, Direction: head.Direction}
	if build := known[head.Driver]; build != nil {
		opener, more := build(own)
		s.Opener = opener
		faults = append(faults, more...)
	}
	return s, faults
}

func (c common) check(known map[string]driver) []string {
	var faults []string
	switch {
	case c.Name == "":
		faults = append(faults, "name: missing")
	case c.Name == manual:
		faults = append(faults, "name: manual is kept for typed codes")
	case strings.TrimSpace(c.Name) != c.Name || strings.ContainsFunc(c.Name, unicode.IsControl):
		faults = append(faults, "name: has blanks around it or control characters")
	}
	if known[c.Driver] == nil {
		text := fmt.Sprintf("driver: %q is none; one of %s", c.Driver, joined(known))
		if c.Driver == "" {
			text = "driver: missing; one of " + joined(known)
		}
		faults = append(faults, text)
	}
	if c.Direction != "" && !c.Direction.Valid() {
		faults = append(faults, fmt.Sprintf("direction: %q is neither entry nor exit", c.Direction))
	}
	return faults
}
