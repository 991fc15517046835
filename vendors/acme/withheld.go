package acme

import (
	"fmt"
	"io"
	"log/slog"
)

// withheld is a count of tickets or seats. Nobody may show it, so whatever prints it,
// as text, as JSON or in a log, gives a word for it.
type withheld struct{ n integer }

const withheldText = "withheld"

// UnmarshalJSON takes what integer takes.
func (w *withheld) UnmarshalJSON(raw []byte) error { return w.n.UnmarshalJSON(raw) }

// MarshalJSON writes no number.
func (withheld) MarshalJSON() ([]byte, error) { return []byte(`"` + withheldText + `"`), nil }

// Format writes no number, whatever the verb.
func (withheld) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, withheldText) }

// LogValue logs no number.
func (withheld) LogValue() slog.Value { return slog.StringValue(withheldText) }
