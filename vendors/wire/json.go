package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// mostNames bounds the names of one object: each is compared with each.
const mostNames = 500

// Decode reads one JSON value strictly. encoding/json takes the last of two equal
// names, takes "ERROR" for "error", replaces what is not UTF-8: with a verdict at
// stake each of these is an error here, and so are a wrong type and anything
// behind the value. Names that into does not know are fine; a vendor may add
// some. Errors name no value of the data.
func Decode(data []byte, into any) error {
	return decode(data, into, namesOf(reflect.TypeOf(into)))
}

func decode(data []byte, into any, known map[string]string) error {
	if !utf8.Valid(data) {
		return errors.New("the answer is not text")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return decodeError(err)
	}
	return checkNames(data, known)
}

func decodeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := wrong.Field
		if field == "" {
			field = "the answer"
		}
		return fmt.Errorf("%s has the wrong type", field)
	}
	return errors.New("the answer is not whole JSON")
}

// checkNames walks valid JSON and refuses names that stand twice in one object,
// and names that are known but for their case.
func checkNames(data []byte, known map[string]string) error {
	var names [48][]byte
	var depths [16]int
	seen := names[:0]  // the names of all open objects, innermost last
	open := depths[:0] // where each open object's names begin; -1: an array
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			open = append(open, len(seen))
		case '[':
			open = append(open, -1)
		case '}':
			seen, open = seen[:open[len(open)-1]], open[:len(open)-1]
		case ']':
			open = open[:len(open)-1]
		case '"':
			end := stringEnd(data, i)
			text := data[i+1 : end]
			i = end
			if len(open) == 0 || open[len(open)-1] < 0 || !isName(data[end+1:]) {
				continue
			}
			name, err := plainName(text)
			if err != nil {
				return err
			}
			siblings := seen[open[len(open)-1]:]
			if len(siblings) == mostNames {
				return fmt.Errorf("more than %d names in one object", mostNames)
			}
			for _, other := range siblings {
				if bytes.EqualFold(other, name) {
					return errors.New("a name stands twice in the answer")
				}
			}
			if known[string(name)] != string(name) {
				if want := otherwise(name, known); want != "" {
					return fmt.Errorf("%s is written otherwise", want)
				}
			}
			seen = append(seen, name)
		}
	}
	return nil
}

// otherwise gives the known name that encoding/json would take an unknown one
// for; it knows letters beyond ASCII that fold into it.
func otherwise(name []byte, known map[string]string) string {
	for _, b := range name {
		if b < utf8.RuneSelf {
			continue
		}
		for _, want := range known {
			if strings.EqualFold(string(name), want) {
				return want
			}
		}
		return ""
	}
	return known[strings.ToLower(string(name))]
}

// stringEnd gives the index of the quote that ends the string at i.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

func isName(rest []byte) bool {
	for _, b := range rest {
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return b == ':'
	}
	return false
}

// plainName takes the escapes out of a name.
func plainName(text []byte) ([]byte, error) {
	if bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	quoted := append(append([]byte{'"'}, text...), '"')
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return nil, errors.New("the answer is not whole JSON")
	}
	return []byte(name), nil
}

// namesOf gives the JSON names that a type and everything in it knows, by
// themselves and by their lower case.
func namesOf(t reflect.Type) map[string]string {
	known := map[string]string{}
	collectNames(t, known, map[reflect.Type]bool{})
	return known
}

func collectNames(t reflect.Type, known map[string]string, seen map[reflect.Type]bool) {
	if t == nil || seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		collectNames(t.Elem(), known, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
				known[name], known[strings.ToLower(name)] = name, name
			}
			collectNames(f.Type, known, seen)
		}
	}
}
