package wire

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Block is a vendor's own part of the configuration as it is read: every fault of it
// is told at once, one a key.
type Block struct{ faults map[string]error }

// ReadBlock gives each value to its key's setter. A key without one is a fault, and so
// is a secret that stands in the block itself.
func ReadBlock(raw map[string]any, keys map[string]func(value any) error) *Block {
	b := &Block{faults: map[string]error{}}
	for key, value := range raw {
		set, known := keys[key]
		file := cmp.Or(map[string]string{"apikey": "api_key", "api_key": "api_key", "password": "password"}[key], "no") + "_file"
		_, secret := keys[file]
		switch {
		case secret && !known:
			b.Fault(key, fmt.Errorf("a secret does not belong in this file: put it into a file of its own and name that in vendor.%s", file))
		case !known:
			b.Fault(key, fmt.Errorf("unknown key; known here: %s", strings.Join(slices.Sorted(maps.Keys(keys)), ", ")))
		default:
			b.Fault(key, set(value))
		}
	}
	return b
}

// Fault adds what is wrong with a key that is not at fault already; nil is nothing.
func (b *Block) Fault(key string, err error) {
	if err != nil && b.faults[key] == nil {
		b.faults[key] = err
	}
}

// Faulty tells whether the key is at fault.
func (b *Block) Faulty(key string) bool { return b.faults[key] != nil }

// File checks a key that names a file, where it does.
func (b *Block) File(key, path string) {
	if path != "" && !filepath.IsAbs(path) {
		b.Fault(key, fmt.Errorf("%q is not an absolute path", path))
	}
}

// Err is all of it, each with its path; nil: nothing is wrong.
func (b *Block) Err() error {
	var all []error
	for _, key := range slices.Sorted(maps.Keys(b.faults)) {
		all = append(all, fmt.Errorf("vendor.%s: %w", key, b.faults[key]))
	}
	return errors.Join(all...)
}

// Text sets a text; an empty one leaves what is there.
func Text(into *string) func(value any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("%v is not text; put it in quotes", value)
		}
		*into = cmp.Or(strings.TrimSpace(s), *into)
		return nil
	}
}
