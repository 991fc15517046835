package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
)

// mostEntries is how many entries of the outbox or of what is parked are shown.
const mostEntries = 10000

func (a *app) outboxCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "outbox",
		Short: "List what the vendor has not acknowledged, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			entries, err := a.client().Outbox(ctx, mostEntries)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(entries)
			}
			if len(entries) == 0 {
				fmt.Fprintln(a.stdout, "The outbox is empty: the vendor has everything it takes.")
				return nil
			}
			now := a.now()
			t := newTable(a.stdout, "SEQ", "AT", "CODE", "WAY", "EVENT", "TRIES", "SENT", "WHY IT WAITS")
			for _, e := range entries {
				t.row(seqText(e.Seq), clockTime(e.At.Time, now, a.zone), e.Code, string(e.Direction), e.Event,
					strconv.Itoa(e.Attempts), clockTime(e.SentAt.Time, now, a.zone), e.Detail)
			}
			return t.flush()
		},
	}
}

func (a *app) parkedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List what the vendor will not take, and decide what becomes of it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			entries, err := a.client().Parked(ctx, mostEntries)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(entries)
			}
			if len(entries) == 0 {
				fmt.Fprintln(a.stdout, "Nothing is parked.")
				return nil
			}
			now := a.now()
			t := newTable(a.stdout, "SEQ", "AT", "CODE", "WAY", "EVENT", "PARKED", "THE VENDOR'S REASON")
			for _, e := range entries {
				t.row(seqText(e.Seq), clockTime(e.At.Time, now, a.zone), e.Code, string(e.Direction), e.Event,
					clockTime(e.ParkedAt.Time, now, a.zone), e.Reason)
			}
			return t.flush()
		},
	}
	cmd.AddCommand(
		a.moveCommand("requeue", "Send parked movements to the vendor again", "requeued",
			func(ctx context.Context, c *control.Client, seq uint64, by string) (control.Moved, error) {
				return c.Requeue(ctx, seq, by)
			},
			func(ctx context.Context, c *control.Client, by string) (control.Moved, error) {
				return c.RequeueAll(ctx, by)
			}),
		a.moveCommand("acknowledge", "Say that you took care of parked movements yourself", "acknowledged",
			func(ctx context.Context, c *control.Client, seq uint64, by string) (control.Moved, error) {
				return c.Acknowledge(ctx, seq, by)
			},
			acknowledgeAll),
	)
	return cmd
}

// acknowledgeAll acknowledges what is parked now, one by one: what is parked
// meanwhile nobody has seen yet.
func acknowledgeAll(ctx context.Context, c *control.Client, by string) (control.Moved, error) {
	var moved control.Moved
	entries, err := c.Parked(ctx, mostEntries)
	for _, e := range entries {
		if err != nil {
			break
		}
		var one control.Moved
		one, err = c.Acknowledge(ctx, e.Seq, by)
		moved.Moved += one.Moved
	}
	return moved, err
}

// moveCommand moves one parked movement, or all.
func (a *app) moveCommand(
	name, short, done string,
	one func(context.Context, *control.Client, uint64, string) (control.Moved, error),
	every func(context.Context, *control.Client, string) (control.Moved, error),
) *cobra.Command {
	var by string
	var all bool
	cmd := &cobra.Command{
		Use:   name + " SEQ | --all",
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return usageError("give a number (see `usher parked`), or --all")
			}
			var seq uint64
			if !all {
				var err error
				if seq, err = parseSeq(args[0]); err != nil {
					return err
				}
			}
			who, err := a.person(by)
			if err != nil {
				return err
			}
			ctx, cancel := timeout(cmd, 5*time.Minute)
			defer cancel()
			var moved control.Moved
			if all {
				moved, err = every(ctx, a.client(), who)
			} else {
				moved, err = one(ctx, a.client(), seq, who)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(moved)
			}
			_, err = fmt.Fprintf(a.stdout, "%s %s.\n", grouped(moved.Moved), done)
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every parked movement")
	byFlag(cmd, &by)
	return cmd
}

func seqText(seq uint64) string { return strconv.FormatUint(seq, 10) }
