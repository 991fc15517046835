package configs

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// raw puts one key of a driver's or vendor's block into the block, unless it is
// at fault. Faults never show a value here.
func (d *document) raw(block Block, p pair) {
	if secretKey(p.name) {
		d.faults.Add(p.path, "a secret does not belong in this file: put it in a file that only usher may read and name that in %s_file, or use a systemd credential", p.name)
		return
	}
	if v, ok := d.plain(p.path, p.value); ok {
		block[p.name] = v
	}
}

// plain turns a node into plain Go values, see [Block].
func (d *document) plain(path string, n *yaml.Node) (any, bool) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.faults.Add(path, "references (&, *) are not followed: write the value out")
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		out, good := map[string]any{}, len(d.faults)
		for _, p := range d.pairs(path, n) {
			if v, ok := d.plain(p.path, p.value); ok {
				out[p.name] = v
			}
		}
		return out, good == len(d.faults)
	case yaml.SequenceNode:
		out, good := make([]any, 0, len(n.Content)), true
		for i, item := range n.Content {
			v, ok := d.plain(fmt.Sprintf("%s[%d]", path, i), item)
			out, good = append(out, v), good && ok
		}
		return out, good
	}
	v, problem := scalar(n)
	if strings.HasPrefix(path, "scanners") && strings.HasSuffix(path, "_id") && misreadID(n) {
		problem = "a USB id is hexadecimal: write 0x before it"
	}
	if problem != "" {
		d.faults.Add(path, "%s", problem)
	}
	return v, problem == ""
}

// scalar reads a single value by its YAML type.
func scalar(n *yaml.Node) (any, string) {
	switch n.Tag {
	case "!!str", "!!timestamp":
		return n.Value, ""
	case "!!null":
		return nil, "has no value: remove the line, or write \"\" for none"
	case "!!int", "!!float", "!!bool":
		if octal(n.Value) {
			return nil, "a number that begins with 0 would be read as octal: put it in quotes, or drop the 0"
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, "is not the number it looks like: put it in quotes"
		}
		return v, ""
	}
	return nil, "must be a text, a number, true or false"
}

// misreadID tells the four digits of a USB id, as lsusb prints it, that YAML takes
// for another number: 0536, 05e0 and 0b10 are octal, an exponent and binary to it.
func misreadID(n *yaml.Node) bool {
	return (n.Tag == "!!int" || n.Tag == "!!float") && len(n.Value) == 4 &&
		(octal(n.Value) || strings.ContainsAny(n.Value, "eE") || strings.HasPrefix(n.Value, "0b"))
}

// octal tells a number that YAML 1.1 reads to the base of eight.
func octal(s string) bool {
	if len(s) > 1 && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	return len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9'
}
