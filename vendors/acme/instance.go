package acme

import (
	"context"
	"net/url"
	"strings"
	"time"

	"usher/scanner"
)

const (
	opInstance  = "event instance"
	opInstances = "event instances"
	opSummaries = "event instance summaries"
)

// Instance is an event that takes place once (B2B event instances). What it tells of
// remaining and sold tickets is not read: nobody may show it.
type Instance struct {
	ID          id             `json:"id"`
	Template    id             `json:"templateId"`
	Name        *string        `json:"name"`
	StartsAt    moment         `json:"startTime"`
	EndsAt      moment         `json:"endTime"`
	State       *string        `json:"state"`
	Deleted     flag           `json:"manuallyDeleted"`
	Type        *string        `json:"type"`
	Admission   *string        `json:"admissionType"`
	Modified    moment         `json:"lastModified"`
	Details     ticketDetails  `json:"ticketDetails"`
	Resources   []resource     `json:"resources"`
	ResourceSum resourceTotals `json:"eventResourceSummary"`
	// unread names a field that the check-in window depends on and that has a form of
	// no known kind; empty: none.
	unread string
}

// resourceTotals names the places that an event uses.
type resourceTotals struct {
	Place struct {
		Names []string `json:"resourceNames"`
	} `json:"place"`
}

// ticketDetails are the rules for the tickets of an event or template.
type ticketDetails struct {
	DurationDays integer        `json:"ticketDurationDays"`
	Window       *checkInWindow `json:"checkInWindow"`
	Purchase     struct {
		// TimeFrame is when, before or after.
		TimeFrame *string `json:"timeFrame"`
		Minutes   integer `json:"minutes"`
	} `json:"purchaseAvailability"`
	PrintLines []string `json:"ticketPrintLines"`
	HideDate   flag     `json:"hideEventDate"`
	// What follows is in the instances alone.
	LatePurchase struct {
		Allowed flag    `json:"allowLateTicketPurchase"`
		Minutes integer `json:"minutesAfter"`
	} `json:"postStartPurchase"`
	ExpireFromEvent flag `json:"expireFromEventDate"`
	DoNotPrint      flag `json:"doNotPrint"`
}

func (i *Instance) lacks() string {
	if i.ID == "" {
		return "the event's id"
	}
	return ""
}

// odd is ACME's word for the event's state, where it is not one of an event that
// takes place.
func (i *Instance) odd() string {
	if i.Deleted {
		return "deleted"
	}
	state := plain(i.State)
	switch strings.ToLower(state) {
	case "active", "published":
		return ""
	}
	return state
}

// Instance asks for one event (GET /v2/b2b/event/instances/{id}).
func (c *Client) Instance(ctx context.Context, id string) (Instance, error) {
	var out Instance
	if id == "" || !plainID(id) {
		return out, fault(opInstance, scanner.Malformed, "no id of an event")
	}
	if err := c.get(ctx, opInstance, "/v2/b2b/event/instances/"+id, nil, 0, &out); err != nil {
		return Instance{}, err
	}
	if string(out.ID) != id {
		return Instance{}, nonsense(opInstance, "an answer about another event than was asked for")
	}
	return out, nil
}

// Range is a span of time, both ends inclusive.
type Range struct{ From, To time.Time }

// query writes the span as ACME wants it, with the venue's offset from UTC.
func (r Range) query(zone *time.Location) url.Values {
	return url.Values{"startTime": {stamp(r.From, zone)}, "endTime": {stamp(r.To, zone)}}
}

func stamp(at time.Time, zone *time.Location) string { return at.In(zone).Format(time.RFC3339) }

// Instances lists the events of a span, private ones included. A day at most is the
// vendor's own advice. Of a list that is too long for one answer there is a part, with
// an error.
func (c *Client) Instances(ctx context.Context, span Range) ([]Instance, error) {
	query := span.query(c.zone)
	query.Set("type", string(AnyType))
	var out list[Instance]
	err := c.get(ctx, opInstances, "/v2/b2b/event/instances", query, listLimit, &out)
	return out.items, err
}

// Summary is the short form of an event. What it tells of numbers is not read.
type Summary struct {
	ID        id      `json:"id"`
	Template  id      `json:"templateId"`
	Name      *string `json:"name"`
	StartsAt  moment  `json:"startTime"`
	EndsAt    moment  `json:"endTime"`
	Type      *string `json:"type"`
	Admission *string `json:"admissionType"`
	State     *string `json:"state"`
}

// Summaries lists the events of a span in their short form, and a part as Instances
// does.
func (c *Client) Summaries(ctx context.Context, span Range) ([]Summary, error) {
	query := span.query(c.zone)
	query.Set("type", string(AnyType))
	var out list[Summary]
	err := c.get(ctx, opSummaries, "/v2/b2b/event/instances/summaries", query, listLimit, &out)
	return out.items, err
}
