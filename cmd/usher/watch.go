package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
	"usher/cmd/internal/screen/terminal"
	"usher/scanner/gate"
)

const (
	// askTime is how long the daemon may take to name its scanners.
	askTime = 500 * time.Millisecond
	// againTime is between two attempts to follow.
	againTime = 250 * time.Millisecond
)

func (a *app) watchCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show verdicts live: the gate screen in a terminal",
		Long: `Show verdicts live: the gate screen in a terminal, in the language that the
daemon's configuration names (screen.language), each verdict for as long as it says
(screen.hold). It finds the daemon again by itself, and says so while it has none.
Bells: one for admit, two for review, three for refuse, none for the same ticket
again. NO_COLOR is honoured.

Where the output is no terminal, or a dumb one, each event is a line in English, for
support; after a lost connection the missed ones follow first. No line has a seat or
a name, since lines stay: for programs, --json has all of it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			out, ok := a.stdout.(*os.File)
			if a.json || !ok || !isTerminal(out) || dumb() {
				return a.watchLines(cmd.Context(), client, name)
			}
			client.OnVersion = nil // its words would break the picture
			return terminal.Run(cmd.Context(), client, terminal.Options{In: a.stdin, Out: out, Scanner: name, Now: a.now, Zone: a.zone})
		},
	}
	cmd.Flags().StringVar(&name, "scanner", "", "show this scanner only")
	return cmd
}

// dumb tells that nothing can be drawn on the terminal.
func dumb() bool {
	name := os.Getenv("TERM")
	return name == "" || name == "dumb" || name == "unknown"
}

// watchLines writes a line for each event until the context ends. No event is
// missed or told twice over a lost connection.
func (a *app) watchLines(ctx context.Context, client *control.Client, name string) error {
	notes := a.stdout
	if a.json {
		notes = a.stderr
	}
	note := func(text string) {
		fmt.Fprintf(notes, "%s  %s\n", clockTime(a.now(), a.now(), a.zone), clean(text))
	}
	bells := !a.json && isTerminal(a.stdout)
	var last uint64
	begun, lost := false, false
	unknown := ""
	for ctx.Err() == nil {
		err := a.followLines(ctx, client, &last, &begun, func() {
			if lost {
				note("connected again")
			}
			lost = false
			// After a restart the scanners may have other names.
			was := unknown
			if unknown = askScanner(ctx, client, name); unknown != "" && unknown != was {
				note("NO SCANNER: " + unknown)
			}
		}, func(e control.Event) error {
			if name != "" && e.Scanner != name {
				return nil
			}
			if a.json {
				return a.writeJSONLine(e)
			}
			e.Ticket = nil // who sits where must not stay on a screen or in a file
			text := eventLine(e, a.now(), a.zone, false)
			if bells {
				text += strings.Repeat("\a", terminal.Bells(e))
			}
			_, err := fmt.Fprintln(a.stdout, text)
			return err
		})
		var broken *outputError
		if errors.As(err, &broken) {
			return broken.err
		}
		if !lost && ctx.Err() == nil {
			lost = true
			note("NO CONNECTION: " + terminal.Loss(err))
		}
		pause(ctx, againTime)
	}
	return nil
}

// askScanner is unknownScanner of the daemon that answers.
func askScanner(ctx context.Context, client *control.Client, name string) string {
	if name == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return ""
	}
	return unknownScanner(status, name)
}

// unknownScanner says that the daemon has no scanner of the name that alone is
// to be shown; "": it has.
func unknownScanner(s control.Status, name string) string {
	if name == "" || name == gate.Manual {
		return ""
	}
	names := make([]string, 0, len(s.Scanners)+1)
	for _, sc := range s.Scanners {
		if sc.Name == name {
			return ""
		}
		names = append(names, sc.Name)
	}
	return fmt.Sprintf("no scanner is named %q: there is %s", name, strings.Join(append(names, gate.Manual), ", "))
}

// outputError says that our own output is gone, not the daemon.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }

// followLines follows from the last event told until something fails.
func (a *app) followLines(ctx context.Context, client *control.Client, last *uint64, begun *bool, up func(), tell func(control.Event) error) error {
	if !*begun {
		newest, err := client.Newest(ctx, 1, 0)
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			*last = newest[0].Seq
		}
		*begun = true
	}
	stream, err := client.FollowFrom(ctx, *last)
	if err != nil {
		return err
	}
	defer stream.Close()
	up()
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		*last = max(*last, e.Seq)
		if err := tell(e); err != nil {
			return &outputError{err}
		}
	}
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
