package acmesim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// outcome is what became of a check-in.
type outcome struct {
	status int64
	ticket Ticket
	// bought is the ticket's event, into the one that is entered.
	bought, into Event
	at           time.Time
}

// external is POST /v2/willcall/checkinticketsexternal.
func (c *call) external() {
	var in struct {
		Barcode  string          `json:"membershipBarcode"`
		Event    string          `json:"eventInstance"`
		Terminal json.RawMessage `json:"terminalId"`
		Validate *bool           `json:"validate"`
	}
	if !c.body(&in) {
		return
	}
	terminal, known := c.sim.terminal(in.Terminal)
	if in.Barcode == "" || !known || in.Validate == nil {
		c.refuse(http.StatusBadRequest, "membershipBarcode, terminalId and validate are wanted")
		return
	}
	if in.Event != "" && !slices.ContainsFunc(c.sim.events, func(e Event) bool { return e.ID == in.Event }) {
		c.refuse(http.StatusNotFound, "no such event")
		return
	}
	o := c.sim.checkIn(in.Barcode, in.Event, terminal, *in.Validate)
	out := map[string]any{"checkInStatus": o.status}
	if o.ticket.Code != "" {
		out["orderId"] = 88001
		out["orderCreationDate"] = iso(o.bought.Start.AddDate(0, 0, -7), c.sim.o.Zone)
		out["ticketTypeName"] = o.ticket.Type
		out["ticketEventName"] = o.bought.Name
		out["ticketEventTime"] = iso(o.bought.Start, c.sim.o.Zone)
	}
	if o.ticket.Level != "" {
		out["levelName"], out["cardName"], out["cardType"], out["cardStanding"] = o.ticket.Level, o.ticket.Card, "primary", o.ticket.Standing
		out["membershipExpirationDate"] = iso(c.sim.clock().AddDate(1, 0, 0), c.sim.o.Zone)
	}
	if !o.at.IsZero() {
		out["checkInDate"] = iso(o.at, c.sim.o.Zone)
		out["checkedInEventName"] = o.into.Name
		out["checkedInEventTime"] = iso(o.into.Start, c.sim.o.Zone)
	}
	c.answer(out)
}

// single is POST /v2/b2b/willcall/checkinexternal; what its clients read of it.
func (c *call) single() {
	var in struct {
		UUID string `json:"ticketUUID"`
	}
	if !c.body(&in) {
		return
	}
	if in.UUID == "" {
		c.refuse(http.StatusBadRequest, "ticketUUID is wanted")
		return
	}
	o := c.sim.checkIn(c.sim.codeOf(in.UUID), "", "", true)
	out := map[string]any{"checkInStatus": o.status, "orderId": 88001}
	if w := c.sim.window(o.bought); w != nil {
		out["minutesBefore"], out["minutesAfter"] = w.Before, w.After
	}
	if !o.at.IsZero() {
		out["checkInDate"] = iso(o.at, c.sim.o.Zone)
	}
	c.answer(out)
}

// batch is POST /v2/b2b/willcall/checkintickets: the tickets that it checked in.
func (c *call) batch() {
	var in struct {
		UUIDs []string `json:"ticketUUIDs"`
	}
	if !c.body(&in) {
		return
	}
	if len(in.UUIDs) == 0 || slices.Contains(in.UUIDs, "") {
		c.refuse(http.StatusBadRequest, "ticketUUIDs is wanted")
		return
	}
	out := []any{}
	for _, uuid := range in.UUIDs {
		o := c.sim.checkIn(c.sim.codeOf(uuid), "", "", true)
		if o.status != c.sim.o.Statuses.Admitted {
			continue
		}
		out = append(out, c.sim.shown(o.ticket, o.at))
	}
	c.answer(out)
}

// undo is POST /v2/willcall/undocheckintickets.
func (c *call) undo() {
	var in struct {
		Terminal json.RawMessage `json:"terminalId"`
		UUIDs    []string        `json:"ticketUUIDs"`
	}
	if !c.body(&in) {
		return
	}
	if _, known := c.sim.terminal(in.Terminal); !known || len(in.UUIDs) == 0 {
		c.refuse(http.StatusBadRequest, "terminalId and ticketUUIDs are wanted")
		return
	}
	out := []any{}
	for _, uuid := range in.UUIDs {
		code := c.sim.codeOf(uuid)
		t, known := c.sim.find(code)
		if !known {
			continue
		}
		if i, in := c.sim.inside[code]; in {
			c.sim.entries[i].Undone = true
			delete(c.sim.inside, code)
		}
		out = append(out, c.sim.shown(t, time.Time{}))
	}
	c.answer(out)
}

