package audienceview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// batchLimit is our own: the document names none.
	batchLimit = 100
	// ageLimit is the document's: "more than 48 hours ago. We cannot process scans
	// that old."
	ageLimit = 48 * time.Hour
)

// Limits are the vendor's for a batch and a scan's age.
func (c *Client) Limits() (int, time.Duration) { return batchLimit, ageLimit }

// Group is the filters under which the movement's list was fetched: syncScans
// wants them once per call.
func (c *Client) Group(m scanner.Movement) string {
	f, why := thaw(m)
	if why != "" {
		return "without ids"
	}
	return fmt.Sprintf("%d/%d/%d", f.Filters[0], f.Filters[1], f.Filters[2])
}

// thaw gives what was frozen at scan time, or why the vendor cannot take the
// movement at all.
func thaw(m scanner.Movement) (frozen, string) {
	var f frozen
	switch {
	case m.Direction == scanner.Exit:
		return f, "AudienceView knows no exits"
	case len(m.Data) == 0:
		return f, "AudienceView wants the ticket's number, which was not in the list when this was scanned: enter it there by hand"
	case wire.Decode(m.Data, &f) != nil || f.Ticket == 0 || f.Performance == 0 || f.Barcode == "" || f.Filters[0] == 0:
		return f, "what AudienceView wants of this ticket cannot be read: enter it there by hand"
	}
	return f, ""
}

// Upload sends a batch of one group (cache/syncScans).
func (c *Client) Upload(ctx context.Context, batch []scanner.Movement) ([]scanner.Receipt, error) {
	const op = "syncScans"
	receipts := make([]scanner.Receipt, len(batch))
	byBarcode := map[string][]int{}
	var body syncRequest
	for i, m := range batch {
		receipts[i] = scanner.Receipt{Seq: m.Seq, Delivery: scanner.Taken}
		f, why := thaw(m)
		if why != "" {
			receipts[i].Delivery, receipts[i].Detail = scanner.Rejected, why
			continue
		}
		body.filters = filters{f.Filters[0], orNull(f.Filters[1]), orNull(f.Filters[2])}
		body.Tickets = append(body.Tickets, syncTicket{f.Ticket, f.Performance, f.Barcode, m.At.UnixMilli()})
		byBarcode[f.Barcode] = append(byBarcode[f.Barcode], i)
	}
	if len(body.Tickets) == 0 {
		return receipts, nil
	}
	var reply syncReply
	err := c.signedIn(ctx, op, func(ctx context.Context, auth http.Header) error {
		call := wire.Call{Op: op, Method: http.MethodPost, Path: "/scanning/cache/syncScans", Header: auth, Body: body}
		reply = syncReply{}
		got, err := c.http.Do(ctx, call)
		if err = c.read(call, got, err, &reply); err != nil {
			return whole(op, err)
		}
		if reply.Failed == nil {
			return wire.Nonsense(op, got.Status, errors.New("an answer without failedBarcodes"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, failed := range *reply.Failed {
		if failed.Barcode == nil || byBarcode[*failed.Barcode] == nil {
			return nil, wire.Nonsense(op, http.StatusOK, errors.New("failedBarcodes names a ticket that was not sent"))
		}
		reason := cmp.Or(plain(failed.Reason), "AudienceView gives no reason")
		for _, i := range byBarcode[*failed.Barcode] {
			receipts[i].Delivery, receipts[i].Detail = delivery(reason), reason
		}
	}
	return receipts, nil
}

// delivery tells what a reason of failedBarcodes means.
func delivery(reason string) scanner.Delivery {
	words := strings.ToLower(reason)
	switch {
	case strings.HasPrefix(words, "scan time is in the future"):
		return scanner.Later
	case strings.Contains(words, "already") && strings.Contains(words, "scanned"):
		return scanner.Duplicate
	}
	return scanner.Rejected
}
