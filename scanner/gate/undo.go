package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"usher/scanner"
)

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
	gone := g.undoneThere(ctx, rec)
	out, err := retried(func() (scanner.Outcome, error) { return g.takeBack(ctx, rec, by, gone) })
	if err != nil {
		return scanner.Outcome{}, fmt.Errorf("undo %d: %w", seq, err)
	}
	g.overtaken(rec.Code, out)
	g.show(out)
	return out, nil
}

// undoneThere has the vendor take back a movement that it holds, where it can be
// asked and does that. The person who waits for it waits no longer than at a scan;
// whatever goes wrong, a permit does.
func (g *Gate) undoneThere(ctx context.Context, rec scanner.Record) bool {
	cfg := g.cfg.Load()
	if cfg.Undoer == nil || rec.Scope != cfg.Scope || !g.Link.Online() {
		return false
	}
	if len(g.asking.of(rec.Scope, rec.Code)) > 0 {
		return false // an older call for it may yet bring it back there
	}
	if _, err := g.newest(rec); err != nil {
		return false
	}
	_, fate, err := g.Journal.Record(rec.Seq)
	if err != nil || fate != scanner.FateConfirmed && fate != scanner.FateTaken {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Patience)
	defer cancel()
	err = g.undoThere(ctx, cfg.Undoer, scanner.Movement{
		Seq: rec.Seq, ID: rec.ID, Scope: rec.Scope, Origin: rec.Origin, Code: rec.Code, Direction: rec.Direction,
		At: rec.True.At, TicketID: rec.TicketID, Data: rec.Upload,
	})
	if err != nil {
		g.Log.Warn("not undone at the vendor", "code", rec.Code, "err", err)
	}
	return err == nil
}

// undoThere asks; a vendor's code that panics undid nothing.
func (g *Gate) undoThere(ctx context.Context, u scanner.Undoer, m scanner.Movement) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Log.Error("undoing at the vendor panicked", "panic", p, "stack", string(debug.Stack()))
			err = &scanner.CallError{Op: "undo", Trouble: scanner.Nonsense, MaybeSent: true, Err: errors.New("usher's own fault, see the log")}
		}
	}()
	return u.Undo(ctx, m)
}

// newest gives the mark of a movement that may be undone.
func (g *Gate) newest(rec scanner.Record) (scanner.Mark, error) {
	mark, err := g.Journal.Mark(rec.Scope, rec.Code)
	switch {
	case err != nil:
		return mark, err
	case mark.Last == rec.Seq && mark.Undone:
		return mark, impossible("it was undone before")
	case mark.Last != rec.Seq:
		return mark, impossible("it is not the ticket's newest movement")
	}
	return mark, nil
}

// takeBack undoes it here; gone: the vendor has forgotten it.
func (g *Gate) takeBack(ctx context.Context, rec scanner.Record, by string, gone bool) (scanner.Outcome, error) {
	mark, err := g.newest(rec)
	if err != nil {
		return scanner.Outcome{}, err
	}
	now, fate, err := g.Journal.Record(rec.Seq)
	if err != nil {
		return scanner.Outcome{}, err
	}
	if gone {
		text := "Undone by " + by + ": not counted as passed, nor at the vendor"
		out, err := g.store(ctx, g.undoing(rec, by, text, restored(mark, *rec.Before), &scanner.FateChange{Seq: rec.Seq, From: fate, To: scanner.FateUndone}))
		if err == nil {
			g.seen.valid(rec)
		}
		return out, err
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
