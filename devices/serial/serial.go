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
// are resolved at each opening and never remembered. A numbered one, such as
// /dev/ttyACM0, goes to whatever is plugged in next: what is not the same model with
// the same serial number is not read. Two that are the same cannot be told apart so.
//
// # Protocols
//
// Under protocol lines, codes end at CR, LF, TAB, ETX or EOT, or where the line is
// silent for the configured time, since suffixes differ by model and by
// programming. The key suffix tells which: auto learns it and is right for nearly all,
// enter is for a scanner that ends its codes from the first one on, none for one that
// does not. A scanner that ends its codes is waited for when an adapter holds it up,
// 2 s from one byte to the next; after that its code is unreadable, as is what may be
// the rest of it. Under protocol ssi they come in the packets of Zebra's Simple Serial
// Interface, with checksums: a broken packet is asked for again, a code that was
// sent again because our acknowledgement got lost is not read twice, and long codes
// are put together from their segments. A code cut off by unplugging, or under way
// when the port is opened, is dropped; of
// one whose rest does not come, or does not come whole, the gate is given a mark
// that it refuses as unreadable.
//
// # Feedback
//
// What each family wants to be set to, by the bar codes of its manual, so that it
// stays silent until the verdict, and what it then does:
//
//	feedback   protocol  set in the scanner                      admit          refuse           review            repeat
//	honeywell  lines     Host ACK On (Host Acknowledgment;       good read      razz, twice      high low high     one low
//	                     Xenon, Granit, Voyager, Vuquest)                                        low
//	zebra      ssi       SSI Host; ACK/NAK handshaking on;       2 short high,  4 long low,      warble,           one short
//	                     Beep After Good Decode off              green          red              red               low
//	datalogic  lines     RS-232 Std or USB-COM; Good Read Beep   good tone      not on file      good tone,        good tone,
//	                     off                                                                     3 times           twice
//	(none)     either    a suffix, best CR
//
// Honeywell: scan "Host ACK On" in the chapter on output or serial settings; from then
// on the scanner reads nothing more until it is answered, and gives an error tone
// where no answer comes within 10 s. Zebra: scan "SSI Host" (RS-232 or USB CDC) in the
// chapter on the SSI interface. Datalogic: scan "Good Read Beep Control = Disable";
// some models stop reading at "not on file" and are enabled again after a second.
//
// Feedback is told by a goroutine of its own, the newest verdict only: a line that
// takes no bytes delays neither reading nor a verdict, and the end of Run by 250 ms
// at most.
//
// # Assumptions
//
// 8 data bits, no parity, one stop bit and no flow control, which is the factory
// setting of the scanners known to us.
//
// DECODE_DATA holds its code after one byte, the symbology; where the second byte is
// 0 or 1 and the next two are exactly the length of what follows, after four. Codes in
// segments always state their length, and each segment is acknowledged by
// MULTIPACKET_ACK; its number tells one that is sent again. A segment shorter than 255
// bytes is the last one. A DECODE_DATA that says that it goes on (bit 1 of its status) is
// a part of a code, and the next one too: together they are unreadable, since nothing
// public tells how they join.
//
// Beep codes are those of the Simple Serial Interface Programmer's Guide (72E-40451),
// commands and answers of Honeywell those of the Xenon/Granit user's guide (Host ACK
// Responses), of Datalogic those of the Magellan and PowerScan product reference guides
// (Host Commands).
package serial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"usher/devices/report"
	"usher/scanner"
)

// standardBaud is the factory setting, and a rate that the library knows.
const standardBaud = 9600

// The bounds of Config.Baud.
const (
	minBaud = 50
	maxBaud = 4_000_000
)

// Config is what a scanner's block says to this driver.
type Config struct {
	// Port is the device node, best a link of /dev/serial/by-id.
	Port string `mapstructure:"port"`
	// Baud is the line's speed in bit/s. USB-CDC scanners ignore it.
	Baud int `mapstructure:"baud"`
	// Idle is the silence that ends a code without terminator, or breaks a packet
	// off; 20 ms to 2 s.
	Idle time.Duration `mapstructure:"idle"`
	// Suffix tells whether the scanner ends its codes under protocol lines: enter (by
	// CR or another terminator), none, or auto, which learns it.
	Suffix string `mapstructure:"suffix"`
	// Protocol is lines or ssi.
	Protocol string `mapstructure:"protocol"`
	// Feedback is the family of scanners that is told verdicts: honeywell, zebra,
	// datalogic; empty: none is.
	Feedback string `mapstructure:"feedback"`
	// DTR and RTS are the control lines; false lowers one, once the port is open.
	DTR bool `mapstructure:"dtr"`
	RTS bool `mapstructure:"rts"`
}

