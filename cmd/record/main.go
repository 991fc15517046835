// Record makes a recorded device log of a real scanner, through the driver that
// reads it in service. It is what scripts/record-device runs, and is never
// shipped: the log holds whole codes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		os.Exit(2) // the flags have said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "record-device:", err)
		os.Exit(1)
	}
}

// options are what one recording is made of.
type options struct {
	driver string
	// keys are the driver's own, as a scanner's block in the configuration has them.
	keys              map[string]any
	device, note, out string
	// length is how long to record; 0: until the context ends.
	length time.Duration
}

// parse reads the command line. A fault has been told to out when it returns.
func parse(args []string, out io.Writer) (options, error) {
	o := options{keys: map[string]any{}}
	flags := flag.NewFlagSet("record-device", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.driver, "driver", "", "serial, hid or evdev")
	flags.StringVar(&o.device, "device", "", "what is recorded, such as \"Honeywell 1902g\"")
	flags.StringVar(&o.note, "note", "", "how it is set up, and what the recording shows")
	flags.StringVar(&o.out, "out", "", "the new file, NAME.log")
	flags.DurationVar(&o.length, "for", 0, "how long to record, such as 10s (default until Ctrl-C)")
	text := func(name, usage string) {
		flags.Func(name, usage, func(value string) error { o.keys[name] = value; return nil })
	}
	text("port", "serial: the device `node`, best a link of /dev/serial/by-id")
	text("protocol", "serial: lines or ssi")
	text("serial", "hid: the serial `number`, to tell two of a kind")
	text("mode", "hid: keyboard or pos, where the scanner does not say")
	text("path", "evdev: the device `node`, best a link of /dev/input/by-id")
	text("match", "evdev: the device's own `name`, with * for any text")
	text("layout", "hid, evdev: the `country` of the scanner's keyboard")
	numbers := map[string]*int{}
	for name, usage := range map[string]string{
		"baud": "serial: bit/s", "vendor-id": "hid: such as 0x0c2e", "product-id": "hid: such as 0x0b61", "interface": "hid: the USB interface",
	} {
		numbers[name] = flags.Int(name, 0, usage)
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) {
		if n := numbers[f.Name]; n != nil {
			o.keys[strings.ReplaceAll(f.Name, "-", "_")] = *n
		}
	})
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintln(out, "record-device:", err)
		return o, err
	}
	return o, nil
}

func (o options) check(rest []string) error {
	var faults []error
	switch o.driver {
	case "serial", "hid", "evdev":
	default:
		faults = append(faults, fmt.Errorf("--driver: %q is none of serial, hid, evdev", o.driver))
	}
	if strings.TrimSpace(o.device) == "" {
		faults = append(faults, errors.New("--device: missing; say make and model"))
	}
	if !strings.HasSuffix(o.out, ".log") {
		faults = append(faults, fmt.Errorf("--out: %q does not end in .log", o.out))
	}
	if o.length < 0 {
		faults = append(faults, fmt.Errorf("--for: %v is less than nothing", o.length))
	}
	if len(rest) > 0 {
		faults = append(faults, fmt.Errorf("%q is no option", rest[0]))
	}
	return errors.Join(faults...)
}
