package configs

import (
	"fmt"
	"log/slog"
	"os"
	"time"
)

// DefaultPath is where the configuration is unless a flag says otherwise.
const DefaultPath = "/etc/usher/usher.yaml"

// defaultStateDir serves where neither the file nor systemd names one.
const defaultStateDir = "/var/lib/usher"

// Manual is the scanner name of codes typed by hand, which no configured scanner
// may take.
const Manual = "manual"

// Config is one valid configuration. It holds no secret; even so its text form
// and its log form show no value of a raw block.
type Config struct {
	// StateDir is where the stores and the device's identity live. Default:
	// $STATE_DIRECTORY, else /var/lib/usher.
	StateDir string `mapstructure:"state_dir"`
	Device   Device `mapstructure:"device"`
	Gate     Gate   `mapstructure:"gate"`
	// Scanners are in the order of the file. With none, only codes typed by hand
	// are judged.
	Scanners []Scanner `mapstructure:"-"`
	Vendor   Vendor    `mapstructure:"-"`
	Online   Online    `mapstructure:"online"`
	Offline  Offline   `mapstructure:"offline"`
	Upload   Upload    `mapstructure:"upload"`
	History  History   `mapstructure:"history"`
	Status   Status    `mapstructure:"status"`
	Clock    Clock     `mapstructure:"clock"`
	Log      Log       `mapstructure:"log"`
	Signals  Signals   `mapstructure:"signals"`
	Screen   Screen    `mapstructure:"screen"`

	source []byte
}

// Device says who this handheld is. Everything but the name may stay empty and
// is then found out on the device.
type Device struct {
	// ID is the device's identity at the vendor. Empty: one is made and kept.
	ID string `mapstructure:"id"`
	// Name is what people call it. Default: the host name.
	Name   string `mapstructure:"name"`
	Serial string `mapstructure:"serial"`
	Model  string `mapstructure:"model"`
	// MAC replaces the hardware address that the device is recognised by.
	MAC string `mapstructure:"mac"`
}

// Gate says what this gate lets through.
type Gate struct {
	Name string `mapstructure:"name"`
	// Direction is entry or exit, where a scanner does not say its own.
	Direction string `mapstructure:"direction"`
	// Rule is external or internal.
	Rule string `mapstructure:"rule"`
	// Reentry after an exit: allow or refuse.
	Reentry string `mapstructure:"reentry"`
	// ExitRequired: at an internal gate, a second entry needs an exit first.
	ExitRequired bool `mapstructure:"exit_required"`
	// ExitUnknown is for an exit whose entry this device cannot know of: refuse,
	// review or admit.
	ExitUnknown string `mapstructure:"exit_unknown"`
	// ForgetAfter ends the mark of a ticket whose event's end is not known.
	ForgetAfter time.Duration `mapstructure:"forget_after"`
	// Timezone is the venue's, in IANA names. Empty: the device's.
	Timezone string `mapstructure:"timezone"`
	// Event, Series and Sections are what a ticket must be for. Empty: any.
	Event    string   `mapstructure:"event"`
	Series   string   `mapstructure:"series"`
	Sections []string `mapstructure:"sections"`
}

// Location is the venue's time zone.
func (g Gate) Location() (*time.Location, error) {
	if g.Timezone == "" {
		return time.Local, nil
	}
	return time.LoadLocation(g.Timezone)
}

// Scanner is one configured scanner.
type Scanner struct {
	// Name is unique and never "manual".
	Name string
	// Driver names the room under devices that reads it.
	Driver string
	// Direction is entry or exit; empty: the gate's.
	Direction string
	// Block is every other key, for the driver.
	Block Block
}

// Vendor is the ticketing vendor.
type Vendor struct {
	// Name names the room under vendors that speaks with it.
	Name string
	// Block is every other key, for the vendor.
	Block Block
}

// Online says how the vendor is asked.
type Online struct {
	// Patience is how long a person at the gate waits for the vendor.
	Patience time.Duration `mapstructure:"patience"`
	// Timeout is a call's own end; a late answer is still understood.
	Timeout time.Duration `mapstructure:"timeout"`
	// ProbeMin and ProbeMax bound the pause between two looks whether the vendor
	// is back.
	ProbeMin time.Duration `mapstructure:"probe_min"`
	ProbeMax time.Duration `mapstructure:"probe_max"`
	// InDoubt is for a holder whose own green light got lost on the way: admit or
	// review.
	InDoubt string `mapstructure:"in_doubt"`
}

// Upload says how movements made offline reach the vendor.
type Upload struct {
	// Batch is the most movements in a call.
	Batch int `mapstructure:"batch"`
	// RetryMin and RetryMax bound the pause after an upload that failed.
	RetryMin time.Duration `mapstructure:"retry_min"`
	RetryMax time.Duration `mapstructure:"retry_max"`
}

