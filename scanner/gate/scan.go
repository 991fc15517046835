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

// scan is one reading on its way to a verdict, under its ticket's lock.
type scan struct {
	gate    *Gate
	cfg     *Config
	reading scanner.Reading
	// truth is the reading's true time as well as is known.
	truth scanner.Instant
	// list is what the list was worth before it was asked: one that is swapped in
	// afterwards must not vouch for the answer of the one before it.
	list   scanner.ListState
	ticket scanner.Ticket
	found  scanner.Found
	// rule is the configuration's, with the vendor's sections as they are now.
	rule scanner.Rule
	// code is what the ticket's state is kept under.
	code scanner.Code

	// unsent is this scan's own attempt where the vendor never saw it.
	unsent scanner.Attempt
	// asked: the vendor gave the verdict. late: it rests on an earlier attempt.
	// recalled: the ticket is what the vendor told of it before.
	asked, late, recalled bool
	// looked: the ticket is the vendor's own record, and not the list's; earlier: it
	// was told to an earlier scan.
	looked, earlier bool
}

// look begins a scan: it asks the list.
func (g *Gate) look(cfg *Config, r scanner.Reading, code scanner.Code) *scan {
	info := g.Tickets.List(cfg.Lists)
	s := &scan{
		gate: g, cfg: cfg, reading: r, code: code, truth: g.Clock.True(r.At),
		list: scanner.ListState{Loaded: info.Loaded, Complete: info.Complete, Fresh: Fresh(info, r.At, cfg.StaleAfter)},
	}
	s.rule = cfg.Rule
	if cfg.Sections != nil {
		s.rule.SectionIDs = cfg.Sections()
		s.rule.SectionsUnknown = s.rule.SectionIDs == nil
	}
	if code.Check() == nil {
		s.ticket, s.found = g.Tickets.Lookup(cfg.Lists, code)
	}
	return s
}

// verdict judges the scan: what the journal knows first, then the vendor where
// it can be asked, else this device.
func (s *scan) verdict(ctx context.Context) (out scanner.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.gate.Log.Error("judging panicked", "panic", p, "stack", string(debug.Stack()))
			out = s.decline(scanner.Decision{Verdict: scanner.Review, Reason: scanner.DamagedRecord}, nil)
		}
	}()
	code, mark, err := s.mark()
	if err != nil {
		s.gate.Log.Error("gate state cannot be read", "err", err)
		return s.decline(notStored, s.known())
	}
	s.code = code
	if out, ok := s.overdue(ctx, mark); ok {
		return out
	}
	switch {
	case s.asks(mark):
		return s.online(ctx, mark)
	case s.finds(mark):
		return s.find(ctx, mark)
	}
	return s.offline(ctx, &mark)
}

// offline judges by the list and the journal and commits an admission. known is
// the ticket's mark where it was just read; nil: time has passed since.
func (s *scan) offline(ctx context.Context, known *scanner.Mark) scanner.Outcome {
	s.seenBefore()
	out, err := retried(func() (scanner.Outcome, error) {
		mark, err := s.markNow(known)
		if err != nil {
			return scanner.Outcome{}, err
		}
		known = nil
		open := s.unended(s.unsent)
		d := scanner.Decide(s.facts(mark))
		if s.lostInList(d, mark, open) {
			d, s.late = s.passed(mark), true
		}
		if d.Verdict != scanner.Admit {
			s.gate.end(ctx, s.unsent)
			return s.decline(d, s.known()), nil
		}
		return s.commit(ctx, d, mark, open)
	})
	if err != nil {
		s.gate.Log.Error("admission not stored", "code", s.code, "err", err)
		s.gate.end(ctx, s.unsent)
		return s.decline(notStored, s.known())
	}
	return out
}

// lostInList tells whether the list's "used" may be our own attempt whose answer
// got lost.
func (s *scan) lostInList(d scanner.Decision, mark scanner.Mark, open []scanner.Attempt) bool {
	// What the vendor said before the call was made does not speak of it.
	return !s.recalled && d.Reason == scanner.AlreadyEntered && !mark.Conflict && s.cfg.InDoubt != scanner.PolicyReview &&
		s.gate.ours(s.cfg, scanner.Answer{FirstEnteredAt: s.ticket.UsedAt, FirstEnteredGate: s.ticket.UsedGate}, s.explaining(mark, open))
}

