package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode lays the block over the struct that into points to, whose fields carry
// mapstructure tags and hold the defaults. It is strict where mapstructure is
// not: an unknown key, 9600.5 for an integer and a number too large for its field
// are faults. Fields may be string, bool, any integer, float64, time.Duration
// (always with a unit) and lists of these. The faults' paths begin with path; they
// never show a value, which may be a secret in the wrong place.
func (b Block) Decode(path string, into any) Faults {
	var faults Faults
	target := reflect.ValueOf(into).Elem()
	fields := map[string]reflect.Value{}
	for i := range target.NumField() {
		if tag := target.Type().Field(i).Tag.Get("mapstructure"); tag != "" && tag != "-" {
			fields[tag] = target.Field(i)
		}
	}
	known := slices.Sorted(maps.Keys(fields))
	for _, name := range slices.Sorted(maps.Keys(b)) {
		field, ok := fields[name]
		if !ok {
			faults.Add(join(path, name), "unknown key: %s", advise(name, known))
			continue
		}
		if problem := assign(field, b[name]); problem != "" {
			faults.Add(join(path, name), "%s", problem)
		}
	}
	return faults
}

// advise says what an unknown name probably stands for.
func advise(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return "did you mean " + best + "?"
	}
	if len(known) == 0 {
		return "none is known here"
	}
	return "known here: " + strings.Join(known, ", ")
}

// assign sets the field, or says what the value must be.
func assign(field reflect.Value, value any) string {
	if field.Type() == reflect.TypeFor[time.Duration]() {
		return assignSpan(field, value)
	}
	switch field.Kind() {
	case reflect.String:
		return assignText(field, value)
	case reflect.Bool:
		return assignFlag(field, value)
	case reflect.Slice:
		return assignList(field, value)
	case reflect.Float64:
		return assignFloat(field, value)
	}
	if field.CanInt() || field.CanUint() {
		return assignInteger(field, value)
	}
	panic(fmt.Sprintf("configs: a block cannot hold a %s", field.Type()))
}

func assignSpan(field reflect.Value, value any) string {
	const problem = "must be a duration such as 80ms, 30s or 5m"
	s, ok := worded(value)
	if !ok {
		return problem + ", with its unit"
	}
	d, wrong := duration(s)
	if wrong != "" {
		return problem
	}
	field.SetInt(int64(d))
	return ""
}

func assignText(field reflect.Value, value any) string {
	s, ok := worded(value)
	if !ok {
		return "must be text: put it in quotes"
	}
	field.SetString(s)
	return ""
}

func assignFlag(field reflect.Value, value any) string {
	if u, ok := value.(untyped); ok {
		if b, problem := fromText(flag, string(u)); problem == "" {
			value = b
		}
	}
	b, ok := value.(bool)
	if !ok {
		return "must be true or false, without quotes"
	}
	field.SetBool(b)
	return ""
}

func assignFloat(field reflect.Value, value any) string {
	switch v := value.(type) {
	case float64:
		field.SetFloat(v)
	case int:
		field.SetFloat(float64(v))
	case untyped:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return "must be a number"
		}
		field.SetFloat(f)
	default:
		return "must be a number, without quotes"
	}
	return ""
}

func assignInteger(field reflect.Value, value any) string {
	const problem = "must be a whole number, without quotes"
	var n int64
	switch v := value.(type) {
	case int:
		n = int64(v)
	case int64: // a large number on a 32-bit device
		n = v
	case untyped:
		if octal(string(v)) {
			return "must be a whole number that does not begin with 0"
		}
		parsed, err := strconv.ParseInt(string(v), 0, 64)
		if err != nil {
			return problem
		}
		n = parsed
	default:
		return problem
	}
	switch {
	case field.CanInt() && field.OverflowInt(n), field.CanUint() && n >= 0 && field.OverflowUint(uint64(n)):
		return "is too large"
	case field.CanInt():
		field.SetInt(n)
	case n < 0:
		return "must not be negative"
	default:
		field.SetUint(uint64(n))
	}
	return ""
}

// assignList replaces the field's list. A variable of the environment holds one
// value only.
func assignList(field reflect.Value, value any) string {
	items, ok := value.([]any)
	if !ok {
		return "must be a list, such as [A, B], in the file"
	}
	list := reflect.MakeSlice(field.Type(), len(items), len(items))
	for i, item := range items {
		if problem := assign(list.Index(i), item); problem != "" {
			return fmt.Sprintf("entry %d %s", i+1, problem)
		}
	}
	field.Set(list)
	return ""
}

// worded gives the text of a value that is text.
func worded(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case untyped:
		return string(v), true
	}
	return "", false
}
