// Soak runs a real usher against a vendor's simulator while everything around
// them fails at random, and audits the books afterwards: what was green at the
// gate, what the journal holds and what the vendor holds must be the same, each
// once. It is never shipped; scripts/soak builds and runs it.
//
//	soak -usher BIN [-for 5m] [-seed N] [-dir DIR] [-keep]
//
// The seed gives every random choice; what comes of them also depends on the
// machine's own timing. The first half of the time the daemon is killed and
// restarted; the second half it lives on, so that what leaks shows.
//
// It exits 0 where the audit finds no difference, else 1 with each difference and
// the history of its ticket.
//
// What it does not do: lie about the time (a vendor whose Date is wrong would
// make every true time unknown), and lose what was written but not synced, which
// no process can: see the strace test of cmd/usher.
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
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// errDiffers says that the audit has told already what differs.
var errDiffers = errors.New("the books differ")

// shortest is the least time in which every fault has its turn.
const shortest = 10 * time.Second

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := options{}
	flags.StringVar(&o.usher, "usher", "", "the usher to run")
	flags.DurationVar(&o.lasts, "for", 5*time.Minute, "how long faults are made")
	flags.Uint64Var(&o.seed, "seed", 0, "repeats the choices of an earlier run; 0: new ones")
	flags.StringVar(&o.dir, "dir", "", "where the device is made; its path must be short (default: a new one under TMPDIR)")
	flags.BoolVar(&o.keep, "keep", false, "leave the device's directory with its log behind")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.usher == "" || flags.NArg() > 0 || o.lasts < shortest {
		return fmt.Errorf("want -usher BIN and at least -for %s", shortest)
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	fmt.Fprintf(stderr, "soak: --for %s --seed %d\n", o.lasts, o.seed)
	w, err := newWorld(o, stderr)
	if err != nil {
		return err
	}
	books, err := w.live(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("after %s: %w", time.Since(w.born).Round(time.Second), err), w.close(true))
	}
	differences := w.audit(books)
	w.report(stdout, books, differences)
	if err := w.close(o.keep || len(differences) > 0); err != nil {
		return err
	}
	if len(differences) > 0 {
		return errDiffers
	}
	return nil
}
