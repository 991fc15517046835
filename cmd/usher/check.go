package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
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
			if asService, ok := serviceUser(); ok {
				return a.runAs(ctx, asService)
			}
			environ := os.Environ()
			if os.Geteuid() == 0 {
				environ = withCredentials(environ, credstores)
			}
			found := inspect(ctx, a.configPath, environ)
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

// service is the user that the daemon runs as.
const service = "usher"

// serviceUser is the daemon's user where root asks: root may read and open what
// the daemon may not.
func serviceUser() (*syscall.Credential, bool) {
	if os.Geteuid() != 0 {
		return nil, false
	}
	u, err := user.Lookup(service)
	if err != nil {
		return nil, false // not installed: root is all there is
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, false
	}
	cred, err := credential(u, groups)
	return cred, err == nil && cred.Uid != 0
}

// credential is what a process of that user has. A system user often has the same
// number as its group.
func credential(u *user.User, groups []string) (*syscall.Credential, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, text := range groups {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			cred.Groups = append(cred.Groups, uint32(n))
		}
	}
	return cred, nil
}

// runAs runs this same command as the other user.
func (a *app) runAs(ctx context.Context, cred *syscall.Credential) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	cmd.Env = withCredentials(os.Environ(), credstores)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return &codeError{code: exit.ExitCode()}
	} else if err != nil {
		return fmt.Errorf("check as the user %s: %w", service, err)
	}
	return nil
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
