// Bench prints where usher stands against the numbers it wants to reach, as
// ratios taken in one run on one machine: medians of interleaved rounds, so that
// a machine whose speed drifts does not decide. It is what scripts/bench runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// rounds is how often each pair of measurements is taken in turn.
const rounds = 5

// bench is one run.
type bench struct {
	bin     string
	sim     string
	dir     string
	million int
}

func main() {
	var b bench
	flag.StringVar(&b.bin, "usher", "", "the usher binary to measure")
	flag.StringVar(&b.sim, "vendorsim", "", "the vendor's simulator to drain into")
	flag.StringVar(&b.dir, "dir", "", "a directory on the disk to measure (default: a temporary one)")
	flag.IntVar(&b.million, "tickets", 1_000_000, "how many tickets a million is, for a quick look")
	child := flag.String("load", "", "load a list into this directory and end (used by the bench itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := b.run
	if *child != "" {
		run = func(ctx context.Context) error { return loadChild(ctx, *child, b.million) }
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp(b.dir, "usher-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	for _, measure := range []func(context.Context) error{
		b.admit, b.lanes, b.load, b.refresh, b.start, b.memory, b.idle, b.drain,
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// report prints a row as soon as it is known.
func (b *bench) report(what, goal string, met bool, format string, args ...any) {
	mark := "met"
	if !met {
		mark = "NOT MET"
	}
	fmt.Printf("%-58s %-26s goal %-22s %s\n", what, fmt.Sprintf(format, args...), goal, mark)
}

// sub makes a fresh directory.
func (b *bench) sub(name string) (string, error) { return os.MkdirTemp(b.dir, name) }

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// percentile of unsorted durations, p from 0 to 1.
func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
