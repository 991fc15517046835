// Package rig runs a real usher as a process of its own, with
// pseudo-terminals as its scanners, for the demo, the benchmarks and the tests
// that kill it. It is never shipped.
package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/cmd/internal/control"
	"usher/devices/devicetest"
)

// startTime is how long a daemon may take until it answers.
const startTime = 30 * time.Second

// Rig is one device in a directory: its configuration, its scanners, its daemon.
type Rig struct {
	Dir    string
	Bin    string
	Client *control.Client
	// Log receives the daemon's log; nil: nothing does.
	Log io.Writer

	lanes  map[string]*devicetest.Pty
	daemon *exec.Cmd
	// ended is closed when the daemon is gone; died is how, from then on.
	ended chan struct{}
	died  error
}

// Options describe the device.
type Options struct {
	// Dir must exist and be short: a socket's path has 107 bytes at most.
	Dir string
	// Bin is the usher to run.
	Bin string
	// Lanes name the scanners. Exits are those of them where people leave.
	Lanes, Exits []string
	// Vendor is the vendor's block in YAML; empty: a manifest.
	Vendor string
	// Extra is appended to the configuration: whole sections in YAML.
	Extra string
	// Screen is the address of the gate screen's page; empty: off, since many
	// devices run at once on one machine.
	Screen string
	Log    io.Writer
}

// New makes the device: pseudo-terminals for its lanes and its configuration,
// whose manifest is Manifest.
func New(o Options) (*Rig, error) {
	r := &Rig{Dir: o.Dir, Bin: o.Bin, Log: o.Log, lanes: map[string]*devicetest.Pty{}}
	r.Client = &control.Client{Path: r.path("usher.sock")}
	var scanners strings.Builder
	for _, name := range o.Lanes {
		pty, err := devicetest.NewPty(r.path(name))
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.lanes[name] = pty
		way := ""
		if slices.Contains(o.Exits, name) {
			way = ", direction: exit"
		}
		fmt.Fprintf(&scanners, "  - { name: %s, driver: serial, port: %s%s }\n", name, pty.Path(), way)
	}
	vendor := cmp.Or(o.Vendor, "{ name: manifest }")
	config := fmt.Sprintf("state_dir: %s\nstatus: { socket: %s, screen: %q }\nvendor: %s\n", r.path("state"), r.Client.Path, cmp.Or(o.Screen, "off"), vendor)
	if scanners.Len() > 0 {
		config += "scanners:\n" + scanners.String()
	}
	if err := os.WriteFile(r.Config(), []byte(config+o.Extra), 0o600); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Rig) path(name string) string { return filepath.Join(r.Dir, name) }

// Config is the path of the device's configuration.
func (r *Rig) Config() string { return r.path("usher.yaml") }

// Manifest is where the configuration of most rigs looks for its list.
func (r *Rig) Manifest() string { return r.path("tickets.csv") }

// Lane is the scanner of that name.
func (r *Rig) Lane(name string) *devicetest.Pty { return r.lanes[name] }

// Scan sends a code as the lane's scanner does.
func (r *Rig) Scan(lane, code string) error {
	_, err := r.lanes[lane].Write([]byte(code + "\r"))
	return err
}

// Command is the rig's own usher with arguments, not started.
func (r *Rig) Command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"--config", r.Config(), "--socket", r.Client.Path}, args...)
	return exec.CommandContext(ctx, r.Bin, args...)
}

// Start runs the daemon and waits until ok says that its status is what is
// waited for; nil: until it answers.
func (r *Rig) Start(ctx context.Context, ok func(control.Status) bool) error {
	if err := r.Spawn(ctx); err != nil {
		return err
	}
	return r.Wait(ctx, ok)
}

// Spawn starts the daemon and waits for nothing.
func (r *Rig) Spawn(ctx context.Context) error {
	r.daemon = r.Command(context.WithoutCancel(ctx), "run")
	r.daemon.Stderr = r.Log
	// A rig that dies takes its daemon along.
	r.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.daemon.Start(); err != nil {
		r.daemon = nil
		return err
	}
	daemon, ended := r.daemon, make(chan struct{})
	r.ended = ended
	go func() {
		r.died = daemon.Wait()
		close(ended)
	}()
	return nil
}

// Wait asks for the status until ok says it is what is waited for.
func (r *Rig) Wait(ctx context.Context, ok func(control.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		status, err := r.Client.Status(ctx)
		if err == nil && (ok == nil || ok(status)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon is not as it should be after %s: %v; status %+v", startTime, err, status)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Pid is the running daemon's.
func (r *Rig) Pid() int { return r.daemon.Process.Pid }

// Ended is closed when the daemon that was spawned last is gone.
func (r *Rig) Ended() <-chan struct{} { return r.ended }

// Signal sends the running daemon a signal and waits for nothing.
func (r *Rig) Signal(sig syscall.Signal) error { return r.daemon.Process.Signal(sig) }

// Kill ends the daemon as a power cut does to a process, and reaps it.
func (r *Rig) Kill() error { return r.end(syscall.SIGKILL) }

// Stop ends the daemon as systemd does.
func (r *Rig) Stop() error { return r.end(syscall.SIGTERM) }

// end sends the signal and waits for the end; a daemon that was gone already is
// reported with how it went, once.
func (r *Rig) end(sig syscall.Signal) error {
	if r.daemon == nil {
		return nil
	}
	err := r.daemon.Process.Signal(sig)
	gone := errors.Is(err, os.ErrProcessDone)
	if err != nil && !gone {
		return err
	}
	<-r.ended
	err, r.daemon = r.died, nil
	var exit *exec.ExitError
	if sig == syscall.SIGKILL && !gone && errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return err
}

// Close ends the daemon and unplugs the lanes. The directory stays.
func (r *Rig) Close() error {
	err := r.Kill()
	for _, pty := range r.lanes {
		err = errors.Join(err, pty.Close())
	}
	return err
}
