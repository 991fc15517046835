package configs

import "slices"

// Keys lists the paths of every typed setting, sorted.
func Keys() []string {
	var paths []string
	for _, k := range newSchema() {
		paths = append(paths, k.path)
	}
	slices.Sort(paths)
	return paths
}

// Values gives every typed setting by its path.
func Values(c *Config) map[string]any { return newSchema().values(c) }
