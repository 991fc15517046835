package report

import (
	"os"
	"path/filepath"
	"strings"
)

// Attribute gives a file of sysfs, or nothing. Devices choose their own words:
// only what can be printed of them is kept, so that they play no tricks on a
// terminal.
func Attribute(dir, name string) string {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(raw), "")))
}
