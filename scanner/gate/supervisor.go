package gate

import (
	"context"
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
