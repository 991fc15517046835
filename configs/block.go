package configs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Block is a driver's or vendor's own part of the configuration, as written:
// string, bool, int, int64, uint64, float64, []any and map[string]any, dates as
// the text they were written in. Nobody here knows which of its values are
// harmless, so its text, log and JSON forms show the keys alone.
type Block map[string]any

// String lists the keys.
func (b Block) String() string {
	return "{" + strings.Join(slices.Sorted(maps.Keys(b)), ", ") + "}"
}

// Format keeps the values out of every verb of fmt.
func (b Block) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }

// LogValue is what slog writes of a block.
func (b Block) LogValue() slog.Value { return slog.StringValue(b.String()) }

// MarshalJSON gives the list of keys.
func (b Block) MarshalJSON() ([]byte, error) {
	return json.Marshal(slices.Sorted(maps.Keys(b)))
}

// secretKey tells a key whose value is a secret by its very name. Such a value
// comes from a systemd credential, the environment or a file of its own.
func secretKey(name string) bool {
	switch strings.ToLower(name) {
	case "password", "api_key", "device_key":
		return true
	}
	return false
}
