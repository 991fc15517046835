package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

const (
	// waits is how long a person looks at a gate that shows nothing.
	waits = patience + 2*time.Second
	// steps aside is how long a holder who was not let in waits before trying again:
	// longer than a repeat lasts.
	stepsAside = 3500 * time.Millisecond
	// tries is how often the holder of a ticket that must get in comes back.
	tries = 25
)

// comeback are holders who were not let in and will try again.
type comeback struct {
	mu   sync.Mutex // guards list
	list []holder
}

type holder struct {
	ticket *ticket
	due    time.Time
	left   int
}

func (c *comeback) add(h holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, h)
}

func (c *comeback) due() (holder, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for i, h := range c.list {
		if h.due.Before(now) {
			c.list = slices.Delete(c.list, i, i+1)
			return h, true
		}
	}
	return holder{}, false
}

// lane is one scanner and the people in front of it.
func (w *world) lane(ctx context.Context, r *rand.Rand, name string) {
	events := w.ledger.lane(name)
	var old []*ticket
	for pause(ctx, r, 0, 120*time.Millisecond) {
		if h, ok := w.again.due(); ok {
			w.present(r, name, events, h)
			continue
		}
		switch n := r.IntN(100); {
		case n < 52:
			t := w.office.good()
			old = append(old, t)
			w.present(r, name, events, holder{t, time.Time{}, tries})
		case n < 62:
			w.copies(r, name, events, w.office.good())
		case n < 68:
			w.present(r, name, events, holder{w.office.sell(), time.Time{}, 4})
		case n < 78:
			if len(old) > 0 {
				w.scan(r, name, events, old[r.IntN(len(old))])
			}
		case n < 82:
			w.scan(r, name, events, w.office.forge())
		case n < 92:
			kinds := []kind{used, voided, refunded, foreign}
			w.scan(r, name, events, w.office.any(r, kinds[r.IntN(len(kinds))]))
		case n < 96:
			kinds := []kind{gone, twin}
			t := w.office.any(r, kinds[r.IntN(len(kinds))])
			if r.IntN(2) == 0 {
				w.office.turn(t)
			}
			w.scan(r, name, events, t)
		default:
			w.noise(r, name)
		}
	}
}

// copies shows one ticket to two scanners at the same time.
func (w *world) copies(r *rand.Rand, name string, events <-chan control.Event, t *ticket) {
	other := w.lanes[r.IntN(len(w.lanes))]
	delay := time.Duration(r.IntN(3)) * time.Duration(r.IntN(200)) * time.Millisecond
	if other != name {
		w.ledger.count("copies at two lanes at once")
		reading := w.ledger.read(other, t.code, t)
		time.AfterFunc(delay, func() {
			if w.rig.Scan(other, t.code) == nil {
				w.ledger.answered(reading, nil)
			}
		})
	}
	w.present(r, name, events, holder{t, time.Time{}, tries})
}

// present is a holder at the gate, who comes back until let in.
func (w *world) present(r *rand.Rand, name string, events <-chan control.Event, h holder) {
	e := w.scan(r, name, events, h.ticket)
	if e != nil && (e.Verdict == scanner.Admit || e.Verdict == scanner.Refuse && h.ticket.kind == good && e.Reason != scanner.AlreadyEntered) {
		return // in, or refused for what the audit will ask about
	}
	if h.left--; h.left > 0 {
		h.due = time.Now().Add(stepsAside)
		if e == nil {
			h.due = time.Now().Add(time.Duration(r.IntN(2500)) * time.Millisecond)
		}
		w.again.add(h)
	}
}

// scan shows the ticket and waits for what the gate shows; nil: nothing.
func (w *world) scan(r *rand.Rand, name string, events <-chan control.Event, t *ticket) *control.Event {
	code := t.code
	if r.IntN(12) == 0 {
		code = "]C1" + code // a scanner that tells the symbology
	}
	for len(events) > 0 {
		<-events
	}
	reading := w.ledger.read(name, code, t)
	if w.rig.Scan(name, code) != nil {
		w.ledger.answered(reading, nil)
		return nil
	}
	timer, look := time.NewTimer(waits), time.NewTicker(100*time.Millisecond)
	defer timer.Stop()
	defer look.Stop()
	for {
		select {
		case e := <-events:
			if e.Code != scanner.Code(t.code).Mask() && e.Code != scanner.Code(code).Mask() {
				continue
			}
			w.ledger.answered(reading, &e)
			return &e
		case <-look.C:
			// Nobody waits for a screen that went dark, or pulls at a loose cable.
			if time.Since(reading.sent) < 300*time.Millisecond ||
				len(w.ledger.during(reading.sent, time.Now(), "daemon: killed", "daemon: terminated", "scanner: "+name)) == 0 {
				continue
			}
			w.ledger.answered(reading, nil)
			return nil
		case <-timer.C:
			w.ledger.answered(reading, nil)
			return nil
		}
	}
}

// noise is what scanners send beside tickets.
func (w *world) noise(r *rand.Rand, name string) {
	texts := []string{
		"", "   ", "\x1b[2J\x1b[31m<b>ADMIT</b>", "=cmd|'/c calc'!A1", "\xff\xfe\xfd", "http://example.org/?id=" + strings.Repeat("9", 200),
		strings.Repeat("x", scanner.MaxCode+100), strings.Repeat("y", scanner.MaxCode), "]C1", `\000026`, "\x00\x01\x02",
	}
	w.ledger.count("noise")
	_ = w.rig.Scan(name, texts[r.IntN(len(texts))])
}
