package archtics

import (
	"encoding/json"
	"slices"
	"strings"

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
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < '0' || r > '9' }) {
		return name
	}
	if bare := strings.TrimLeft(name, "0"); bare != "" {
		return bare
	}
	return "0"
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
)

// deepest is how deep an answer is looked into.
const deepest = 8

type object = map[string]json.RawMessage

// sighting is a place in an answer that names a seat: the plain fields of its
// object, of those around it, and of those beside it that name no seat.
type sighting struct {
	fields map[string]string
	states []state
}

// state is a field that says how a ticket stands.
type state struct{ field, value string }

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
	here := sighting{fields: map[string]string{}, states: slices.Clone(around.states)}
	for field, value := range around.fields {
		here.fields[field] = value
	}
	own := map[string]string{}
	here.read(o, own)
	for field, value := range own {
		here.fields[field] = value
	}
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
	if len(within) == 0 && here.seat().whole() {
		*all = append(*all, here)
	}
}

// read takes the plain fields of one object. None comes twice, in whatever case: that
// is no answer.
func (s *sighting) read(o object, into map[string]string) {
	for _, name := range sorted(o) {
		raw, field := o[name], strings.ToLower(name)
		value, plain := plainValue(raw)
		if !plain {
			if stateField(field) && raw[0] == '[' && len(objectsIn(raw)) == 0 && string(raw) != "[]" {
				s.states = append(s.states, state{field, "a list"})
			}
			continue
		}
		if stateField(field) {
			s.states = append(s.states, state{field, value})
		}
		if value != "" {
			into[field] = value
		}
	}
}

// absorb takes over the fields of an object that names no seat; those that are there
// already stay.
func (s *sighting) absorb(o object, depth int) {
	own := map[string]string{}
	s.read(o, own)
	for field, value := range own {
		if _, have := s.fields[field]; !have {
			s.fields[field] = value
		}
	}
	for _, inner := range objectsOf(o) {
		if depth >= deepest {
			s.states = append(s.states, state{"depth", "too deep"})
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
	return seat{event: s.first(eventNames), section: s.first(sectionNames), row: s.first(rowNames), number: s.first(numberNames)}
}

// several tells a block of seats.
func (s sighting) several() bool {
	for _, field := range []string{"num_seat", "num_seats"} {
		if n := s.fields[field]; n != "" && n != "1" {
			return true
		}
	}
	last := s.fields["last_seat"]
	return last != "" && canonical(last) != canonical(s.first(numberNames))
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
