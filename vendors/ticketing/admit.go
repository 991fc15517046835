package ticketing

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// admitRequest is the body of POST /events/{event}/admissions; all of it is
// required.
type admitRequest struct {
	Redeemer string   `json:"redeemer"`
	Device   string   `json:"device"`
	Serials  []string `json:"serials"`
}

// admission is one ticket that was admitted, by whom and where.
type admission struct {
	Redeemer *string     `json:"redeemer"`
	Device   *string     `json:"device"`
	Ticket   *string     `json:"ticket"`
	Patron   *person     `json:"patron"`
	Section  *sectionRef `json:"section"`
	Admitted *string     `json:"admitted"`
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// at is the server's time of it; zero: it cannot be read.
func (a *admission) at() time.Time {
	at, _ := moment(value(a.Admitted))
	return at
}

// by tells whether that device and redeemer made it. A vendor may keep a name in
// its own way: escaped, trimmed, in other letters.
func (a *admission) by(redeemer, device string) bool {
	return value(a.Device) == device && strings.EqualFold(bare(value(a.Redeemer)), bare(redeemer))
}

func bare(name string) string { return strings.TrimSpace(html.UnescapeString(name)) }

// who names somebody else's redeemer and device for a person at the gate.
func (a *admission) who() string {
	const longest = 80
	redeemer, device := plain(a.Redeemer), plain(a.Device)
	text := "device " + device
	switch {
	case redeemer == "" && device == "":
		text = "another device"
	case device == "":
		text = redeemer + " (another device)"
	case redeemer != "":
		text = redeemer + " (device " + device + ")"
	}
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}

func (a *admission) info() *scanner.TicketInfo {
	_, section := a.Section.names()
	return &scanner.TicketInfo{Name: a.Patron.name(), Section: section}
}

// serial is what TickeTing knows a code by.
func serial(code scanner.Code) string { return string(code.Bare()) }

// Validate admits one ticket.
func (c *Client) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	switch {
	case ask.Direction == scanner.Exit:
		return scanner.Answer{}, fault(opAdmit, scanner.Malformed, "TickeTing knows no exits")
	case c.device == "":
		return scanner.Answer{}, fault(opAdmit, scanner.Denied, "this device has no id yet")
	}
	ticket := serial(ask.Code)
	var answer scanner.Answer
	var refused, acted bool
	err := c.session.with(ctx, opAdmit, func(g *grant) error {
		taken, _, err := c.admit(ctx, g, g.Event, admitRequest{c.redeemer, c.device, []string{ticket}})
		if err != nil {
			acted = scanner.CallErrorOf(err).MaybeSent
			return err
		}
		if a, ok := taken[ticket]; ok {
			answer = scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK, Ticket: a.info(), VendorAt: a.at()}
			return nil
		}
		refused = true
		within, cancel := context.WithTimeout(ctx, lookupTime(ctx))
		defer cancel()
		a, found, err := c.lookup(within, g, g.Event, ticket, c.redeemer, c.device)
		if err == nil {
			answer = c.declined(a, found)
		}
		return err
	})
	switch {
	case err != nil && refused:
		// As an error it would let the gate admit what TickeTing has just refused.
		c.log.Warn("TickeTing does not admit a ticket, and why cannot be told", "err", err)
		return scanner.Answer{Verdict: scanner.Review, Reason: scanner.Restricted, Detail: unsaid, MaybeActed: acted}, nil
	case err != nil:
		return scanner.Answer{}, err
	}
	return answer, nil
}

// unsaid is what a person reads where the look-up behind a refusal failed.
const unsaid = "TickeTing does not admit it and did not say why: scan again"

// lookupTime is how long the look-up behind a refusal may take, while a person
// waits: a part of what the call has left, so that the answer may still be the
// verdict.
func lookupTime(ctx context.Context) time.Duration {
	const most = time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return most
	}
	return min(most, time.Until(deadline)/3)
}

// declined is the verdict on a ticket that was not admitted, by what the admissions
// say of it. Our own names no gate, so that its time alone tells a call whose answer
// got lost from an entry long ago; somebody else's always names another gate than
// ours.
func (c *Client) declined(a admission, found bool) scanner.Answer {
	if !found {
		return scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.NotFound}
	}
	answer := scanner.Answer{Verdict: scanner.Refuse, Reason: scanner.AlreadyEntered, Ticket: a.info(), FirstEnteredAt: a.at()}
	if !a.by(c.redeemer, c.device) {
		answer.FirstEnteredGate = a.who()
	}
	return answer
}

// unexplained is the error of a look-up behind a call that certainly admitted
// nothing of the ticket.
func unexplained(err error, status int) error {
	if keyRefused(err) {
		return err
	}
	call := *scanner.CallErrorOf(err)
	call.MaybeSent, call.Status = false, status
	call.Err = fmt.Errorf("not admitted, and why cannot be told: %w", call.Err)
	return &call
}

// admit redeems serials and gives those that this very call admitted, with the
// status of the answer. None at all is no error where that is what the vendor says.
func (c *Client) admit(ctx context.Context, g *grant, event string, body admitRequest) (map[string]admission, int, error) {
	var reply []admission
	got, err := c.call(ctx, g.key, wire.Call{
		Op: opAdmit, Method: http.MethodPost, Path: "/events/" + event + "/admissions", Body: body, Limit: 8 << 20,
	}, &reply)
	if err != nil {
		if words, ok := said(got); ok && got.Status == http.StatusBadRequest && begins(words, noneAdmitted) {
			return nil, got.Status, nil
		}
		return nil, got.Status, err
	}
	nonsense := func(text string) error { return wire.Nonsense(opAdmit, got.Status, errors.New(text)) }
	if reply == nil {
		return nil, got.Status, nonsense("an answer without admissions")
	}
	sent := make(map[string]bool, len(body.Serials))
	for _, s := range body.Serials {
		sent[s] = true
	}
	taken := make(map[string]admission, len(reply))
	for _, a := range reply {
		ticket := value(a.Ticket)
		_, twice := taken[ticket]
		switch {
		case !sent[ticket]:
			return nil, got.Status, nonsense("an admission of a ticket that was not sent")
		case twice:
			return nil, got.Status, nonsense("an admission twice")
		case value(a.Device) != body.Device:
			return nil, got.Status, nonsense("an admission by another device than this")
		}
		taken[ticket] = a
	}
	got.Vouch()
	return taken, got.Status, nil
}
