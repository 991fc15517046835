package acme

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/scanner"
)

// mostDays is the longest span that is listed: each day of it is a call.
const mostDays = 62

// Events lists the events between from and to, day by day as the vendor advises,
// with their templates' names. It asks for events as Back Office knows them: the
// calendar of what is for sale has none that is sold out.
func (c *Client) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	if to.Sub(from) > mostDays*24*time.Hour {
		return nil, fault(opInstances, scanner.Malformed, fmt.Sprintf("more than %d days: ask for fewer", mostDays))
	}
	names := c.seriesNames(ctx)
	var out []scanner.Event
	seen := map[id]bool{}
	// ACME goes by the start: what is on in the span may have begun the day before.
	for start := from.AddDate(0, 0, -1); start.Before(to); start = start.AddDate(0, 0, 1) {
		end := start.AddDate(0, 0, 1)
		if end.After(to) {
			end = to
		}
		instances, err := c.Instances(ctx, Range{start, end})
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			if !seen[i.ID] && i.ID != "" && i.within(from, to) {
				seen[i.ID] = true
				out = append(out, i.event(names))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b scanner.Event) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// seriesNames gives the templates' names. A key that may not see them lists events
// all the same.
func (c *Client) seriesNames(ctx context.Context) map[id]string {
	templates, err := c.SlimTemplates(ctx, Query{Type: AnyType})
	if err != nil {
		c.log.Warn("the event templates cannot be listed: events are listed without them", "err", err)
		return nil
	}
	names := map[id]string{}
	for _, t := range templates {
		names[t.ID] = plain(t.Name)
	}
	return names
}

// within tells whether the event starts in the span or is on in it. One that tells
// no time is listed: it is for a person to judge.
func (i Instance) within(from, to time.Time) bool {
	start, end := i.StartsAt.At, i.EndsAt.At
	if start.IsZero() {
		return true
	}
	if end.Before(start) {
		end = start
	}
	return !start.After(to) && !end.Before(from)
}

// event is the event in the words that every vendor shares.
func (i Instance) event(names map[id]string) scanner.Event {
	e := scanner.Event{
		ID: string(i.ID), IDs: map[string]string{"event_instance": string(i.ID)}, Name: plain(i.Name), Series: names[i.Template],
		Venue: i.place(), StartsAt: i.StartsAt.At, EndsAt: i.EndsAt.At, State: i.odd(),
	}
	if i.Template != "" {
		e.IDs["templateId"] = string(i.Template)
	}
	if w := i.Details.Window; w != nil && !e.StartsAt.IsZero() {
		e.OpensAt, e.ClosesAt = w.edges(e.StartsAt)
		if w.Block.on() && e.State == "" {
			e.State = "scanning blocked"
		}
	}
	return e
}

// place names the rooms that the event uses.
func (i Instance) place() string {
	var names []string
	for _, name := range i.ResourceSum.Place.Names {
		names = append(names, plain(&name))
	}
	for _, r := range i.Resources {
		if len(names) == 0 && r.Category != nil && *r.Category == "place" {
			names = append(names, plain(r.TemplateName))
		}
	}
	return strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == "" }), ", ")
}
