package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"usher/cmd/internal/screen"
	"usher/configs"
	"usher/devices"
	"usher/devices/host"
	"usher/scanner"
	"usher/scanner/gate"
	"usher/sync/clock"
	"usher/sync/refresh"
	"usher/vendors"
)

// setup is one configuration made concrete: what a reload replaces as a whole.
type setup struct {
	cfg    *configs.Config
	origin scanner.Origin
	vendor scanner.Vendor
	// lists is the scope of the ticket list.
	lists    scanner.Scope
	gate     gate.Config
	scanners []devices.Scanner
	lanes    []*devices.Supervisor
	refresh  *refresh.Refresher
	// host is the device's own lights and beeper.
	host *host.Host
	// page serves the gate screen; nil: it is off.
	page *screen.Server
}

// checkBlocks finds the faults that configs cannot see: those of the drivers'
// and the vendor's own keys.
func checkBlocks(cfg *configs.Config) configs.Faults {
	var faults configs.Faults
	vendor, err := openVendor(cfg, vendors.Deps{Event: cfg.Gate.Event, Device: vendorDevice(cfg), Environ: os.Environ()})
	faults.Merge(configs.FaultsOf("", err)...)
	if err == nil {
		faults.Merge(checkVendor(cfg, vendor)...)
	}
	_, err = openScanners(cfg)
	faults.Merge(configs.FaultsOf("scanners", err)...)
	return faults
}

// checkVendor compares what the gate wants with what the vendor offers.
func checkVendor(cfg *configs.Config, vendor scanner.Vendor) configs.Faults {
	var faults configs.Faults
	if vendor.Exits {
		return nil
	}
	const why = "%s knows no exits: set it to entry, or use a vendor that does"
	if cfg.Gate.Direction == string(scanner.Exit) {
		faults.Add("gate.direction", why, cfg.Vendor.Name)
	}
	for i, s := range cfg.Scanners {
		if s.Direction == string(scanner.Exit) {
			faults.Add(cfg.ScannerPath(i)+".direction", why, cfg.Vendor.Name)
		}
	}
	return faults
}

func openVendor(cfg *configs.Config, deps vendors.Deps) (scanner.Vendor, error) {
	return vendors.New(cfg.Vendor.Name, cfg.Vendor.Block, deps)
}

// eventScope is the event that scans are judged for where the vendor has no list of
// its own: gate.event or, without it, what the vendor's own block names.
func eventScope(cfg *configs.Config) (string, error) {
	if cfg.Gate.Event != "" {
		return cfg.Gate.Event, nil
	}
	// Not the one that runs: it was made with the gate.event of before a reload.
	vendor, err := openVendor(cfg, vendors.Deps{Device: vendorDevice(cfg), Environ: os.Environ()})
	return vendor.Scope.Event, err
}

func openScanners(cfg *configs.Config) ([]devices.Scanner, error) {
	blocks := make([]map[string]any, 0, len(cfg.Scanners))
	for _, s := range cfg.Scanners {
		block := map[string]any{"name": s.Name, "driver": s.Driver}
		if s.Direction != "" {
			block["direction"] = s.Direction
		}
		maps.Copy(block, s.Block)
		blocks = append(blocks, block)
	}
	return devices.Configure(blocks, devices.Deps{Stdin: os.Stdin})
}

// hostConfig is what the device's own lights and beeper are.
func hostConfig(cfg *configs.Config) host.Config {
	s := cfg.Signals
	return host.Config{AdmitLED: s.AdmitLED, RefuseLED: s.RefuseLED, ReviewLED: s.ReviewLED, Beeper: s.Beeper}
}

// signalsPrint tells one configuration of lights from another.
func (s *setup) signalsPrint() string { return fmt.Sprintf("%q", s.cfg.Signals) }

// pagePrint tells one gate screen from another: a reload leaves one alone that did
// not change.
func (s *setup) pagePrint() string {
	return fmt.Sprintf("%q", []string{s.cfg.Status.Screen, s.cfg.Screen.Language, s.cfg.Screen.Hold.String(), s.cfg.Gate.Timezone})
}

