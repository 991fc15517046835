package gate

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"usher/scanner"
)

// call is one question to the vendor on its way.
type call struct {
	attempt scanner.Attempt
	cfg     *Config
	answer  chan reply

	mu        sync.Mutex // guards abandoned and overdue
	abandoned bool
	// overdue is when the link is told that this call has not ended; nil: it was.
	overdue *time.Timer

	// What follows is written and read under the ticket's lock.

	// stand is the admission that the call may turn out to be; nil: nobody was
	// admitted since it was made.
	stand *standing
	// holds are the movements that must not be uploaded before this call has ended.
	holds []string
}

// reply is how a call ended.
type reply struct {
	scanner.Answer
	err error
}

// asks tells whether the vendor is to judge this scan: it can be asked, and it
// knows all that this device knows of the ticket.
func (s *scan) asks(mark scanner.Mark) bool {
	if s.cfg.Validator == nil || mark.Speaks() || !s.gate.Link.Online() {
		return false
	}
	_, elsewhere := s.facts(mark).Elsewhere()
	return !elsewhere
}

// online asks the vendor once. A definite answer within patience is the verdict;
// without one this device decides, now, and the call goes on behind it.
func (s *scan) online(ctx context.Context, mark scanner.Mark) scanner.Outcome {
	c := s.ask(ctx)
	// From here on it is the vendor that is waited for: a slow disk is no reason to
	// call its network bad.
	patience := time.NewTimer(s.cfg.Patience)
	defer patience.Stop()
	select {
	case r := <-c.answer:
		return s.answered(ctx, c, r, mark)
	case <-patience.C:
	}
	if r, ok := c.abandon(s.gate.Link); ok {
		return s.answered(ctx, c, r, mark)
	}
	s.gate.asking.put(c)
	return s.offline(ctx, nil)
}

// ask commits the attempt and starts the call. A disk that refuses does not keep
// the vendor from being asked.
func (s *scan) ask(ctx context.Context) *call {
	g := s.gate
	c := &call{
		cfg: s.cfg, answer: make(chan reply, 1),
		attempt: scanner.Attempt{
			Scope: s.cfg.Scope, Code: s.code, Direction: s.reading.Direction, Scanner: s.reading.Scanner, At: s.reading.At,
			Used: s.found == scanner.Listed && s.ticket.Status == scanner.StatusUsed || g.refused.lately(s.cfg.Scope, s.code, s.reading.At),
		},
	}
	id, err := g.Journal.Attempt(ctx, c.attempt)
	if c.attempt.ID = id; err != nil {
		g.Log.Error("attempt not stored", "code", s.code, "err", err)
		c.attempt.ID = 0
		c.attempt = g.unsaved.put(c.attempt)
	}
	validator, limit := s.cfg.Validator, s.cfg.Timeout
	question := scanner.Ask{Code: s.code, Direction: s.reading.Direction, At: s.reading.At, True: s.truth}
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		answer, err := g.validate(ctx, validator, question)
		g.deliver(ctx, c, reply{answer, err})
	})
	return c
}

// validate asks; a vendor's code that panics gave no answer.
func (g *Gate) validate(ctx context.Context, v scanner.Validator, q scanner.Ask) (a scanner.Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Log.Error("asking the vendor panicked", "panic", p, "stack", string(debug.Stack()))
			err = &scanner.CallError{Op: "validate", Trouble: scanner.Nonsense, MaybeSent: true, Err: errors.New("usher's own fault, see the log")}
		}
	}()
	return v.Validate(ctx, q)
}

// deliver gives the reply to the scan that waits for it, or, where that was
// judged meanwhile, draws the consequences.
func (g *Gate) deliver(ctx context.Context, c *call, r reply) {
	c.mu.Lock()
	if !c.abandoned {
		c.answer <- r
		c.mu.Unlock()
		return
	}
	if c.overdue != nil && c.overdue.Stop() {
		tell(g.Link, r.err)
	}
	c.mu.Unlock()
	defer g.lock(c.attempt.Scope, c.attempt.Code)()
	g.late(context.WithoutCancel(ctx), c, r)
}

// abandon stops waiting, unless the reply has come. The link hears of it where
// that took longer than is normal for the vendor, else when it has.
func (c *call) abandon(link scanner.Link) (reply, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case r := <-c.answer:
		return r, true
	default:
	}
	c.abandoned = true
	if more := c.cfg.Normal - c.cfg.Patience; more > 0 {
		c.overdue = time.AfterFunc(more, func() { link.Failed(nil) })
	} else {
		link.Failed(nil)
	}
	return reply{}, false
}

// tell tells the link how a call ended.
func tell(link scanner.Link, err error) {
	if err != nil {
		link.Failed(err)
	} else {
		link.Answered()
	}
}

// answered is the verdict on a reply that came in time.
func (s *scan) answered(ctx context.Context, c *call, r reply, mark scanner.Mark) scanner.Outcome {
	if r.err != nil {
		s.gate.Link.Failed(r.err)
		s.gate.Log.Warn("no answer from the vendor", "code", s.code, "err", r.err)
		if !scanner.CallErrorOf(r.err).MaybeSent {
			s.unsent = c.attempt
		}
		return s.offline(ctx, nil)
	}
	s.gate.Link.Answered()
	open := s.unended(c.attempt)
	if r.Verdict == scanner.Admit {
		return s.confirmed(ctx, r.Answer, mark, scanner.Attempt{}, append(open, c.attempt), &standing{held: true})
	}
	may := s.explaining(mark, open)
	if r.Reason == again(s.reading.Direction) && s.gate.ours(s.cfg, r.Answer, may) {
		return s.lost(ctx, r.Answer, mark, may, append(open, c.attempt))
	}
	if !r.MaybeActed {
		s.gate.end(ctx, c.attempt)
	}
	if r.Reason == scanner.AlreadyEntered && s.reading.Direction == scanner.Entry {
		s.gate.refused.note(s.cfg.Scope, s.code, s.reading.At)
	}
	return s.vendorDeclines(r.Answer)
}

