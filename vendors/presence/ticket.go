package presence

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// The calls of the ticket service, in the vendor's words.
const (
	opEnter = "ticket/enter"
	opExit  = "ticket/exit"
)

// deviceOS is the document's word for a code that was printed or shown; the others
// are for telephones that are tapped.
const deviceOS = "Printed"

// ticketRequest is the table of API Ticket Enter/Exit.
type ticketRequest struct {
	Channel  string `json:"channelId,omitempty"`
	DeviceOS string `json:"deviceOs"`
	GateName string `json:"gateName"`
	Token    string `json:"token"`
	Venue    string `json:"venueId"`
	Device   int64  `json:"deviceId"`
	Gate     int64  `json:"gateId"`
	// Time is in milliseconds since 1970.
	Time int64 `json:"scanTime"`
}

// ticketMessage is what an answer may tell of the tickets behind one code.
type ticketMessage struct {
	Tickets []struct {
		Place *string `json:"place"`
		Event *string `json:"eventId"`
	} `json:"tickets"`
}

// Validate asks for a verdict on one ticket.
func (c *Client) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	op := opEnter
	if ask.Direction == scanner.Exit {
		op = opExit
	}
	reg, key, confirmed := c.session.current()
	if !confirmed {
		return scanner.Answer{}, fault(op, scanner.Denied, "this device is not configured at Presence since it started")
	}
	at := ask.True.At
	if at.IsZero() {
		at = c.clock.True(c.clock.Now()).At
	}
	mine := c.recent.begin(ask.Code, ask.Direction, c.clock.Now())
	said, err := c.ask(ctx, c.tickets, key, wire.Call{
		Op: op, Method: http.MethodPost, Path: "/" + op,
		Body: ticketRequest{
			Channel: c.cfg.ChannelID, DeviceOS: deviceOS, GateName: reg.Gate, Token: string(ask.Code), Venue: reg.Venue,
			Device: reg.Device, Gate: reg.GateID, Time: at.UnixMilli(),
		},
	})
	if err == nil {
		if call := said.failure(op); call != nil {
			err = call
		}
	}
	if err != nil {
		c.recent.failed(mine, c.clock.Now(), scanner.CallErrorOf(err).MaybeSent)
		return scanner.Answer{}, err
	}
	if said.status == duplicate {
		return c.recent.explain(mine, said, ask), nil
	}
	answer := said.verdict(ask.Direction, ask.Code)
	answer.Ticket = said.info()
	c.recent.answered(mine, c.clock.Now(), answer)
	return answer, nil
}

// shownTickets is how many of the tickets behind one code are told to the person
// at the gate.
const shownTickets = 4

// info is what the answer tells of the tickets; nil: nothing that can be read.
func (s said) info() *scanner.TicketInfo {
	var m ticketMessage
	if len(s.message) == 0 || wire.Decode(s.message, &m) != nil || len(m.Tickets) == 0 {
		return nil
	}
	var sections, seats, events []string
	for _, t := range m.Tickets[:min(len(m.Tickets), shownTickets)] {
		section, seat := splitPlace(plain(t.Place))
		sections, seats, events = add(sections, section), add(seats, seat), add(events, plain(t.Event))
	}
	info := scanner.TicketInfo{Section: joined(sections), Seat: joined(seats), Event: joined(events)}
	if info == (scanner.TicketInfo{}) {
		return nil
	}
	if len(m.Tickets) > shownTickets {
		info.Seat += ", …"
	}
	return &info
}

// splitPlace splits "Section:Row:Seat". What is missing stays empty; row and seat
// are told together, and so is what comes behind them.
func splitPlace(place string) (section, seat string) {
	parts := strings.Split(place, ":")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	rest := slices.DeleteFunc(parts[1:], func(p string) bool { return p == "" })
	return parts[0], strings.Join(rest, "-")
}

func add(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

func joined(list []string) string { return wire.Plain(strings.Join(list, ", ")) }

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return wire.Plain(*s)
}