// shown is a ticket as clients read it; the mutex is held.
func (s *Sim) shown(t Ticket, at time.Time) map[string]any {
	out := map[string]any{
		"id": "9" + t.uuid(), "tenantId": s.o.Tenant, "uuid": t.uuid(), "ticketTypeId": "11", "eventId": t.Event,
		"firstName": "Ada", "lastName": "Demo", "email": "ada@example.org", "phoneNumber": "555", "printed": true,
	}
	if !at.IsZero() {
		out["checkInDate"] = iso(at, s.o.Zone)
	}
	return out
}

// terminal reads a terminal's id as a number or text; the mutex is held.
func (s *Sim) terminal(raw json.RawMessage) (string, bool) {
	id := strings.Trim(string(raw), `"`)
	return id, id != "" && slices.Contains(s.o.Terminals, id)
}

// find gives a ticket by its code; the mutex is held.
func (s *Sim) find(code string) (Ticket, bool) {
	if t, have := s.tickets[code]; have {
		return t, true
	}
	return s.generatedTicket(code)
}

// codeOf gives a ticket's code by its UUID; the mutex is held.
func (s *Sim) codeOf(uuid string) string {
	for _, t := range s.tickets {
		if t.UUID == uuid {
			return t.Code
		}
	}
	if t, have := s.tickets[uuid]; have && t.UUID != "" {
		return "" // it has another
	}
	return uuid
}

// event gives an event by its id; the mutex is held.
func (s *Sim) eventOf(id string) Event {
	for _, e := range s.events {
		if e.ID == id {
			return e
		}
	}
	return Event{}
}

// window is an event's own or its template's; the mutex is held.
func (s *Sim) window(e Event) *Window {
	if e.Window != nil {
		return e.Window
	}
	for _, t := range s.templates {
		if t.ID == e.Template {
			return t.Window
		}
	}
	return nil
}

// checkIn judges a barcode at an event (empty: the ticket's own), and checks it in
// where all is well; not to validate overrides the access rules, as a check-in by hand
// does. The mutex is held.
func (s *Sim) checkIn(code, event, terminal string, validate bool) outcome {
	t, known := s.find(code)
	if !known {
		return outcome{status: s.o.Statuses.NotFound}
	}
	o := outcome{ticket: t, bought: s.eventOf(t.Event)}
	o.into = o.bought
	if i, in := s.inside[code]; in {
		o.status, o.at, o.into = s.o.Statuses.AlreadyUsed, s.entries[i].At, s.eventOf(s.entries[i].Event)
		return o
	}
	if event != "" && event != t.Event {
		o.into = s.eventOf(event)
	}
	if o.status = s.refusal(o); o.status != 0 && validate {
		return o
	}
	o.status, o.at = s.o.Statuses.Admitted, s.clock().Truncate(time.Second)
	s.inside[code] = len(s.entries)
	s.entries = append(s.entries, Entry{Code: code, UUID: t.uuid(), Event: o.into.ID, Bought: t.Event, At: o.at, Terminal: terminal})
	return o
}

// refusal tells why a ticket does not enter; 0: it does. The mutex is held.
func (s *Sim) refusal(o outcome) int64 {
	w := s.window(o.into)
	if w == nil {
		w = &Window{}
	}
	now, start := s.clock(), o.into.Start
	switch {
	case w.BlockScan:
		return s.o.Statuses.Blocked
	case o.into.ID != o.bought.ID && !(w.AutoRebook && o.into.Template == o.bought.Template && s.room(o.into)):
		return s.o.Statuses.WrongEvent
	case w.Before != nil && now.Before(start.Add(-time.Duration(*w.Before)*time.Minute)):
		return s.o.Statuses.TooEarly
	case w.After != nil && now.After(start.Add(time.Duration(*w.After)*time.Minute)):
		return s.o.Statuses.TooLate
	}
	return 0
}

// room tells whether an event takes one more; the mutex is held.
func (s *Sim) room(e Event) bool {
	n := 0
	for _, i := range s.inside {
		if s.entries[i].Event == e.ID {
			n++
		}
	}
	return e.Capacity == 0 || n < e.Capacity
}

func iso(at time.Time, zone *time.Location) string { return at.In(zone).Format(time.RFC3339) }
