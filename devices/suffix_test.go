package devices_test

import (
	"testing"

	"usher/devices"
)

// TestSuffixIsStrict for every driver that has the key: a word that is none of its
// values, and what YAML takes for something else than a word.
func TestSuffixIsStrict(t *testing.T) {
	for _, driver := range []string{
		"driver: serial, port: /dev/a",
		"driver: hid, vendor_id: 0x05e0",
		"driver: evdev, path: /dev/input/event0",
	} {
		for value, want := range map[string]string{
			"auto": "", "enter": "", "none": "",
			"Enter": `scanner lane-1: suffix: "Enter" is none of auto, enter, none`,
			`""`:    `scanner lane-1: suffix: "" is none of auto, enter, none`,
			"13":    "scanner lane-1: suffix: 13 is not text; put it in quotes",
			"false": "scanner lane-1: suffix: false is not text; put it in quotes",
		} {
			got := ""
			if _, err := devices.Configure(blocks(t, "- { name: lane-1, "+driver+", suffix: "+value+" }"), devices.Deps{}); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s, suffix: %s: got %q, want %q", driver, value, got, want)
			}
		}
	}
}
