package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"usher/cmd/internal/control"
)

// stops is how long the daemon may take to end when asked to.
const stops = 20 * time.Second

// keeper starts, ends and stills the daemon. One thing at a time is done to it.
type keeper struct {
	*world

	mu   sync.Mutex // held while something is done to the daemon
	life int
	up   bool
}

func (k *keeper) lives() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.life
}

// running gives the daemon's life and process, false where it is down.
func (k *keeper) running() (life, pid int, up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.up {
		return 0, 0, false
	}
	return k.life, k.rig.Pid(), true
}

func (k *keeper) start(ctx context.Context, ok func(control.Status) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spawn(ctx, ok)
}

func (k *keeper) spawn(ctx context.Context, ok func(control.Status) bool) error {
	if k.up {
		return nil
	}
	k.life++
	if err := k.rig.Spawn(ctx); err != nil {
		return err
	}
	k.up = true
	return k.rig.Wait(ctx, ok)
}

// end ends the daemon, which must not have ended by itself.
func (k *keeper) end(what string, kill bool) {
	if !k.up {
		return
	}
	k.up = false
	k.alive()
	done := k.ledger.begin("daemon: %s life %d", what, k.life)
	defer done()
	if kill {
		if err := k.rig.Kill(); err != nil {
			k.ledger.differs("life %d, killed: %v", k.life, err)
		}
		return
	}
	begun := time.Now()
	// With a full disk it says that it could not store its last notes.
	if err := k.rig.Stop(); err != nil && len(k.ledger.during(begun.Add(-journalHeals), time.Now(), "disk: full")) == 0 {
		k.ledger.differs("life %d, told to end: %v", k.life, err)
	}
	if took := time.Since(begun); took > stops {
		k.ledger.differs("life %d took %s to end", k.life, took.Round(time.Millisecond))
	}
}

// alive notes a daemon that has ended by itself.
func (k *keeper) alive() bool {
	select {
	case <-k.rig.Ended():
	default:
		return true
	}
	text, _ := os.ReadFile(k.path("log"))
	k.ledger.differs("life %d ended by itself:\n%s", k.life, tidy(strings.Split(string(text[max(0, len(text)-4000):]), "\n")))
	return false
}

// mend starts a daemon that has ended by itself.
func (k *keeper) mend(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.up && !k.alive() {
		k.up = false
		_ = k.rig.Kill() // reaps it
	}
	return k.spawn(ctx, nil)
}

// run kills and restarts the daemon for the first half of the day.
func (k *keeper) run(ctx context.Context, r *rand.Rand) {
	half := time.Now().Add(k.lasts / 2)
	for time.Now().Before(half) && pause(ctx, r, 200*time.Millisecond, 3500*time.Millisecond) {
		k.mu.Lock()
		switch r.IntN(5) {
		case 0, 1:
			k.end("terminated", false)
			k.ledger.count("daemon terminated")
		case 2:
			// As a battery that fails while the handheld sleeps.
			_ = k.rig.Signal(syscall.SIGSTOP)
			done := k.ledger.begin("daemon: stopped")
			sleep(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
			k.end("killed in its sleep", true)
			done()
			k.ledger.count("daemon killed asleep")
		default:
			k.end("killed", true)
			k.ledger.count("daemon killed")
		}
		if r.IntN(3) == 0 {
			pause(ctx, r, 0, 1500*time.Millisecond)
		}
		err := k.spawn(context.WithoutCancel(ctx), nil)
		k.mu.Unlock()
		if err != nil {
			k.ledger.differs("life %d did not start: %v", k.life, err)
		}
	}
}

// naps stops the daemon for a while, as a suspended handheld is.
func (k *keeper) naps(ctx context.Context, r *rand.Rand) {
	for pause(ctx, r, 3*time.Second, 12*time.Second) {
		k.mu.Lock()
		if k.up {
			done := k.ledger.begin("daemon: stopped")
			_ = k.rig.Signal(syscall.SIGSTOP)
			sleep(ctx, time.Duration(100+r.IntN(3000))*time.Millisecond)
			_ = k.rig.Signal(syscall.SIGCONT)
			done()
			k.ledger.count("naps")
		}
		k.mu.Unlock()
	}
}

// hangup has the configuration read again.
func (k *keeper) hangup() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.up {
		return fmt.Errorf("no daemon")
	}
	return k.rig.Signal(syscall.SIGHUP)
}
