package configs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3" // viper's own YAML, for what viper does not tell: lines, tags, repeated keys
)

// document is a configuration file read strictly. What is at fault is left out
// of the values, so that everything else can still be checked.
type document struct {
	name   string
	schema schema
	// values are the typed settings by path.
	values   map[string]any
	scanners []Scanner
	vendor   Vendor
	faults   Faults
}

// readDocument reads the file's bytes. The name stands for the file in faults
// that have no better path.
func readDocument(name string, raw []byte) *document {
	d := &document{name: name, schema: newSchema(), values: map[string]any{}, vendor: Vendor{Block: Block{}}}
	root, problem := parse(raw)
	if problem != "" {
		d.faults.Add(name, "%s", problem)
		return d
	}
	d.top(root)
	return d
}

// parse gives the one mapping of the file, or what is wrong with it.
func parse(raw []byte) (*yaml.Node, string) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, "the file is empty: write the configuration, beginning from the sample usher.yaml"
	case err != nil:
		return nil, syntax(err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Sprintf("line %d: a second document begins here (---): keep one", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Sprintf("line %d: the file must hold keys and values, such as \"gate:\"", root.Line)
	}
	return root, ""
}

// syntax rewords an error of the YAML reader, which often names the line before
// the fault.
func syntax(err error) string {
	words := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(words, "line ") {
		words = "near " + words
	}
	if strings.Contains(words, "cannot start any token") {
		words += " (indent with blanks, never with tabs)"
	}
	return "not valid YAML: " + words
}

// pair is one key of a mapping with its value.
type pair struct {
	name  string
	path  string
	value *yaml.Node
}

// pairs gives the usable pairs of a mapping: plain keys, each once, none without
// a value.
func (d *document) pairs(section string, n *yaml.Node) []pair {
	var out []pair
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		path := join(section, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode:
			d.faults.Add(cmp.Or(section, d.name), "line %d: a key must be one word", k.Line)
		case k.Tag == "!!merge" || v.Kind == yaml.AliasNode:
			d.faults.Add(path, "references (*, <<) are not followed: write the value out")
		case v.Anchor != "":
			d.faults.Add(path, "references (&) are not followed: remove &%s", v.Anchor)
		case k.Tag != "!!str":
			d.faults.Add(path, "a key must be a word: put it in quotes")
		case lines[k.Value] != 0:
			d.faults.Add(path, "given twice, on lines %d and %d: keep one", lines[k.Value], k.Line)
		default:
			lines[k.Value] = k.Line
			out = append(out, pair{k.Value, path, v})
		}
	}
	return out
}

func (d *document) top(root *yaml.Node) {
	for _, p := range d.pairs("", root) {
		switch p.name {
		case "scanners":
			d.readScanners(p.value)
		case "vendor":
			d.readVendor(p.value)
		default:
			d.setting(p, "")
		}
	}
}

// setting reads a typed setting or a section of them.
func (d *document) setting(p pair, section string) {
	if k, ok := d.schema.find(p.path); ok {
		if v, ok := d.typed(k.kind, p.path, p.value); ok {
			d.values[p.path] = v
		}
		return
	}
	if section != "" || len(d.schema.under(p.path)) == 0 {
		d.faults.Add(p.path, "unknown key: %s", d.schema.suggest(section, p.name))
		return
	}
	if !d.mapping(p.path, p.value) {
		return
	}
	for _, inner := range d.pairs(p.path, p.value) {
		d.setting(inner, p.path)
	}
}

// mapping tells whether the node holds keys, and says what to do where not.
func (d *document) mapping(path string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.MappingNode:
		return true
	case n.Tag == "!!null":
		d.faults.Add(path, "nothing stands under it: indent its keys, or remove the line")
	default:
		d.faults.Add(path, "must hold keys and values, indented under it")
	}
	return false
}

func (d *document) readVendor(n *yaml.Node) {
	if !d.mapping("vendor", n) {
		return
	}
	for _, p := range d.pairs("vendor", n) {
		if p.name == "name" {
			d.text(p, &d.vendor.Name)
			continue
		}
		d.raw(d.vendor.Block, p)
	}
}

func (d *document) readScanners(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		d.faults.Add("scanners", "must be a list: begin each scanner with \"- name:\", or remove the line")
		return
	}
	names := scannerNames(n)
	for i, item := range n.Content {
		path := scannerPath(names, i)
		s := Scanner{Name: names[i], Block: Block{}}
		switch {
		case item.Kind == yaml.AliasNode || item.Anchor != "":
			d.faults.Add(path, "references (&, *) are not followed: write the scanner out")
		case d.mapping(path, item):
			d.readScanner(path, item, &s)
		}
		d.scanners = append(d.scanners, s)
	}
}

