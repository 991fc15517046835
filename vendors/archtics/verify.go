package archtics

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"usher/scanner"
)

const cmdVerify = "verify_barcode"

type verifyRequest struct {
	common
	Barcode string `json:"barcode"`
}

// VerifyBarcode looks a barcode up: it gives command1 of the answer as it came,
// whose fields no public page names; nil: Archtics does not know the barcode.
func (c *Client) VerifyBarcode(ctx context.Context, barcode string) (json.RawMessage, error) {
	a, err := c.verify(ctx, barcode)
	switch {
	case err != nil:
		return nil, err
	case a.unknown():
		return nil, nil
	}
	return a.command, a.must()
}

func (c *Client) verify(ctx context.Context, barcode string) (answer, error) {
	base := c.common(cmdVerify)
	return c.ask(ctx, scans, base, verifyRequest{base, barcode}, barcode, string(scanner.Code(barcode).Bare()))
}

// nobodys is a code that no ticket has.
const nobodys = "USHER0CHECK0NOBODY"

// mayVerify tells whether this key may look tickets up at all: a self-service key may
// ping, and nothing that a gate needs. It costs one call.
func (c *Client) mayVerify(ctx context.Context) error {
	a, err := c.verify(ctx, nobodys)
	if err != nil {
		return err
	}
	call := a.failure()
	switch {
	case a.unknown(), call == nil:
		return nil
	case a.result == resultInvalid, a.result == resultInput: // of such a code
		return nil
	}
	return call
}

// Find looks a ticket up. Archtics knows barcodes without what a scanner may put
// before them; only one that it does not know so is asked for as it was read.
func (c *Client) Find(ctx context.Context, ask scanner.Ask) (scanner.Ticket, scanner.Found, error) {
	t, found, err := c.find(ctx, ask.Code.Bare(), ask.Code)
	if bare := ask.Code.Bare(); err == nil && found == scanner.Missing && bare != ask.Code {
		return c.find(ctx, ask.Code, ask.Code)
	}
	return t, found, err
}

func (c *Client) find(ctx context.Context, barcode, code scanner.Code) (scanner.Ticket, scanner.Found, error) {
	a, err := c.verify(ctx, string(barcode))
	if err != nil {
		return scanner.Ticket{}, scanner.Missing, err
	}
	// That the call got lost on its way says nothing of the ticket.
	if call := a.failure(); call != nil && call.Trouble == scanner.Failing {
		return scanner.Ticket{}, scanner.Missing, call
	}
	unclear := func(detail string) (scanner.Ticket, scanner.Found, error) {
		return scanner.Ticket{Code: code, Detail: detail}, scanner.Damaged, nil
	}
	all := seatsIn(a.command)
	switch {
	case a.unknown() && (a.result != resultOK || len(all) == 0):
		return scanner.Ticket{}, scanner.Missing, nil
	// It may be about this ticket's account alone, whatever it stands for elsewhere:
	// the next ticket is asked for as ever.
	case a.result != resultOK:
		return unclear(a.told("Archtics does not say what this ticket is"))
	case a.sqlCode != 0:
		return unclear("Archtics contradicts itself about this ticket")
	}
	one, why := c.choose(all)
	if why != "" {
		return unclear(why)
	}
	t, why := c.ticket(one, string(barcode))
	if why != "" {
		return unclear(why)
	}
	t.Code = code
	return t, scanner.Listed, nil
}

// choose gives the one seat that the answer is about, and what is said of it. A card
// is good for several events; those of this gate count.
func (c *Client) choose(all []sighting) (sighting, string) {
	if len(all) == 0 {
		return sighting{}, "Archtics knows this ticket, and its answer names no event and seat that usher understands"
	}
	mine := all
	if wanted := c.wantedEvents(); seats(all) > 1 && len(wanted) > 0 {
		mine = slices.DeleteFunc(slices.Clone(all), func(s sighting) bool { return !listed(wanted, s.seat().event) })
		if len(mine) == 0 {
			mine = all[:1] // elsewhere, whichever it is
		}
	}
	one := mine[0]
	for _, s := range mine[1:] {
		one.states = append(one.states, s.states...)
	}
	if slices.ContainsFunc(mine, func(s sighting) bool { return s.torn }) {
		return sighting{}, "Archtics names the seat of this ticket in two ways"
	}
	if seats(mine) > 1 || slices.ContainsFunc(mine, sighting.several) {
		return sighting{}, "Archtics names more than one seat for this ticket"
	}
	return one, ""
}

// seats counts the different ones.
func seats(all []sighting) int {
	different := map[seat]bool{}
	for _, s := range all {
		different[s.seat().key()] = true
	}
	return len(different)
}

// wantedEvents are those whose attendance matters here; empty: any.
func (c *Client) wantedEvents() []string {
	if len(c.cfg.Events) == 0 && c.gateEvent != "" {
		return []string{c.gateEvent}
	}
	return c.cfg.Events
}

func listed(events []string, event string) bool {
	for _, e := range events {
		if strings.EqualFold(strings.TrimSpace(e), event) {
			return true
		}
	}
	return false
}

// ticket is what an answer says of a seat, as a record that this device decides on.
// A reason says that it cannot be one.
func (c *Client) ticket(s sighting, barcode string) (scanner.Ticket, string) {
	at := s.seat()
	t := scanner.Ticket{
		ID: strings.Join([]string{at.event, at.section, at.row, at.number}, ":"), Name: s.holder(),
		Section: at.section, Seat: at.said(), Event: at.event, Status: scanner.StatusValid,
	}
	for _, st := range s.states {
		status, detail := c.judgeState(st, barcode)
		switch {
		case status == "":
			return t, detail
		case status != scanner.StatusValid && t.Status == scanner.StatusValid:
			t.Status, t.Detail = status, detail
		}
	}
	switch e, entered := c.watch.attended(at); {
	case t.Status != scanner.StatusValid:
	case len(c.cfg.Events) > 0 && !listed(c.cfg.Events, at.event):
		t.Status = scanner.StatusElsewhere
	case entered:
		t.Status, t.UsedAt, t.UsedGate = scanner.StatusUsed, e.at, e.gate
	}
	return t, ""
}
