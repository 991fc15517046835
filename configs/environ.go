package configs

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	envPrefix    = "USHER_"
	vendorPrefix = envPrefix + "VENDOR_"
	// stateVariable is systemd's name for the service's state directory; with
	// several, they are parted by colons.
	stateVariable = "STATE_DIRECTORY"
)

// overlay is what the environment sets over the file.
type overlay struct {
	// values are the typed settings by path.
	values     map[string]any
	vendorName string
	vendor     Block
	// from names the variable behind each path that was set.
	from   map[string]string
	faults Faults
}

// readEnviron reads the variables meant for usher. The vendor's block of the
// file lends its types.
func readEnviron(environ []string, s schema, block Block) *overlay {
	o := &overlay{values: map[string]any{}, vendor: Block{}, from: map[string]string{}}
	vars := variables(environ)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		value := vars[name]
		i := slices.IndexFunc(s, func(k key) bool { return k.variable() == name })
		switch {
		case i >= 0:
			o.setting(s[i], name, value)
		case name == vendorPrefix+"NAME":
			o.vendorName, o.from["vendor.name"] = value, name
		case strings.HasPrefix(name, vendorPrefix):
			o.vendorKey(name, value, block)
		default:
			o.unknown(name, s)
		}
	}
	return o
}

// variables gives usher's variables that are not empty; of one given twice the
// last counts, as everywhere.
func variables(environ []string) map[string]string {
	vars := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		delete(vars, name)
		if value != "" {
			vars[name] = value
		}
	}
	return vars
}

// setting converts the variable's text to the setting's type.
func (o *overlay) setting(k key, name, value string) {
	switch k.kind {
	case text:
		o.values[k.path] = value
	case flag, span, number:
		v, problem := fromText(k.kind, value)
		if problem != "" {
			o.faults.Add(name, "%s", problem)
			return
		}
		o.values[k.path] = v
	case texts:
		o.faults.Add(name, "is a list: set %s in the file", k.path)
		return
	}
	o.from[k.path] = name
}

// vendorKey puts the variable into the vendor's block.
func (o *overlay) vendorKey(name, value string, block Block) {
	own := vendorKeyOf(name)
	if own == "" {
		return
	}
	if _, asText := block[own].(string); asText {
		o.vendor[own], o.from["vendor."+own] = value, name
		return
	}
	var n yaml.Node
	if yaml.Unmarshal([]byte(value), &n) != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.ScalarNode {
		o.faults.Add(name, "must be a single value; put text in quotes of its own ('\"...\"')")
		return
	}
	v, problem := scalar(n.Content[0])
	if problem != "" {
		o.faults.Add(name, "%s", problem)
		return
	}
	o.vendor[own], o.from["vendor."+own] = v, name
}

// vendorKeyOf gives the key of the vendor's block that a variable sets, or "".
func vendorKeyOf(name string) string {
	own, ok := strings.CutPrefix(name, vendorPrefix)
	if own = strings.ToLower(own); !ok || own == "name" || secretKey(own) {
		return ""
	}
	return own
}

// fromText reads a flag, a span or a number.
func fromText(as kind, value string) (any, string) {
	switch as {
	case span:
		return duration(value)
	case number:
		return whole(value)
	}
	if value != "true" && value != "false" {
		return nil, quote(value) + ": must be true or false"
	}
	return value == "true", ""
}

// unknown reports a variable that was meant for usher and is not known: one of a
// section that exists, or one that a typing error explains. Others may belong to
// whatever started the daemon.
func (o *overlay) unknown(name string, s schema) {
	plain := func(variable string) string {
		return strings.ToLower(strings.TrimPrefix(variable, envPrefix))
	}
	known := []string{plain(vendorPrefix + "NAME")}
	for _, k := range s {
		known = append(known, plain(k.variable()))
	}
	section, _, _ := strings.Cut(plain(name), "_")
	best := nearest(plain(name), known)
	switch {
	case section == "scanners":
		o.faults.Add(name, "scanners are a list: set them in the file")
	case best != "":
		o.faults.Add(name, "unknown variable: did you mean %s%s?", envPrefix, strings.ToUpper(best))
	case section != "" && len(s.under(section)) > 0:
		o.faults.Add(name, "unknown variable: remove it, or see the keys of %s", section)
	}
}

// stateDirectory is the state directory that systemd made, or "".
func stateDirectory(environ []string) string {
	dir := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, stateVariable+"="); ok {
			dir, _, _ = strings.Cut(v, ":")
		}
	}
	return dir
}
