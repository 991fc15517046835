package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

// reading is one code that somebody showed a scanner or typed.
type reading struct {
	lane string
	// code is as it was sent; ticket is nil for noise.
	code   string
	ticket *ticket
	sent   time.Time
	// done is when a verdict was seen or no longer waited for; answer is nil where
	// none was seen.
	done   time.Time
	answer *control.Event
}

// sighting is the first time that an event was seen on any surface.
type sighting struct {
	at      time.Time
	surface string
	event   control.Event
}

// span is a fault or a person's act, from when to when.
type span struct {
	what     string
	from, to time.Time
}

func (s span) overlaps(from, to time.Time) bool {
	return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
}

// ledger is all that was seen from outside.
type ledger struct {
	mu       sync.Mutex // guards what follows
	readings []*reading
	seen     map[string]sighting
	spans    []*span
	counts   map[string]int
	// odd are differences found while the run went on.
	odd []string
	// missed are the green lights that an export lacked, each told once.
	missed map[string]bool
	// exported are the rows of exports that were made while the run went on.
	exported map[string]row
	// waiting are the lanes that want to hear of their events.
	waiting map[string]chan control.Event
}

func newLedger() *ledger {
	return &ledger{seen: map[string]sighting{}, counts: map[string]int{}, missed: map[string]bool{}, exported: map[string]row{}, waiting: map[string]chan control.Event{}}
}

// lane gives the channel on which a lane hears of events on its scanner.
func (l *ledger) lane(name string) <-chan control.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch := make(chan control.Event, 256)
	l.waiting[name] = ch
	return ch
}

// show notes an event that a surface showed, and tells its lane where it is new:
// a replay is not a verdict on what is being scanned now.
func (l *ledger) show(surface string, e control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, known := l.seen[e.ID]
	switch {
	case e.ID == "":
		l.odd = append(l.odd, fmt.Sprintf("an event without an id on %s: %+v", surface, e))
	case known && (before.event.Seq != e.Seq || before.event.Verdict != e.Verdict || before.event.Reason != e.Reason || before.event.Code != e.Code):
		l.odd = append(l.odd, fmt.Sprintf("event %s was %s and is %s on %s", e.ID, eventText(before.event), eventText(e), surface))
	case !known:
		first := e
		first.Repeat = false
		l.seen[e.ID] = sighting{time.Now(), surface, first}
	}
	if known && !e.Repeat || e.Kind != "" {
		return
	}
	if ch := l.waiting[e.Scanner]; ch != nil {
		select {
		case ch <- e:
		default: // the lane is away, and asks the ledger no more
		}
	}
}

// read notes that a code is being shown to a scanner.
func (l *ledger) read(lane, code string, t *ticket) *reading {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &reading{lane: lane, code: code, ticket: t, sent: time.Now()}
	l.readings = append(l.readings, r)
	return r
}

// answered ends a reading; nil: nobody saw a verdict.
func (l *ledger) answered(r *reading, e *control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.done, r.answer = time.Now(), e
}

// begin notes that a fault or an act begins; the returned function ends it.
func (l *ledger) begin(format string, args ...any) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &span{what: fmt.Sprintf(format, args...), from: time.Now()}
	l.spans = append(l.spans, s)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		s.to = time.Now()
	}
}

// count counts something for the table.
func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// differs notes a difference found while the run goes on.
func (l *ledger) differs(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd = append(l.odd, fmt.Sprintf(format, args...))
}

// recent gives the newest events that want, newest first.
func (l *ledger) recent(limit int, want func(control.Event) bool) []control.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var newest uint64
	for _, s := range l.seen {
		newest = max(newest, s.event.Seq)
	}
	var out []control.Event
	for _, s := range l.seen {
		if s.event.Seq+200 > newest && want(s.event) {
			out = append(out, s.event)
		}
	}
	slices.SortFunc(out, func(a, b control.Event) int { return cmp.Compare(b.Seq, a.Seq) })
	return out[:min(limit, len(out))]
}

// during gives the spans of some prefix that overlap a time.
func (l *ledger) during(from, to time.Time, prefixes ...string) []span {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []span
	for _, s := range l.spans {
		if !s.overlaps(from, to) {
			continue
		}
		for _, p := range prefixes {
			if len(s.what) >= len(p) && s.what[:len(p)] == p {
				out = append(out, *s)
				break
			}
		}
	}
	return out
}

func green(e control.Event) bool {
	return e.Verdict == scanner.Admit && e.Kind != scanner.KindUndo && e.Kind != scanner.KindConflict
}

func eventText(e control.Event) string {
	text := fmt.Sprintf("seq %d %s %s/%s %s", e.Seq, e.Kind, e.Verdict, e.Reason, e.Mode)
	for name, on := range map[string]bool{"repeat": e.Repeat, "late": e.Late, "in_doubt": e.InDoubt, "conflict": e.Conflict, "overridden": e.Overridden, "queued": e.Queued} {
		if on {
			text += " " + name
		}
	}
	return fmt.Sprintf("%s code %s at %s took %.1f ms", text, e.Code, e.Scanner, e.TookMS)
}
