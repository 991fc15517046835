// Vmtest runs the real usher in a Debian guest under QEMU, with the kernel's own
// drivers, systemd and udev, and plays scanners on its USB: a keyboard, a serial
// cable, point-of-sale, composite and built-in ones. It is never shipped;
// scripts/test-vm makes what it needs and runs it.
//
//	vmtest -image DIR -payload TAR -vendorsim BIN -dir DIR [-limit 5m]
//
// The image is that of cmd/vmtest/image/build. The payload holds agent, usher,
// configs and scripts/install. The directory, whose path must be short, takes
// sockets and, where a step fails, what tells why. It prints a line for each step
// and exits 0 where all went well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	image, payload, vendorsim, dir string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("vmtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o options
	flags.StringVar(&o.image, "image", "", "the guest's image, a directory")
	flags.StringVar(&o.payload, "payload", "", "a tar for the guest")
	flags.StringVar(&o.vendorsim, "vendorsim", "", "the simulator to run")
	flags.StringVar(&o.dir, "dir", "", "for sockets and logs")
	limit := flags.Duration("limit", 5*time.Minute, "how long all may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.image == "" || o.payload == "" || o.vendorsim == "" || o.dir == "" || flags.NArg() > 0 {
		return errors.New("want -image, -payload, -vendorsim and -dir")
	}
	limited, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	w := &world{options: o}
	err := w.open(limited)
	if err == nil {
		err = play(limited, w.evening(), stdout)
	}
	if err != nil {
		// The time may be over; there is still some for this.
		w.artefacts(context.WithoutCancel(ctx))
	}
	return errors.Join(err, w.close())
}

func play(ctx context.Context, steps []step, stdout io.Writer) error {
	for _, s := range steps {
		began := time.Now()
		err := s.run(ctx)
		result := "ok  "
		if err != nil {
			result = "FAIL"
		}
		fmt.Fprintf(stdout, "%s %5.1fs  %s\n", result, time.Since(began).Seconds(), s.name)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