// The values of Config.Protocol.
const (
	protocolLines = "lines"
	protocolSSI   = "ssi"
)

// Defaults is the configuration that a scanner's block starts from.
func Defaults() Config {
	return Config{
		Baud: standardBaud, Idle: 80 * time.Millisecond, Suffix: report.SuffixAuto,
		Protocol: protocolLines, DTR: true, RTS: true,
	}
}

// Driver opens one configured port.
type Driver struct {
	cfg Config
	// suffix is what is known of the scanner's terminator, however often it is
	// plugged in again.
	suffix *report.Suffix
	// root is where sys and dev are: "/" on a device.
	root string
	// was is what stood behind the numbered port when it was first opened; empty: not
	// yet.
	was string
	// head and tap take a recording; nil: none is made.
	head func(key, value string)
	tap  func(raw []byte)
}

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
	if cfg.Baud < minBaud || cfg.Baud > maxBaud {
		fault("baud: %d is not between %d and %d", cfg.Baud, minBaud, maxBaud)
	}
	faults = append(faults, report.CheckIdle(cfg.Idle), report.CheckSuffix(cfg.Suffix))
	cfg.checkTalk(fault)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Driver{cfg: cfg, suffix: report.NewSuffix(cfg.Suffix), root: "/"}, nil
}

// Source is the configured port: two scanners must not share one.
func (d *Driver) Source() string { return d.cfg.Port }

// Open makes one attempt to open the port for this process alone. Errors say
// what to do; they wrap the errno of what failed (ENOENT: not plugged in).
func (d *Driver) Open(ctx context.Context) (scanner.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	behind, err := d.numbered()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.cfg.Port, err)
	}
	p, err := open(ctx, d.cfg, d.suffix)
	if err != nil {
		return nil, explain(d.cfg.Port, err)
	}
	// Only now: what could not be opened may have been another device.
	d.was = cmp.Or(d.was, behind)
	if p.tap = d.tap; p.tap != nil {
		d.head("Transport", fmt.Sprintf("serial at %d bit/s, recorded", d.cfg.Baud))
		d.head("Protocol", d.cfg.Protocol)
		d.head("Idle", d.cfg.Idle.String())
		if d.cfg.Suffix != report.SuffixAuto {
			d.head("Suffix", d.cfg.Suffix)
		}
	}
	return p, nil
}

// Record has every read handed on, as the scanner sent it, and before that what the
// head of a recording must tell to be replayed. It is for recordings of devices alone;
// read is called by the goroutine that reads and must neither wait nor keep the bytes.
func (d *Driver) Record(head func(key, value string), read func(raw []byte)) {
	d.head, d.tap = head, read
}

// checkTalk finds a protocol that is none, and what it cannot carry.
func (c Config) checkTalk(fault func(format string, args ...any)) {
	if c.Protocol != protocolLines && c.Protocol != protocolSSI {
		fault("protocol: %q is none; one of %s, %s", c.Protocol, protocolLines, protocolSSI)
		return
	}
	if c.Protocol == protocolSSI && c.Suffix != report.SuffixAuto {
		fault("suffix: means nothing over protocol: ssi, whose packets say where they end; leave it out")
	}
	switch c.Feedback {
	case "":
	case zebra:
		if c.Protocol != protocolSSI {
			fault("feedback: zebra goes over protocol: ssi; set that, and scan SSI Host in the scanner's manual")
		}
	case honeywell, datalogic:
		if c.Protocol != protocolLines {
			fault("feedback: %s goes over protocol: lines", c.Feedback)
		}
	default:
		fault("feedback: %q is none; one of %s, %s, %s, or leave it out", c.Feedback, honeywell, zebra, datalogic)
	}
}
