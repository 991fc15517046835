package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"usher/devices"
)

func (a *app) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List the scanners that are plugged in, with the lines to paste into the configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			found, err := devices.Plugged("/")
			if err != nil {
				return err
			}
			return a.writeDevices(found)
		},
	}
}

func (a *app) writeDevices(found []devices.Found) error {
	if a.json {
		type row struct {
			Driver string `json:"driver"`
			Path   string `json:"path"`
			Label  string `json:"label"`
			Stanza string `json:"stanza"`
		}
		rows := make([]row, 0, len(found))
		for _, f := range found {
			rows = append(rows, row(f))
		}
		return a.writeJSON(rows)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No scanner is plugged in that usher can read. A USB scanner may need to be switched to its serial (COM) mode: see its manual.")
		return err
	}
	t := newTable(a.stdout, "DRIVER", "PATH", "DEVICE")
	for _, f := range found {
		t.row(f.Driver, f.Path, f.Label)
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nPaste under scanners: in the configuration, and give each its lane's name:")
	for _, f := range found {
		fmt.Fprintln(a.stdout, "  "+clean(f.Stanza))
	}
	return nil
}
