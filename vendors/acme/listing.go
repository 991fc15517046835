package acme

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/scanner"
)

const (
	// mostDays is the longest span that is listed: each day of it is a call.
	mostDays = 62
	// daysBefore is how much earlier an event may have begun and be listed as on still.
	daysBefore = 7
)

// Events lists the events between from and to, day by day as the vendor advises,
// with their templates' names. It asks for events as Back Office knows them: the
// calendar of what is for sale has none that is sold out. Events that come with an
// error are a part: a span too long, a page of many, or a call that failed.
func (c *Client) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	var failed error
	if to.Sub(from) > mostDays*24*time.Hour {
		failed = fault(opInstances, scanner.Malformed, fmt.Sprintf("more than %d days, of which the first are listed: ask for fewer", mostDays))
		to = from.Add(mostDays * 24 * time.Hour)
	}
	names := c.seriesNames(ctx)
	var out []scanner.Event
	seen := map[id]bool{}
	// ACME goes by the start: what is on in the span may have begun before it.
	for start := from.AddDate(0, 0, -daysBefore); start.Before(to); start = start.AddDate(0, 0, 1) {
		end := start.AddDate(0, 0, 1)
		if end.After(to) {
			end = to
		}
		instances, err := c.Instances(ctx, Range{start, end})
		for _, i := range instances {
			if e := i.event(names); !seen[i.ID] && i.ID != "" && e.During(from, to) {
				seen[i.ID] = true
				out = append(out, e)
			}
		}
		if err == nil {
			continue
		}
		failed = err
		if part := new(partError); !errors.As(err, &part) {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b scanner.Event) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return out, failed
}

// seriesNames gives the templates' names. A key that may not see them lists events
// all the same.
func (c *Client) seriesNames(ctx context.Context) map[id]string {
	templates, err := c.SlimTemplates(ctx, Query{Type: AnyType})
	if err != nil {
		c.log.Warn("the event templates cannot all be listed: events are listed without their names where those lack", "err", err)
	}
	names := map[id]string{}
	for _, t := range templates {
		names[t.ID] = plain(t.Name)
	}
	return names
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
