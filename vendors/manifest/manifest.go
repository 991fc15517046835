// Package manifest is the vendor of a site that has none: tickets come from a
// manifest file, every scan is decided on the device, nothing is uploaded, and
// what happened at the gate is exported.
package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"usher/scanner"
)

// Name is the vendor's name in the configuration.
const Name = "manifest"

// New gives the vendor. Its block in the configuration has no keys beside the
// name: the manifest itself is offline.manifest, for it serves other vendors too. The event (gate.event)
// is part of the scope: scans of one event's gate never mix with another's. The
// error joins every fault, each beginning with its key.
func New(raw map[string]any, event string) (scanner.Vendor, error) {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		faults = append(faults, fmt.Errorf("vendor.%s: unknown key: a manifest site has only a name; the file is offline.manifest", key))
	}
	if err := errors.Join(faults...); err != nil {
		return scanner.Vendor{}, err
	}
	return scanner.Vendor{Scope: scanner.Scope{Vendor: Name, Event: event}, Exits: true}, nil
}
