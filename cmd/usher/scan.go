package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// judgeTime is how long a command waits for a verdict, an upload included.
const judgeTime = 30 * time.Second

// timeout bounds what a command asks.
func timeout(cmd *cobra.Command, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), d)
}

func (a *app) scanCommand() *cobra.Command {
	var direction string
	cmd := &cobra.Command{
		Use:   "scan CODE",
		Short: "Judge a code typed by hand (exit code 0 only when it admits)",
		Long: `Judge a code typed by hand, as if a scanner had read it.

The exit code is 0 for a verdict that admits, and 1 for any other: refused, for
review, and the same ticket again within seconds, which is no second admission.
Write "--" before a code that begins with "-".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			way := scanner.Direction(direction)
			if way != "" && !way.Valid() {
				return usageError("--direction %q: want entry or exit", direction)
			}
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			event, err := a.client().Scan(ctx, args[0], way)
			if err != nil {
				return err
			}
			if err := a.writeEvent(event); err != nil {
				return err
			}
			if event.Verdict != scanner.Admit || event.Repeat {
				return &codeError{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&direction, "direction", "", "entry or exit; the gate's own unless given")
	return cmd
}

func (a *app) admitCommand() *cobra.Command {
	return a.personCommand("admit SEQ", "Admit a refused or reviewed scan, as a supervisor",
		func(ctx context.Context, c *control.Client, seq uint64, by string) (control.Event, error) {
			return c.Admit(ctx, seq, by)
		})
}

func (a *app) undoCommand() *cobra.Command {
	return a.personCommand("undo SEQ", "Take back an admission: the person did not pass",
		func(ctx context.Context, c *control.Client, seq uint64, by string) (control.Event, error) {
			return c.Undo(ctx, seq, by)
		})
}

// personCommand acts on one scan in a person's name.
func (a *app) personCommand(use, short string, ask func(context.Context, *control.Client, uint64, string) (control.Event, error)) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ".\n\nSEQ is the scan's number: `usher watch` and `usher tickets show` write it behind #.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := parseSeq(args[0])
			if err != nil {
				return err
			}
			name, err := a.person(by)
			if err != nil {
				return err
			}
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			event, err := ask(ctx, a.client(), seq, name)
			if err != nil {
				return err
			}
			return a.writeEvent(event)
		},
	}
	byFlag(cmd, &by)
	return cmd
}

func parseSeq(text string) (uint64, error) {
	digits := text
	if len(text) > 1 && text[0] == '#' {
		digits = text[1:]
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || seq == 0 {
		return 0, usageError("%q is not a scan's number", text)
	}
	return seq, nil
}

// writeEvent writes a verdict for a person: the word alone on the first line.
func (a *app) writeEvent(e control.Event) error {
	if a.json {
		return a.writeJSON(e)
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n", eventWord(e, colourful(a.stdout)))
	for _, line := range []string{
		eventWhy(e),
		seatText(e.Ticket),
		eventWords(e.EventName, e.EventStartsAt.Time, a.now(), a.zone),
		joined(" ", e.Code, fmt.Sprintf("#%d", e.Seq), marksText(e)),
	} {
		if line != "" && err == nil {
			_, err = fmt.Fprintf(a.stdout, "  %s\n", clean(line))
		}
	}
	return err
}
