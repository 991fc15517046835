package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) eventsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "events",
		Short: "List what the vendor says can be scanned, with its own ids",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, judgeTime)
			defer cancel()
			result, err := a.client().VendorEvents(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(result)
			}
			if len(result.Events) > 0 {
				now := a.now()
				t := newTable(a.stdout, "ID", "NAME", "SERIES", "VENUE", "STARTS", "HERE")
				for _, e := range result.Events {
					here := ""
					if e.Configured {
						here = "scanned here"
					}
					t.row(e.ID, e.Name, e.Series, e.Venue, clockTime(e.StartsAt.Time, now, a.zone), here)
				}
				err = t.flush()
			}
			note := result.Note
			if note == "" && len(result.Events) == 0 {
				note = "The vendor lists no events for this account."
			}
			if note != "" && err == nil {
				_, err = fmt.Fprintln(a.stdout, clean(note))
			}
			return err
		},
	}
}
