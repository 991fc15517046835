package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon" // sd_notify: READY, WATCHDOG, STOPPING

	"usher/scanner/gate"
)

// stuckAfter is how long a scan may wait for its verdict before the scan path
// counts as dead: far beyond any patience, short enough for a queue of people.
const stuckAfter = 20 * time.Second

// watch tells systemd that the scan path lives, for as long as it does: every
// scan that was begun ends. A daemon whose scan path hangs gets no kick and is
// restarted. It ends with the context; without a watchdog it does nothing.
func watch(ctx context.Context, g *gate.Gate, log *slog.Logger) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(interval / 3)
	defer ticker.Stop()
	for {
		if waited := g.Stuck(); waited > stuckAfter {
			log.Error("a scan gets no verdict; not kicking the watchdog", "waited", waited)
		} else {
			notify(daemon.SdNotifyWatchdog, log)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// notify tells systemd a state; outside systemd it does nothing.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "err", err)
	}
}
