package configs_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"usher/configs"
)

var update = flag.Bool("update", false, "rewrite the expected faults")

func TestEverySampleLoads(t *testing.T) {
	samples, err := filepath.Glob("*.yaml")
	if err != nil || len(samples) < 2 {
		t.Fatalf("samples: %v, %v", samples, err)
	}
	for _, path := range samples {
		t.Run(path, func(t *testing.T) {
			if _, err := configs.Load(path, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryInvalidFileSaysWhatToDo(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := configs.Load(path, nil)
			var faults configs.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(path, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// commented matches a setting that the sample shows as a comment: no blank
// between # and the key.
var commented = regexp.MustCompile(`(?m)^(\s*)#([a-z])`)

func TestTheSampleShowsEveryKeyWithItsDefault(t *testing.T) {
	raw, err := os.ReadFile("usher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(t.TempDir(), "full.yaml")
	if err := os.WriteFile(full, commented.ReplaceAll(raw, []byte("$1$2")), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := configs.Load(full, nil)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configs.Keys(), slices.Sorted(slices.Values(keysOf(t, shown)))); diff != "" {
		t.Errorf("keys known (-) and keys shown (+):\n%s", diff)
	}

	// What the sample shows as a comment is the default, so that removing a #
	// changes nothing.
	plain, err := configs.Load("usher.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	plain.Device.Name = "" // the host's own, which no sample can show
	for key, want := range configs.Values(plain) {
		if diff := cmp.Diff(want, configs.Values(got)[key]); diff != "" && key != "gate.sections" {
			t.Errorf("%s: uncommented, the sample differs from the default:\n%s", key, diff)
		}
	}
}

// keysOf lists the paths of the typed settings in a file.
func keysOf(t *testing.T, raw []byte) []string {
	t.Helper()
	var top map[string]any
	if err := yaml.Unmarshal(raw, &top); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for name, value := range top {
		section, deep := value.(map[string]any)
		switch {
		case name == "vendor" || name == "scanners":
		case !deep:
			paths = append(paths, name)
		}
		for inner := range section {
			if name != "vendor" {
				paths = append(paths, name+"."+inner)
			}
		}
	}
	return paths
}
