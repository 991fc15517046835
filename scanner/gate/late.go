package gate

import (
	"context"
	"sync"

	"usher/scanner"
)

// late draws the consequences of a reply to a scan that was judged without it.
func (g *Gate) late(ctx context.Context, c *call, r reply) {
	defer g.release(c)
	green := c.outcome.Verdict == scanner.Admit
	var err error
	switch {
	case r.err != nil:
		// What may have been sent stays open: it explains what the vendor says next.
		if !green && !scanner.CallErrorOf(r.err).MaybeSent {
			err = g.Journal.CloseAttempt(ctx, c.attempt.ID)
		}
	case r.Verdict == scanner.Admit && green, green && r.Reason == scanner.AlreadyEntered && g.explains(c, r.Answer):
		// The vendor has the entry: by this call, or by an earlier one of ours whose
		// answer got lost.
		err = g.Journal.Confirm(ctx, c.outcome.Seq)
	case r.Verdict == scanner.Admit:
		if err = g.Journal.AdmitAttempt(ctx, c.attempt.ID); err == nil {
			// The holder tries again: he must not be shown the old red.
			g.overtaken(c.attempt.Code, scanner.Outcome{})
		}
	case green:
		err = g.conflict(ctx, c, r.Answer)
	default:
		err = g.Journal.CloseAttempt(ctx, c.attempt.ID)
	}
	if err != nil {
		g.Log.Error("a late answer was not stored", "code", c.attempt.Code, "err", err)
	}
}

// explains tells whether an attempt before this call may be the entry that the
// vendor speaks of.
func (g *Gate) explains(c *call, a scanner.Answer) bool {
	cfg := g.cfg.Load()
	s := scan{gate: g, cfg: cfg}
	return s.ours(a, c.doubted)
}

// conflict keeps and shows that the vendor refused what was admitted here. The
// movement is uploaded all the same: somebody walked in.
func (g *Gate) conflict(ctx context.Context, c *call, a scanner.Answer) error {
	out, err := retried(func() (scanner.Outcome, error) {
		rec := c.outcome.Record
		mark, err := g.Journal.Mark(rec.Scope, rec.Code)
		if err != nil {
			return scanner.Outcome{}, err
		}
		mark.Conflict = true
		now := g.Clock.Now()
		d := scanner.Decision{Reason: a.Reason, Detail: a.Detail, FirstEnteredAt: a.FirstEnteredAt, FirstEnteredGate: a.FirstEnteredGate}
		truth := g.Clock.True(now)
		return g.store(ctx, scanner.Change{Mark: &mark, Record: scanner.Record{
			ID: g.NewID(), Kind: scanner.KindConflict, Scope: rec.Scope, Origin: rec.Origin, Scanner: rec.Scanner,
			Code: rec.Code, Direction: rec.Direction, At: now, True: truth,
			Reason: a.Reason, Mode: scanner.Online, Conflict: true, Of: rec.Seq,
			Message: "Admitted here, and the vendor says: " + d.Message(truth.At, g.cfg.Load().Venue),
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
	if c := g.asking.get(rec.Scope, rec.Code); c != nil {
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
	calls map[string]*call
}

func callKey(scope scanner.Scope, code scanner.Code) string { return ticketKey(scope, code.Bare()) }

func (a *asking) put(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[string]*call{}
	}
	a.calls[callKey(c.attempt.Scope, c.attempt.Code)] = c
}

func (a *asking) get(scope scanner.Scope, code scanner.Code) *call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[callKey(scope, code)]
}

func (a *asking) remove(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if key := callKey(c.attempt.Scope, c.attempt.Code); a.calls[key] == c {
		delete(a.calls, key)
	}
}

// Busy tells whether a call for the movement's ticket still runs: an upload
// beside it would be a second entry.
func (g *Gate) Busy(id string) bool { return g.running.has(id) }

// set is a set of record ids, safe for concurrent use.
type set struct {
	mu  sync.Mutex // guards ids
	ids map[string]struct{}
}

func (s *set) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]struct{}{}
	}
	s.ids[id] = struct{}{}
}

func (s *set) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

func (s *set) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[id]
	return ok
}

// spent are attempts that were answered and may still be open on the disk.
type spent struct {
	mu  sync.Mutex // guards ids
	ids map[uint64]struct{}
}

func (s *spent) add(ids ...uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[uint64]struct{}{}
	}
	for _, id := range ids {
		s.ids[id] = struct{}{}
	}
}

func (s *spent) remove(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

func (s *spent) has(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[id]
	return ok
}

// memory holds the marks of movements that the vendor confirmed and this disk
// refused, until the ticket's next commit succeeds.
type memory struct {
	mu    sync.Mutex // guards marks
	marks map[string]scanner.Mark
}

func ticketKey(scope scanner.Scope, code scanner.Code) string {
	return scope.Key() + "\x1f" + string(code)
}

func (m *memory) keep(scope scanner.Scope, code scanner.Code, mark scanner.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks == nil {
		m.marks = map[string]scanner.Mark{}
	}
	m.marks[ticketKey(scope, code)] = mark
}

// over lays what only memory knows over the mark that the disk gave. A mark that
// has moved on since is newer than memory.
func (m *memory) over(scope scanner.Scope, code scanner.Code, mark scanner.Mark) scanner.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.marks[ticketKey(scope, code)]
	switch {
	case !ok:
		return mark
	case kept.Rev != mark.Rev:
		delete(m.marks, ticketKey(scope, code))
		return mark
	}
	kept.Last = mark.Last
	return kept
}