// gateConfig is what the gate judges by under the configuration.
func gateConfig(cfg *configs.Config, vendor scanner.Vendor, origin scanner.Origin) (gate.Config, error) {
	venue, err := cfg.Gate.Location()
	if err != nil {
		return gate.Config{}, fmt.Errorf("gate.timezone: %w", err)
	}
	return gate.Config{
		Scope:  vendor.Scope,
		Lists:  listScope(vendor),
		Origin: origin,
		Rule: scanner.Rule{
			Kind:         scanner.GateKind(cfg.Gate.Rule),
			Reentry:      cfg.Gate.Reentry == "allow",
			ExitRequired: cfg.Gate.ExitRequired,
			ExitUnknown:  scanner.Policy(cfg.Gate.ExitUnknown),
			Unknown:      scanner.Policy(cfg.Offline.Unknown),
			Client:       vendor.Client,
			Event:        cfg.Gate.Event,
			Series:       cfg.Gate.Series,
			Sections:     cfg.Gate.Sections,
		},
		Direction:  scanner.Direction(cfg.Gate.Direction),
		StaleAfter: staleAfter(cfg, vendor.Lister != nil),
		Venue:      venue,
		Uploads:    vendor.Uploader != nil,
		Sections:   vendor.Sections,
		Freeze:     vendor.Freeze,
		Undoer:     vendor.Undoer,
		Window:     vendor.Window,
		Seen:       vendor.Validator != nil && vendor.Lister == nil,
		Validator:  vendor.Validator,
		Finder:     vendor.Finder,
		Patience:   cfg.Online.Patience,
		Normal:     vendor.Normal,
		Timeout:    cmp.Or(vendor.CallTimeout, cfg.Online.Timeout),
		InDoubt:    scanner.Policy(cfg.Online.InDoubt),
		Ready:      readiness(vendor),
	}, nil
}

// listScope is what the ticket list belongs to: a manifest is one list whatever
// event the gate is set to, so that changing the event keeps it.
func listScope(v scanner.Vendor) scanner.Scope {
	scope := v.Scope
	if v.Lister == nil {
		scope.Event = ""
	}
	return scope
}

// readiness tells whether the device is signed in, where the vendor wants that.
func readiness(v scanner.Vendor) func() bool {
	if v.Session == nil {
		return nil
	}
	return func() bool { return v.Session.Status().Ready }
}

// manifestStale is how long a manifest is fresh after it was last found
// readable; it is looked at far more often, so only one that is gone grows old.
const manifestStale = 24 * time.Hour

// staleAfter is how long a list is fresh: a vendor's for two rounds of refresh.
func staleAfter(cfg *configs.Config, lister bool) time.Duration {
	switch {
	case cfg.Offline.StaleAfter > 0:
		return cfg.Offline.StaleAfter
	case lister:
		return 2 * cmp.Or(cfg.Offline.Refresh, refresh.FullEvery)
	}
	return manifestStale
}

// lanePrint tells one scanner's configuration from another's, so that a reload
// leaves running scanners alone.
func lanePrint(cfg *configs.Config, i int) string {
	s := cfg.Scanners[i]
	return fmt.Sprintf("%s|%s|%s|%v", s.Name, s.Driver, s.Direction, map[string]any(s.Block))
}

// fixed lists what cannot change while the daemon runs: the stores, the socket
// and the device's identity are open already.
func fixed(old, now *configs.Config) configs.Faults {
	var faults configs.Faults
	const why = "cannot change while usher runs: systemctl restart usher"
	if filepath.Clean(old.StateDir) != filepath.Clean(now.StateDir) {
		faults.Add("state_dir", why)
	}
	if old.Status.Socket != now.Status.Socket {
		faults.Add("status.socket", why)
	}
	if old.Vendor.Name != now.Vendor.Name || fmt.Sprint(map[string]any(old.Vendor.Block)) != fmt.Sprint(map[string]any(now.Vendor.Block)) {
		faults.Add("vendor", why)
	}
	if old.Device.ID != now.Device.ID || old.Device.MAC != now.Device.MAC {
		faults.Add("device", why)
	}
	faults.Merge(registered(old, now)...)
	return faults
}

// registered lists what a vendor was made with, or told of this device, when usher
// started.
func registered(old, now *configs.Config) configs.Faults {
	var faults configs.Faults
	vendor, err := openVendor(old, vendors.Deps{Event: old.Gate.Event, Device: vendorDevice(old), Environ: os.Environ()})
	if err != nil {
		return nil
	}
	for _, field := range []struct{ path, old, now string }{
		{"gate.event", old.Gate.Event, now.Gate.Event},
		{"gate.timezone", old.Gate.Timezone, now.Gate.Timezone},
	} {
		if field.old != field.now && slices.Contains(vendor.Fixed, field.path) {
			faults.Add(field.path, "cannot change while usher runs, %s asks by it: systemctl restart usher", old.Vendor.Name)
		}
	}
	if !vendor.Registers {
		return faults
	}
	for _, field := range []struct{ path, old, now string }{
		{"device.model", old.Device.Model, now.Device.Model},
		{"device.name", old.Device.Name, now.Device.Name},
		{"device.serial", old.Device.Serial, now.Device.Serial},
		{"gate.name", old.Gate.Name, now.Gate.Name},
	} {
		if field.old != field.now {
			faults.Add(field.path, "cannot change while usher runs, %s was told it at the start: systemctl restart usher", old.Vendor.Name)
		}
	}
	return faults
}

func trustOf(cfg *configs.Config) clock.Trust { return clock.Trust(cfg.Clock.Trust) }
