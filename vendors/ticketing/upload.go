package ticketing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// frozen is what an upload needs of the device as it was at scan time.
type frozen struct {
	Event    string `json:"e"`
	Redeemer string `json:"r"`
}

// Freeze gives what an upload will need of this device as it is now; nil: the
// token was never confirmed.
func (c *Client) Freeze() json.RawMessage {
	event := c.cfg.Event
	if event == "" {
		kept, ok := c.session.last()
		if !ok {
			return nil
		}
		event = kept.Event
	}
	raw, err := json.Marshal(frozen{event, c.redeemer})
	if err != nil {
		return nil
	}
	return raw
}

// thaw gives what was frozen at scan time, or why the vendor cannot take the
// movement.
func (c *Client) thaw(m scanner.Movement) (frozen, string) {
	var f frozen
	switch {
	case m.Direction == scanner.Exit:
		return f, "TickeTing knows no exits"
	case m.Origin.Device == "":
		return f, "made by a device without an id: enter it there by hand"
	case len(m.Data) == 0:
		return frozen{Redeemer: cmp.Or(m.Origin.Name, c.redeemer)}, "" // the token's event
	case wire.Decode(m.Data, &f) != nil || uri(f.Event).id() != f.Event || f.Event == "" || f.Redeemer == "":
		return f, "what TickeTing wants of this scan cannot be read: enter it there by hand"
	}
	return f, ""
}

// Limits are our own for a batch; the document has none for a scan's age.
func (c *Client) Limits() (int, time.Duration) { return c.cfg.Batch, 0 }

// Group is the event, the device and the redeemer: admissions want them once per
// call.
func (c *Client) Group(m scanner.Movement) string {
	f, why := c.thaw(m)
	if why != "" {
		return "cannot be sent"
	}
	raw, _ := json.Marshal([]string{f.Event, m.Origin.Device, f.Redeemer}) // texts always can
	return string(raw)
}

// Upload admits a batch of one group. TickeTing answers with those it admitted;
// each of the others is looked up.
func (c *Client) Upload(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	u := &upload{client: c, batch: batch, receipts: make([]scanner.Receipt, len(batch))}
	for i, m := range batch {
		u.receipts[i].Seq = m.Seq
		f, why := c.thaw(m)
		if why != "" {
			u.decide(i, scanner.Rejected, why)
			continue
		}
		u.body.Redeemer, u.body.Device, u.event = f.Redeemer, m.Origin.Device, f.Event
		u.body.Serials = append(u.body.Serials, serial(m.Code))
	}
	if len(u.body.Serials) == 0 {
		return u.receipts, nil
	}
	if err := c.session.with(ctx, opAdmit, func(g *grant) error { return u.send(ctx, g) }); err != nil {
		return nil, err
	}
	return u.receipts, nil
}

// upload is one batch on its way.
type upload struct {
	client   *Client
	batch    []scanner.Movement
	receipts []scanner.Receipt
	event    string
	body     admitRequest
}

func (u *upload) decide(i int, d scanner.Delivery, why string) {
	u.receipts[i].Delivery, u.receipts[i].Detail = d, why
}

// open tells what has no receipt yet.
func (u *upload) open(i int) bool { return u.receipts[i].Delivery == "" }

// send makes the call, and the look-ups behind it.
func (u *upload) send(ctx context.Context, g *grant) error {
	event := cmp.Or(u.event, g.Event)
	if event != g.Event {
		for i := range u.batch {
			if u.open(i) {
				u.decide(i, scanner.Rejected, fmt.Sprintf("made for event %s, and the admission token is for event %s: give usher a token for that one and requeue it, or enter it there by hand", event, g.Event))
			}
		}
		return nil
	}
	taken, status, err := u.client.admit(ctx, g, event, u.body)
	if err != nil {
		return err
	}
	for i, m := range u.batch {
		if a, ok := taken[serial(m.Code)]; ok && u.open(i) {
			u.decide(i, scanner.Taken, "")
			u.receipts[i].VendorAt = a.at()
		}
	}
	return u.explain(ctx, g, event, len(taken), status)
}

// explain looks up those that were not admitted. Where a look-up fails they wait;
// where nothing at all is known of the batch, it is the batch that failed.
func (u *upload) explain(ctx context.Context, g *grant, event string, known, status int) error {
	var failed error
	for i, m := range u.batch {
		if !u.open(i) {
			continue
		}
		if failed != nil && stops(failed) {
			u.decide(i, scanner.Later, "TickeTing did not say why it was not admitted")
			continue
		}
		a, found, err := u.client.lookup(ctx, g, event, serial(m.Code), u.body.Redeemer, u.body.Device)
		if err != nil {
			if failed = err; known == 0 && stops(err) {
				u.forget()
				return unexplained(err, status)
			}
			u.decide(i, scanner.Later, "TickeTing did not say why it was not admitted")
			continue
		}
		known++
		u.found(i, a, found)
	}
	return nil
}

// forget takes back what was decided in a call that is made once more.
func (u *upload) forget() {
	for i := range u.receipts {
		if u.receipts[i].Delivery == scanner.Later {
			u.decide(i, "", "")
		}
	}
}

// found is the receipt for a ticket that was not admitted, by what the admissions
// say of it.
func (u *upload) found(i int, a admission, found bool) {
	switch at := a.at(); {
	case !found:
		u.decide(i, scanner.Rejected, "TickeTing does not admit it, and has no admission of it: not a ticket of this event, of another section than this token's, or not valid any more")
	case !a.by(u.body.Redeemer, u.body.Device):
		u.decide(i, scanner.Duplicate, "admitted before by "+a.who()+moments(at))
		u.receipts[i].VendorAt, u.receipts[i].Theirs = at, true
	default:
		// Whether that is this entry, sent before, or another one of this device's, is
		// for the outbox to tell: it knows what was sent.
		u.decide(i, scanner.Duplicate, "admitted before by this device"+moments(at))
		u.receipts[i].VendorAt = at
	}
}

func moments(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", " + at.Format("2 Jan 2006 15:04:05 MST")
}
