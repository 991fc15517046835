package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"usher/scanner"
)

// standing is an admission beside which calls for its ticket still run: each may
// turn out to be the entry that the vendor has. It is under the ticket's lock.
type standing struct {
	outcome scanner.Outcome
	// open are the attempts of ours that may be that entry.
	open []scanner.Attempt
	// held: the vendor has said yes to us.
	held bool
	// said is what else it has said of an entry; nil: nothing.
	said *scanner.Answer
	// told: that is known to be a conflict.
	told bool
}

// stands lets every call of the ticket that still runs know of an admission.
func (g *Gate) stands(st *standing) {
	rec := st.outcome.Record
	for _, c := range g.asking.of(rec.Scope, rec.Code) {
		if c.attempt.Direction == rec.Direction && c.stand == nil {
			c.stand = st
		}
	}
	if se := g.searches.running(callKey(rec.Scope, rec.Code)); se != nil {
		se.stand = &st.outcome
	}
}

// late draws the consequences of a reply to a scan that was judged without it.
func (g *Gate) late(ctx context.Context, c *call, r reply) {
	defer g.release(c)
	if r.err == nil && r.Verdict == scanner.Review {
		r.err = &scanner.CallError{Op: "validate", Trouble: scanner.Malformed, MaybeSent: r.MaybeActed, Err: errors.New("an answer that says nothing of the ticket")}
	}
	var err error
	if c.stand == nil {
		err = g.keep(ctx, c, r)
	} else {
		err = g.explain(ctx, c, r)
	}
	if err != nil {
		g.Log.Error("a late answer was not stored", "code", c.attempt.Code, "err", err)
	}
}

// keep draws them where nobody was admitted since the call was made.
func (g *Gate) keep(ctx context.Context, c *call, r reply) error {
	switch {
	case r.err != nil && scanner.CallErrorOf(r.err).MaybeSent:
		// It stays open: it explains what the vendor says next.
		return nil
	case r.err != nil || r.Verdict != scanner.Admit:
		g.end(ctx, c.attempt)
		return nil
	}
	// In memory too: an amber may have used the attempt up, or the disk refuse.
	a := c.attempt
	if !slices.ContainsFunc(g.attempts(a.Scope, a.Code), func(open scanner.Attempt) bool { return open.ID == a.ID }) {
		a.ID = 0
	}
	a.Admitted = true
	g.unsaved.put(a)
	// The holder tries again: he must not be shown the old red.
	g.overtaken(a.Code, scanner.Outcome{})
	return g.Journal.AdmitAttempt(ctx, c.attempt.ID)
}

// explain draws them where somebody was admitted: the vendor has the entry by
// this call, or by another of ours whose answer got lost, or not by us.
func (g *Gate) explain(ctx context.Context, c *call, r reply) error {
	st := c.stand
	switch {
	case r.err != nil && scanner.CallErrorOf(r.err).MaybeSent:
		return nil // it may have been this one, for ever
	case r.err == nil && r.Verdict == scanner.Admit:
		st.held = true
		return g.Journal.Confirm(ctx, st.outcome.Seq, r.VendorAt)
	case st.held || st.told:
		return nil // it speaks of our own entry, or says nothing new
	}
	st.open = slices.DeleteFunc(st.open, func(a scanner.Attempt) bool { return a.ID == c.attempt.ID })
	if r.err == nil {
		st.said = &r.Answer
	}
	switch {
	case st.said == nil && len(st.open) == 0:
		return g.Journal.NeverSent(ctx, st.outcome.Seq)
	case st.said == nil:
		return nil
	case st.said.Reason == again(c.attempt.Direction) && g.ours(c.cfg, *st.said, st.open):
		return g.Journal.Confirm(ctx, st.outcome.Seq, since(*st.said))
	}
	st.told = true
	return g.conflict(ctx, st.outcome.Record, *st.said)
}

// since is the vendor's time of an entry that it speaks of and that is our own.
func since(a scanner.Answer) time.Time {
	if a.VendorAt.IsZero() {
		return a.FirstEnteredAt
	}
	return a.VendorAt
}

