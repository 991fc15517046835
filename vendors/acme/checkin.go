package acme

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const opCheckIn = "check-in"

// externalRequest is the table of checkinticketsexternal. Barcode is that of any
// ticket, card or pass, despite its name.
type externalRequest struct {
	Barcode  string     `json:"membershipBarcode"`
	Event    string     `json:"eventInstance,omitempty"`
	Terminal TerminalID `json:"terminalId"`
	Validate bool       `json:"validate"`
}

// singleRequest and batchRequest are what clients send to the calls under /b2b/.
type singleRequest struct {
	Ticket string `json:"ticketUUID"`
}

type batchRequest struct {
	Tickets []string `json:"ticketUUIDs"`
}

// reply is what both checkinticketsexternal and checkinexternal answer: the second
// has status, order, date and the two minutes.
type reply struct {
	Status integer `json:"checkInStatus"`
	Order  id      `json:"orderId"`
	// OrderedAt is when the order was made.
	OrderedAt moment `json:"orderCreationDate"`
	// Level, Card, CardType (other, primary or secondary), CardStanding (new, active,
	// dropped, lapsed or replaced) and Expires are of a membership.
	Level        *string `json:"levelName"`
	Card         *string `json:"cardName"`
	CardType     *string `json:"cardType"`
	CardStanding *string `json:"cardStanding"`
	Expires      moment  `json:"membershipExpirationDate"`
	// CheckedInAt is when the ticket was checked in, be it by this call or before.
	CheckedInAt moment `json:"checkInDate"`
	// The event that was paid for and the one that is entered differ after a rebooking.
	TicketEvent    *string `json:"ticketEventName"`
	EnteredEvent   *string `json:"checkedInEventName"`
	TicketEventAt  moment  `json:"ticketEventTime"`
	EnteredEventAt moment  `json:"checkedInEventTime"`
	TicketType     *string `json:"ticketTypeName"`
	MinutesBefore  integer `json:"minutesBefore"`
	MinutesAfter   integer `json:"minutesAfter"`
	// UUID is in no document: where it is told, it is what an undo wants.
	UUID id `json:"ticketUUID"`
}

// ticketAnswer is one of those that checkintickets and undocheckintickets answer. People's
// names, addresses and telephones are in it too and end in the decoder.
type ticketAnswer struct {
	UUID        id     `json:"uuid"`
	Event       id     `json:"eventId"`
	CheckedInAt moment `json:"checkInDate"`
}

// Validate checks one ticket in. ACME has no call that only looks.
func (c *Client) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	if ask.Direction == scanner.Exit {
		return scanner.Answer{}, fault(opCheckIn, scanner.Malformed, "ACME knows no exits")
	}
	got, err := c.checkIn(ctx, ask.Code, c.here(), true)
	if err != nil {
		return scanner.Answer{}, err
	}
	return got.answer(), nil
}

// place is where a check-in is made: at a terminal, into an event (empty: ACME finds it
// by the ticket).
type place struct {
	terminal TerminalID
	event    string
}

// here is the configured one.
func (c *Client) here() place { return place{c.cfg.TerminalID, c.cfg.EventInstance} }

// checkIn makes the configured call for one code; not to validate is for what has
// entered already, and for the documented call alone.
func (c *Client) checkIn(ctx context.Context, code scanner.Code, into place, validate bool) (result, error) {
	call := wire.Call{Op: opCheckIn, Method: http.MethodPost, Path: c.cfg.CheckInPath}
	kind := shapeOf(c.cfg.CheckInPath)
	switch kind {
	case external:
		call.Body = externalRequest{string(code), into.event, into.terminal, validate}
	case single:
		call.Body = singleRequest{string(code)}
	case batch:
		call.Body = batchRequest{[]string{string(code)}}
	}
	began := c.clock.Now()
	got, err := c.ask(ctx, call)
	if err != nil {
		return result{}, c.session.noted(err)
	}
	took, _ := c.clock.Now().Since(began)
	if kind == batch {
		return c.checkedIn(got, code)
	}
	var r reply
	if err := got.Decode(&r); err != nil {
		return result{}, err
	}
	if r.Status.value == nil {
		return result{}, wire.Nonsense(opCheckIn, got.Status, fmt.Errorf("an answer without checkInStatus"))
	}
	got.Vouch()
	return c.judge(r, code, got.Date, took), nil
}

// checkedIn reads what checkintickets answers: the tickets that it checked in. One
// that was checked in before is not among them, and nobody says what else is not.
func (c *Client) checkedIn(got wire.Answer, code scanner.Code) (result, error) {
	var all list[*ticketAnswer]
	if err := got.Decode(&all); err != nil {
		return result{}, err
	}
	if what := all.lacks(); what != "" {
		return result{}, wire.Nonsense(opCheckIn, got.Status, fmt.Errorf("an answer without %s", what))
	}
	got.Vouch()
	none := result{reason: scanner.Restricted, nothing: true, detail: "ACME checked nothing in: it was used before, or ACME does not know it"}
	for _, t := range all.items {
		switch {
		case t == nil || t.UUID == "":
			continue
		case string(t.UUID) != string(code):
			return result{}, wire.Nonsense(opCheckIn, got.Status, fmt.Errorf("an answer about a ticket that was not asked for"))
		case t.CheckedInAt.Text == "":
			return result{}, wire.Nonsense(opCheckIn, got.Status, fmt.Errorf("a ticket without checkInDate in the answer to a check-in"))
		}
		return result{reason: scanner.OK, at: t.CheckedInAt.At, uuid: string(t.UUID)}, nil
	}
	return none, nil
}

// info is what the answer tells of the ticket; nil: nothing.
func (r reply) info() *scanner.TicketInfo {
	info := scanner.TicketInfo{Name: plain(r.Card), Section: plain(r.Level), Event: plain(r.EnteredEvent)}
	if info.Name == "" {
		info.Name = plain(r.TicketType)
	}
	if info.Event == "" {
		info.Event = plain(r.TicketEvent)
	}
	if info == (scanner.TicketInfo{}) {
		return nil
	}
	return &info
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return wire.Plain(*s)
}

// withoutCode takes the code out of a text: a vendor may repeat it.
func withoutCode(text string, code scanner.Code) string {
	return strings.ReplaceAll(text, string(code), code.Mask())
}

// stamped is how a time of ACME's is shown in a detail, with its own offset.
func stamped(at time.Time) string { return at.Format("2 Jan 2006 15:04 -07:00") }
