package configs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2" // a file appears whole or not at all
)

// KeptName is the file in the state directory that holds the last configuration
// that ran.
const KeptName = "usher.yaml.kept"

// keptHeader begins the kept file: a YAML comment, so that the file can be copied
// back as it is, with a checksum, since half a YAML file is often valid.
const keptHeader = "# The last configuration usher ran on. Not for editing. sha256 "

// largestKept leaves room for the header and its checksum.
const largestKept = largest + 1<<10

// Keep stores the file's bytes ([Config.Source]) as the last configuration that
// ran. It returns once they are on the disk, and writes nothing where they are
// there already.
func Keep(stateDir string, raw []byte) error {
	path := filepath.Join(stateDir, KeptName)
	whole := fmt.Appendf(nil, "%s%x\n%s", keptHeader, sha256.Sum256(raw), raw)
	if old, err := readLimited(path, largestKept); err == nil && bytes.Equal(old, whole) {
		return nil
	}
	if err := renameio.WriteFile(path, whole, 0o600, renameio.WithTempDir(stateDir)); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return syncDir(stateDir)
}

// syncDir makes a rename in the directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return nil
}

// LoadOrKept is [Load], except that a configuration with faults is replaced by
// the kept one, where that is whole and valid. The faults are those of the file
// and of the environment: with a configuration beside them the state is degraded;
// with none (nil) usher cannot run.
func LoadOrKept(path string, environ []string, checks ...Check) (*Config, Faults) {
	raw, fault := readFile(path)
	var faults Faults
	if fault != nil {
		faults = Faults{*fault}
	} else {
		var cfg *Config
		if cfg, faults = compose(path, raw, environ, checks); len(faults) == 0 {
			return cfg, nil
		}
	}
	for _, dir := range keptDirs(raw, environ) {
		cfg, why := loadKept(filepath.Join(dir, KeptName), environ, checks)
		if cfg != nil {
			return cfg, faults
		}
		faults.Merge(why...)
	}
	return nil, faults
}

// loadKept reads one kept file. Variables of the environment that are at fault
// are left out: they must not keep a gate closed that has run before. No kept
// file at all is no fault.
func loadKept(path string, environ []string, checks []Check) (*Config, Faults) {
	whole, err := readLimited(path, largestKept)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Faults{{Path: path, Text: "the kept configuration cannot be read: " + err.Error()}}
	}
	raw, ok := unwrapKept(whole)
	if !ok {
		return nil, Faults{{Path: path, Text: "the kept configuration is damaged and not used"}}
	}
	for {
		cfg, faults := compose(path, raw, environ, checks)
		if len(faults) == 0 {
			return cfg, nil
		}
		fewer := without(environ, faults)
		if len(fewer) == len(environ) {
			var out Faults
			for _, f := range faults {
				out.Add(path, "the kept configuration is not used: %s", f)
			}
			return nil, out
		}
		environ = fewer
	}
}

// unwrapKept gives the configuration inside a kept file, false where a byte of
// it is not as it was written.
func unwrapKept(whole []byte) ([]byte, bool) {
	head, raw, found := bytes.Cut(whole, []byte("\n"))
	return raw, found && string(head) == fmt.Sprintf("%s%x", keptHeader, sha256.Sum256(raw))
}

// without is the environment without the variables that are at fault: those that
// the faults name, else the vendor's where a fault is the vendor's, else all but
// the state directory.
func without(environ []string, faults Faults) []string {
	named := func(name string) bool { return faults.Has(name) }
	vendorFault := slices.ContainsFunc(faults, func(f Fault) bool { return explained(Faults{{Path: "vendor"}}, f.Path) })
	vendors := func(name string) bool { return vendorFault && vendorKeyOf(name) != "" }
	rest := func(name string) bool { return name != envPrefix+"STATE_DIR" }
	for _, guilty := range []func(string) bool{named, vendors, rest} {
		left := slices.DeleteFunc(slices.Clone(environ), func(e string) bool {
			name, _, _ := strings.Cut(e, "=")
			return strings.HasPrefix(name, envPrefix) && guilty(name)
		})
		if len(left) < len(environ) {
			return left
		}
	}
	return environ
}

// keptDirs lists where a kept configuration may lie, the likeliest first. It
// follows the order in which Load settles the state directory, as far as a faulty
// file lets it.
func keptDirs(raw []byte, environ []string) []string {
	if dir := variables(environ)[envPrefix+"STATE_DIR"]; filepath.IsAbs(dir) {
		return []string{dir}
	}
	var dirs []string
	if dir := stateDirIn(raw); filepath.IsAbs(dir) {
		dirs = append(dirs, dir)
	}
	return append(dirs, cmp.Or(stateDirectory(environ), defaultStateDir))
}

// stateDirIn finds the state directory in a file that may not be YAML any more,
// by its line alone.
func stateDirIn(raw []byte) string {
	for line := range bytes.Lines(raw) {
		rest, ok := bytes.CutPrefix(line, []byte("state_dir:"))
		if !ok {
			continue
		}
		doc := readDocument("", append([]byte("state_dir:"), rest...))
		if dir, ok := doc.values["state_dir"].(string); ok {
			return dir
		}
	}
	return ""
}
