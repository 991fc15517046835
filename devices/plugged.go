package devices

import (
	"fmt"
	"strconv"
	"strings"

	"usher/devices/serial"
)

// Found is one scanner, or what may be one, that is plugged in.
type Found struct {
	Driver string
	// Path is the name to configure, the most lasting one.
	Path string
	// Label is what the device calls itself; may be empty.
	Label string
	// Stanza is the line to paste under scanners in the configuration.
	Stanza string
}

// Plugged lists what is plugged in, by reading the /dev and /sys under root
// ("/" on a device). It opens nothing.
func Plugged(root string) ([]Found, error) {
	ports, err := serial.Plugged(root)
	var found []Found
	for i, port := range ports {
		found = append(found, Found{
			Driver: "serial",
			Path:   port.Path,
			Label:  port.Label,
			Stanza: fmt.Sprintf("- { name: lane-%d, driver: serial, port: %s, baud: %d }", i+1, scalar(port.Path), serial.Defaults().Baud),
		})
	}
	return found, err
}

// scalar writes a text as YAML, quoted only where it must be.
func scalar(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._+-", r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return strconv.QuoteToASCII(text)
}
