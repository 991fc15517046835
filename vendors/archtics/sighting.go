package archtics

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"usher/vendors/wire"
)

// seat is one place at one event, as Archtics names it.
type seat struct{ event, section, row, number string }

// key is the seat as it is compared: whatever the case, with or without zeros
// before a number.
func (s seat) key() seat {
	return seat{canonical(s.event), canonical(s.section), canonical(s.row), canonical(s.number)}
}

func canonical(name string) string {
	name = strings.ToUpper(strings.Join(strings.Fields(name), " "))
	name = integral(name)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < '0' || r > '9' }) {
		return name
	}
	if bare := strings.TrimLeft(name, "0"); bare != "" {
		return bare
	}
	return "0"
}

// integral is a number without the fraction that some programs write: 7.0.
func integral(name string) string {
	if whole, fraction, has := strings.Cut(name, "."); has && whole != "" && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return name
}

func (s seat) whole() bool {
	return s.event != "" && s.section != "" && s.row != "" && s.number != ""
}

// said is row and number as people say them: A7, 3-4.
func (s seat) said() string {
	if digit(s.row[len(s.row)-1]) || !digit(s.number[0]) {
		return s.row + "-" + s.number
	}
	return s.row + s.number
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// The names under which a field may come; the first is the one of the public tables
// or, where those have none, of what other people load from Archtics.
var (
	eventNames   = []string{"event_name"}
	sectionNames = []string{"section_name", "section"}
	rowNames     = []string{"row_name", "row"}
	numberNames  = []string{"seat_num", "seat_number", "seat", "seat_name"}
	wholeNames   = []string{"owner_name_full", "full_name", "owner_name", "account_name", "acct_name", "customer_name", "name"}
	firstNames   = []string{"first_name", "name_first", "owner_first_name"}
	lastNames    = []string{"last_name", "name_last", "owner_last_name"}

	seatParts = [][]string{eventNames, sectionNames, rowNames, numberNames}
)

// deepest is how deep an answer is looked into.
const deepest = 8

type object = map[string]json.RawMessage

// sighting is a place in an answer that names a seat: the plain fields of its
// object, of those around it, and of those beside it that name no seat.
type sighting struct {
	fields map[string]string
	states []state
	// torn: some part of the seat is said in two ways.
	torn bool
}

// state is a field that says how a ticket stands. inside: it is an object or an
// array, whose meaning nobody has told.
type state struct {
	field, value string
	inside       bool
}

// seatsIn finds every whole seat in an answer, at whatever depth and under whatever
// name its array or object stands.
func seatsIn(command json.RawMessage) []sighting {
	var top object
	if json.Unmarshal(command, &top) != nil {
		return nil
	}
	var all []sighting
	collect(top, sighting{}, 0, &all)
	return all
}

func collect(o object, around sighting, depth int, all *[]sighting) {
	here := sighting{fields: maps.Clone(around.fields), states: slices.Clone(around.states), torn: around.torn}
	if here.fields == nil {
		here.fields = map[string]string{}
	}
	own := here.read(o)
	here.compare(own)
	maps.Copy(here.fields, own)
	var within []object
	for _, inner := range objectsOf(o) {
		if namesSeat(inner, depth+1) {
			within = append(within, inner)
		} else {
			here.absorb(inner, depth+1)
		}
	}
	for _, inner := range within {
		collect(inner, here, depth+1, all)
	}
	// Also where there is a seat within: it may be another one.
	if here.seat().whole() {
		*all = append(*all, here)
	}
}

// read gives the plain fields of one object, and notes its states. None comes twice,
// in whatever case: that is no answer.
func (s *sighting) read(o object) map[string]string {
	plainFields := map[string]string{}
	names := sorted(o)
	for _, name := range names {
		raw, field := o[name], strings.ToLower(name)
		value, plain := plainValue(raw)
		switch {
		case !plain && stateField(field) && !hollow(raw):
			s.states = append(s.states, state{field: field, value: "with more inside", inside: true})
		case plain && stateField(field) && !inAddress(field, value, names):
			s.states = append(s.states, state{field: field, value: value})
		}
		if value != "" {
			plainFields[field] = value
		}
	}
	return plainFields
}

// hollow tells an array or an object without anything in it.
func hollow(raw json.RawMessage) bool {
	var list []json.RawMessage
	if raw[0] == '[' {
		return json.Unmarshal(raw, &list) == nil && len(list) == 0
	}
	var one object
	return json.Unmarshal(raw, &one) == nil && len(one) == 0
}

// compare notes where the fields say a part of the seat otherwise than it was said
// before, or than each other.
func (s *sighting) compare(fields map[string]string) {
	for _, names := range seatParts {
		said := canonical(s.first(names))
		for _, name := range names {
			value := canonical(wire.Plain(fields[name]))
			if said == "" {
				said = value
			}
			s.torn = s.torn || value != "" && value != said
		}
	}
}

// absorb takes over the fields of an object that names no seat; those that are there
// already stay.
func (s *sighting) absorb(o object, depth int) {
	own := s.read(o)
	s.compare(own)
	for field, value := range own {
		if _, have := s.fields[field]; !have {
			s.fields[field] = value
		}
	}
	for _, inner := range objectsOf(o) {
		if depth >= deepest {
			s.states = append(s.states, state{field: "depth", value: "too deep", inside: true})
			return
		}
		s.absorb(inner, depth+1)
	}
}

// namesSeat tells an object that has a part of a seat, or in which one does.
func namesSeat(o object, depth int) bool {
	for name, raw := range o {
		field := strings.ToLower(name)
		if !slices.Contains(sectionNames, field) && !slices.Contains(rowNames, field) && !slices.Contains(numberNames, field) {
			continue
		}
		if value, plain := plainValue(raw); plain && value != "" {
			return true
		}
	}
	return depth < deepest && slices.ContainsFunc(objectsOf(o), func(inner object) bool { return namesSeat(inner, depth+1) })
}

func (s sighting) seat() seat {
	return seat{event: s.first(eventNames), section: s.first(sectionNames), row: s.first(rowNames), number: integral(s.first(numberNames))}
}

// several tells a block of seats: by its length, by its end, or by a number that is
// a range or a list, such as 7-10.
func (s sighting) several() bool {
	for _, field := range []string{"num_seat", "num_seats"} {
		if n := s.fields[field]; n != "" && n != "1" {
			return true
		}
	}
	number := canonical(s.first(numberNames))
	last := s.fields["last_seat"]
	return last != "" && canonical(last) != number || ranged(number)
}

// ranged tells a range or a list of seats: two numbers, or two letters, or what lists
// are written with.
func ranged(number string) bool {
	letters := strings.FieldsFunc(number, func(r rune) bool { return !unicode.IsLetter(r) })
	numbers := strings.FieldsFunc(number, func(r rune) bool { return !unicode.IsDigit(r) })
	alone := func(word string) bool { return utf8.RuneCountInString(word) == 1 }
	return len(numbers) > 1 || strings.ContainsAny(number, ",;/&+") ||
		len(numbers) == 0 && len(letters) > 1 && alone(letters[0]) && alone(letters[len(letters)-1])
}

// holder is the name of whom the ticket belongs to, where the answer has one.
func (s sighting) holder() string {
	if whole := strings.TrimSpace(s.first(firstNames) + " " + s.first(lastNames)); whole != "" {
		return whole
	}
	return s.first(wholeNames)
}

func (s sighting) first(names []string) string {
	for _, name := range names {
		if value := s.fields[name]; value != "" {
			return wire.Plain(value)
		}
	}
	return ""
}

func sorted(o object) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// plainValue is a value that is neither an array nor an object, as text.
func plainValue(raw json.RawMessage) (string, bool) {
	var t text
	if t.UnmarshalJSON(raw) != nil {
		return "", false
	}
	return string(t), true
}

// objectsOf gives the objects in an object's fields, in the order of their names.
func objectsOf(o object) []object {
	var all []object
	for _, name := range sorted(o) {
		all = append(all, objectsIn(o[name])...)
	}
	return all
}

// objectsIn gives the objects that a value is, or holds.
func objectsIn(raw json.RawMessage) []object {
	switch raw[0] {
	case '{':
		var one object
		if json.Unmarshal(raw, &one) == nil {
			return []object{one}
		}
	case '[':
		var list []json.RawMessage
		var all []object
		if json.Unmarshal(raw, &list) == nil {
			for _, element := range list {
				all = append(all, objectsIn(element)...)
			}
		}
		return all
	}
	return nil
}