func (d *document) readScanner(path string, n *yaml.Node, s *Scanner) {
	for _, p := range d.pairs(path, n) {
		switch p.name {
		case "name":
			d.text(p, &s.Name)
		case "driver":
			d.text(p, &s.Driver)
		case "direction":
			d.text(p, &s.Direction)
		default:
			d.raw(s.Block, p)
		}
	}
}

// scannerNames gives the scanners' names before anything else of them is read,
// for the paths of their faults.
func scannerNames(list *yaml.Node) []string {
	names := make([]string, len(list.Content))
	for i, item := range list.Content {
		for j := 0; item.Kind == yaml.MappingNode && j+1 < len(item.Content); j += 2 {
			if v := item.Content[j+1]; item.Content[j].Value == "name" && v.Tag == "!!str" {
				names[i] = v.Value
			}
		}
	}
	return names
}

func (d *document) text(p pair, to *string) {
	if v, ok := d.typed(text, p.path, p.value); ok {
		*to = v.(string)
	}
}

// typed reads one typed value: text, bool, time.Duration, int or []string.
func (d *document) typed(as kind, path string, n *yaml.Node) (any, bool) {
	if n.Tag == "!!null" {
		d.faults.Add(path, "has no value: remove the line, or write \"\" for none")
		return nil, false
	}
	if as == texts {
		return d.texts(path, n)
	}
	if n.Kind != yaml.ScalarNode {
		d.faults.Add(path, "must be a single value")
		return nil, false
	}
	switch as {
	case flag:
		var b bool
		if n.Tag != "!!bool" || n.Decode(&b) != nil {
			d.faults.Add(path, "%s: must be true or false, without quotes", quote(n.Value))
			return nil, false
		}
		return b, true
	case span:
		v, problem := duration(n.Value)
		if problem != "" {
			d.faults.Add(path, "%s", problem)
			return nil, false
		}
		return v, true
	case number:
		v, problem := whole(n.Value)
		if n.Tag != "!!int" || problem != "" {
			d.faults.Add(path, "%s: must be a whole number, without quotes", quote(n.Value))
			return nil, false
		}
		return v, true
	}
	if n.Tag != "!!str" {
		d.faults.Add(path, "%s is read as %s: put it in quotes, %q", n.Value, tagName(n.Tag), n.Value)
		return nil, false
	}
	return n.Value, true
}

func (d *document) texts(path string, n *yaml.Node) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		d.faults.Add(path, "must be a list, such as [\"A\", \"B\"]")
		return nil, false
	}
	out, good := make([]string, 0, len(n.Content)), true
	for i, item := range n.Content {
		v, ok := d.typed(text, fmt.Sprintf("%s[%d]", path, i), item)
		if !ok {
			good = false
			continue
		}
		out = append(out, v.(string))
	}
	return out, good
}

// duration reads a duration, which always has a unit.
func duration(s string) (time.Duration, string) {
	v, err := time.ParseDuration(s)
	if err == nil && (s != "0" && s != "+0" && s != "-0") {
		return v, ""
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Sprintf("%s: has no unit: write %ss, %sm or %sh", quote(s), s, s, s)
	}
	return 0, fmt.Sprintf("%s: must be a duration such as 500ms, 30s, 5m or 48h (days in hours)", quote(s))
}

// whole reads a whole number as people write it: YAML would take 010 for eight.
func whole(s string) (int, string) {
	v, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(v) != s {
		return 0, quote(s) + ": must be a whole number"
	}
	return v, ""
}

// tagName is a YAML tag in words.
func tagName(tag string) string {
	switch tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "something else than text (" + tag + ")"
}

// quote shows a faulty value, shortened.
func quote(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return strconv.Quote(s)
}

// join makes a path; a name that is no plain word is quoted in it.
func join(section, name string) string {
	if !plainName(name) {
		name = quote(name)
	}
	if section == "" {
		return name
	}
	return section + "." + name
}

// printable tells a scanner's name that can stand in a path.
func printable(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, unicode.IsControl) && !strings.ContainsAny(s, "[]")
}

// plainName tells a name that needs no quotes in a path.
func plainName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune("_-.", r) {
			return false
		}
	}
	return true
}
