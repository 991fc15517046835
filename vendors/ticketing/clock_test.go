package ticketing_test

import (
	"sync"
	"time"

	"usher/scanner"
)

// clock is a clock of the test's own.
type clock struct {
	mu sync.Mutex
	at time.Time
	up time.Duration
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)} }

func (c *clock) Now() scanner.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return scanner.Stamp{Wall: c.at, Boot: "a", Up: c.up}
}

func (c *clock) True(s scanner.Stamp) scanner.Instant { return scanner.Instant{At: s.Wall} }

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.up = c.at.Add(d), c.up+d
}