// mark finds the ticket's gate state and the code it is kept under: the list's
// own where listed, else the barest form, so that a scanner that sends symbology
// identifiers and one that does not mean the same ticket.
func (s *scan) mark() (scanner.Code, scanner.Mark, error) {
	forms := s.code.Forms()
	switch {
	case s.looked: // the state stays under one code, whoever is asked
		forms = []scanner.Code{s.code}
	case s.found == scanner.Listed:
		forms = []scanner.Code{s.ticket.Code}
	}
	unproven := false
	for _, form := range forms {
		m, err := s.gate.Journal.Mark(s.cfg.Scope, form)
		if err != nil {
			return form, m, err
		}
		if m.Rev > 0 || m.Entered {
			return form, m, nil
		}
		unproven = unproven || m.Unproven
	}
	return forms[len(forms)-1], scanner.Mark{Unproven: unproven}, nil
}

func (s *scan) markNow(known *scanner.Mark) (scanner.Mark, error) {
	if known != nil {
		return *known, nil
	}
	_, mark, err := s.mark()
	return mark, err
}

func (s *scan) facts(m scanner.Mark) scanner.Facts {
	f := scanner.Facts{
		Direction: s.reading.Direction,
		At:        s.truth,
		Stamp:     s.reading.At,
		Gate:      s.cfg.Origin.Gate,
		Rule:      s.rule,
		Found:     s.found,
		Ticket:    s.ticket,
		List:      s.list,
		Window:    s.window(),
		Ready:     s.cfg.Ready == nil || s.cfg.Ready(),
		Mark:      m,
	}
	if s.looked {
		// A code that the vendor itself does not know is no question of policy.
		f.List = scanner.ListState{Loaded: true, Complete: true, Fresh: true}
		f.Rule.Unknown = scanner.PolicyRefuse
	}
	return f
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

// passed is an admission whoever decided it.
func (s *scan) passed(mark scanner.Mark) scanner.Decision {
	next := s.facts(mark).Passed()
	d := scanner.Decision{Verdict: scanner.Admit, Reason: scanner.OK, Next: &next}
	if s.reading.Direction == scanner.Exit {
		d.Reason = scanner.Exited
	}
	return d
}

// commit makes an admission that this device decided durable. It uses up the open
// attempts: where the vendor has the entry, it may be by one of them.
func (s *scan) commit(ctx context.Context, d scanner.Decision, before scanner.Mark, open []scanner.Attempt) (scanner.Outcome, error) {
	rec := s.record(d, s.known())
	rec.TicketID, rec.Upload = s.ticket.ID, s.ticket.Vendor
	return s.enter(ctx, rec, before, *d.Next, open)
}

// enter commits an admission that the vendor is to hear of, and has the calls
// that still run for its ticket know of it.
func (s *scan) enter(ctx context.Context, rec scanner.Record, before, next scanner.Mark, open []scanner.Attempt) (scanner.Outcome, error) {
	// A permit follows an entry that was undone here and that the vendor keeps.
	rec.InDoubt = len(open) > 0 || before.Permit == rec.Direction
	next = s.owe(&rec, before, next)
	s.gate.hold(rec)
	out, err := s.gate.store(ctx, scanner.Change{Record: rec, Mark: &next, CloseAttempts: ids(append(open, s.unsent))})
	if err != nil {
		return out, err
	}
	s.gate.unsaved.remove(ids(append(open, s.unsent))...)
	s.gate.stands(&standing{outcome: out, open: open})
	return out, nil
}

// owe sets what the movement owes the vendor, in the record and in the mark.
func (s *scan) owe(rec *scanner.Record, before, next scanner.Mark) scanner.Mark {
	rec.Before = &before
	if s.cfg.Uploads {
		if rec.Upload == nil && s.cfg.Freeze != nil {
			rec.Upload = s.cfg.Freeze()
		}
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
	// What is stored ends before the commit; what is shown includes it.
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
		Late: s.late || s.earlier && d.Verdict == scanner.Admit, Conflict: d.Conflict, Unverified: d.Unverified,
		Ticket: info, Event: s.cfg.Scope.Event,
		FirstEnteredAt: d.FirstEnteredAt, FirstEnteredGate: d.FirstEnteredGate,
		OpensAt: d.OpensAt, ClosedAt: d.ClosedAt, Detail: d.Detail,
		Took: took,
	}
	if s.asked {
		rec.Mode = scanner.Online
	}
	if info != nil && info.Event != "" {
		rec.Event = info.Event
	}
	return rec
}

// known is what the list tells of the ticket; nil where it does not hold it.
func (s *scan) known() *scanner.TicketInfo {
	if s.found != scanner.Listed {
		return nil
	}
	return s.ticket.Info()
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

// retried decides again where the state changed between look and commit: an
// upload may settle a movement at any moment.
func retried(try func() (scanner.Outcome, error)) (out scanner.Outcome, err error) {
	for range decideTries {
		if out, err = try(); !errors.Is(err, scanner.ErrChanged) {
			break
		}
	}
	return out, err
}