// lost admits the holder whose own green light got lost: the vendor has the
// entry or exit, and nobody here was let pass on it. It rests on the attempts that
// may be that movement, and uses up all that are open.
func (s *scan) lost(ctx context.Context, a scanner.Answer, mark scanner.Mark, may, open []scanner.Attempt) scanner.Outcome {
	s.late, s.asked = true, true
	if s.cfg.InDoubt == scanner.PolicyReview {
		s.gate.end(ctx, open...)
		return s.decline(scanner.Decision{Verdict: scanner.Review, Reason: a.Reason}, s.info(a))
	}
	a.VendorAt = since(a)
	return s.confirmed(ctx, a, mark, may[0], open, &standing{open: may, said: &a})
}

// overdue admits without asking a ticket that the vendor said yes to too late
// for its own scan, once.
func (s *scan) overdue(ctx context.Context, mark scanner.Mark) (scanner.Outcome, bool) {
	open := s.unended(scanner.Attempt{})
	for _, a := range s.young(open) {
		if !a.Admitted || movedSince(mark, a) {
			continue
		}
		s.late = true
		return s.confirmed(ctx, scanner.Answer{}, mark, a, open, &standing{held: true}), true
	}
	return scanner.Outcome{}, false
}

// confirmed commits what the vendor holds. It uses up the open attempts; rests is
// the one without which it would be red, the zero Attempt where there is none.
// It is green though the disk fails: the record and the mark are noted then.
func (s *scan) confirmed(ctx context.Context, a scanner.Answer, mark scanner.Mark, rests scanner.Attempt, open []scanner.Attempt, st *standing) scanner.Outcome {
	s.asked = true
	c := scanner.Change{CloseAttempts: ids(open)}
	if rests.ID < unsavedID {
		c.SpendAttempt = rests.ID
	}
	out, err := retried(func() (scanner.Outcome, error) {
		d := s.passed(mark)
		c.Record = s.record(d, s.info(a))
		c.Record.Fate, c.Record.VendorAt = scanner.FateConfirmed, a.VendorAt
		c.Record.TicketID, c.Record.Upload = s.ticket.ID, s.ticket.Vendor
		if a.TicketID != "" {
			c.Record.TicketID = a.TicketID
		}
		before := mark
		c.Record.Before = &before
		c.Mark = d.Next
		out, err := s.gate.store(ctx, c)
		if errors.Is(err, scanner.ErrChanged) {
			if _, fresh, readErr := s.mark(); readErr == nil {
				mark = fresh
			}
		}
		return out, err
	})
	s.gate.unsaved.remove(ids(open)...)
	if err != nil {
		// What answered this scan must not admit another.
		s.gate.spent.add(s.gate.Clock.Now(), ids(open)...)
		s.gate.Log.Error("the vendor admitted it and this disk did not store it", "code", s.code, "err", err)
		rec := c.Record
		rec.Seq = s.gate.Journal.NoteMoved(rec, *c.Mark)
		out = scanner.Outcome{Record: rec, Fate: rec.Fate}
	}
	s.gate.seen.forget(s.cfg.Scope, s.code)
	st.outcome = out
	s.gate.stands(st)
	return out
}

// vendorDeclines shows the vendor's refusal.
func (s *scan) vendorDeclines(a scanner.Answer) scanner.Outcome {
	d := scanner.Decision{
		Verdict: a.Verdict, Reason: a.Reason, Detail: a.Detail,
		FirstEnteredAt: a.FirstEnteredAt, FirstEnteredGate: a.FirstEnteredGate,
		OpensAt: a.OpensAt, ClosedAt: a.ClosedAt,
	}
	s.asked = true
	out := s.decline(d, s.info(a))
	s.gate.seen.note(out.Record)
	return out
}

// info is what the vendor tells of the ticket, else what the list does.
func (s *scan) info(a scanner.Answer) *scanner.TicketInfo {
	if a.Ticket != nil {
		return a.Ticket
	}
	return s.known()
}

func ids(attempts []scanner.Attempt) []uint64 {
	var list []uint64
	for _, a := range attempts {
		if a.ID != 0 {
			list = append(list, a.ID)
		}
	}
	return list
}

// end closes attempts that a refusal has answered. The person does not wait for
// the disk; the commit is on its way at once, and takes the refusal along.
func (g *Gate) end(ctx context.Context, attempts ...scanner.Attempt) {
	list := ids(attempts)
	if len(list) == 0 {
		return
	}
	g.spent.add(g.Clock.Now(), list...)
	g.unsaved.remove(list...)
	g.calls.Go(func() {
		for _, id := range list {
			if err := g.Journal.CloseAttempt(context.WithoutCancel(ctx), id); err != nil {
				g.Log.Warn("attempt not closed", "err", err)
				continue // it stays spent in memory
			}
			g.spent.remove(id)
		}
	})
}

// Drain waits until every call to the vendor has ended and its end is stored; a
// Finder's are ended by it. Nothing may be judged any more.
func (g *Gate) Drain() {
	g.searches.stop()
	g.calls.Wait()
}
