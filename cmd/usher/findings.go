package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"usher/cache"
	"usher/cache/manifest"
	"usher/cache/seal"
	"usher/cmd/internal/control"
	"usher/configs"
	"usher/devices"
	"usher/devices/host"
	"usher/scanner"
	"usher/sync/clock"
	"usher/sync/journal"
)

// grade says how bad a finding is.
type grade string

const (
	gradeOK   grade = "ok"
	gradeWarn grade = "warn"
	gradeFail grade = "fail"
)

// finding is one line of `usher check`: what was looked at, how it is, and what
// to do where it is not well.
type finding struct {
	What  string `json:"what"`
	Grade grade  `json:"grade"`
	Text  string `json:"text"`
}

// findings collects what a check found.
type findings []finding

func (f *findings) add(what string, g grade, format string, args ...any) {
	*f = append(*f, finding{What: what, Grade: g, Text: fmt.Sprintf(format, args...)})
}

// bad tells whether anything would keep the gate from opening.
func (f findings) bad() bool {
	for _, x := range f {
		if x.Grade == gradeFail {
			return true
		}
	}
	return false
}

// inspect looks at everything that must be right before a gate opens.
func inspect(ctx context.Context, configPath string, environ []string) findings {
	var f findings
	cfg, err := configs.Load(configPath, environ, checkBlocks)
	if err != nil {
		for _, fault := range configs.FaultsOf("configuration", err) {
			f.add(fault.Path, gradeFail, "%s", fault.Text)
		}
		return f
	}
	f.add("configuration", gradeOK, "%s: %s", configPath, cfg)
	for _, warning := range cfg.Warnings() {
		f.add(warning.Path, gradeWarn, "%s", warning.Text)
	}
	inspectState(&f, cfg)
	inspectSocket(&f, cfg.Status.Socket)
	status := inspectDaemon(ctx, &f, cfg)
	inspectStores(&f, cfg, status)
	inspectScreen(ctx, &f, cfg, status)
	inspectScanners(ctx, &f, cfg, status)
	inspectSignals(&f, cfg, "/")
	inspectManifest(ctx, &f, cfg)
	inspectAdvice(&f, cfg)
	inspectVendor(ctx, &f, cfg, status)
	inspectClock(&f, cfg)
	return f
}

// lowSpace is the free space, in bytes, under which a night of scans and a new
// list may not fit.
const lowSpace = 256 << 20

func inspectState(f *findings, cfg *configs.Config) {
	const what = "state_dir"
	info, err := os.Stat(cfg.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.add(what, gradeWarn, "%s is not there yet: the service makes it at its first start", cfg.StateDir)
		return
	case err != nil:
		f.add(what, gradeFail, "%v: run `usher check` as root or as the user usher", err)
		return
	case !info.IsDir():
		f.add(what, gradeFail, "%s is not a directory: move it away", cfg.StateDir)
		return
	case info.Mode().Perm()&0o077 != 0:
		f.add(what, gradeWarn, "%s can be read by others: chmod 0700 %s", cfg.StateDir, cfg.StateDir)
	}
	if err := unix.Access(cfg.StateDir, unix.W_OK|unix.X_OK); err != nil {
		f.add(what, gradeFail, "%s: %v: let the user usher own it, and run this as root or usher", cfg.StateDir, err)
		return
	}
	var space unix.Statfs_t
	if err := unix.Statfs(cfg.StateDir, &space); err == nil {
		free := int64(space.Bavail) * int64(space.Bsize)
		if free < lowSpace {
			f.add(what, gradeWarn, "%d MiB free on its disk: make room, or a full disk will stop offline admissions", free>>20)
		}
	}
	f.add(what, gradeOK, "%s can be written", cfg.StateDir)
}

