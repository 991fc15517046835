package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cables unplugs scanners.
func (w *world) cables(ctx context.Context, r *rand.Rand) {
	for pause(ctx, r, time.Second, 5*time.Second) {
		lane := w.lanes[r.IntN(len(w.lanes))]
		end := w.ledger.begin("scanner: %s unplugged", lane)
		err := w.rig.Lane(lane).Unplug()
		pause(ctx, r, 50*time.Millisecond, 2*time.Second)
		if err = errors.Join(err, w.rig.Lane(lane).Plug()); err != nil {
			w.ledger.differs("the soak's own fault: %v", err)
		}
		end()
		w.ledger.count("scanners unplugged")
	}
}

// reloads changes the configuration file, for better and worse.
func (w *world) reloads(ctx context.Context, r *rand.Rand) {
	for pause(ctx, r, time.Second, 6*time.Second) {
		text := string(w.config)
		what := "good"
		switch r.IntN(4) {
		case 0:
			text, what = text+"nonsense: true\n", "bad"
		case 1:
			text, what = strings.Replace(text, "Gate 7", "Gate 7\x00", 1), "bad"
		case 2:
			text = strings.Replace(text, "batch: 20", fmt.Sprintf("batch: %d", 1+r.IntN(100)), 1)
		default:
			text = strings.Replace(text, "gate: {", fmt.Sprintf("gate: { forget_after: %dh,", 1+r.IntN(48)), 1)
		}
		if err := w.configure([]byte(text)); err != nil {
			w.ledger.differs("the soak's own fault: %v", err)
			continue
		}
		_ = w.keeper.hangup()
		w.ledger.count("reloads of a " + what + " file")
		pause(ctx, r, 0, time.Second)
		if err := w.configure(w.config); err != nil {
			w.ledger.differs("the soak's own fault: %v", err)
		}
		_ = w.keeper.hangup()
	}
}

// configure replaces the file whole.
func (w *world) configure(text []byte) error {
	next := w.path("usher.yaml.next")
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, w.rig.Config())
}

// fullDisks fills the stores' disk and frees it again.
func (w *world) fullDisks(ctx context.Context, r *rand.Rand) {
	for pause(ctx, r, 2*time.Second, 9*time.Second) {
		end := w.ledger.begin("disk: full")
		leave := r.IntN(4) * r.IntN(64<<10)
		err := w.fill(leave)
		pause(ctx, r, 100*time.Millisecond, 2500*time.Millisecond)
		if err = errors.Join(err, w.free()); err != nil {
			w.ledger.differs("the soak's own fault: %v", err)
		}
		end()
		w.ledger.count("disk filled")
	}
}

func (w *world) ballast() string { return filepath.Join(w.state(), "ballast") }

// fill writes until the disk is full and then leaves a few bytes free.
func (w *world) fill(leave int) error {
	f, err := os.OpenFile(w.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		return err
	} else if err != nil {
		return nil
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	var size int64
	for {
		n, err := f.Write(chunk)
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			return err
		}
	}
	return f.Truncate(max(0, size-int64(leave)))
}

func (w *world) free() error {
	if err := os.Remove(w.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
