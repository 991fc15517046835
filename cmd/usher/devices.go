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
			Driver  string `json:"driver"`
			Path    string `json:"path"`
			Label   string `json:"label"`
			Scanner bool   `json:"scanner"`
			Why     string `json:"why"`
			Problem string `json:"problem"`
			Stanza  string `json:"stanza"`
		}
		rows := make([]row, 0, len(found))
		for _, f := range found {
			rows = append(rows, row(f))
		}
		return a.writeJSON(rows)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(a.stdout, `Nothing is plugged in that usher could read: no HID device on USB, no serial port, no keyboard.
Plug the scanner in and run this again. If it beeps and is still not listed, scan its maker's code for
HID POS, USB serial (COM) or keyboard mode: IBM/OEM and SNAPI modes cannot be read. lsusb shows whether
the cable works.`)
		return err
	}
	t := newTable(a.stdout, "SCANNER", "DRIVER", "PATH", "DEVICE", "WHY")
	for _, f := range found {
		t.row(yesOrMaybe(f.Scanner), f.Driver, f.Path, f.Label, f.Why)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, f := range found {
		if f.Problem != "" {
			fmt.Fprintln(a.stdout, "\nNot to be opened by this user: "+clean(f.Problem))
		}
	}
	fmt.Fprintln(a.stdout, "\nPaste one line a scanner under scanners: in the configuration, and give each its lane's name:")
	for _, f := range found {
		fmt.Fprintln(a.stdout, "  "+clean(f.Stanza))
	}
	return nil
}

func yesOrMaybe(yes bool) string {
	if yes {
		return "yes"
	}
	return "maybe"
}
