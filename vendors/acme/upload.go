package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// oneByOne: the documented call takes one barcode, so that an answer that gets lost
// leaves one movement in doubt and no more.
const oneByOne = 1

// frozen is what an upload needs of the device as it was at scan time.
type frozen struct {
	Terminal string `json:"t"`
	Number   bool   `json:"n,omitempty"`
	Event    string `json:"e,omitempty"`
}

// Freeze gives the terminal, which each check-in is made by, and the event that it is
// made into: by the time of the upload the gate may stand at the next one.
func (c *Client) Freeze() json.RawMessage {
	raw, err := json.Marshal(frozen{c.cfg.TerminalID.text, c.cfg.TerminalID.number, c.cfg.EventInstance})
	if err != nil {
		return nil
	}
	return raw
}

// Limits: one movement in a call, of any age.
func (c *Client) Limits() (int, time.Duration) { return oneByOne, 0 }

// Group is the same for all.
func (c *Client) Group(scanner.Movement) string { return "check-in" }

// Upload checks tickets in that were admitted offline, one after the other. ACME
// takes no time of a scan: its own is in the receipt.
func (c *Client) Upload(ctx context.Context, movements []scanner.Movement) ([]scanner.Receipt, error) {
	receipts := make([]scanner.Receipt, len(movements))
	if len(c.cfg.AdmitStatuses) == 0 && shapeOf(c.cfg.CheckInPath) != batch {
		// Whatever ACME answered, nobody could tell what it means.
		for i, m := range movements {
			receipts[i] = scanner.Receipt{
				Seq: m.Seq, Delivery: scanner.Later, Detail: "vendor.admit_statuses is empty, so nobody can tell which answer means that ACME took an entry",
			}
		}
		return receipts, nil
	}
	for i, m := range movements {
		got, err := c.deliver(ctx, m)
		if err != nil {
			call := *scanner.CallErrorOf(err)
			call.MaybeSent = call.MaybeSent || i > 0
			return nil, &call
		}
		receipts[i] = got
	}
	return receipts, nil
}

// deliver checks one in.
func (c *Client) deliver(ctx context.Context, m scanner.Movement) (scanner.Receipt, error) {
	receipt := scanner.Receipt{Seq: m.Seq, Delivery: scanner.Rejected}
	if m.Direction == scanner.Exit {
		receipt.Detail = "ACME knows no exits"
		return receipt, nil
	}
	into := c.here()
	if len(m.Data) > 0 {
		var f frozen
		if wire.Decode(m.Data, &f) != nil || f.Terminal == "" || !plainID(f.Terminal) || !plainID(f.Event) {
			receipt.Detail = "the terminal and event of this scan cannot be read: check the ticket in by hand"
			return receipt, nil
		}
		into = place{TerminalID{f.Terminal, f.Number}, f.Event}
	}
	got, err := c.checkIn(ctx, m.Code, into, true)
	outside := got.reason == scanner.TooLate || got.reason == scanner.TooEarly
	if err == nil && outside && c.cfg.LateUploads == unvalidated {
		got, err = c.checkIn(ctx, m.Code, into, false)
		outside = false
	}
	if err != nil {
		return receipt, err
	}
	switch {
	case outside:
		receipt.Detail = fmt.Sprintf("ACME refuses it: %s, by the time of the upload: check it in by hand in Back Office (vendor.late_uploads)", got.reason)
	case got.reason == scanner.OK:
		receipt.Delivery, receipt.VendorAt = scanner.Taken, got.at
	case got.reason == scanner.AlreadyEntered || got.nothing:
		receipt.Delivery, receipt.VendorAt, receipt.Detail = scanner.Duplicate, got.at, "ACME has an entry of this ticket already"
		receipt.Theirs = c.someoneElses(got, m.At)
		if !got.at.IsZero() {
			receipt.Detail += ", " + stamped(got.at)
		}
	case got.detail != "":
		receipt.Detail = got.detail
	default:
		receipt.Detail = fmt.Sprintf("ACME refuses it: %s", got.reason)
	}
	return receipt, nil
}
