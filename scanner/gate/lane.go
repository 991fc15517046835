package gate

import (
	"sync"
	"time"

	"usher/scanner"
)

// The repeat rule: hands shake and scanners fire twice, so the same code again
// within repeatWithin of its last reading is the same scan, at most repeatFor
// after its verdict; a second person with a copy takes longer to step up.
const (
	repeatWithin = 3 * time.Second
	repeatFor    = 15 * time.Second
)

// After a restart the newest admission per scanner, made at most diedWithin
// before the death, is a repeat for recallFor. The moment of the death is not
// recorded: it is not before the journal's newest record, and, within one boot,
// restartWithin bounds how long the restart took.
const (
	diedWithin    = 10 * time.Second
	restartWithin = 30 * time.Second
	recallFor     = 30 * time.Second
)

// lane is one scanner's place in the gate.
type lane struct {
	// turn is held while a scan of this scanner is judged: one at a time, in
	// order. It is taken before mu.
	turn turn

	mu     sync.Mutex // guards what follows
	busy   bool
	since  scanner.Stamp
	judged map[passage]*judged
	// order is in which they were judged, oldest first; a passage judged again is
	// in it again.
	order []aged
}

// aged is a place in a lane's order.
type aged struct {
	passage
	*judged
}

// passage is one ticket going one way, whatever prefix its reading had.
type passage struct {
	code      scanner.Code
	direction scanner.Direction
}

// judged is a lane's newest scan of a passage, for the repeat rule.
type judged struct {
	readAt    scanner.Stamp
	verdictAt scanner.Stamp
	// until, for a scan recalled after a restart, is the end of its being a
	// repeat, on the boot-time clock.
	until   time.Duration
	outcome scanner.Outcome
}

func (l *lane) begin(at scanner.Stamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.since = true, at
}

func (l *lane) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
}

func (l *lane) busyFor(now scanner.Stamp) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		return 0
	}
	passed, _ := now.Since(l.since)
	return passed
}

// repeat tells whether the reading belongs to a scan that this lane has judged
// under the same scope, and shows that one again if so.
func (l *lane) repeat(scope scanner.Scope, p passage, at scanner.Stamp) (scanner.Outcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.judged[p]
	if last == nil || last.outcome.Scope != scope || !last.covers(at) {
		return scanner.Outcome{}, false
	}
	out := last.outcome
	out.Repeat = true
	out.Ago, _ = at.Since(last.readAt)
	last.readAt = at
	return out, true
}

func (j *judged) covers(at scanner.Stamp) bool {
	if j.until > 0 {
		return at.Boot == j.verdictAt.Boot && at.Up <= j.until
	}
	sinceVerdict, ok := at.Since(j.verdictAt)
	if !ok {
		return false
	}
	if sinceVerdict <= 0 {
		return true // read while it was being judged: it joins
	}
	if j.outcome.Verdict == scanner.Review {
		return false
	}
	sinceReading, _ := at.Since(j.readAt)
	return sinceReading <= repeatWithin && sinceVerdict <= repeatFor
}

// remember keeps the scan for the repeat rule, and forgets those it is over for.
func (l *lane) remember(p passage, readAt, verdictAt scanner.Stamp, out scanner.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.order) > 0 {
		oldest := l.order[0]
		if passed, ok := verdictAt.Since(oldest.verdictAt); ok && passed <= max(repeatFor, recallFor) {
			break
		}
		if l.judged[oldest.passage] == oldest.judged {
			delete(l.judged, oldest.passage)
		}
		l.order = l.order[1:]
	}
	l.put(p, &judged{readAt: readAt, verdictAt: verdictAt, outcome: out})
}

func (l *lane) put(p passage, j *judged) {
	if l.judged == nil {
		l.judged = map[passage]*judged{}
	}
	l.judged[p] = j
	l.order = append(l.order, aged{p, j})
}

// overtaken forgets what the lane knows of the ticket: a person has acted on it
// and its next reading must be judged. Where the lane's own scan was admitted by
// a person, its repeat shows that admission instead.
func (l *lane) overtaken(code scanner.Code, by scanner.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, direction := range []scanner.Direction{scanner.Entry, scanner.Exit} {
		p := passage{code.Bare(), direction}
		if j := l.judged[p]; j != nil && by.Kind == scanner.KindOverride && j.outcome.Seq == by.Of {
			j.outcome = by
			continue
		}
		delete(l.judged, p)
	}
}

// overtaken tells every lane that a person has acted on the ticket.
func (g *Gate) overtaken(code scanner.Code, by scanner.Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lanes {
		l.overtaken(code, by)
	}
}

// turned forgets, at every lane, what was judged of the ticket the other way: who
// has gone out since and comes back is no repeat of who went in.
func (g *Gate) turned(p passage) {
	other := passage{p.code, scanner.Entry}
	if p.direction == scanner.Entry {
		other.direction = scanner.Exit
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lanes {
		l.forget(other)
	}
}

func (l *lane) forget(p passage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.judged, p)
}

// recall makes the journal's newest admissions repeats of their lanes, unless
// they were taken back since.
func (g *Gate) recall(scope scanner.Scope, now scanner.Stamp) {
	admissions, last := g.Journal.Recent()
	for name, rec := range admissions {
		if rec.Scope != scope || !justBefore(rec.At, last, now) {
			continue
		}
		mark, err := g.Journal.Mark(rec.Scope, rec.Code)
		if err != nil || mark.Last != rec.Seq || mark.Undone {
			continue
		}
		g.lane(name).put(passage{rec.Code.Bare(), rec.Direction}, &judged{
			readAt: now, verdictAt: now, until: now.Up + recallFor,
			outcome: scanner.Outcome{Record: rec, Fate: rec.Fate},
		})
	}
}

func justBefore(admitted, last, now scanner.Stamp) bool {
	if alive, ok := last.Since(admitted); !ok || alive > diedWithin {
		return false
	}
	passed, sameBoot := now.Since(admitted)
	return !sameBoot || passed <= diedWithin+restartWithin
}
