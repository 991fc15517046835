package devices

import (
	"io/fs"
	"testing"

	"usher/devices/evdev"
)

// TestADeniedInputGetsTheRuleThatHelps: the rules that come with usher know the
// first maker, not the second.
func TestADeniedInputGetsTheRuleThatHelps(t *testing.T) {
	for _, tt := range []struct {
		node evdev.Node
		err  error
		want string
	}{
		{evdev.Node{Event: "/dev/input/event3", Bus: 5, VendorID: 0x05e0, ProductID: 0x1200}, fs.ErrPermission,
			"/dev/input/event3: permission denied; add the service to group usher or install the udev rules"},
		{evdev.Node{Event: "/dev/input/event3", Bus: 5, VendorID: 0x04b4, ProductID: 0x12}, fs.ErrPermission,
			"/dev/input/event3: permission denied; if it is a scanner, put this line into /etc/udev/rules.d/71-usher.rules and connect it again: " +
				`SUBSYSTEM=="input", KERNEL=="event*", ATTRS{id/bustype}=="0005", ATTRS{id/vendor}=="04b4", ATTRS{id/product}=="0012", GROUP="usher", MODE="0660", ENV{LIBINPUT_IGNORE_DEVICE}="1"`},
		{evdev.Node{Event: "/dev/input/event3"}, fs.ErrNotExist, "/dev/input/event3: file does not exist"},
		{evdev.Node{Event: "/dev/input/event3"}, nil, ""},
	} {
		if got := deniedInput(tt.node, tt.err); got != tt.want {
			t.Errorf("got %q\nwant %q", got, tt.want)
		}
	}
}
