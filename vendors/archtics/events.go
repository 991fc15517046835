package archtics

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	cmdSearch   = "event_search"
	cmdDetails  = "event_details"
	cmdManifest = "get_event_manifest"
	cmdOptions  = "system_options"
)

// detailsPage is how many events are asked for at once: an answer of more than
// 250 000 bytes is refused, and 500, the document's default, may be more.
const detailsPage = 100

// mostMinutes is the longest duration of an event that is believed.
const mostMinutes = 30 * 24 * 60

// EventSearch is the public table of event_search's input; empty fields are left
// out, and Archtics chooses.
type EventSearch struct {
	// Start and End are days, YYYY-MM-DD, in the venue's time.
	Start       string   `json:"start_date,omitempty"`
	End         string   `json:"end_date,omitempty"`
	Available   string   `json:"check_availability,omitempty"`
	Org         string   `json:"organization,omitempty"`
	Venue       string   `json:"venue_name,omitempty"`
	Season      string   `json:"season_name,omitempty"`
	HoldClass   string   `json:"hold_class,omitempty"`
	HoldClasses []string `json:"hold_classes,omitempty"`
	NumSeats    int      `json:"num_seats,omitempty"`
	Account     int64    `json:"acct_id,omitempty"`
}

// FoundEvents is the public table of event_search's answer.
type FoundEvents struct {
	Events []struct {
		Name         text     `json:"event_name"`
		Availability text     `json:"availability"`
		Classes      []string `json:"avail_class"`
	} `json:"events"`
	HoldClasses []string `json:"hold_classes"`
}

// SearchEvents gives the events of some days; none is no error.
func (c *Client) SearchEvents(ctx context.Context, s EventSearch) (FoundEvents, error) {
	base := c.common(cmdSearch)
	var found FoundEvents
	err := c.fill(ctx, base, struct {
		common
		EventSearch
	}{base, s}, &found)
	return found, err
}

// fill asks and decodes the answer's table; an empty answer leaves it empty.
func (c *Client) fill(ctx context.Context, base common, command, into any) error {
	a, err := c.ask(ctx, rest, base, command)
	if err == nil {
		err = a.must()
	}
	if err != nil || a.empty() {
		return err
	}
	return a.table(into)
}

// Details is the public table of one event; what an event does not have is left out
// there and empty here. Dates and times are the venue's.
type Details struct {
	Name         text `json:"event_name"`
	NameInet     text `json:"event_name_inet"`
	Description  text `json:"event_description"`
	InetText     text `json:"inet_event_text"`
	PlanType     text `json:"plan_type"` // S static plan, N single
	TotalEvents  text `json:"total_events"`
	Date         text `json:"event_date"`
	Time         text `json:"event_time"`
	Performer    text `json:"performer"`
	Organization text `json:"organization"`
	Venue        text `json:"venue_name"`
	Manifest     text `json:"manifest_name"`
	Season       text `json:"season_name"`
	Category     text `json:"event_category"` // E event, P parking, O other
	Minutes      text `json:"event_duration"`
	URL          text `json:"url"`
	MajorCat     text `json:"major_cat"`
	MinorCat     text `json:"minor_cat"`
	Thumbnail    text `json:"thumbnail_image_name"`
	SmallImage   text `json:"small_image_name"`
	LargeImage   text `json:"large_image_name"`
	Singles      text `json:"allow_singles"`
	OnSale       text `json:"event_onsale_date"`
	OffSale      text `json:"event_offsale_date"`
	InPlan       []struct {
		Name text `json:"event_name"`
	} `json:"events_in_plan"`
	SeatsPerPID text `json:"multiple_seats_per_pid"`
	VenueID     text `json:"archtics_venue_id"`
}

type detailsRequest struct {
	common
	Filter string `json:"event_filter,omitempty"`
	Type   string `json:"event_filter_type,omitempty"`
	Count  int    `json:"count"`
	Before string `json:"prev_event_name,omitempty"`
}

