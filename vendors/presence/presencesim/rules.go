package presencesim

import "time"

// find gives a ticket of an event that is active; the mutex is held.
func (s *Sim) find(token string) (Ticket, bool) {
	t, have := s.tickets[token]
	if !have {
		t, have = s.generatedTicket(token)
	}
	if !have {
		return t, false
	}
	e, now := s.events[t.Event], s.clock()
	if !e.Opens.IsZero() && now.Before(e.Opens) || !e.Closes.IsZero() && now.After(e.Closes) {
		return t, false
	}
	return t, true
}

// judge gives the status of a scan, and moves the ticket where it passes; the mutex
// is held.
func (s *Sim) judge(token string, exit bool, gate string) (Ticket, string) {
	t, known := s.find(token)
	if !known {
		return t, "NOT_FOUND"
	}
	now := s.clock()
	way := token + " in"
	if exit {
		way = token + " out"
	}
	before, seen := s.last[way]
	s.last[way] = now
	switch {
	case seen && !s.o.AnyTime && now.Sub(before) <= duplicateWindow:
		return t, "DUPLICATE"
	case t.Status != "":
		return t, t.Status
	}
	next, status := s.step(s.states[token], exit, s.gate(gate))
	s.states[token] = next
	return t, status
}

// step is the document's rules for both kinds of gate: where a ticket goes by a
// scan, and what it is answered. Passing is OKAY, EXIT or INTERNAL_SCAN_EXIT.
func (s *Sim) step(at state, exit bool, g Gate) (state, string) {
	switch {
	case g.Kind == Internal && exit:
		if !at.inside {
			return at, "INTERNAL_SCAN_EXIT_NOT_PERMITTED"
		}
		at.inside = false
		return at, "INTERNAL_SCAN_EXIT"
	case g.Kind == Internal:
		if at.inside && g.ExitRequired {
			return at, "INTERNAL_SCAN_ALREADY_ENTERED"
		}
		at.entered, at.inside = true, true
		return at, "OKAY"
	case exit:
		if !at.entered || at.exited {
			return at, "EXIT_NOT_PERMITTED"
		}
		at.exited, at.inside = true, false
		return at, "EXIT"
	}
	if at.entered && !(at.exited && s.o.Reentry) {
		return at, "ALREADY_ENTERED"
	}
	at.entered, at.exited = true, false
	return at, "OKAY"
}

// upload moves a ticket by a scan that was made offline: "the system will not
// reject any"; the mutex is held.
func (s *Sim) upload(token string, exit, internal bool) {
	at := s.states[token]
	switch {
	case exit && internal:
		at.inside = false
	case exit:
		at.exited, at.inside = true, false
	case internal:
		at.entered, at.inside = true, true
	default:
		at.entered, at.exited = true, false
	}
	s.states[token] = at
}

// passed tells the statuses that let somebody through.
func passed(status string) bool {
	return status == "OKAY" || status == "EXIT" || status == "INTERNAL_SCAN_EXIT" || status == "INTERNAL_EXIT_SCAN"
}

// sane tells a time in milliseconds since 1970 from one in another unit.
func sane(ms int64) bool {
	at := time.UnixMilli(ms).UTC()
	return at.Year() >= 2010 && at.Year() < 2100
}
