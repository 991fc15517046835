package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/scanner"
)

// Admit is a supervisor's admission of a refused or reviewed scan: state and
// outbox as for any admission. Errors: scanner.ErrUnknown, scanner.ErrNotPossible
// (an admission, a code that is no ticket, a ticket admitted since by anybody) and
// scanner.ErrNotStored.
func (g *Gate) Admit(ctx context.Context, seq uint64, by string) (scanner.Outcome, error) {
	if by == "" {
		return scanner.Outcome{}, impossible("admit %d: nobody named as admitting", seq)
	}
	rec, _, err := g.Journal.Record(seq)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("admit %d: %w", seq, err)
	}
	cfg := g.cfg.Load()
	switch {
	case rec.Kind != scanner.KindScan || rec.Verdict == scanner.Admit:
		return scanner.Outcome{}, impossible("admit %d: it is not a refused or reviewed scan", seq)
	case rec.Reason == scanner.Unreadable:
		return scanner.Outcome{}, impossible("admit %d: an unreadable code is no ticket; type its code", seq)
	case rec.Scope != cfg.Scope:
		return scanner.Outcome{}, impossible("admit %d: it was judged for another vendor, account or event than is configured now", seq)
	}
	defer g.lock(rec.Scope, rec.Code)()
	out, err := retried(func() (scanner.Outcome, error) { return g.override(ctx, cfg, rec, by) })
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("admit %d: %w", seq, err)
	}
	g.overtaken(rec.Code, out)
	g.show(out)
	return out, nil
}

func (g *Gate) override(ctx context.Context, cfg *Config, of scanner.Record, by string) (scanner.Outcome, error) {
	s := g.look(cfg, scanner.Reading{Scanner: of.Scanner, Direction: of.Direction, At: g.Clock.Now()}, of.Code)
	code, mark, err := s.mark()
	if err != nil {
		return scanner.Outcome{}, err
	}
	if err := s.admittedSince(mark, of); err != nil {
		return scanner.Outcome{}, err
	}
	s.code = code
	d := s.passed(mark)
	rec := s.record(d, s.known())
	rec.Kind, rec.Of, rec.By, rec.Overridden = scanner.KindOverride, of.Seq, by, true
	rec.Message = "Admitted by " + by
	if rec.Direction == scanner.Exit {
		rec.Message = "Let out by " + by
	}
	rec.TicketID, rec.Upload = s.ticket.ID, s.ticket.Vendor
	return s.enter(ctx, rec, mark, *d.Next, s.unended(scanner.Attempt{}))
}

// admittedSince refuses where the ticket's newest movement is a later one in the
// scan's own direction: the person in front of this supervisor holds a copy, or
// was let in by another.
func (s *scan) admittedSince(m scanner.Mark, of scanner.Record) error {
	if m.Last <= of.Seq || m.Undone {
		return nil
	}
	last, _, err := s.gate.Journal.Record(m.Last)
	switch {
	case err != nil || !last.Movement() || last.Direction != of.Direction:
		return nil
	case last.Of == of.Seq:
		return impossible("a supervisor has admitted it already")
	}
	venue := s.cfg.Venue
	if venue == nil {
		venue = time.UTC
	}
	what := "admitted"
	if last.Direction == scanner.Exit {
		what = "let out"
	}
	return impossible("the ticket was %s since, at %s; scan it again", what, last.True.At.In(venue).Format("15:04"))
}

// Undo takes back a movement whose person did not pass: the ticket's newest
// only, and once. What the vendor has not heard of is withdrawn; for the rest the
// ticket gets a permit that lets the next movement of that direction pass here
// once. Errors: scanner.ErrUnknown, scanner.ErrNotPossible, scanner.ErrNotStored.
func (g *Gate) Undo(ctx context.Context, seq uint64, by string) (scanner.Outcome, error) {
	if by == "" {
		return scanner.Outcome{}, impossible("undo %d: nobody named as undoing", seq)
	}
	rec, _, err := g.Journal.Record(seq)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	if !rec.Movement() || rec.Before == nil {
		return scanner.Outcome{}, impossible("undo %d: it is not an admission or exit", seq)
	}
	defer g.lock(rec.Scope, rec.Code)()
	out, err := retried(func() (scanner.Outcome, error) { return g.takeBack(ctx, rec, by) })
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	g.overtaken(rec.Code, out)
	g.show(out)
	return out, nil
}

