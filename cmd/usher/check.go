package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
)

// checkTime bounds a check: a manifest of a million tickets is read in seconds.
const checkTime = 2 * time.Minute

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Test everything before a gate opens, and say what to do",
		Long: "Test the configuration, the state directory, the daemon, the scanners, the manifest and the clock.\n" +
			"Exit code 1 where something would keep the gate from opening.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := timeout(cmd, checkTime)
			defer cancel()
			found := inspect(ctx, a.configPath, os.Environ())
			if err := a.writeFindings(found); err != nil {
				return err
			}
			if found.bad() {
				return &codeError{code: exitFailed}
			}
			return nil
		},
	}
}

func (a *app) writeFindings(found findings) error {
	if a.json {
		return a.writeJSON(found)
	}
	t := newTable(a.stdout)
	for _, f := range found {
		t.row(gradeSigns[f.Grade], f.What, f.Text)
	}
	return t.flush()
}

var gradeSigns = map[grade]string{gradeOK: "ok", gradeWarn: "WARN", gradeFail: "FAIL"}
