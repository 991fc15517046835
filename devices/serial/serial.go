// Package serial reads barcode scanners on serial ports: RS-232, USB adapters
// and USB-CDC ("COM port emulation"), through github.com/tarm/serial.
//
// The library reads and sets up the line; what it lacks is wrapped here:
//
//   - A time-out and a hang-up are both (0, io.EOF) to it. Data is waited for on
//     a second descriptor of the same node, the sidecar, which tells a hang-up by
//     POLLHUP and costs no wake-up while nobody scans; the library is read only
//     when there is something to read.
//   - Its Close hangs while a Read blocks, so that the goroutine that reads also
//     closes, and a ReadTimeout is always set.
//   - It takes no exclusive hold. The sidecar does: TIOCEXCL, and flock because
//     root passes TIOCEXCL.
//   - A break on the line (a scanner losing power) would read as a NUL.
//
// Port names under /dev/serial/by-id stay with the scanner over replugging; they
// are resolved at each opening and never remembered.
//
// Codes end at CR, LF, TAB, ETX or EOT, or where the line is silent for the
// configured time, since suffixes differ by model and by programming. A code cut
// off by unplugging is dropped.
//
// Assumptions: 8 data bits, no parity, one stop bit and no flow control, which
// is the factory setting of the scanners known to us.
package serial

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
)

// The bounds of Config.Idle.
const (
	minIdle = 20 * time.Millisecond
	maxIdle = 2 * time.Second
)

// Config is what a scanner's block says to this driver.
type Config struct {
	// Port is the device node, best a link of /dev/serial/by-id.
	Port string `mapstructure:"port"`
	// Baud is the line's speed in bit/s. USB-CDC scanners ignore it.
	Baud int `mapstructure:"baud"`
	// Idle is the silence that ends a code without terminator, 20 ms to 2 s.
	Idle time.Duration `mapstructure:"idle"`
}

// Defaults is the configuration that a scanner's block starts from.
func Defaults() Config { return Config{Baud: 9600, Idle: 80 * time.Millisecond} }

// Driver opens one configured port.
type Driver struct{ cfg Config }

// New checks the configuration. Its error joins every fault, each beginning
// with the key and a colon.
func New(cfg Config) (*Driver, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case cfg.Port == "":
		fault("port: missing; usher devices lists what is plugged in")
	case !filepath.IsAbs(cfg.Port):
		fault("port: %q is not an absolute path such as /dev/ttyUSB0", cfg.Port)
	}
	if rates := bauds(); !slices.Contains(rates, cfg.Baud) {
		fault("baud: %d is not supported; one of %s", cfg.Baud, list(rates))
	}
	if cfg.Idle < minIdle || cfg.Idle > maxIdle {
		fault("idle: %v is not between %v and %v", cfg.Idle, minIdle, maxIdle)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Driver{cfg: cfg}, nil
}

// Source is the configured port: two scanners must not share one.
func (d *Driver) Source() string { return d.cfg.Port }

// Open makes one attempt to open the port for this process alone. Errors say
// what to do; they wrap the errno of what failed (ENOENT: not plugged in).
func (d *Driver) Open(ctx context.Context) (scanner.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := open(d.cfg)
	if err != nil {
		return nil, explain(d.cfg.Port, err)
	}
	return p, nil
}

// bauds lists the speeds of the library's fixed table.
func bauds() []int {
	return []int{
		50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
		57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000,
		2000000, 2500000, 3000000, 3500000, 4000000,
	}
}

func list(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ", ")
}
