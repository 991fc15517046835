package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usher/devices"
)

func (a *app) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List the scanners that are plugged in, with the lines to paste into the configuration",
		Long: "List what is plugged in, each device once: whether it looks like a scanner, how it can be read, whether it\n" +
			"may be opened and what to do if not, and the line to paste. Asked by root, it tells what the service may\n" +
			"open. It opens nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asService, ok := serviceUser(); ok {
				return a.runAs(cmd.Context(), asService)
			}
			return a.listDevices("/")
		},
	}
}

// listDevices lists what is plugged in under root. What cannot be looked at is an
// error after the rest.
func (a *app) listDevices(root string) error {
	found, err := devices.Plugged(root)
	switch {
	case a.json:
		if wrote := a.writeJSON(deviceRows(found)); wrote != nil {
			return wrote
		}
		return err
	case err != nil && len(found) == 0:
		return err
	}
	var text strings.Builder
	if !slices.ContainsFunc(found, func(f devices.Found) bool { return f.Scanner }) {
		writeNoScanner(&text, root, len(found) > 0)
	}
	for _, f := range found {
		writeDevice(&text, f)
	}
	if len(found) > 0 {
		text.WriteString(howToPaste)
	}
	if slices.ContainsFunc(found, refuses) && os.Geteuid() != 0 {
		text.WriteString("What may not be opened is so for you; the service has rights of its own: sudo usher devices\n")
	}
	if _, wrote := io.WriteString(a.stdout, text.String()); wrote != nil {
		return wrote
	}
	return err
}

const howToPaste = `Paste the lines of your scanners under scanners: in the configuration, and give each its lane's name.
Then: usher check
`

// writeNoScanner says what to do where none is to be seen; others: something is, that
// may be one.
func writeNoScanner(w io.Writer, root string, others bool) {
	first := "Nothing is plugged in that usher could read: no HID device on USB, no serial port, no keyboard."
	if others {
		first = "Nothing that is plugged in looks like a scanner."
	}
	fmt.Fprintln(w, first+`
Plug the scanner in and run this again. If it beeps and is still not listed, scan its maker's code for
HID POS, USB serial (COM) or keyboard mode: IBM/OEM and SNAPI modes cannot be read. lsusb shows whether
the cable works. A Bluetooth scanner must be paired and awake: bluetoothctl.`)
	if _, err := os.Stat(filepath.Join(root, "sys/bus/usb")); err != nil {
		fmt.Fprintln(w, "There is no USB here at all: a container or a virtual machine must be given the device.")
	}
	if others {
		fmt.Fprintln(w, "\nThis may be one all the same:")
	}
}

func refuses(f devices.Found) bool {
	return slices.ContainsFunc(f.Ways, func(w devices.Way) bool { return w.Problem != "" })
}

// writeDevice writes a block: what it is, what speaks for it, and the line to paste
// as it must stand in the file.
func writeDevice(w io.Writer, f devices.Found) {
	name := f.Name
	if name == "" && len(f.Ways) > 0 {
		name = f.Ways[0].Path
	}
	head := []string{cmp.Or(name, "no name")}
	if f.IDs != "" {
		head = append(head, f.IDs)
	}
	if f.Serial != "" {
		head = append(head, "serial "+f.Serial)
	}
	fmt.Fprintln(w, clean(strings.Join(append(head, f.Where), ", ")))
	line := func(title, text string) { fmt.Fprintf(w, "    %-9s%s\n", title, clean(text)) }
	if f.Scanner {
		line("scanner", "yes: "+f.Why)
	} else {
		line("scanner", "maybe: "+f.Why)
	}
	for _, way := range f.Ways {
		best := ""
		if way.Recommended {
			best = ", best"
		}
		line("driver", fmt.Sprintf("%s%s: %s at %s; %s", way.Driver, best, way.What, way.Path, way.Why))
	}
	for _, way := range f.Ways {
		if way.Problem != "" {
			line("access", "driver "+way.Driver+": "+way.Problem)
		}
	}
	if len(f.Ways) > 0 && !refuses(f) {
		line("access", "may be opened")
	}
	for _, advice := range f.Advice {
		line("to do", advice)
	}
	if f.Stanza != "" {
		fmt.Fprintln(w, "  "+clean(f.Stanza))
	}
	fmt.Fprintln(w)
}

// deviceRow is a device for programs.
type deviceRow struct {
	Name    string   `json:"name"`
	Maker   string   `json:"maker"`
	IDs     string   `json:"ids"`
	Serial  string   `json:"serial"`
	Where   string   `json:"where"`
	Scanner bool     `json:"scanner"`
	Why     string   `json:"why"`
	Ways    []wayRow `json:"ways"`
	Advice  []string `json:"advice"`
	Stanza  string   `json:"stanza"`
}

// wayRow is one way to read it.
type wayRow struct {
	Driver      string `json:"driver"`
	Path        string `json:"path"`
	What        string `json:"what"`
	Why         string `json:"why"`
	Recommended bool   `json:"recommended"`
	Problem     string `json:"problem"`
}

func deviceRows(found []devices.Found) []deviceRow {
	rows := make([]deviceRow, 0, len(found))
	for _, f := range found {
		row := deviceRow{
			Name: f.Name, Maker: f.Maker, IDs: f.IDs, Serial: f.Serial, Where: f.Where, Scanner: f.Scanner, Why: f.Why,
			Ways: make([]wayRow, 0, len(f.Ways)), Advice: append([]string{}, f.Advice...), Stanza: f.Stanza,
		}
		for _, w := range f.Ways {
			row.Ways = append(row.Ways, wayRow(w))
		}
		rows = append(rows, row)
	}
	return rows
}
