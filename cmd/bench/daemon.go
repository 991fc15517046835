package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/cache"
	"usher/cache/seal"
	"usher/cmd/internal/control"
	"usher/cmd/internal/rig"
	"usher/sync/clock"
)

// load loads a million tickets in a process of its own and watches its memory.
func (b *bench) load(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var times []float64
	var peaks []int64
	for range 3 { // a million takes its time: fewer rounds
		dir, err := b.sub("load-")
		if err != nil {
			return err
		}
		child := exec.CommandContext(ctx, self, "-load", dir, "-tickets", strconv.Itoa(b.million))
		child.Stderr = os.Stderr
		begun := time.Now()
		if err := child.Start(); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		peak, err := watchAnon(child.Process.Pid, ended)
		if err != nil {
			return err
		}
		times, peaks = append(times, time.Since(begun).Seconds()), append(peaks, peak)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	b.report("load a million tickets", "at most 20 s", median(times) <= 20, "%.1f s", median(times))
	b.report("  its peak anonymous memory", "at most 150 MiB", median(peaks) <= 150<<20, "%.0f MiB", float64(median(peaks))/(1<<20))
	return nil
}

func loadChild(ctx context.Context, dir string, n int) error {
	key, _, err := seal.Load("", dir)
	if err != nil {
		return err
	}
	now, err := clock.New(clock.Wall)
	if err != nil {
		return err
	}
	store, err := cache.Open(cache.Options{Dir: dir, Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	err = store.Build(ctx, &cache.Meta{Scope: scope, Complete: true, Checked: now.Now()}, feed(n), nil)
	return errors.Join(err, store.Close())
}

// watchAnon gives the process's peak of anonymous memory, in bytes.
func watchAnon(pid int, ended <-chan error) (int64, error) {
	var peak int64
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-tick.C:
			if anon, err := procValue(pid, "status", "RssAnon:"); err == nil {
				peak = max(peak, anon<<10)
			}
		}
	}
}

// device makes a rig whose list is already cached.
func (b *bench) device(ctx context.Context, tickets int, lanes ...string) (*rig.Rig, error) {
	dir, err := b.sub("d-")
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	if err := loadChild(ctx, state, tickets); err != nil {
		return nil, err
	}
	return rig.New(rig.Options{Dir: dir, Bin: b.bin, Lanes: lanes})
}

func ready(s control.Status) bool { return s.State == control.Ready }

// start measures a start with a million tickets cached, until scans are decided.
func (b *bench) start(ctx context.Context) error {
	r, err := b.device(ctx, b.million)
	if err != nil {
		return err
	}
	defer r.Close()
	var times []time.Duration
	for i := range rounds + 1 {
		begun := time.Now()
		if err := r.Start(ctx, ready); err != nil {
			return err
		}
		if i > 0 {
			times = append(times, time.Since(begun))
		}
		if err := r.Stop(); err != nil {
			return err
		}
	}
	b.report("start to ready, a million tickets cached", "at most 150 ms", median(times) <= 150*time.Millisecond, "%d ms", median(times).Milliseconds())
	return nil
}

// settle is how long a daemon is left alone before it counts as idle.
const settle = 10 * time.Second

func (b *bench) memory(ctx context.Context) error {
	r, err := b.device(ctx, min(b.million, 100_000), "lane-1")
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Start(ctx, ready); err != nil {
		return err
	}
	<-time.After(settle)
	anon, err := procValue(r.Pid(), "status", "RssAnon:")
	if err != nil {
		return err
	}
	b.report("anonymous memory, 100 000 tickets, idle", "at most 40 MiB", anon<<10 <= 40<<20, "%.0f MiB", float64(anon)/1024)
	return nil
}

// idle measures a daemon that has nothing to do, serial scanners only.
func (b *bench) idle(ctx context.Context) error {
	r, err := b.device(ctx, 10_000, "lane-1", "lane-2")
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Start(ctx, ready); err != nil {
		return err
	}
	<-time.After(settle)
	const window = 30 * time.Second
	cpu, wakes, err := activity(r.Pid())
	if err != nil {
		return err
	}
	<-time.After(window)
	cpu2, wakes2, err := activity(r.Pid())
	if err != nil {
		return err
	}
	share := (cpu2 - cpu).Seconds() / window.Seconds() * 100
	rate := float64(wakes2-wakes) / window.Seconds()
	b.report("idle, of a core", "at most 0.2 %", share <= 0.2, "%.2f %%", share)
	b.report("idle, wake-ups", "at most 3/s", rate <= 3, "%.1f/s", rate)
	return nil
}

// activity is the process's processor time and how often its threads were
// switched to.
func activity(pid int) (time.Duration, int64, error) {
	// schedstat has nanoseconds where stat has only ticks of 10 ms.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return 0, 0, err
	}
	var cpu time.Duration
	var wakes int64
	for _, task := range tasks {
		text, err := os.ReadFile(task + "/schedstat")
		if err != nil {
			return 0, 0, err
		}
		fields := strings.Fields(string(text))
		ran, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		cpu += time.Duration(ran)
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return 0, 0, err
		}
		n, err := procValue(pid, fmt.Sprintf("task/%d/status", tid), "voluntary_ctxt_switches:")
		if err != nil {
			return 0, 0, err
		}
		wakes += n
	}
	return cpu, wakes, nil
}

// procValue reads a number from a "Name: value" file of /proc.
func procValue(pid int, file, name string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			return strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", f.Name(), name)
}