// EventDetails gives the events of these names, all where none is given, sorted by
// name.
func (c *Client) EventDetails(ctx context.Context, names ...string) ([]Details, error) {
	base := c.common(cmdDetails)
	r := detailsRequest{common: base, Count: detailsPage}
	if len(names) > 0 {
		r.Filter, r.Type = strings.Join(names, ","), "L" // no blank between them
	}
	var all []Details
	for {
		r.common = c.common(cmdDetails)
		var page struct {
			Events []Details `json:"events"`
		}
		if err := c.fill(ctx, r.common, r, &page); err != nil {
			return all, err
		}
		last := ""
		for _, e := range page.Events {
			// One that is known already says that prev_event_name was not heeded.
			if e.Name > text(r.Before) || r.Before == "" {
				all, last = append(all, e), max(last, string(e.Name))
			}
		}
		if len(page.Events) < r.Count || last == "" {
			return all, nil
		}
		r.Before = last
	}
}

// Events gives what can be scanned between two moments: event_search tells the names,
// event_details the rest.
func (c *Client) Events(ctx context.Context, from, to time.Time) ([]scanner.Event, error) {
	found, err := c.SearchEvents(ctx, EventSearch{
		// An event that is on began a day before at most.
		Start: from.In(c.zone).AddDate(0, 0, -1).Format(time.DateOnly), End: to.In(c.zone).Format(time.DateOnly), Available: "N",
	})
	if err != nil || len(found.Events) == 0 {
		return nil, err
	}
	var names []string
	for _, e := range found.Events {
		if e.Name != "" && !strings.ContainsAny(string(e.Name), ", ") {
			names = append(names, string(e.Name))
		}
	}
	var all []scanner.Event
	for some := range slices.Chunk(names, detailsPage) {
		details, err := c.EventDetails(ctx, some...)
		if err != nil {
			return nil, err
		}
		for _, d := range details {
			e := c.event(d)
			if e.EndsAt.Before(from) && e.StartsAt.Before(from) && !e.StartsAt.IsZero() || e.StartsAt.After(to) {
				continue
			}
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b scanner.Event) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

func (c *Client) event(d Details) scanner.Event {
	said := func(all ...text) string {
		for _, t := range all {
			if plain := wire.Plain(string(t)); plain != "" {
				return plain
			}
		}
		return ""
	}
	e := scanner.Event{
		ID: said(d.Name), IDs: map[string]string{"event_name": said(d.Name)}, Name: said(d.NameInet, d.Description, d.InetText, d.Name),
		Series: said(d.Season), Venue: said(d.Venue),
	}
	if d.VenueID != "" {
		e.IDs["archtics_venue_id"] = said(d.VenueID)
	}
	switch {
	case d.Date == "":
	case d.Time == "":
		e.StartsAt, e.AllDay = moment(string(d.Date)+" 00:00", c.zone), true
	default:
		e.StartsAt, _ = scanTime(string(d.Date), string(d.Time), c.zone)
	}
	if minutes, err := strconv.Atoi(string(d.Minutes)); err == nil && minutes > 0 && !e.StartsAt.IsZero() {
		e.EndsAt = e.StartsAt.Add(time.Duration(min(minutes, mostMinutes)) * time.Minute)
	}
	if e.AllDay && !e.StartsAt.IsZero() {
		e.EndsAt = e.StartsAt.AddDate(0, 0, 1)
	}
	return e
}

// EventManifest gives the sections, rows and seats of an event: command1 as it came,
// whose fields no public page names; nil: there is no such event.
func (c *Client) EventManifest(ctx context.Context, event string) (json.RawMessage, error) {
	base := c.common(cmdManifest)
	return c.raw(ctx, base, struct {
		common
		Event string `json:"event_name"`
	}{base, event})
}

// SystemOptions gives the classes, payment methods, ticket types, account groups and
// delivery methods of the database: command1 as it came, whose fields no public page
// names.
func (c *Client) SystemOptions(ctx context.Context) (json.RawMessage, error) {
	base := c.common(cmdOptions)
	return c.raw(ctx, base, base)
}

func (c *Client) raw(ctx context.Context, base common, command any) (json.RawMessage, error) {
	a, err := c.ask(ctx, rest, base, command)
	if err == nil {
		err = a.must()
	}
	if err != nil || a.empty() {
		return nil, err
	}
	return a.command, nil
}
