package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript" // the command line as scripts

	"usher/cmd/internal/control"
)

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"usher": scriptMain})
}

// suite is all tests, with a temporary directory of their own: the binary that
// they share belongs to no single test and goes with it.
type suite struct{ *testing.M }

func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "u-") // short: socket paths are
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := s.M.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// scriptMain is main at a fixed time and place.
func scriptMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		now: func() time.Time { return evening }, zone: time.UTC,
	}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// The scripts in testdata run the commands against a real socket with a fake
// house behind it. Further script commands:
//
//	daemon STATE         start it: ready, degraded or not_ready
//	halt                 stop it
//	code N usher ...     run and want that exit code
func TestCommands(t *testing.T) {
	type key struct{}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			dir := socketDir(env.T().(interface {
				Fatal(...any)
				Cleanup(func())
			}))
			env.Setenv("USHER_STATUS_SOCKET", filepath.Join(dir, "u.sock"))
			env.Setenv("USER", "steward")
			stop := func() {}
			env.Values[key{}] = &stop
			env.Defer(func() { stop() })
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"daemon": func(ts *testscript.TestScript, _ bool, args []string) {
				stop, err := serveFake(ts.Getenv("USHER_STATUS_SOCKET"), newFakeHouse(control.State(args[0])))
				ts.Check(err)
				*ts.Value(key{}).(*func()) = stop
			},
			"halt": func(ts *testscript.TestScript, _ bool, _ []string) {
				(*ts.Value(key{}).(*func()))()
			},
			"code": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("exit code %d, want %d", got, want)
				}
			},
		},
	})
}

func TestStatusReadsOutWell(t *testing.T) {
	ready := newFakeHouse(control.Ready).Status()
	ready.Version = "1.2.3"
	var out bytes.Buffer
	for _, s := range []control.Status{busyStatus(), ready, {State: control.NotReady, Problems: []string{"no list\x1b[2J"}}} {
		if err := writeStatus(&out, s, evening, time.UTC, false); err != nil {
			t.Fatal(err)
		}
		out.WriteString("----\n")
	}
	golden(t, "status.golden", out.String())
}

func TestCleanTextCannotDriveATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		"Zoë 日本 ☂":           "Zoë 日本 ☂",
		"a\x1b[31mb":         "a\uFFFD[31mb",
		"a\u009b31mb":        "a\uFFFD31mb",
		"a\nb\tc\r":          "a b c ",
		"ab\u202ecd":         "ab\uFFFDcd",
		"a\xffb":             "a\uFFFDb",
		"GS\x1d21":           "GS\uFFFD21",
		"\u0646\u200c\u0627": "\u0646\u200c\u0627",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestJSONIsSafeOnATerminalAndExact(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.writeJSONLine("a\u009bb\u202ec\x7f"); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `"a\u009bb\u202ec\u007f"`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 59 * time.Minute: "59 min",
		3*time.Hour + 5*time.Minute: "3 h 5 min", 47 * time.Hour: "47 h 0 min", 50 * time.Hour: "2 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
