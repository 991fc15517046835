package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its configuration file again",
		Long: `Have the daemon read its configuration file again, as SIGHUP does, and say what
came of it. A file with faults changes nothing: what ran goes on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, time.Minute)
			defer cancel()
			bar := a.newProgress()
			bar.show("reloading")
			result, err := a.client().Reload(ctx)
			bar.done()
			if err != nil {
				return err
			}
			if a.json {
				return a.writeJSON(result)
			}
			text := "The configuration was reloaded."
			if !result.Changed {
				text = "The configuration was read again: it says what ran already."
			}
			_, err = fmt.Fprintln(a.stdout, text)
			for _, note := range result.Notes {
				fmt.Fprintf(a.stdout, "  %s\n", clean(note))
			}
			return err
		},
	}
}
