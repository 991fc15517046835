package configs

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// kind is what a single value must be.
type kind int

const (
	text kind = iota
	flag
	span
	number
	texts
)

// key is one typed setting of [Config].
type key struct {
	path  string
	kind  kind
	index []int
}

// variable is the environment variable that overrides the key.
func (k key) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// schema is every typed setting, read from the struct itself, so that a new field
// is known to the file, the environment and the suggestions at once.
type schema []key

func newSchema() schema {
	var s schema
	s.grow(reflect.TypeFor[Config](), "", nil)
	return s
}

func (s *schema) grow(t reflect.Type, prefix string, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("mapstructure")
		if tag == "" || tag == "-" {
			continue
		}
		at := append(slices.Clone(index), i)
		switch f.Type {
		case reflect.TypeFor[string]():
			*s = append(*s, key{prefix + tag, text, at})
		case reflect.TypeFor[bool]():
			*s = append(*s, key{prefix + tag, flag, at})
		case reflect.TypeFor[time.Duration]():
			*s = append(*s, key{prefix + tag, span, at})
		case reflect.TypeFor[int]():
			*s = append(*s, key{prefix + tag, number, at})
		case reflect.TypeFor[[]string]():
			*s = append(*s, key{prefix + tag, texts, at})
		default:
			s.grow(f.Type, prefix+tag+".", at)
		}
	}
}

// values gives each setting's value in c.
func (s schema) values(c *Config) map[string]any {
	out := make(map[string]any, len(s))
	for _, k := range s {
		out[k.path] = reflect.ValueOf(c).Elem().FieldByIndex(k.index).Interface()
	}
	return out
}

func (s schema) find(path string) (key, bool) {
	i := slices.IndexFunc(s, func(k key) bool { return k.path == path })
	if i < 0 {
		return key{}, false
	}
	return s[i], true
}

// under lists the names directly under a section; "" is the top.
func (s schema) under(section string) []string {
	var names []string
	if section == "" {
		names = append(names, "scanners", "vendor")
	} else {
		section += "."
	}
	for _, k := range s {
		rest, ok := strings.CutPrefix(k.path, section)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// suggest says what an unknown name in a section probably stands for, as the end
// of a sentence.
func (s schema) suggest(section, name string) string {
	known := s.under(section)
	if nearest(name, known) == "" {
		for _, k := range s {
			if strings.HasSuffix(k.path, "."+name) {
				return "did you mean " + k.path + "?"
			}
		}
	}
	return advise(name, known)
}

// advise says what an unknown name probably stands for.
func advise(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// nearest is the known name that a typing error may have turned into name, or "".
func nearest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour
// (optimal string alignment) between two names.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest {
		return longest
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d := min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
