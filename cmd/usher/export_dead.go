package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"usher/cache/seal"
	"usher/cmd/internal/control"
	"usher/scanner"
	"usher/sync/journal"
)

// exportStateDir writes the history in the state directory of a device that is
// not running, or in a journal's file, such as a damaged one that was moved aside;
// one that lies beside what is exported is told. Nothing there is changed. Without the device's key, which may be
// in its TPM, sections and seats are missing, warn is told, and all else is there.
func exportStateDir(ctx context.Context, w io.Writer, dir string, format control.Format, warn func(string)) (err error) {
	var sealer scanner.Sealer
	if key, err := seal.Read(stateDirOf(dir)); err == nil {
		sealer = key
	} else {
		warn(fmt.Sprintf("sections and seats are left out: %v", err))
	}
	j, err := journal.OpenReadOnly(dir, sealer)
	if err != nil {
		return &hintError{err, "give the directory that holds journal.db; stop a running usher first, or export without --state-dir"}
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for _, text := range j.Damaged() {
		warn(text)
	}
	out, err := control.NewExporter(w, format)
	if err != nil {
		return err
	}
	err = j.Each(ctx, func(e scanner.Recorded) error { return out.Write(exportRow(e, scanner.Instant{})) })
	if flushErr := out.Flush(); flushErr != nil {
		return flushErr
	}
	if errors.Is(err, journal.ErrDamaged) {
		return &partialError{err}
	}
	return err
}

// stateDirOf is the directory, or the one that the file is in.
func stateDirOf(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

// partialError says that all was written that can be read, and that this is not
// everything.
type partialError struct{ err error }

func (e *partialError) Error() string { return "what can be read was written: " + e.err.Error() }
func (e *partialError) Unwrap() error { return e.err }
