package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra" // commands, flags, help and shell completion

	"usher/cmd/internal/control"
	"usher/configs"
)

// The exit codes.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitNotReady   = 4
)

// app is one run of the command line: its streams and the flags that every
// command has.
type app struct {
	configPath string
	socket     string
	json       bool

	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	zone           *time.Location

	// begun: the command line was understood, so that an error is not about usage.
	begun bool
}

// run runs the command line and gives its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, zone: time.Local}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && interrupted(err) {
		return exitFailed // whoever pressed Ctrl-C knows
	}
	code := exitCode(err, a.begun)
	a.explain(err, code)
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "usher",
		Short:             "Scan tickets at a gate, with or without a network",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { a.begun = true },
		RunE: func(*cobra.Command, []string) error {
			return usageError("name a command")
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", configs.DefaultPath, "configuration file")
	flags.StringVar(&a.socket, "socket", "", "the daemon's socket; unless given $USHER_STATUS_SOCKET, else status.socket of the configuration")
	flags.BoolVar(&a.json, "json", false, "write JSON, for programs")
	root.AddCommand(
		a.runCommand(), a.checkCommand(), a.devicesCommand(),
		a.statusCommand(), a.watchCommand(),
		a.scanCommand(), a.admitCommand(), a.undoCommand(),
		a.outboxCommand(), a.parkedCommand(),
		a.ticketsCommand(), a.eventsCommand(), a.tokensCommand(), a.exportCommand(),
		a.reloadCommand(), a.versionCommand(),
	)
	return root
}

// socketPath is where the daemon is asked: where the configuration says, if this
// user may read it.
func (a *app) socketPath() string {
	if a.socket != "" {
		return a.socket
	}
	if path := os.Getenv("USHER_STATUS_SOCKET"); path != "" {
		return path
	}
	if cfg, _ := configs.LoadOrKept(a.configPath, os.Environ()); cfg != nil && cfg.Status.Socket != "" {
		return cfg.Status.Socket
	}
	return control.DefaultSocket
}

// client asks the running daemon. A daemon of another version is worth a word:
// after an upgrade it must be restarted.
func (a *app) client() *control.Client {
	c := &control.Client{Path: a.socketPath()}
	var once sync.Once
	c.OnVersion = func(daemon string) {
		if daemon == "" || daemon == version() {
			return
		}
		once.Do(func() {
			fmt.Fprintf(a.stderr, "usher: the daemon is version %s, this command %s: restart the daemon\n", clean(daemon), version())
		})
	}
	return c
}

// codeError ends the command with a code of its own. Without an err, what there
// is to say was said.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usageError says that the command line is wrong.
func usageError(format string, args ...any) error {
	return &codeError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// hintError is an error that a hint goes with.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

func exitCode(err error, begun bool) int {
	var own *codeError
	var dead *control.NotRunningError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &dead):
		return exitNotRunning
	case !begun:
		return exitUsage
	}
	return exitFailed
}

// explain writes the error for a person, with what to do about it.
func (a *app) explain(err error, code int) {
	var own *codeError
	if err == nil || errors.As(err, &own) && own.err == nil {
		return
	}
	head, more := errorLines(err)
	fmt.Fprintf(a.stderr, "usher: %s\n", clean(head))
	for _, line := range more {
		fmt.Fprintf(a.stderr, "  %s\n", clean(line))
	}
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		fmt.Fprintf(a.stderr, "hint: %s\n", hinted.Hint())
	case code == exitUsage:
		fmt.Fprintln(a.stderr, "hint: see `usher --help`")
	}
}

// errorLines is an error with many faults as one line each, below a first one.
func errorLines(err error) (head string, more []string) {
	text := err.Error()
	var refused *control.APIError
	if errors.As(err, &refused) && len(refused.Faults) > 1 {
		head, more = text, refused.Faults
		if before, found := strings.CutSuffix(text, control.Faults(more).Error()); found {
			head = strings.TrimSpace(before)
		}
	} else {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				more = append(more, line)
			}
		}
		if len(more) < 2 {
			return text, nil
		}
	}
	if head == "" {
		head = plural(len(more), "fault", "faults") + ":"
	}
	return head, more
}

// interrupted tells that the end of the context is all that went wrong.
func interrupted(err error) bool {
	if err == context.Canceled {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return interrupted(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !interrupted(part) })
	}
	return false
}
