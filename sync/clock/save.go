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
	// memoryKey is where anchors are saved.
	memoryKey = "anchors"
	// saveEvery is how often anchors that only became better are saved, retryIn
	// how soon after the store refused.
	saveEvery = 15 * time.Minute
	retryIn   = 10 * time.Second
)

// Restore reads what earlier lives saved. What cannot be read is left out: times
// are known less well then, and nothing is lost.
func (c *Clock) Restore(mem scanner.Memory) error {
	data, err := mem.Load(memoryKey)
	if err != nil || data == nil {
		c.save()
		return err
	}
	var saved boots
	if err := json.Unmarshal(data, &saved); err != nil {
		c.save()
		return fmt.Errorf("clock: saved anchors: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	live := c.boots.of(c.boot).Anchors
	own := boot{ID: c.boot}
	var lives boots
	for _, life := range saved {
		life.drop(func(a anchor) bool { return !a.sound() })
		if life.ID == c.boot {
			own = life
		} else if life.ID != "" {
			lives = append(lives, life)
		}
	}
	c.boots = append(lives, own)
	c.boots.trim()
	c.drift = c.boots.drift()
	// What was learnt since the start is judged beside what was known before.
	for _, a := range live {
		c.learn(a)
	}
	c.save()
	return nil
}

// Remember gives the clock what was known before a restart: a stamp and its true
// time, such as the journal's newest.
func (c *Clock) Remember(s scanner.Stamp, truth scanner.Instant) {
	a := anchor{Up: s.Up, At: truth.At, Off: truth.Latest.Sub(truth.At)}
	if !truth.Trusted || s.Boot == "" || !a.sound() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Boot == c.boot && c.boots.against(a) != nil {
		return
	}
	life := c.boots.of(s.Boot)
	if !slices.ContainsFunc(life.Anchors, func(old anchor) bool { return !old.agrees(a) }) {
		life.see(a)
		life.add(a, c.drift)
	}
	c.boots.trim()
}

// Run saves anchors: the first of a boot at once, better ones now and then, and
// what there is when the context ends; then it returns.
func (c *Clock) Run(ctx context.Context, mem scanner.Memory) error {
	next := time.NewTimer(saveEvery)
	defer next.Stop()
	var last []byte
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-c.changed:
		case <-next.C:
		}
		next.Reset(saveEvery)
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
		} else {
			next.Reset(retryIn)
		}
	}
	return nil
}

// save wakes Run.
func (c *Clock) save() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
