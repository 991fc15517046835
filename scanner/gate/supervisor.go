package gate

import (
	"context"
	"fmt"

	"usher/scanner"
)

// Admit is a supervisor's admission of a refused or reviewed scan: state and
// outbox as for any admission. Errors: scanner.ErrUnknown, scanner.ErrNotPossible
// (an admission, a code that is no ticket, already admitted by a person) and
// scanner.ErrNotStored.
func (g *Gate) Admit(ctx context.Context, seq uint64, by string) (scanner.Outcome, error) {
	if by == "" {
		return scanner.Outcome{}, errPossible("admit %d: nobody named as admitting", seq)
	}
	rec, _, err := g.Journal.Record(seq)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("admit %d: %w", seq, err)
	}
	switch {
	case rec.Kind != scanner.KindScan || rec.Verdict == scanner.Admit:
		return scanner.Outcome{}, errPossible("admit %d: it is not a refused or reviewed scan", seq)
	case rec.Reason == scanner.Unreadable:
		return scanner.Outcome{}, errPossible("admit %d: an unreadable code is no ticket; type its code", seq)
	}
	cfg := g.cfg.Load()
	if rec.Scope != cfg.Scope {
		return scanner.Outcome{}, errPossible("admit %d: it was judged for another vendor, account or event than is configured now", seq)
	}
	s := scan{gate: g, cfg: cfg, code: rec.Code, reading: scanner.Reading{Scanner: rec.Scanner, Direction: rec.Direction, At: g.Clock.Now()}}
	forms := rec.Code.Forms()
	defer g.codes.lock(cfg.Scope.Key() + "\x1f" + string(forms[len(forms)-1]))()
	ticket, found := g.Tickets.Lookup(cfg.Scope, rec.Code)
	key, mark, err := s.mark(ticket, found)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("admit %d: %w", seq, err)
	}
	if g.admittedBy(mark, seq) {
		return scanner.Outcome{}, errPossible("admit %d: a supervisor has admitted it already", seq)
	}
	s.code = key
	out, err := s.override(ctx, rec, by, mark, ticket, found)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("admit %d: %w", seq, err)
	}
	g.lane(rec.Scanner).overtaken(seq, &out)
	g.show(out)
	return out, nil
}

func (s *scan) override(ctx context.Context, of scanner.Record, by string, mark scanner.Mark, t scanner.Ticket, found scanner.Found) (scanner.Outcome, error) {
	facts := s.facts(t, found, mark)
	next := facts.Passed()
	d := scanner.Decision{Verdict: scanner.Admit, Reason: scanner.OK}
	if s.reading.Direction == scanner.Exit {
		d.Reason = scanner.Exited
	}
	rec := s.record(d, ticketOf(t, found))
	rec.Kind, rec.Of, rec.By, rec.Overridden = scanner.KindOverride, of.Seq, by, true
	rec.Message = "Admitted by " + by
	rec.TicketID, rec.Upload = t.ID, t.Vendor
	next = s.owe(&rec, mark, next)
	return s.gate.store(ctx, scanner.Change{Record: rec, Mark: &next})
}

// admittedBy tells whether the ticket's newest movement is the admission of
// that very scan.
func (g *Gate) admittedBy(m scanner.Mark, seq uint64) bool {
	if m.Last == 0 || m.Undone {
		return false
	}
	last, _, err := g.Journal.Record(m.Last)
	return err == nil && last.Kind == scanner.KindOverride && last.Of == seq
}

// Undo takes back a movement whose person did not pass: the ticket's newest
// only, and once. What the vendor has not heard of is withdrawn; for the rest the
// ticket gets a permit that lets the next movement of that direction pass here
// once. Errors: scanner.ErrUnknown, scanner.ErrNotPossible, scanner.ErrNotStored.
func (g *Gate) Undo(ctx context.Context, seq uint64, by string) (scanner.Outcome, error) {
	if by == "" {
		return scanner.Outcome{}, errPossible("undo %d: nobody named as undoing", seq)
	}
	rec, _, err := g.Journal.Record(seq)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	if !rec.Movement() || rec.Before == nil {
		return scanner.Outcome{}, errPossible("undo %d: it is not an admission or exit", seq)
	}
	forms := rec.Code.Forms()
	defer g.codes.lock(rec.Scope.Key() + "\x1f" + string(forms[len(forms)-1]))()
	mark, err := g.Journal.Mark(rec.Scope, rec.Code)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	switch {
	case mark.Last == seq && mark.Undone:
		return scanner.Outcome{}, errPossible("undo %d: it was undone before", seq)
	case mark.Last != seq:
		return scanner.Outcome{}, errPossible("undo %d: it is not the ticket's newest movement", seq)
	}
	_, fate, err := g.Journal.Record(seq)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	out, err := g.takeBack(ctx, rec, fate, by, mark)
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	g.lane(rec.Scanner).overtaken(seq, nil)
	if rec.Kind == scanner.KindOverride {
		g.lane(rec.Scanner).overtaken(rec.Of, nil)
	}
	g.show(out)
	return out, nil
}

func (g *Gate) takeBack(ctx context.Context, rec scanner.Record, fate scanner.Fate, by string, mark scanner.Mark) (scanner.Outcome, error) {
	now := g.Clock.Now()
	next := restored(mark, *rec.Before)
	next.Undone, next.LastAt = true, now
	to, text := scanner.FateWithdrawn, "Undone by "+by+": not counted as passed"
	switch fate {
	case scanner.FatePending, scanner.FateParked:
		next.Open--
	case scanner.FateKept, scanner.FateAcknowledged:
	default:
		to = scanner.FateUndone
		next.Permit = rec.Direction
		text += "; the vendor keeps it, the next scan passes here once"
	}
	return g.store(ctx, scanner.Change{
		Record: scanner.Record{
			ID: g.NewID(), Kind: scanner.KindUndo, Scope: rec.Scope, Origin: g.cfg.Load().Origin,
			Scanner: rec.Scanner, Code: rec.Code, Direction: rec.Direction,
			At: now, True: g.Clock.True(now), Mode: scanner.Offline, Message: text,
			By: by, Of: rec.Seq, Ticket: rec.Ticket, TicketID: rec.TicketID, Event: rec.Event,
		},
		Mark: &next,
		Fate: &scanner.FateChange{Seq: rec.Seq, From: fate, To: to},
	})
}

// restored is the mark with what its newest movement changed put back; what
// others have learned of the ticket since (conflicts, open uploads) stays.
func restored(m, before scanner.Mark) scanner.Mark {
	m.Entered, m.EnteredAt, m.EnteredGate = before.Entered, before.EnteredAt, before.EnteredGate
	m.Exited, m.Inside, m.Permit = before.Exited, before.Inside, before.Permit
	m.Kept = before.Kept
	return m
}
