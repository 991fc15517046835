// Command usher scans tickets at a venue's gates, with or without a network.
//
// `usher run` is the daemon; every other command asks a running one over its
// local socket, but for `check`, `devices` and `export --state-dir`, which need
// none. Tables are for people; with --json each command writes JSON whose names
// are stable.
//
// Exit codes: 0 ok; 1 failed, or `scan` did not admit; 2 wrong usage; 3 the
// daemon is not running; 4 `status` found anything but ready.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
