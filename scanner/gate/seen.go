package gate

import (
	"sync"
	"time"

	"usher/scanner"
)

const (
	// seenFor is how long a vendor's word on a ticket stands in for a list, and seenMost
	// how many tickets are remembered.
	seenFor  = 24 * time.Hour
	seenMost = 20_000
)

// seen are the tickets that the vendor last told of, for a device without its
// list: with the network gone, a ticket that came too early an hour ago is no
// unknown one. It is safe for concurrent use.
type seen struct {
	mu      sync.Mutex // guards tickets
	tickets map[string]seenTicket
}

type seenTicket struct {
	scanner.Ticket
	at time.Time
	// early: it came too early, and the vendor did not say when it opens.
	early bool
}

// note learns from a verdict of the vendor.
func (s *seen) note(rec scanner.Record) {
	if rec.Kind != scanner.KindScan || rec.Mode != scanner.Online || rec.Direction != scanner.Entry {
		return
	}
	t := asSeen(rec)
	switch rec.Reason {
	case scanner.TooEarly:
		t.ValidFrom, t.early = rec.OpensAt, rec.OpensAt.IsZero()
	case scanner.TooLate:
		// Once too late is always too late.
		if t.ValidUntil = rec.ClosedAt; t.ValidUntil.IsZero() {
			t.ValidUntil = rec.True.At
		}
	case scanner.AlreadyEntered:
		t.Status, t.UsedAt, t.UsedGate = scanner.StatusUsed, rec.FirstEnteredAt, rec.FirstEnteredGate
	case scanner.Voided:
		t.Status = scanner.StatusVoided
	case scanner.Refunded:
		t.Status = scanner.StatusRefunded
	case scanner.Restricted:
		if rec.Verdict != scanner.Refuse {
			s.forget(rec.Scope, rec.Code) // nobody understood what was said
			return
		}
		t.Status, t.Detail = scanner.StatusBlocked, rec.Detail
	default:
		// Admitted, and the mark tells of it; or nothing that lasts was said.
		s.forget(rec.Scope, rec.Code)
		return
	}
	s.put(rec, t)
}

// valid keeps a ticket whose admission the vendor has taken back.
func (s *seen) valid(rec scanner.Record) { s.put(rec, asSeen(rec)) }

// asSeen is what the vendor told of the ticket, taken to be a good one.
func asSeen(rec scanner.Record) seenTicket {
	t := seenTicket{
		Ticket: scanner.Ticket{Code: rec.Code, ID: rec.TicketID, Status: scanner.StatusValid, Vendor: rec.Upload},
		at:     rec.True.At,
	}
	if i := rec.Ticket; i != nil {
		t.Name, t.Section, t.Seat = i.Name, i.Section, i.Seat
		if t.ID == "" {
			t.ID = i.ID
		}
	}
	return t
}

func (s *seen) put(rec scanner.Record, t seenTicket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tickets == nil {
		s.tickets = map[string]seenTicket{}
	}
	if len(s.tickets) >= seenMost {
		for key, old := range s.tickets {
			if t.at.Sub(old.at) > seenFor {
				delete(s.tickets, key)
			}
		}
	}
	key := callKey(rec.Scope, rec.Code)
	if _, known := s.tickets[key]; known || len(s.tickets) < seenMost {
		s.tickets[key] = t
	}
}

func (s *seen) forget(scope scanner.Scope, code scanner.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tickets, callKey(scope, code))
}

// of gives what the vendor last told of the ticket, if that is not too long ago.
func (s *seen) of(scope scanner.Scope, code scanner.Code, now time.Time) (seenTicket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets[callKey(scope, code)]
	return t, ok && now.Sub(t.at) <= seenFor
}

// Recall gives the gate the verdicts of before its start, oldest first. What was
// told since then stands.
func (g *Gate) Recall(recs []scanner.Recorded) {
	var before seen
	for i := range recs {
		before.note(recs[i].Record)
	}
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	if g.seen.tickets == nil {
		g.seen.tickets = map[string]seenTicket{}
	}
	for key, t := range before.tickets {
		if _, newer := g.seen.tickets[key]; !newer && len(g.seen.tickets) < seenMost {
			g.seen.tickets[key] = t
		}
	}
}

// seenBefore puts what the vendor told before in the place of a list's record.
func (s *scan) seenBefore() {
	if s.found != scanner.Missing || !s.cfg.Seen {
		return
	}
	t, ok := s.gate.seen.of(s.cfg.Scope, s.code, s.truth.At)
	// Too early for something that the vendor did not name: not for what the gate
	// stands at, for all that is known.
	if !ok || t.early {
		return
	}
	if closes := s.window().ClosesAt; t.ValidUntil.IsZero() && closes.After(t.ValidFrom) {
		t.ValidUntil = closes
	}
	// The ticket's state is kept under the code that it was found by.
	t.Code = s.code
	s.ticket, s.found, s.recalled = t.Ticket, scanner.Listed, true
}

// window is the configured event's, as it is known now.
func (s *scan) window() scanner.Window {
	if s.cfg.Window == nil {
		return scanner.Window{}
	}
	w, _ := s.cfg.Window()
	return w
}
