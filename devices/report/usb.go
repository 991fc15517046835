package report

import (
	"regexp"
	"strings"
)

// USBInterface gives the interface of USB, such as 1-2:1.0, that a folder of sysfs
// with its links resolved lies in; empty: in none.
func USBInterface(dir string) string {
	form := regexp.MustCompile(`^[0-9]+-[0-9.]+:[0-9]+\.[0-9]+$`)
	found := ""
	for part := range strings.SplitSeq(dir, "/") {
		if form.MatchString(part) {
			found = part
		}
	}
	return found
}