func (g *Gate) takeBack(ctx context.Context, rec scanner.Record, by string) (scanner.Outcome, error) {
	mark, err := g.Journal.Mark(rec.Scope, rec.Code)
	if err != nil {
		return scanner.Outcome{}, err
	}
	switch {
	case mark.Last == rec.Seq && mark.Undone:
		return scanner.Outcome{}, impossible("it was undone before")
	case mark.Last != rec.Seq:
		return scanner.Outcome{}, impossible("it is not the ticket's newest movement")
	}
	now, fate, err := g.Journal.Record(rec.Seq)
	if err != nil {
		return scanner.Outcome{}, err
	}
	called := now.InDoubt && rec.Before.Permit != rec.Direction // what passed on a permit was never asked about
	if fate == scanner.FatePending && (called || g.Busy(rec.ID)) {
		// Its own call may have brought it to the vendor.
		return g.store(ctx, g.permit(rec, by, mark))
	}
	out, err := g.store(ctx, g.withdrawal(rec, fate, by, mark, called))
	switch {
	case !errors.Is(err, scanner.ErrNotPossible):
		return out, err
	case fate == scanner.FatePending:
		// It has left for the vendor and nobody knows whether it arrived: it stays
		// in the outbox.
		return g.store(ctx, g.permit(rec, by, mark))
	}
	return g.store(ctx, g.withdrawal(rec, fate, by, mark, true))
}

// withdrawal takes the movement back here, and at the vendor where it has not
// heard of it; else it gives a permit. reached: a call or an upload that nobody
// answered may have brought it there all the same.
func (g *Gate) withdrawal(rec scanner.Record, fate scanner.Fate, by string, mark scanner.Mark, reached bool) scanner.Change {
	next := restored(mark, *rec.Before)
	switch fate {
	case scanner.FatePending, scanner.FateParked:
		next.Open--
	case scanner.FateKept, scanner.FateAcknowledged:
	default:
		c := g.permit(rec, by, mark)
		c.Fate = &scanner.FateChange{Seq: rec.Seq, From: fate, To: scanner.FateUndone}
		return c
	}
	text := "Undone by " + by + ": not counted as passed"
	if reached {
		next.Permit = rec.Direction
		text += "; the vendor may have it, the next scan passes here once"
	}
	return g.undoing(rec, by, text, next, &scanner.FateChange{Seq: rec.Seq, From: fate, To: scanner.FateWithdrawn})
}

// permit lets the next movement of that direction pass here once, since the
// vendor keeps this one.
func (g *Gate) permit(rec scanner.Record, by string, mark scanner.Mark) scanner.Change {
	next := restored(mark, *rec.Before)
	next.Permit = rec.Direction
	return g.undoing(rec, by, "Undone by "+by+": not counted as passed; the vendor keeps it, the next scan passes here once", next, nil)
}

func (g *Gate) undoing(rec scanner.Record, by, text string, next scanner.Mark, fate *scanner.FateChange) scanner.Change {
	now := g.Clock.Now()
	next.Undone, next.LastAt = true, now
	return scanner.Change{
		Record: scanner.Record{
			ID: g.NewID(), Kind: scanner.KindUndo, Scope: rec.Scope, Origin: g.cfg.Load().Origin,
			Scanner: rec.Scanner, Code: rec.Code, Direction: rec.Direction,
			At: now, True: g.Clock.True(now), Mode: scanner.Offline, Message: text,
			By: by, Of: rec.Seq, Ticket: rec.Ticket, TicketID: rec.TicketID, Event: rec.Event,
		},
		Mark: &next,
		Fate: fate,
	}
}

// restored is the mark with what its newest movement changed put back; what
// others have learned of the ticket since (conflicts, open uploads) stays.
func restored(m, before scanner.Mark) scanner.Mark {
	m.Entered, m.EnteredAt, m.EnteredGate = before.Entered, before.EnteredAt, before.EnteredGate
	m.Exited, m.Inside, m.Permit = before.Exited, before.Inside, before.Permit
	m.Kept = before.Kept
	return m
}
