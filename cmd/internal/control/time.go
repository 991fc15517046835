package control

import (
	"encoding/json"
	"time"
)

// timeFormat is RFC 3339 in UTC with milliseconds, always three digits.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Time is a moment on the wire: RFC 3339, UTC, milliseconds; null where it is
// unknown, or in a year that RFC 3339 has not.
type Time struct{ time.Time }

// At wraps a time for the wire.
func At(t time.Time) Time { return Time{t} }

// String is the wire's text, empty for null.
func (t Time) String() string {
	at := t.UTC()
	if year := at.Year(); t.IsZero() || year < 0 || year > 9999 {
		return ""
	}
	return at.Format(timeFormat)
}

// MarshalJSON writes the wire's text, or null.
func (t Time) MarshalJSON() ([]byte, error) {
	text := t.String()
	if text == "" {
		return []byte("null"), nil
	}
	return json.Marshal(text)
}

// UnmarshalJSON reads any RFC 3339 time, or null.
func (t *Time) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == nil || *text == "" {
		*t = Time{}
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return err
	}
	*t = Time{at.UTC()}
	return nil
}

// Seconds is a duration in whole seconds for a field that may be null.
func Seconds(d time.Duration) *int64 {
	s := int64(d / time.Second)
	return &s
}

// Milliseconds is a duration in milliseconds for a field that may be null.
func Milliseconds(d time.Duration) *int64 {
	ms := d.Milliseconds()
	return &ms
}