// conflict keeps and shows that the vendor refused what was admitted here. The
// movement is uploaded all the same: somebody walked in.
func (g *Gate) conflict(ctx context.Context, rec scanner.Record, a scanner.Answer) error {
	out, err := retried(func() (scanner.Outcome, error) {
		mark, err := g.Journal.Mark(rec.Scope, rec.Code)
		if err != nil {
			return scanner.Outcome{}, err
		}
		// An exit that the vendor refused tells of no other entry.
		mark.Conflict = mark.Conflict || rec.Direction == scanner.Entry
		if mark.Last == rec.Seq && mark.Undone {
			mark.Permit = "" // undone, and not the vendor's: nothing stands in its way to judge
		}
		now := g.Clock.Now()
		d := scanner.Decision{Reason: a.Reason, Detail: a.Detail, FirstEnteredAt: a.FirstEnteredAt, FirstEnteredGate: a.FirstEnteredGate}
		truth := g.Clock.True(now)
		what := "Admitted"
		if rec.Direction == scanner.Exit {
			what = "Let out"
		}
		return g.store(ctx, scanner.Change{Mark: &mark, Record: scanner.Record{
			ID: g.NewID(), Kind: scanner.KindConflict, Scope: rec.Scope, Origin: rec.Origin, Scanner: rec.Scanner,
			Code: rec.Code, Direction: rec.Direction, At: now, True: truth,
			Reason: a.Reason, Mode: scanner.Online, Conflict: true, Of: rec.Seq,
			Message: what + " here, and the vendor says: " + d.Message(truth.At, g.cfg.Load().Venue),
			Ticket:  rec.Ticket, TicketID: rec.TicketID, Event: rec.Event,
			FirstEnteredAt: a.FirstEnteredAt, FirstEnteredGate: a.FirstEnteredGate, Fate: scanner.FateConflict,
		}})
	})
	if err != nil {
		return err
	}
	g.overtaken(out.Code, out)
	g.show(out)
	return nil
}

// hold keeps a movement from being uploaded while a call for its ticket still
// runs. It is under the ticket's lock.
func (g *Gate) hold(rec scanner.Record) {
	for _, c := range g.asking.of(rec.Scope, rec.Code) {
		g.running.add(rec.ID)
		c.holds = append(c.holds, rec.ID)
	}
}

// release ends what the call held.
func (g *Gate) release(c *call) {
	g.asking.remove(c)
	for _, id := range c.holds {
		g.running.remove(id)
	}
	g.Ended()
}

// asking are the calls that scans no longer wait for, by ticket.
type asking struct {
	mu    sync.Mutex // guards calls
	calls map[string][]*call
}

func callKey(scope scanner.Scope, code scanner.Code) string { return ticketKey(scope, code.Bare()) }

func (a *asking) put(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[string][]*call{}
	}
	key := callKey(c.attempt.Scope, c.attempt.Code)
	a.calls[key] = append(a.calls[key], c)
}

// of gives the ticket's calls, oldest first.
func (a *asking) of(scope scanner.Scope, code scanner.Code) []*call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls[callKey(scope, code)])
}

func (a *asking) remove(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := callKey(c.attempt.Scope, c.attempt.Code)
	rest := slices.DeleteFunc(a.calls[key], func(other *call) bool { return other == c })
	if len(rest) == 0 {
		delete(a.calls, key)
		return
	}
	a.calls[key] = rest
}

// Busy tells whether a call for the movement's ticket still runs: an upload
// beside it would be a second entry.
func (g *Gate) Busy(id string) bool { return g.running.has(id) }

// set counts record ids, safe for concurrent use.
type set struct {
	mu  sync.Mutex // guards ids
	ids map[string]int
}

func (s *set) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]int{}
	}
	s.ids[id]++
}

// remove takes one add back.
func (s *set) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[id]--; s.ids[id] <= 0 {
		delete(s.ids, id)
	}
}

func (s *set) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id] > 0
}

func ticketKey(scope scanner.Scope, code scanner.Code) string {
	return scope.Key() + "\x1f" + string(code)
}
