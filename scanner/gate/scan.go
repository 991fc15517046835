package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"usher/scanner"
)

// presentableCode is how much of an unreadable code is kept, in bytes: it is no
// ticket, and noise must not fill the history.
const presentableCode = 256

// decideTries bounds how often a scan is decided again because the ticket's
// state changed under it. The lock per ticket makes even a second time rare.
const decideTries = 5

// notStored is the decision where the disk has the last word.
var notStored = scanner.Decision{Verdict: scanner.Review, Reason: scanner.NotStored}

// scan is one reading on its way to a verdict.
type scan struct {
	gate    *Gate
	cfg     *Config
	reading scanner.Reading
	// truth is the reading's true time as well as is known.
	truth scanner.Instant
	// list is what the list was worth before it was asked: one that is swapped in
	// afterwards must not vouch for the answer of the one before it.
	list scanner.ListState
	code scanner.Code
}

func (g *Gate) scan(cfg *Config, r scanner.Reading, code scanner.Code) scan {
	info := g.Tickets.List(cfg.Scope)
	return scan{
		gate: g, cfg: cfg, reading: r, code: code, truth: g.Clock.True(r.At),
		list: scanner.ListState{Loaded: info.Loaded, Complete: info.Complete, Fresh: Fresh(info, r.At, cfg.StaleAfter)},
	}
}

// offline judges by the list and the journal and commits an admission.
func (s *scan) offline(ctx context.Context) (out scanner.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.gate.Log.Error("judging panicked", "panic", p, "stack", string(debug.Stack()))
			out = s.decline(scanner.Decision{Verdict: scanner.Review, Reason: scanner.DamagedRecord}, nil)
		}
	}()
	ticket, found := s.gate.Tickets.Lookup(s.cfg.Scope, s.code)
	for range decideTries {
		key, mark, err := s.mark(ticket, found)
		if err != nil {
			s.gate.Log.Error("gate state cannot be read", "err", err)
			return s.decline(notStored, nil)
		}
		s.code = key
		facts := s.facts(ticket, found, mark)
		d := scanner.Decide(facts)
		if d.Verdict != scanner.Admit {
			return s.decline(d, ticketOf(ticket, found))
		}
		out, err := s.commit(ctx, d, mark, ticket, found)
		switch {
		case err == nil:
			return out
		case errors.Is(err, scanner.ErrChanged):
			continue
		}
		s.gate.Log.Error("admission not stored", "code", s.code, "err", err)
		return s.decline(notStored, ticketOf(ticket, found))
	}
	s.gate.Log.Error("gate state kept changing", "code", s.code)
	return s.decline(notStored, ticketOf(ticket, found))
}

// mark finds the ticket's gate state and the code it is kept under: the list's
// own where listed, else the barest form, so that a scanner that sends symbology
// identifiers and one that does not mean the same ticket.
func (s *scan) mark(t scanner.Ticket, found scanner.Found) (scanner.Code, scanner.Mark, error) {
	if found == scanner.Listed {
		m, err := s.gate.Journal.Mark(s.cfg.Scope, t.Code)
		return t.Code, m, err
	}
	forms := s.code.Forms()
	for _, form := range forms {
		m, err := s.gate.Journal.Mark(s.cfg.Scope, form)
		if err != nil || m.Rev > 0 {
			return form, m, err
		}
	}
	return forms[len(forms)-1], scanner.Mark{}, nil
}

func (s *scan) facts(t scanner.Ticket, found scanner.Found, m scanner.Mark) scanner.Facts {
	return scanner.Facts{
		Direction: s.reading.Direction,
		At:        s.truth,
		Stamp:     s.reading.At,
		Gate:      s.cfg.Origin.Gate,
		Rule:      s.cfg.Rule,
		Found:     found,
		Ticket:    t,
		List:      s.list,
		Ready:     true,
		Mark:      m,
	}
}

// Fresh tells whether the list's source was checked recently enough at the
// moment: on the boot-time clock, or, over a reboot, by two wall clocks that
// were both trusted.
func Fresh(info scanner.ListInfo, at scanner.Stamp, staleAfter time.Duration) bool {
	passed, ok := at.Since(info.Checked)
	if !ok && at.Trusted && info.Checked.Trusted {
		passed = at.Wall.Sub(info.Checked.Wall)
		ok = passed >= 0
	}
	return info.Loaded && ok && (staleAfter <= 0 || passed <= staleAfter)
}

// commit makes the admission durable.
func (s *scan) commit(ctx context.Context, d scanner.Decision, before scanner.Mark, t scanner.Ticket, found scanner.Found) (scanner.Outcome, error) {
	rec := s.record(d, ticketOf(t, found))
	rec.TicketID, rec.Upload = t.ID, t.Vendor
	next := s.owe(&rec, before, *d.Next)
	return s.gate.store(ctx, scanner.Change{Record: rec, Mark: &next})
}

// owe sets what the movement owes the vendor, in the record and in the mark.
func (s *scan) owe(rec *scanner.Record, before, next scanner.Mark) scanner.Mark {
	rec.Before = &before
	if s.cfg.Uploads {
		rec.Fate = scanner.FatePending
		next.Open++
	} else {
		rec.Fate = scanner.FateKept
		next.Kept = true
	}
	return next
}

// store commits the change and shows it as an outcome.
func (g *Gate) store(ctx context.Context, c scanner.Change) (scanner.Outcome, error) {
	seq, err := g.Journal.Commit(ctx, c)
	if err != nil {
		return scanner.Outcome{}, err
	}
	c.Record.Seq = seq
	if took, ok := g.Clock.Now().Since(c.Record.At); ok {
		c.Record.Took = took
	}
	return scanner.Outcome{Record: c.Record, Fate: c.Record.Fate}, nil
}

// decline notes a refusal or review; neither waits for the disk. info may be nil.
func (s *scan) decline(d scanner.Decision, info *scanner.TicketInfo) scanner.Outcome {
	rec := s.record(d, info)
	rec.Seq = s.gate.Journal.Note(rec)
	return scanner.Outcome{Record: rec}
}

func (s *scan) record(d scanner.Decision, info *scanner.TicketInfo) scanner.Record {
	took, _ := s.gate.Clock.Now().Since(s.reading.At)
	rec := scanner.Record{
		ID: s.gate.NewID(), Kind: scanner.KindScan, Scope: s.cfg.Scope, Origin: s.cfg.Origin,
		Scanner: s.reading.Scanner, Code: s.code, Direction: s.reading.Direction,
		At: s.reading.At, True: s.truth,
		Verdict: d.Verdict, Reason: d.Reason, Mode: scanner.Offline, Message: d.Message(s.truth.At, s.cfg.Venue),
		Conflict: d.Conflict, Unverified: d.Unverified,
		Ticket: info, Event: s.cfg.Scope.Event,
		FirstEnteredAt: d.FirstEnteredAt, FirstEnteredGate: d.FirstEnteredGate,
		Took: took,
	}
	if info != nil && info.Event != "" {
		rec.Event = info.Event
	}
	return rec
}

func ticketOf(t scanner.Ticket, found scanner.Found) *scanner.TicketInfo {
	if found != scanner.Listed {
		return nil
	}
	return t.Info()
}

// presentable makes an unreadable code fit to keep and to send as JSON.
func presentable(c scanner.Code) scanner.Code {
	if len(c) > presentableCode {
		c = c[:presentableCode]
	}
	return scanner.Code(strings.ToValidUTF8(string(c), "?"))
}

// impossible says why what a person asks for cannot be.
func impossible(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, scanner.ErrNotPossible)...)
}