// inspectStores says what is damaged in the stores of a device that is not running;
// a running one says so in its status.
func inspectStores(f *findings, cfg *configs.Config, status *control.Status) {
	if _, err := os.Stat(cfg.StateDir); err != nil {
		return // told already
	}
	for _, pattern := range []string{"device.id.damaged-*", "device.id.cloned-*", "device.key.damaged-*"} {
		aside, _ := filepath.Glob(filepath.Join(cfg.StateDir, pattern))
		for _, name := range aside {
			f.add("state_dir", gradeWarn, "%s was moved aside: look at it, then move it out of the directory", name)
		}
	}
	if status != nil {
		return
	}
	said, err := journal.Damage(cfg.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.add("journal", gradeOK, "not there yet: the service makes it at its first start")
	case err != nil:
		f.add("journal", gradeFail, "%v", err)
	case len(said) == 0:
		f.add("journal", gradeOK, "whole")
	}
	for _, text := range said {
		f.add("journal", gradeWarn, "%s", text)
	}
	key, _, err := seal.Find(os.Getenv("CREDENTIALS_DIRECTORY"), cfg.StateDir)
	if err != nil {
		f.add("ticket list", gradeWarn, "cannot be looked at: %v", err)
		return
	}
	switch n, err := cache.Check(cfg.StateDir, key); {
	case errors.Is(err, fs.ErrNotExist):
		f.add("ticket list", gradeWarn, "none was loaded yet")
	case err != nil:
		f.add("ticket list", gradeWarn, "%v; it counts as absent and is loaded again by itself; one that was imported must be imported again", err)
	default:
		f.add("ticket list", gradeOK, "%d tickets", n)
	}
}