// Offline says how to decide without the vendor.
type Offline struct {
	// Refresh is how often the vendor's whole list is fetched. 0: every 30 minutes. What
	// changed of it, where the vendor tells, is fetched every 5.
	Refresh time.Duration `mapstructure:"refresh"`
	// StaleAfter is how long a list counts as fresh. 0: the vendor's own.
	StaleAfter time.Duration `mapstructure:"stale_after"`
	// Unknown is for a code that is not in the list: refuse, review or admit.
	Unknown string `mapstructure:"unknown"`
	// Manifest is the path of a ticket list in CSV or JSON Lines. Empty: none.
	Manifest string `mapstructure:"manifest"`
}

// History says how long verdicts are kept.
type History struct {
	Keep time.Duration `mapstructure:"keep"`
}

// Status says where the daemon answers.
type Status struct {
	// Socket is the path of the local socket.
	Socket string `mapstructure:"socket"`
	// Screen is the loopback address and port of the gate screen's page; off: there
	// is none.
	Screen string `mapstructure:"screen"`
}

// ScreenOff is the value of status.screen for no page.
const ScreenOff = "off"

// Screen says how the gate screens speak: the page, and usher watch.
type Screen struct {
	// Language is en, es, fr or de.
	Language string `mapstructure:"language"`
	// Hold is how long a verdict stays, and with it a name or a seat.
	Hold time.Duration `mapstructure:"hold"`
}

// Clock says which clock is believed.
type Clock struct {
	// Trust is kernel (the wall clock is right once the kernel says that it is
	// synchronised) or wall (the site vouches for the device's own clock: an
	// isolated site with a set real-time clock).
	Trust string `mapstructure:"trust"`
}

// Log says what is logged.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `mapstructure:"level"`
	// Format is json or text.
	Format string `mapstructure:"format"`
}

// Signals names the device's own lights and beeper, which show verdicts. Empty:
// there is none.
type Signals struct {
	// AdmitLED, RefuseLED and ReviewLED are names under /sys/class/leds. One may
	// stand for all: each verdict blinks in its own way.
	AdmitLED  string `mapstructure:"admit_led"`
	RefuseLED string `mapstructure:"refuse_led"`
	ReviewLED string `mapstructure:"review_led"`
	// Beeper is the path of an input device that makes sounds.
	Beeper string `mapstructure:"beeper"`
}

// Default is the configuration of a file that says nothing. It is not valid by
// itself: a vendor must be named.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &Config{
		StateDir: defaultStateDir,
		Device:   Device{Name: host},
		Gate: Gate{
			Direction:   "entry",
			Rule:        "external",
			Reentry:     "refuse",
			ExitUnknown: "refuse",
			ForgetAfter: 24 * time.Hour,
		},
		Online: Online{
			Patience: 1500 * time.Millisecond, Timeout: 3 * time.Second, ProbeMin: time.Second, ProbeMax: 30 * time.Second, InDoubt: "admit",
		},
		Offline: Offline{Unknown: "refuse"},
		Upload:  Upload{Batch: 100, RetryMin: time.Second, RetryMax: time.Minute},
		History: History{Keep: 14 * 24 * time.Hour},
		Status:  Status{Socket: "/run/usher/usher.sock", Screen: "127.0.0.1:8680"},
		Clock:   Clock{Trust: "kernel"},
		Log:     Log{Level: "info", Format: "json"},
		Screen:  Screen{Language: "en", Hold: 5 * time.Second},
	}
}

// Source is the file that the configuration was read from, byte for byte: what
// [Keep] stores once the daemon runs on it.
func (c *Config) Source() []byte { return c.source }

// ScannerPath is how faults name the scanner at index i: by its name where that
// is given and unique, else by its index, which counts from 0.
func (c *Config) ScannerPath(i int) string {
	names := make([]string, len(c.Scanners))
	for j, s := range c.Scanners {
		names[j] = s.Name
	}
	return scannerPath(names, i)
}

func scannerPath(names []string, i int) string {
	same := 0
	for _, n := range names {
		if n == names[i] {
			same++
		}
	}
	if same > 1 || !printable(names[i]) {
		return fmt.Sprintf("scanners[%d]", i)
	}
	return "scanners[" + names[i] + "]"
}

// String tells the configuration apart from another without its details, so that
// it may appear in any log.
func (c Config) String() string {
	return fmt.Sprintf("gate %q, device %q, vendor %s, %d scanners, state in %s",
		c.Gate.Name, c.Device.Name, c.Vendor.Name, len(c.Scanners), c.StateDir)
}

// Format is String under every verb of fmt.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue is what slog writes of a configuration.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("gate", c.Gate.Name),
		slog.String("device", c.Device.Name),
		slog.String("vendor", c.Vendor.Name),
		slog.Int("scanners", len(c.Scanners)),
		slog.String("state_dir", c.StateDir),
	)
}
