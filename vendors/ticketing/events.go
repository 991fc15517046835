package ticketing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// eventReply is what is taken of GET /events/{event}.
type eventReply struct {
	Self     uri           `json:"self"`
	Title    *string       `json:"title"`
	Status   *string       `json:"status"`
	Start    *string       `json:"start"`
	End      *string       `json:"end"`
	Venue    *named        `json:"venue"`
	Host     *named        `json:"host"`
	Sections *[]sectionRef `json:"sections"`
}

type named struct {
	Name *string `json:"name"`
}

func (n *named) name() string {
	if n == nil {
		return ""
	}
	return plain(n.Name)
}

// event is the configured event's number, else the admission token's.
func (c *Client) event(ctx context.Context) (string, error) {
	if c.cfg.Event != "" {
		return c.cfg.Event, nil
	}
	g, err := c.session.current(ctx)
	if err != nil {
		return "", err
	}
	return g.Event, nil
}

// Events gives the one event that is scanned, with its sections.
func (c *Client) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	e, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	last := e.EndsAt
	if last.IsZero() {
		last = e.StartsAt
	}
	if !e.StartsAt.IsZero() && (!to.IsZero() && e.StartsAt.After(to) || !from.IsZero() && last.Before(from)) {
		return nil, nil
	}
	return []scanner.Event{e}, nil
}

// look asks for the event that is scanned.
func (c *Client) look(ctx context.Context) (scanner.Event, error) {
	number, err := c.event(ctx)
	if err != nil {
		return scanner.Event{}, err
	}
	var (
		got   wire.Answer
		reply eventReply
	)
	err = c.base.with(ctx, opEvent, func(key string) error {
		var err error
		reply = eventReply{}
		got, err = c.call(ctx, key, wire.Call{Op: opEvent, Method: http.MethodGet, Path: "/events/" + number, Limit: maxPage}, &reply)
		return err
	})
	switch {
	case keyRefused(err):
		return scanner.Event{}, denied(opEvent, got.Status, "TickeTing does not show event %s (%w): correct vendor.event, or give the key or user the right to see it", number, scanner.CallErrorOf(err).Err)
	case err != nil && resourceMissing(got):
		return scanner.Event{}, denied(opEvent, got.Status, "TickeTing knows no event %s (%w): correct vendor.event", number, scanner.CallErrorOf(err).Err)
	case err != nil:
		return scanner.Event{}, err
	case reply.Sections == nil:
		return scanner.Event{}, wire.Nonsense(opEvent, got.Status, errors.New("an event without sections"))
	case reply.Self.id() != number:
		return scanner.Event{}, wire.Nonsense(opEvent, got.Status, errors.New("another event than was asked for"))
	}
	e := scanner.Event{
		ID: number, IDs: map[string]string{"event": number}, Name: plain(reply.Title), Series: reply.Host.name(), Venue: reply.Venue.name(),
	}
	e.StartsAt, _ = moment(value(reply.Start))
	e.EndsAt, _ = moment(value(reply.End))
	if state := plain(reply.Status); state != "Published" && state != "Active" {
		e.State = state
	}
	for i, s := range *reply.Sections {
		id, name := s.names()
		if id == "" {
			return scanner.Event{}, wire.Nonsense(opEvent, got.Status, fmt.Errorf("section %d of the event has no id", i+1))
		}
		e.Sections = append(e.Sections, scanner.Section{ID: id, Name: name})
	}
	got.Vouch()
	return e, nil
}
