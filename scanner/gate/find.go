package gate

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"usher/scanner"
)

// finding is what a Finder said of a ticket, or why it said nothing.
type finding struct {
	ticket scanner.Ticket
	found  scanner.Found
	err    error
}

// search is one question to a Finder on its way. It changes nothing at the vendor,
// so nothing is in doubt about it: whoever waits for the ticket uses its answer.
type search struct {
	cfg  *Config
	code scanner.Code
	// cancel ends the call.
	cancel context.CancelFunc
	// told: the link knows how the call went.
	told sync.Once
	// ended is closed once said is set.
	ended chan struct{}
	said  finding

	// What follows is written and read under the ticket's lock.

	// taken: a scan was decided with the answer, or knows that there is none.
	taken bool
	// stand is the newest admission that was made without the answer; nil: none was.
	stand *scanner.Outcome
}

// finds tells whether the vendor's record is to decide this scan: the journal does
// not know more than the vendor, and this device's own list does not forbid it.
func (s *scan) finds(mark scanner.Mark) bool {
	return s.cfg.Finder != nil && !mark.Speaks() && !s.forbidden(mark)
}

// forbidden tells whether this device's own list keeps the ticket out, whatever the
// vendor would say. A list that contradicts itself does not.
func (s *scan) forbidden(mark scanner.Mark) bool {
	if s.found != scanner.Listed || s.ticket.Status == scanner.StatusTwice {
		return false
	}
	f := s.facts(mark)
	f.Rule.ExitUnknown = scanner.PolicyAdmit // the vendor may know of the entry
	return scanner.Decide(f).Verdict != scanner.Admit
}

// find decides with the vendor's record of the ticket: what came too late for an
// earlier scan, else what the vendor says within patience. Without either this
// device decides, now, and the call goes on behind it.
func (s *scan) find(ctx context.Context, mark scanner.Mark) scanner.Outcome {
	all := &s.gate.searches
	key := callKey(s.cfg.Scope, s.code)
	se := all.running(key)
	own := se == nil
	online := s.gate.Link.Online()
	if own || !se.hasEnded() {
		if f, ok := all.late(key, s.reading.At, online); ok {
			return s.decideBy(ctx, f, true)
		}
		if !online {
			return s.offline(ctx, &mark)
		}
	}
	if own {
		se = s.search(ctx, key)
	}
	if !s.awaits(se, own) {
		return s.without(ctx, key)
	}
	se.taken = true
	all.remove(key, se)
	if se.said.err != nil {
		s.gate.Log.Warn("no answer from the vendor", "code", s.code, "err", se.said.err)
		return s.without(ctx, key)
	}
	all.forget(key)
	return s.decideBy(ctx, se.said, !own)
}

// decideBy decides with the vendor's record as with a complete and fresh list's, and
// stores an admission before it is shown, since the vendor does not. earlier: the
// answer was another scan's.
func (s *scan) decideBy(ctx context.Context, f finding, earlier bool) scanner.Outcome {
	s.asked, s.looked, s.earlier = true, true, earlier
	s.ticket, s.found = f.ticket, f.found
	return s.offline(ctx, nil)
}

// without decides without an answer to this scan: by one that an earlier scan was
// decided with, where it is not too old, else as a gate that cannot ask.
func (s *scan) without(ctx context.Context, key string) scanner.Outcome {
	if f, ok := s.gate.searches.late(key, s.reading.At, false); ok {
		return s.decideBy(ctx, f, true)
	}
	return s.offline(ctx, nil)
}

// awaits waits for the answer as long as this reading may wait yet: it may have
// stood in line behind another's call.
func (s *scan) awaits(se *search, own bool) bool {
	waited, _ := s.gate.Clock.Now().Since(s.reading.At)
	left := min(max(0, s.cfg.Patience-waited), s.cfg.Patience)
	patience := time.NewTimer(left)
	defer patience.Stop()
	select {
	case <-se.ended:
		return true
	case <-patience.C:
	}
	if se.hasEnded() {
		return true
	}
	if own && left == s.cfg.Patience && s.cfg.Normal <= s.cfg.Patience {
		// Before the next scan of this lane asks.
		se.told.Do(func() { s.gate.Link.Failed(nil) })
	}
	return false
}

// search starts the call. The link hears of its end, or that it is overdue, whoever
// waits for it then.
func (s *scan) search(ctx context.Context, key string) *search {
	g := s.gate
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	se := &search{cfg: s.cfg, code: s.code, cancel: cancel, ended: make(chan struct{})}
	if !g.searches.put(key, se) {
		cancel() // the daemon stops
	}
	question := scanner.Ask{Code: s.code, Direction: s.reading.Direction, At: s.reading.At, True: s.truth}
	overdue := time.AfterFunc(max(s.cfg.Patience, s.cfg.Normal), func() {
		se.told.Do(func() { g.Link.Failed(nil) })
	})
	g.calls.Go(func() {
		defer cancel()
		se.said = g.ask(ctx, se.cfg.Finder, question)
		overdue.Stop()
		se.told.Do(func() { tell(g.Link, se.said.err) })
		close(se.ended)
		defer g.lock(se.cfg.Scope, se.code)()
		g.searched(context.WithoutCancel(ctx), key, se)
	})
	return se
}

// ask asks a Finder; one that panics gave no answer.
func (g *Gate) ask(ctx context.Context, f scanner.Finder, q scanner.Ask) (said finding) {
	defer func() {
		if p := recover(); p != nil {
			g.Log.Error("asking the vendor panicked", "panic", p, "stack", string(debug.Stack()))
			said = finding{err: &scanner.CallError{Op: "find", Trouble: scanner.Nonsense, Err: errors.New("usher's own fault, see the log")}}
		}
	}()
	said.ticket, said.found, said.err = f.Find(ctx, q)
	return said
}

// searched draws the consequences of an answer that nobody waits for any more.
func (g *Gate) searched(ctx context.Context, key string, se *search) {
	g.searches.remove(key, se)
	switch {
	case se.said.err != nil:
		if !se.taken {
			g.Log.Warn("no answer from the vendor, long after its scan", "code", se.code, "err", se.said.err)
		}
	case se.stand != nil:
		if err := g.contradict(ctx, se); err != nil {
			g.Log.Error("a late answer was not stored", "code", se.code, "err", err)
		}
	case !se.taken:
		g.searches.keep(key, se.said, g.Clock.Now())
		// The holder tries again: he must not be shown the old verdict.
		g.overtaken(se.code, scanner.Outcome{})
	}
}

// contradict makes it a conflict where the vendor's record forbids what was
// admitted without it. Where it does not, nothing changes: the vendor takes no
// movements.
func (g *Gate) contradict(ctx context.Context, se *search) error {
	rec := se.stand.Record
	s := &scan{
		gate: g, cfg: se.cfg, code: rec.Code, truth: rec.True, looked: true,
		reading: scanner.Reading{Scanner: rec.Scanner, Direction: rec.Direction, At: rec.At},
		ticket:  se.said.ticket, found: se.said.found,
	}
	d := scanner.Decide(s.facts(*rec.Before))
	if d.Verdict != scanner.Refuse {
		return nil
	}
	return g.conflict(ctx, rec, scanner.Answer{
		Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail, FirstEnteredAt: d.FirstEnteredAt, FirstEnteredGate: d.FirstEnteredGate,
		OpensAt: d.OpensAt, ClosedAt: d.ClosedAt,
	})
}

func (se *search) hasEnded() bool {
	select {
	case <-se.ended:
		return true
	default:
		return false
	}
}
