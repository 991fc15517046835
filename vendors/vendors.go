// Package vendors is the list of ticketing vendors that usher knows. A new
// vendor is a folder here and a line in the list.
package vendors

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/scanner"
	"usher/vendors/manifest"
)

// Deps are what the house gives a vendor. Each takes what it needs.
type Deps struct {
	// Event is the configured gate.event; empty: any.
	Event string
}

// known is the explicit list: the name in the configuration, and what makes the
// vendor of its own block.
func known() map[string]func(raw map[string]any, deps Deps) (scanner.Vendor, error) {
	return map[string]func(map[string]any, Deps) (scanner.Vendor, error){
		"manifest": func(raw map[string]any, deps Deps) (scanner.Vendor, error) { return manifest.New(raw, deps.Event) },
	}
}

// Names are the vendors that usher knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(known())) }

// New makes the vendor called name of the other keys of its configuration block,
// which are decoded strictly. Errors say what to write instead.
func New(name string, raw map[string]any, deps Deps) (scanner.Vendor, error) {
	build, ok := known()[name]
	if !ok {
		return scanner.Vendor{}, fmt.Errorf("vendor.name: unknown vendor %q; use one of: %s", name, strings.Join(Names(), ", "))
	}
	return build(raw, deps)
}
