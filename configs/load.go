package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper" // lays defaults, file and environment over each other; see the package comment
)

// largest is the size above which a file is no configuration.
const largest = 1 << 20

// Check finds faults that this package cannot see: those of the drivers' and the
// vendor's own blocks. It gets a configuration that may have faults itself.
type Check func(*Config) Faults

// Load reads the file, lays the environment ("KEY=value" each, as from
// os.Environ) over it and checks the result, the given checks included. The error
// is of type [Faults] and holds everything that is wrong.
func Load(path string, environ []string, checks ...Check) (*Config, error) {
	raw, fault := readFile(path)
	if fault != nil {
		return nil, Faults{*fault}
	}
	cfg, faults := compose(path, raw, environ, checks)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// readFile gives the file's bytes, or what is wrong with it and what to do.
func readFile(path string) ([]byte, *Fault) {
	raw, err := readLimited(path, largest)
	if err == nil {
		return raw, nil
	}
	f := &Fault{Path: path}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Text = "no such file: copy the sample usher.yaml there and edit it, or name another with --config"
	case errors.Is(err, fs.ErrPermission):
		f.Text = "permission denied: let the group usher read it (chgrp usher, chmod 0640; its directory 0750)"
	default:
		var of *fs.PathError
		if errors.As(err, &of) {
			err = of.Err
		}
		f.Text = err.Error()
	}
	return nil, f
}

// readLimited reads a file, and nothing else: a pipe would hold usher up, and a
// device may never end.
func readLimited(path string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a directory: name the file in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("is no file but a pipe or device: it is read again at each reload, so name a file")
	}
	raw, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("larger than %d bytes: this is no configuration", limit)
	}
	return raw, nil
}

// compose makes a configuration of the file's bytes and the environment. With
// faults, the configuration is not one to run on.
func compose(path string, raw []byte, environ []string, checks []Check) (*Config, Faults) {
	doc := readDocument(path, raw)
	env := readEnviron(environ, doc.schema, doc.vendor.Block)
	faults := append(doc.faults, env.faults...)

	base := Default()
	if dir := stateDirectory(environ); dir != "" {
		base.StateDir = dir
	}
	cfg, err := layer(doc.schema, base, doc.values, env.values)
	if err != nil {
		faults.Add(path, "%v", err)
		faults.Sort()
		return base, faults
	}
	cfg.source = raw
	cfg.Scanners, cfg.Vendor = doc.scanners, doc.vendor
	if env.vendorName != "" {
		cfg.Vendor.Name = env.vendorName
	}
	for k, v := range env.vendor {
		cfg.Vendor.Block[k] = v
	}

	// A file that is no YAML at all has one fault; judging the defaults in its
	// place would bury it under others.
	if !doc.faults.Has(path) {
		faults.consequences(cfg.Validate(), env.from)
		var found Faults
		for _, check := range checks {
			found.Merge(check(cfg)...)
		}
		faults.consequences(found, env.from)
	}
	faults.Sort()
	return cfg, faults
}

// consequences adds the faults of a later stage, except those that only follow
// from one found before. A value that a variable set is the variable's fault.
func (f *Faults) consequences(later Faults, from map[string]string) {
	var added Faults
	for _, x := range later {
		if explained(*f, x.Path) {
			continue
		}
		if name, ok := from[x.Path]; ok {
			x.Path = name
		}
		added.Merge(x)
	}
	f.Merge(added...)
}

// explained tells whether a fault at the path only follows from one found before,
// which left the value out: the same path, or the section around it.
func explained(faults Faults, path string) bool {
	for _, f := range faults {
		rest, ok := strings.CutPrefix(path, f.Path)
		if ok && f.Path != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// layer decodes the defaults, the file's and the environment's settings, laid
// over each other in a registry that serves this one load.
func layer(s schema, base *Config, file, env map[string]any) (*Config, error) {
	v := viper.New()
	for path, value := range s.values(base) {
		v.SetDefault(path, value)
	}
	if err := v.MergeConfigMap(nest(file)); err != nil {
		return nil, err
	}
	for path, value := range env {
		v.Set(path, value)
	}
	cfg := &Config{}
	err := v.UnmarshalExact(cfg, func(dc *mapstructure.DecoderConfig) {
		// The values have their types already: viper's hooks and its weak typing
		// could only bend them.
		dc.WeaklyTypedInput = false
		dc.DecodeHook = nil
	})
	return cfg, err
}

// nest turns paths into maps of maps.
func nest(flat map[string]any) map[string]any {
	out := map[string]any{}
	for path, value := range flat {
		section, name, deep := strings.Cut(path, ".")
		if !deep {
			out[path] = value
			continue
		}
		inner, ok := out[section].(map[string]any)
		if !ok {
			inner = map[string]any{}
			out[section] = inner
		}
		inner[name] = value
	}
	return out
}
