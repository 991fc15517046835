package acme

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The documents name no JSON types, and their samples and clients do not agree on
// them: an id is a number or text, and so may a count or a flag be. Each type here
// takes both and null, and nothing else.

// id is an id of ACME's; empty: none.
type id string

// UnmarshalJSON takes "57113d507947cc39efb44249", 123 and null.
func (i *id) UnmarshalJSON(raw []byte) error {
	text, err := scalar(raw)
	if err != nil {
		return err
	}
	if _, isWord := words[text]; isWord && raw[0] != '"' {
		return errors.New("an id that is no id")
	}
	*i = id(text)
	return nil
}

// integer is a whole number; nil where it is missing or null.
type integer struct{ value *int64 }

// UnmarshalJSON takes 15, "15", 15.0 and null.
func (n *integer) UnmarshalJSON(raw []byte) error {
	text, err := scalar(raw)
	if err != nil || text == "" {
		n.value = nil
		return err
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return errors.New("a number that is no whole number")
		}
		v = int64(f)
	}
	n.value = &v
	return nil
}

// MarshalJSON gives 15 or null.
func (n integer) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }

func (n integer) same(other integer) bool {
	return n.value == other.value || n.value != nil && other.value != nil && *n.value == *other.value
}

// amount is a number such as a price; 0 where it is missing or null.
type amount float64

// UnmarshalJSON takes 12.5, "12.50" and null.
func (a *amount) UnmarshalJSON(raw []byte) error {
	text, err := scalar(raw)
	if err != nil || text == "" {
		return err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return errors.New("an amount that is no number")
	}
	*a = amount(f)
	return nil
}

// flag is a boolean; false where it is missing or null.
type flag bool

// UnmarshalJSON takes true, "true" and null.
func (f *flag) UnmarshalJSON(raw []byte) error {
	text, err := scalar(raw)
	if err != nil {
		return err
	}
	on, known := words[text]
	if !known && text != "" {
		return errors.New("a flag that is neither true nor false")
	}
	*f = flag(on)
	return nil
}

var words = map[string]bool{"true": true, "false": false}

// moment is a time. The slim list has it in another form than ISO 8601, and other
// texts may stand there: those are kept as they are.
type moment struct {
	// Text is what stood there.
	Text string
	// At is zero where the text tells no instant: it is no ISO 8601, or has no offset
	// from UTC.
	At time.Time
}

// layouts are the ways to write ISO 8601 with an offset; a fraction of a second is
// taken by each.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700"}

// UnmarshalJSON takes "2014-11-18T09:30:00-05:00", any other text, a number (milliseconds
// since 1970) and null.
func (m *moment) UnmarshalJSON(raw []byte) error {
	text, err := scalar(raw)
	if err != nil {
		return err
	}
	*m = moment{Text: strings.TrimSpace(text)}
	if raw[0] != '"' && text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("a time that is no time")
		}
		m.At = sane(time.UnixMilli(ms).UTC())
		return nil
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, m.Text); err == nil {
			m.At = sane(at)
			return nil
		}
	}
	return nil
}

// floating are the ways to write ISO 8601 without an offset; a day stands for all
// of it.
var floating = []struct {
	layout string
	lasts  time.Duration
}{{"2006-01-02T15:04:05", 0}, {"2006-01-02 15:04:05", 0}, {"2006-01-02T15:04", time.Minute}, {"2006-01-02 15:04", time.Minute}, {time.DateOnly, 24 * time.Hour}}

// latest is the latest instant that can be meant: without an offset that is the
// tenant's time or UTC, whichever is later. Zero: no time at all.
func (m moment) latest(zone *time.Location) time.Time {
	if !m.At.IsZero() {
		return m.At
	}
	for _, way := range floating {
		local, err := time.ParseInLocation(way.layout, m.Text, zone)
		if err != nil {
			continue
		}
		if utc, err := time.Parse(way.layout, m.Text); err == nil && utc.After(local) {
			local = utc
		}
		return sane(local.Add(way.lasts))
	}
	return time.Time{}
}

// sane drops a time that nothing at a gate can have.
func sane(at time.Time) time.Time {
	if at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}
	}
	return at
}

// scalar gives a text without its quotes, a number or word as it is, and "" for null.
func scalar(raw []byte) (string, error) {
	switch {
	case string(raw) == "null":
		return "", nil
	case raw[0] == '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case raw[0] == '{' || raw[0] == '[':
		return "", errors.New("an object or a list where a single value belongs")
	}
	return string(raw), nil
}

// list is an array, or an object that holds one as "list" (paged answers) or "days"
// (a calendar, as clients type it).
type list[T any] struct {
	items []T
	// told: there was an array, be it empty.
	told bool
	// total is how many there are in all, where that is told; a page may hold fewer.
	total int64
}

// listed is the object's form, for the names in it.
type listed[T any] struct {
	List *[]T `json:"list"`
	Days *[]T `json:"days"`
	// Pages has no documented fields; those read are what answers were seen to have.
	Pages json.RawMessage `json:"pagination"`
}

type pagination struct {
	Count integer `json:"count"`
	Total integer `json:"totalCount"`
}

// UnmarshalJSON takes both forms.
func (l *list[T]) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		l.told = true
		return json.Unmarshal(raw, &l.items)
	}
	var object listed[T]
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	items := object.List
	if items == nil {
		items = object.Days
	}
	if items != nil {
		l.items, l.told = *items, true
	}
	var pages pagination
	if len(object.Pages) == 0 {
		return nil
	}
	// Pages of another form say nothing about how many there are.
	if _, err := lenient(object.Pages, &pages); err != nil {
		return nil
	}
	for _, n := range []integer{pages.Count, pages.Total} {
		if n.value != nil {
			l.total = max(l.total, *n.value)
		}
	}
	return nil
}

// short tells of a list that holds a part only; nil: it holds all.
func (l *list[T]) short() error {
	if have := int64(len(l.items)); l.total > have {
		return &partError{have, l.total}
	}
	return nil
}

// partError: the answer is a page of more. How to ask for the next is in no document.
type partError struct{ have, total int64 }

func (e *partError) Error() string {
	return fmt.Sprintf("ACME gives %d of %d only: ask for a shorter span", e.have, e.total)
}
