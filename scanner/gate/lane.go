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
// recorded: within one boot, restartWithin bounds how long the restart took;
// across boots, the journal's newest record is the last sign of life.
const (
	diedWithin    = 10 * time.Second
	restartWithin = 30 * time.Second
	recallFor     = 30 * time.Second
)

// lane is one scanner's place in the gate.
type lane struct {
	// turn is held while a scan of this scanner is judged: one at a time, in
	// order. It is taken before mu.
	turn sync.Mutex

	mu    sync.Mutex // guards what follows
	busy  bool
	since scanner.Stamp
	last  *judged
}

// judged is the newest scan of a lane, for the repeat rule.
type judged struct {
	code      scanner.Code
	direction scanner.Direction
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

// repeat tells whether the reading belongs to the lane's newest scan, and shows
// that one again if so.
func (l *lane) repeat(code scanner.Code, r scanner.Reading) (scanner.Outcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	if last == nil || last.code != code || last.direction != r.Direction || !last.covers(r.At) {
		return scanner.Outcome{}, false
	}
	out := last.outcome
	out.Repeat = true
	out.Ago, _ = r.At.Since(last.readAt)
	last.readAt = r.At
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

func (l *lane) remember(code scanner.Code, r scanner.Reading, verdictAt scanner.Stamp, out scanner.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = &judged{code: code, direction: r.Direction, readAt: r.At, verdictAt: verdictAt, outcome: out}
}

// overtaken drops or replaces the lane's newest scan where a person has acted on
// it: after an undo the same code must be judged again, and after a
// supervisor's admission its repeat shows the admission.
func (l *lane) overtaken(seq uint64, by *scanner.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || l.last.outcome.Seq != seq {
		return
	}
	if by == nil {
		l.last = nil
		return
	}
	l.last.outcome = *by
}

// recall makes the journal's newest admissions repeats of their lanes.
func (g *Gate) recall(now scanner.Stamp) {
	admissions, last := g.Journal.Recent()
	for name, rec := range admissions {
		if !justBefore(rec.At, last, now) {
			continue
		}
		l := g.lane(name)
		l.last = &judged{
			code: rec.Code, direction: rec.Direction, readAt: now, verdictAt: now, until: now.Up + recallFor,
			outcome: scanner.Outcome{Record: rec, Fate: rec.Fate},
		}
	}
}

func justBefore(admitted, last, now scanner.Stamp) bool {
	if passed, ok := now.Since(admitted); ok {
		return passed <= diedWithin+restartWithin
	}
	passed, ok := last.Since(admitted)
	return ok && passed <= diedWithin
}
