package clock

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"usher/scanner"
)

const (
	// drift bounds how far a quartz strays, per elapsed time: 100 ppm.
	drift = 100e-6
	// mostAnchors bounds what is kept of a boot, mostBoots of how many.
	mostAnchors = 32
	mostBoots   = 16
	// saveEvery is how often anchors that only became better are saved.
	saveEvery = 15 * time.Minute
)

// anchor ties one moment of the boot-time clock to a true time, give or take
// Off.
type anchor struct {
	Up  time.Duration `json:"up_ns"`
	At  time.Time     `json:"at"`
	Off time.Duration `json:"off_ns"`
}

// errorAt is the anchor's error at another moment of its boot.
func (a anchor) errorAt(up time.Duration) time.Duration {
	return a.Off + time.Duration(drift*float64((up-a.Up).Abs()))
}

// boot is one life of the kernel.
type boot struct {
	ID      string   `json:"boot"`
	Anchors []anchor `json:"anchors"`
}

// boots are the lives that are remembered, oldest first.
type boots []boot

// of gives the boot, remembered from now on.
func (b *boots) of(id string) *boot {
	for i := range *b {
		if (*b)[i].ID == id {
			return &(*b)[i]
		}
	}
	// What was not known before belongs before the present boot, which is last.
	at := max(0, len(*b)-1)
	*b = slices.Insert(*b, at, boot{ID: id})
	return &(*b)[at]
}

// add keeps the anchor if it is better than all others at its own moment, and
// drops those that it makes useless.
func (b *boot) add(a anchor) bool {
	for _, old := range b.Anchors {
		if old.errorAt(a.Up) <= a.Off {
			return false
		}
	}
	b.Anchors = slices.DeleteFunc(b.Anchors, func(old anchor) bool { return a.errorAt(old.Up) <= old.Off })
	b.Anchors = append(b.Anchors, a)
	if len(b.Anchors) > mostAnchors {
		// The first and the newest bound the boot; one in between goes.
		b.Anchors = slices.Delete(b.Anchors, 1, 2)
	}
	return true
}

// best gives the anchor with the smallest error at the stamp's moment.
func (b boots) best(s scanner.Stamp) (anchor, bool) {
	var best anchor
	found := false
	for _, life := range b {
		if life.ID != s.Boot {
			continue
		}
		for _, a := range life.Anchors {
			if !found || a.errorAt(s.Up) < best.errorAt(s.Up) {
				best, found = a, true
			}
		}
	}
	return best, found
}

// between bounds a stamp of a boot without an anchor by the boots around it.
func (b boots) between(s scanner.Stamp) scanner.Instant {
	i := slices.IndexFunc(b, func(life boot) bool { return life.ID == s.Boot })
	if i < 0 {
		return scanner.Instant{At: s.Wall}
	}
	out := scanner.Instant{At: s.Wall}
	for _, life := range b[:i] {
		for _, a := range life.Anchors {
			if at := a.At.Add(-a.Off); at.After(out.Earliest) {
				out.Earliest = at
			}
		}
	}
	for _, life := range b[i+1:] {
		for _, a := range life.Anchors {
			// The later boot began after this stamp.
			if began := a.At.Add(a.Off - a.Up); out.Latest.IsZero() || began.Before(out.Latest) {
				out.Latest = began
			}
		}
	}
	// A wall clock outside the bounds is wrong; the boot-time clock keeps the
	// order.
	if !out.Earliest.IsZero() && out.At.Before(out.Earliest) {
		out.At = out.Earliest.Add(s.Up)
	}
	if !out.Latest.IsZero() && out.At.After(out.Latest) {
		out.At = out.Latest
	}
	return out
}

// memoryKey is where anchors are saved.
const memoryKey = "anchors"

// Restore reads what earlier lives saved. What cannot be read is left out: times
// are known less well then, and nothing is lost.
func (c *Clock) Restore(mem scanner.Memory) error {
	data, err := mem.Load(memoryKey)
	if err != nil || data == nil {
		return err
	}
	var saved boots
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("clock: saved anchors: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own := *c.boots.of(c.boot)
	saved = slices.DeleteFunc(saved, func(life boot) bool {
		if life.ID == c.boot {
			for _, a := range life.Anchors {
				own.add(a)
			}
		}
		return life.ID == c.boot
	})
	c.boots = append(saved[max(0, len(saved)-mostBoots):], own)
	c.save()
	return nil
}

// Run saves anchors: the first of a boot at once, better ones now and then. It
// returns when the context ends.
func (c *Clock) Run(ctx context.Context, mem scanner.Memory) error {
	better := time.NewTicker(saveEvery)
	defer better.Stop()
	var last []byte
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.changed:
		case <-better.C:
		}
		c.mu.Lock()
		data, err := json.Marshal(c.boots)
		c.mu.Unlock()
		if err != nil {
			return fmt.Errorf("clock: %w", err)
		}
		if string(data) == string(last) {
			continue
		}
		if mem.Save(memoryKey, data) == nil {
			last = data
		}
	}
}

// save wakes Run.
func (c *Clock) save() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