// inspectSocket looks at where the daemon answers. Who can write to the directory
// can put a socket of his own there, which commands would believe.
func inspectSocket(f *findings, path string) {
	const what = "status.socket"
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		f.add(what, gradeFail, "%v: choose a path in a directory of its own, such as /run/usher/usher.sock", err)
		return
	case info.Mode().Type() != fs.ModeSocket:
		f.add(what, gradeFail, "%s is in the way: it is no socket, so usher leaves it alone; move it away, or set another path", path)
		return
	case info.Mode().Perm()&0o007 != 0:
		f.add(what, gradeWarn, "%s is open to everybody on this device, who may admit tickets: chmod 0660 %s", path, path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o002 != 0 {
		g := gradeFail
		if info.Mode()&fs.ModeSticky != 0 {
			g = gradeWarn
		}
		f.add(what, g, "everybody on this device may write to %s, and put another socket there: use a directory of usher's own (0750)", dir)
	}
}

// inspectDaemon asks a running daemon; nil where there is none.
func inspectDaemon(ctx context.Context, f *findings, cfg *configs.Config) *control.Status {
	client := control.Client{Path: cfg.Status.Socket}
	status, err := client.Status(ctx)
	var dead *control.NotRunningError
	switch {
	case errors.As(err, &dead):
		f.add("daemon", gradeWarn, "not running: systemctl start usher")
		return nil
	case err != nil:
		f.add("daemon", gradeFail, "%v", err)
		return nil
	case status.State == control.Ready:
		f.add("daemon", gradeOK, "running, ready")
	default:
		f.add("daemon", gradeWarn, "running, %s", status.State)
		for _, problem := range status.Problems {
			f.add("daemon", gradeWarn, "%s", problem)
		}
	}
	return &status
}

// inspectScanners opens each scanner for a moment, or asks the daemon that has
// them open.
func inspectScanners(ctx context.Context, f *findings, cfg *configs.Config, status *control.Status) {
	running := map[string]bool{}
	if status != nil {
		for _, s := range status.Scanners {
			running[s.Name] = true
			switch {
			case s.State != control.ScannerConnected:
				f.add("scanner "+s.Name, gradeFail, "%s: %s", s.State, s.Detail)
			case s.Detail != "":
				f.add("scanner "+s.Name, gradeWarn, "connected, %d scans since start, but %s", s.Scans, s.Detail)
			default:
				f.add("scanner "+s.Name, gradeOK, "connected, %d scans since start", s.Scans)
			}
		}
	}
	scanners, err := openScanners(cfg)
	if err != nil {
		f.add("scanners", gradeFail, "%v", err)
		return
	}
	twice := devices.Twice(scanners) // before any is opened, which hides others
	for _, s := range scanners {
		if running[s.Name] {
			continue
		}
		if err := twice[s.Name]; err != nil {
			f.add("scanner "+s.Name, gradeFail, "%v", err)
			continue
		}
		if s.Driver == "feed" {
			inspectFeed(f, s.Name, s.Opener.Source())
			continue
		}
		if err := s.Try(ctx); err != nil {
			f.add("scanner "+s.Name, gradeFail, "%v", err)
			continue
		}
		f.add("scanner "+s.Name, gradeOK, "%s can be opened", s.Opener.Source())
	}
}

// inspectFeed looks at what a feed reads without taking a line from it.
func inspectFeed(f *findings, name, source string) {
	if source == "-" {
		f.add("scanner "+name, gradeOK, "reads standard input")
		return
	}
	info, err := os.Stat(source)
	switch {
	case err != nil:
		f.add("scanner "+name, gradeFail, "%v: make it with mkfifo", err)
	case info.IsDir():
		f.add("scanner "+name, gradeFail, "%s is a directory: name a FIFO in it", source)
	case !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeNamedPipe:
		f.add("scanner "+name, gradeFail, "%s is %s: name a FIFO or a file", source, kindText(info.Mode()))
	default:
		f.add("scanner "+name, gradeOK, "reads %s", source)
	}
}

// inspectSignals looks at the device's own lights and beeper. A gate opens without
// them.
func inspectSignals(f *findings, cfg *configs.Config, root string) {
	signals := hostConfig(cfg)
	if signals == (host.Config{}) {
		return
	}
	faults := host.New(signals, root, slog.New(slog.DiscardHandler)).Check()
	for _, fault := range faults {
		f.add("signals."+fault.Key, gradeWarn, "%v", fault.Err)
	}
	if len(faults) == 0 {
		f.add("signals", gradeOK, "all can be shown")
	}
}

func inspectManifest(ctx context.Context, f *findings, cfg *configs.Config) {
	path := cfg.Offline.Manifest
	if path == "" {
		return
	}
	// A pipe must not hold the check up.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		f.add("offline.manifest", gradeFail, "%v: copy the list there, readable for the user usher", err)
		return
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		f.add("offline.manifest", gradeFail, "%s is no file: name a CSV or JSON Lines file", path)
		return
	}
	n, seen := 0, map[uint64]int{}
	seed := maphash.MakeSeed()
	err = manifest.Read(ctx, filepath.Base(path), file, func(t scanner.Ticket, line int) error {
		n++
		hash := maphash.String(seed, string(t.Code))
		if before, twice := seen[hash]; twice {
			return fmt.Errorf("%s:%d: code %s is in line %d already; take one of them out", filepath.Base(path), line, t.Code.Mask(), before)
		}
		seen[hash] = line
		return nil
	})
	if err != nil {
		f.add("offline.manifest", gradeFail, "%v", err)
		return
	}
	f.add("offline.manifest", gradeOK, "%s: %d tickets", path, n)
}

func inspectClock(f *findings, cfg *configs.Config) {
	c, err := clock.New(trustOf(cfg))
	if err != nil {
		f.add("clock", gradeFail, "%v", err)
		return
	}
	now := c.Now()
	venue, err := cfg.Gate.Location()
	if err != nil {
		f.add("clock", gradeFail, "gate.timezone: %v", err)
		return
	}
	shown := now.Wall.In(venue).Format("2 Jan 2006 15:04:05 MST")
	if now.Trusted {
		f.add("clock", gradeOK, "%s", shown)
		return
	}
	f.add("clock", gradeWarn, "%s, and nobody keeps it: tickets with a check-in window will be amber. Turn NTP on (timedatectl set-ntp true), or, where the site sets the clock by hand, clock.trust: wall", shown)
}
