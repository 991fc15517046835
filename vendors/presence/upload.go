package presence

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	opUpload = "ticket upload"
	// batchLimit is our own: the document names none.
	batchLimit = 100
)

// frozen is what an upload needs of the device as it was at scan time.
type frozen struct {
	Venue  string `json:"v"`
	Gate   string `json:"n"`
	Device int64  `json:"d"`
	GateID int64  `json:"g"`
}

// Freeze gives what an upload will need of this device as it is now; nil: it was
// never configured.
func (c *Client) Freeze() json.RawMessage {
	reg, ok := c.session.last()
	if !ok {
		return nil
	}
	raw, err := json.Marshal(frozen{reg.Venue, reg.Gate, reg.Device, reg.GateID})
	if err != nil {
		return nil
	}
	return raw
}

// Limits are our own for a batch; the document has none for a scan's age.
func (c *Client) Limits() (int, time.Duration) { return batchLimit, 0 }

// Group is the direction: entries and exits never travel in one call.
func (c *Client) Group(m scanner.Movement) string { return string(m.Direction) }

// thaw gives what was frozen at scan time, or why the vendor cannot take the
// movement.
func (c *Client) thaw(m scanner.Movement, now registration) (frozen, string) {
	var f frozen
	switch {
	case m.Direction == scanner.Exit && !strings.Contains(c.cfg.UploadPath, directionWord):
		return f, "how exits are uploaded is not configured: ask Ticketmaster, and put {direction} into vendor.upload_path"
	case len(m.Data) == 0 && m.Origin.Gate != "" && m.Origin.Gate != now.Gate:
		return f, "made at gate " + m.Origin.Gate + " by a device that was not configured at Presence: enter it there by hand"
	case len(m.Data) == 0:
		return frozen{now.Venue, now.Gate, now.Device, now.GateID}, ""
	case wire.Decode(m.Data, &f) != nil || f.Venue == "" || f.Gate == "" || f.Device == 0:
		return f, "what Presence wants of this scan's device cannot be read: enter it there by hand"
	}
	return f, ""
}

// Upload sends a batch of one direction, with the time and the device of each scan
// (API Ticket Upload).
func (c *Client) Upload(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	now, key, confirmed := c.session.current()
	if !confirmed {
		return nil, fault(opUpload, scanner.Denied, "this device is not configured at Presence since it started")
	}
	receipts := make([]scanner.Receipt, len(batch))
	body := make([]ticketRequest, 0, len(batch))
	for i, m := range batch {
		receipts[i] = scanner.Receipt{Seq: m.Seq, Delivery: scanner.Taken}
		f, why := c.thaw(m, now)
		if why != "" {
			receipts[i].Delivery, receipts[i].Detail = scanner.Rejected, why
			continue
		}
		body = append(body, ticketRequest{
			Channel: c.cfg.ChannelID, DeviceOS: deviceOS, GateName: f.Gate, Token: string(m.Code), Venue: f.Venue,
			Device: f.Device, Gate: f.GateID, Time: m.At.UnixMilli(),
		})
	}
	if len(body) == 0 {
		return receipts, nil
	}
	word := "enter"
	if batch[0].Direction == scanner.Exit {
		word = "exit"
	}
	said, err := c.ask(ctx, c.tickets, key, wire.Call{
		Op: opUpload, Method: http.MethodPost, Path: strings.ReplaceAll(c.cfg.UploadPath, directionWord, word), Body: body,
	})
	if err != nil {
		return nil, err
	}
	if call := said.failure(opUpload); call != nil {
		return nil, call
	}
	if said.status != okay {
		return nil, said.odd(opUpload)
	}
	return receipts, nil
}
