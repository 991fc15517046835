// Package vendors is the list of ticketing vendors that usher knows. A new
// vendor is a folder here and a line in the list.
package vendors

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/archtics"
	"usher/vendors/audienceview"
	"usher/vendors/manifest"
	"usher/vendors/presence"
	"usher/vendors/ticketing"
	"usher/vendors/wire"
)

// Deps are what the house gives a vendor. Each takes what it needs, and every
// field may be zero, but for Device where a vendor wants one: a configuration is
// checked without any.
type Deps struct {
	// Event is the configured gate.event; empty: any.
	Event string
	// Device is who this device is, for vendors that want it.
	Device Device
	// Version of usher, which vendors are told.
	Version string
	// Clock tells stamps; nil: the process's own time, trusted in nothing.
	Clock scanner.Clock
	// Zone is the venue's, for vendors that tell times without one or want them with its
	// offset; nil: the system's own.
	Zone *time.Location
	// Memory gives a vendor's own part of what survives a restart; nil: nothing
	// does.
	Memory func(prefix string) scanner.Memory
	// Environ is the environment, as os.Environ gives it, for credentials.
	Environ []string
	// Transport carries HTTP; nil: the network.
	Transport http.RoundTripper
	// Time is the moment at which a vendor's certificate must be valid; nil: the
	// wall clock.
	Time func() time.Time
	// Observe learns the true time from answers that are truly a vendor's.
	Observe func(wire.Observation)
	// Log is the house's; nil: none.
	Log *slog.Logger
}

// Device is what a vendor may be told of this device: the configuration's, else
// the hardware's own.
type Device struct {
	// ID is usher's own for it; empty where nobody scans.
	ID                 string
	Name, GateName     string
	MAC, Serial, Model string
}

func (d Device) presence() presence.Device {
	return presence.Device{Name: d.Name, GateName: d.GateName, MAC: d.MAC, Serial: d.Serial, Model: d.Model}
}

func (d Device) ticketing() ticketing.Device {
	return ticketing.Device{ID: d.ID, Name: d.Name, GateName: d.GateName}
}

func (d Deps) memory(name string) scanner.Memory {
	if d.Memory == nil {
		return nil
	}
	return d.Memory(name)
}

func (d Deps) log(name string) *slog.Logger {
	if d.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Log.With("vendor", name)
}

// known is the explicit list: the name in the configuration, and what makes the
// vendor of its own block.
func known() map[string]func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
	return map[string]func(map[string]any, Deps) (scanner.Vendor, error){
		acme.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
			return acme.New(raw, acme.Deps{
				Version: deps.Version, Zone: deps.Zone, Clock: deps.Clock, Memory: deps.memory(acme.Name), Environ: deps.Environ,
				Transport: deps.Transport, Time: deps.Time, Observe: deps.Observe, Log: deps.log(acme.Name),
			})
		},
		audienceview.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
			return audienceview.New(raw, audienceview.Deps{
				Version: deps.Version, Clock: deps.Clock, Memory: deps.memory(audienceview.Name), Environ: deps.Environ,
				Transport: deps.Transport, Time: deps.Time, Observe: deps.Observe, Zone: deps.Zone, Log: deps.log(audienceview.Name),
			})
		},
		archtics.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
			return archtics.New(raw, archtics.Deps{
				Event: deps.Event, Version: deps.Version, Clock: deps.Clock, Zone: deps.Zone, Memory: deps.memory(archtics.Name), Environ: deps.Environ,
				Transport: deps.Transport, Time: deps.Time, Observe: deps.Observe, Log: deps.log(archtics.Name),
			})
		},
		presence.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
			return presence.New(raw, presence.Deps{
				Version: deps.Version, Device: deps.Device.presence(), Clock: deps.Clock, Memory: deps.memory(presence.Name), Environ: deps.Environ,
				Transport: deps.Transport, Time: deps.Time, Observe: deps.Observe, Log: deps.log(presence.Name),
			})
		},
		ticketing.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
			return ticketing.New(raw, ticketing.Deps{
				Version: deps.Version, Device: deps.Device.ticketing(), Clock: deps.Clock, Memory: deps.memory(ticketing.Name), Environ: deps.Environ,
				Transport: deps.Transport, Time: deps.Time, Observe: deps.Observe, Log: deps.log(ticketing.Name),
			})
		},
		manifest.Name: func(raw map[string]any, deps Deps) (scanner.Vendor, error) { return manifest.New(raw, deps.Event) },
	}
}

// Names are the vendors that usher knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(known())) }

// New makes the vendor called name of the other keys of its configuration block,
// which are decoded strictly. It does no I/O and signs in nowhere. Errors say
// what to write instead.
func New(name string, raw map[string]any, deps Deps) (scanner.Vendor, error) {
	build, ok := known()[name]
	if !ok {
		return scanner.Vendor{}, fmt.Errorf("vendor.name: unknown vendor %q; use one of: %s", name, strings.Join(Names(), ", "))
	}
	return build(raw, deps)
}
