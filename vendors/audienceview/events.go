package audienceview

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// mostMonths is how many calendars are asked for; beyond them one answer with all
// performances is cheaper.
const mostMonths = 3

// Events tells what can be scanned between the two: the performances of the
// configured production, department or client, by the Future Events API, and
// whatever else filterOptions lists as open now. Where one of the two fails, what
// the other gave comes with the error.
func (c *Client) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	l := listing{client: c, from: from, to: to, found: map[int64]scanner.Event{}, series: map[int64]Series{}}
	err := l.future(ctx)
	if ctx.Err() == nil {
		err = errors.Join(err, l.open(ctx))
	}
	events := make([]scanner.Event, 0, len(l.found))
	for _, e := range l.found {
		events = append(events, e)
	}
	scanner.SortEvents(events)
	if err != nil {
		return events, scanner.CallErrorOf(err)
	}
	return events, nil
}

// listing is one round of questions.
type listing struct {
	client   *Client
	from, to time.Time
	// found by performance, series by production.
	found  map[int64]scanner.Event
	series map[int64]Series
}

// future asks the Future Events API.
func (l *listing) future(ctx context.Context) error {
	c := l.client
	part := Part{c.cfg.ProductionID, c.cfg.DepartmentID}
	if _, err := c.Series(ctx, part, func(s Series) error {
		l.series[int64(s.ID)] = s
		return nil
	}); err != nil {
		return err
	}
	months := monthsOf(l.from.In(c.venue), l.to.In(c.venue))
	if len(months) == 0 {
		_, err := c.Performances(ctx, part, l.add)
		return err
	}
	for _, month := range months {
		if _, err := c.Calendar(ctx, part, month, func(_ string, p Performance) error { return l.add(p) }); err != nil {
			return err
		}
	}
	return nil
}

// monthsOf are the months between the two; none: they are too many to ask one by
// one.
func monthsOf(from, to time.Time) []Month {
	var months []Month
	for at := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, from.Location()); at.Before(to); at = at.AddDate(0, 1, 0) {
		if len(months) == mostMonths {
			return nil
		}
		months = append(months, MonthAndYear(at.Year(), at.Month()))
	}
	return months
}

// add takes a performance that lies between the two; a calendar gives whole weeks.
func (l *listing) add(p Performance) error {
	if p.ID == 0 {
		return nil
	}
	if e := l.event(p); e.During(l.from, l.to) {
		l.found[int64(p.ID)] = e
	}
	return nil
}

// event is a performance in the house's words.
func (l *listing) event(p Performance) scanner.Event {
	c := l.client
	series := l.series[int64(p.Production)]
	name := cmp.Or(p.ProductionName.line(), series.Name.line())
	e := scanner.Event{
		ID: p.ID.String(), IDs: c.ids(c.cfg.ClientID, int64(p.Production), int64(p.ID)),
		Name: name, Series: name, Venue: series.venue(),
		StartsAt: p.Start(c.venue), AllDay: bool(p.AllDay),
		State: stateOf(p, series),
	}
	if department := cmp.Or(p.Department, series.Department); department != 0 {
		e.IDs["department_id"] = department.String()
	}
	e.DoorsAt, e.ClosesAt = p.Doors(c.venue)
	for _, entry := range p.Entries {
		if at := entry.At(e.StartsAt, c.venue); !at.IsZero() {
			e.EntryTimes = append(e.EntryTimes, at)
		}
	}
	slices.SortFunc(e.EntryTimes, time.Time.Compare)
	return e
}

// stateOf is what is not as usual, in words. Who may buy is nobody's concern where
// the performance is cancelled or sold out.
func stateOf(p Performance, s Series) string {
	words := []string{p.Display.words(string(p.CustomMessage)), p.Availability.words(), s.Status.words()}
	if p.Display == Cancelled || p.Display == SoldOut {
		words[1] = ""
	}
	words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
	return strings.Join(words, ", ")
}

// ids are what the configuration may hold.
func (c *Client) ids(client, production, performance int64) map[string]string {
	ids := map[string]string{}
	for key, id := range map[string]int64{"client_id": client, "production_id": production, "performance_id": performance} {
		if id != 0 {
			ids[key] = strconv.FormatInt(id, 10)
		}
	}
	return ids
}

// venue is the name of where the series takes place; empty: not told.
func (s Series) venue() string {
	if s.Venue == nil {
		return ""
	}
	return cmp.Or(s.Venue.Name.line(), s.Venue.Location.line())
}

// open asks what can be scanned now (filterOptions), for every client of the
// user's. A performance that has begun is in no other answer.
func (l *listing) open(ctx context.Context) error {
	c := l.client
	now := c.clock.True(c.clock.Now()).At
	if now.Before(l.from) || !now.Before(l.to) {
		return nil
	}
	clients, err := c.FilterOptions(ctx)
	if err != nil {
		return err
	}
	for _, client := range clients {
		for _, production := range client.Productions {
			for _, performance := range production.Performances {
				e, known := l.found[performance.ID]
				if !known {
					name := wire.Plain(production.Name)
					e = scanner.Event{
						ID: strconv.FormatInt(performance.ID, 10), IDs: c.ids(client.ID, production.ID, performance.ID),
						Name: name, Series: name, Venue: l.series[production.ID].venue(), StartsAt: agnostic(performance.Start, c.venue),
					}
				}
				e.OpenNow = true
				l.found[performance.ID] = e
			}
		}
	}
	return nil
}
