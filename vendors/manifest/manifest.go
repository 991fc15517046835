// Package manifest is the vendor of a site that has none: tickets come from a
// manifest file, every scan is decided on the device, nothing is uploaded, and
// what happened at the gate is exported.
package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2" // decodes the raw block; refuses what it does not know

	"usher/scanner"
)

// Name is the vendor's name in the configuration.
const Name = "manifest"

// Config is the vendor block of the configuration. The manifest itself is
// offline.manifest, for it serves other vendors as well.
type Config struct {
	Name string `mapstructure:"name"`
}

// New decodes the block strictly and gives the vendor. The event (gate.event)
// is part of the scope: scans of one event's gate never mix with another's.
func New(raw map[string]any, event string) (scanner.Vendor, error) {
	cfg, err := decode(raw)
	if err != nil {
		return scanner.Vendor{}, err
	}
	return scanner.Vendor{
		Scope: scanner.Scope{Vendor: cfg.Name, Event: event},
		Exits: true,
	}, nil
}

func decode(raw map[string]any) (Config, error) {
	var cfg Config
	var seen mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: &cfg, Metadata: &seen})
	if err != nil {
		return cfg, err
	}
	if err := decoder.Decode(raw); err != nil {
		return cfg, fmt.Errorf("vendor: %w", err)
	}
	if len(seen.Unused) > 0 {
		slices.Sort(seen.Unused)
		return cfg, fmt.Errorf("vendor: unknown keys for a manifest site: %s; it has only name (the file is offline.manifest)", strings.Join(seen.Unused, ", "))
	}
	if cfg.Name != Name {
		return cfg, errors.New("vendor.name: must be " + Name)
	}
	return cfg, nil
}
