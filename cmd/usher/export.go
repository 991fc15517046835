package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2" // a file appears whole or not at all
	"github.com/spf13/cobra"

	"usher/cmd/internal/control"
)

func (a *app) exportCommand() *cobra.Command {
	var formatName, output, stateDir string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write every scan in history, with whole codes",
		Long: `Write every scan in history: refused ones too, whole codes, raw and corrected
times, and what became of each. sent_as is the time that the vendor was told,
vendor_at the one that the vendor itself gave the scan, by its own clock.

With --state-dir the files of a device that is not running are read, a copied
directory for example; nothing in it is changed.

In CSV a text that begins with = + - @ or an apostrophe gets one apostrophe in
front, and so does what follows a ; or tab inside it, so that no spreadsheet runs
it as a formula: drop one apostrophe there to get the text back. JSON Lines hold
every text as it is. On a terminal, characters that it would obey are replaced.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && !cmd.Flags().Changed("format") {
				formatName = string(control.JSONLines)
			}
			format, err := control.ParseFormat(formatName)
			if err != nil {
				return usageError("--format %q: want csv or jsonl", formatName)
			}
			write := func(w io.Writer) error {
				if stateDir != "" {
					warn := func(text string) { fmt.Fprintf(a.stderr, "usher: %s\n", clean(text)) }
					return exportStateDir(cmd.Context(), w, stateDir, format, warn)
				}
				return a.client().Export(cmd.Context(), format, w)
			}
			return a.exportTo(output, write)
		},
	}
	cmd.Flags().StringVar(&formatName, "format", string(control.CSV), "csv or jsonl")
	cmd.Flags().StringVarP(&output, "output", "o", "", "the file to write, which appears only once it is whole; stdout unless given")
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "read the files of a device that is not running")
	return cmd
}

// outputPath is the file that an export replaces, links followed. What is there
// and is no file (a device, a pipe, a directory) is never replaced.
func outputPath(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	real := path
	if info.Mode().Type() == fs.ModeSymlink {
		if info, err = os.Stat(path); err != nil {
			return "", err
		}
		if real, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is %s: name a file, or leave --output out and redirect stdout there", path, kindText(info.Mode()))
	}
	return real, nil
}

// exportTo writes to the file, or to stdout. The file is its owner's alone: it
// holds whole codes.
func (a *app) exportTo(path string, write func(io.Writer) error) (err error) {
	var out io.Writer = a.stdout
	var file *renameio.PendingFile
	if path != "" {
		if path, err = outputPath(path); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
		if file, err = renameio.NewPendingFile(path, renameio.WithPermissions(0o600)); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		defer func() { err = errors.Join(err, file.Cleanup()) }()
		out = file
	}
	bar := a.newProgress()
	if path == "" && isTerminal(a.stdout) {
		bar = &progress{} // the rows themselves show that it goes on
		out = &cleanWriter{w: out}
	}
	err = write(&counted{w: out, show: func(n int64) { bar.show("%s written", bytesText(n)) }})
	bar.done()
	var partial *partialError
	if file != nil && (err == nil || errors.As(err, &partial)) {
		err = errors.Join(err, file.CloseAtomicallyReplace())
	}
	return err
}
