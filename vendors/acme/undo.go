package acme

import (
	"context"
	"net/http"
	"slices"

	"usher/scanner"
	"usher/vendors/wire"
)

const opUndo = "undo check-in"

// undoRequest is the table of undocheckintickets.
type undoRequest struct {
	Terminal TerminalID `json:"terminalId"`
	Tickets  []string   `json:"ticketUUIDs"`
}

// Undo takes a check-in back: ACME forgets that there was one. It is done only where
// ACME answers with the very ticket, and without a date of a check-in: a ticket that
// it does not know by this id may still be checked in there.
func (c *Client) Undo(ctx context.Context, m scanner.Movement) error {
	if m.Direction == scanner.Exit {
		return fault(opUndo, scanner.Malformed, "ACME knows no exits")
	}
	var err error
	for _, ticket := range c.uuids(m) {
		err = c.undo(ctx, ticket)
		if call := scanner.CallErrorOf(err); err == nil || call.Trouble != scanner.Malformed {
			return err
		}
	}
	return err
}

// uuids are what may be the ticket's UUID, the likeliest first: what ACME told, else
// what a manifest says that its id is, else the code.
func (c *Client) uuids(m scanner.Movement) []string {
	code := string(m.Code)
	switch {
	case m.TicketID == "" || m.TicketID == code || shapeOf(c.cfg.CheckInPath) != external:
		return []string{code} // the other calls took the code for the UUID
	}
	return []string{m.TicketID, code}
}

// undo asks once, for one UUID.
func (c *Client) undo(ctx context.Context, ticket string) error {
	got, err := c.ask(ctx, wire.Call{
		Op: opUndo, Method: http.MethodPost, Path: c.cfg.UndoPath, Body: undoRequest{c.cfg.TerminalID, []string{ticket}},
	})
	if err != nil {
		return err
	}
	var all list[*ticketAnswer]
	if err := got.Decode(&all); err != nil {
		return err
	}
	if what := all.lacks(); what != "" {
		return nonsense(opUndo, "an answer without "+what)
	}
	got.Vouch()
	i := slices.IndexFunc(all.items, func(t *ticketAnswer) bool { return t != nil && string(t.UUID) == ticket })
	switch {
	case i < 0:
		return fault(opUndo, scanner.Malformed, "ACME undid nothing: it does not know the ticket by this id")
	case all.items[i].CheckedInAt.Text != "":
		return fault(opUndo, scanner.Malformed, "ACME undid nothing: the ticket is still checked in")
	}
	return nil
}
