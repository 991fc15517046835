package devices

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2" // decodes raw blocks into a driver's Config

	"usher/devices/hid"
)

// configured turns a driver's defaults and constructor into its line in the
// list.
func configured[C any, O Opener](defaults C, build func(C) (O, error)) driver {
	return func(keys map[string]any) (Opener, []string) {
		cfg := defaults
		faults := strict(keys, &cfg)
		opener, err := build(cfg)
		faults = append(faults, unlessFaulty(faults, texts(err))...)
		if err != nil {
			return nil, faults
		}
		return opener, faults
	}
}

// strict decodes a block into a struct that holds the defaults. Only the exact
// type will do (a duration is a text with its unit, a USB id may be one), and every key must be
// known. It gives all faults, each beginning with the key and a colon.
func strict(block map[string]any, into any) []string {
	known := keysOf(into)
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(block)) {
		if !slices.Contains(known, key) {
			faults = append(faults, fmt.Sprintf("%s: unknown key; known here: %s", key, strings.Join(known, ", ")))
			continue
		}
		// Key by key: the library names its own paths, and people know keys.
		if err := decode(map[string]any{key: block[key]}, into); err != nil {
			faults = append(faults, key+": "+reason(err))
		}
	}
	return faults
}

func decode(block map[string]any, into any) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:      into,
		ErrorUnused: true,
		DecodeHook:  exactly,
	})
	if err != nil {
		return err
	}
	return decoder.Decode(block)
}

// reason is the innermost cause, without the library's wrapping.
func reason(err error) string {
	var wrong wrongType
	if errors.As(err, &wrong) {
		return wrong.Error()
	}
	return err.Error()
}

// wrongType says in words what a value is not.
type wrongType string

func (w wrongType) Error() string { return string(w) }

// exactly refuses what the library would convert: a number to a duration in
// nanoseconds, 9600.5 to 9600.
func exactly(from, to reflect.Value) (any, error) {
	value := from.Interface()
	if to.Type() == reflect.TypeFor[time.Duration]() {
		return duration(value)
	}
	if text, ok := value.(string); ok && to.Type() == reflect.TypeFor[hid.ID]() {
		return usbID(text)
	}
	switch kind := to.Kind(); {
	case kind == reflect.String && from.Kind() != reflect.String:
		return nil, wrongType(fmt.Sprintf("%v is not text; put it in quotes", value))
	case kind == reflect.Bool && from.Kind() != reflect.Bool:
		return nil, wrongType(fmt.Sprintf("%v is neither true nor false", value))
	case (to.CanInt() || to.CanUint()) && !from.CanInt() && !from.CanUint():
		return nil, wrongType(fmt.Sprintf("%v is not a whole number", value))
	}
	return value, nil
}

func duration(value any) (any, error) {
	switch v := value.(type) {
	case time.Duration:
		return v, nil
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, wrongType(fmt.Sprintf("%q is not a duration such as 80ms or 1.5s", v))
		}
		return d, nil
	}
	return nil, wrongType(fmt.Sprintf("%v has no unit; write a duration such as %vms", value, value))
}

// usbID reads an id as lsusb prints it.
func usbID(text string) (any, error) {
	id, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 16)
	if err != nil {
		return nil, wrongType(fmt.Sprintf("%q is no USB id such as 0x05e0", text))
	}
	return hid.ID(id), nil
}

// keysOf lists the keys that a configuration struct knows, sorted.
func keysOf(config any) []string {
	typ := reflect.TypeOf(config).Elem()
	var keys []string
	for i := range typ.NumField() {
		keys = append(keys, typ.Field(i).Tag.Get("mapstructure"))
	}
	slices.Sort(keys)
	return keys
}

// unlessFaulty leaves out what is only the consequence of a fault already found
// at the same key.
func unlessFaulty(found, more []string) []string {
	return slices.DeleteFunc(more, func(text string) bool {
		key, _, _ := strings.Cut(text, ":")
		return slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, key+":") })
	})
}

// texts takes a joined error apart.
func texts(err error) []string {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, e := range many.Unwrap() {
			all = append(all, e.Error())
		}
		return all
	}
	return []string{err.Error()}
}

func joined[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
