package ticketing

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// lookupRecords is how many admissions of one ticket are asked for.
	lookupRecords = 25
	// longestSerial is the longest that is looked up, in bytes: nothing that long is
	// a serial, and an address must hold it.
	longestSerial = 128
)

// listReply is a page of any list.
type listReply[T any] struct {
	Total   *number `json:"total"`
	Page    *number `json:"page"`
	Records *number `json:"records"`
	Entries *[]T    `json:"entries"`
}

// lookup asks the admissions for one ticket: the oldest, or, where there is one,
// that of the redeemer and device.
func (c *Client) lookup(ctx context.Context, g *grant, event, ticket, redeemer, device string) (admission, bool, error) {
	if len(ticket) > longestSerial {
		return admission{}, false, nil
	}
	var reply listReply[admission]
	got, err := c.call(ctx, g.key, wire.Call{
		Op: opAdmissions, Method: http.MethodGet, Path: "/events/" + event + "/admissions",
		Query: url.Values{"ticket": {ticket}, "records": {strconv.Itoa(lookupRecords)}, "page": {"1"}},
	}, &reply)
	if err != nil {
		if resourceMissing(got) {
			return admission{}, false, nil
		}
		return admission{}, false, err
	}
	nonsense := func(text string) error { return wire.Nonsense(opAdmissions, got.Status, errors.New(text)) }
	if reply.Entries == nil || reply.Total == nil {
		return admission{}, false, nonsense("an answer without total and entries")
	}
	var first *admission
	for i := range *reply.Entries {
		a := &(*reply.Entries)[i]
		switch {
		case value(a.Ticket) != ticket:
			// A filter that is not heeded says nothing of this ticket.
			return admission{}, false, nonsense("admissions of other tickets than the one that was asked for")
		case a.by(redeemer, device):
			got.Vouch()
			return *a, true, nil
		case first == nil || a.at().Before(first.at()):
			first = a
		}
	}
	if first == nil {
		if *reply.Total != 0 {
			return admission{}, false, nonsense("a total, and no entries")
		}
		got.Vouch()
		return admission{}, false, nil
	}
	got.Vouch()
	return *first, true, nil
}

// stops tells the error of a look-up that speaks of all from one that concerns this
// ticket alone.
func stops(err error) bool { return scanner.CallErrorOf(err).Trouble != scanner.Malformed }
