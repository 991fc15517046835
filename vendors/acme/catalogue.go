package acme

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"time"

	"usher/scanner"
)

// The calls of the event calendar (B2C), in the vendor's words.
const (
	opTemplates        = "event templates"
	opSlim             = "event templates slim"
	opTemplate         = "event template"
	opTimes            = "template times"
	opAllTimes         = "all times"
	opCalendar         = "activity calendar"
	opTemplateCalendar = "activity calendar of a template"
	opEvent            = "event"
	opNext             = "next available event"
	templatesPath      = "/v2/b2c/event/templates"
	eventsPath         = "/v2/b2c/events/"
)

// EventType restricts a listing; empty: the vendor's own choice, standard.
type EventType string

// The types of event.
const (
	StandardType EventType = "standard"
	PrivateType  EventType = "private"
	AnyType      EventType = "all"
)

// SaleChannel is where tickets are sold.
type SaleChannel string

// The channels of the event calendar.
const (
	Online      SaleChannel = "online"
	CustomerRep SaleChannel = "customerRep"
	PointOfSale SaleChannel = "pointOfSale"
	ManualEntry SaleChannel = "manualEntry"
)

// Query are the parameters of the event calendar. Each call takes some of them; one
// that it does not take is an error.
type Query struct {
	// From and To bound the events; To is used with From only. Zero: the vendor's own,
	// today in the tenant's zone for times and calendars, all for templates.
	From, To time.Time
	Type     EventType
	Channel  SaleChannel
	// Membership and Category let members' events and prices be seen.
	Membership, Category string
	// Combo is a template that stands for several.
	Combo string
	// Card is the barcode of a membership card.
	Card string
}

// The names of the parameters.
const (
	pStart, pEnd, pType, pChannel = "startTime", "endTime", "type", "saleChannel"
	pMembership, pCategory        = "membershipId", "membershipCategoryId"
	pCombo, pCard, pNextChannel   = "comboTemplateId", "barcode", "salesChannel"
	longestParameter              = 200
)

// values writes the parameters that a call takes.
func (q Query) values(op string, zone *time.Location, takes ...string) (url.Values, error) {
	own := map[string]string{pType: string(q.Type), pMembership: q.Membership, pCategory: q.Category, pCombo: q.Combo, pCard: q.Card}
	channel := pChannel
	if slices.Contains(takes, pNextChannel) {
		channel = pNextChannel
	}
	own[channel] = string(q.Channel)
	if !q.From.IsZero() {
		own[pStart] = stamp(q.From, zone)
	}
	if !q.To.IsZero() {
		own[pEnd] = stamp(q.To, zone)
	}
	if own[pEnd] != "" && own[pStart] == "" {
		return nil, fault(op, scanner.Malformed, "an end without a start")
	}
	out := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		switch {
		case own[name] == "":
		case !slices.Contains(takes, name):
			return nil, fault(op, scanner.Malformed, "the call does not take "+name)
		case len(own[name]) > longestParameter:
			return nil, fault(op, scanner.Malformed, name+" is too long")
		default:
			out.Set(name, own[name])
		}
	}
	return out, nil
}

// fetch makes one call of the event calendar.
func (c *Client) fetch(ctx context.Context, op, path string, q Query, into interface{ lacks() string }, takes ...string) error {
	query, err := q.values(op, c.zone, takes...)
	if err != nil {
		return err
	}
	return c.get(ctx, op, path, query, listLimit, into)
}

// inPath puts an id into a path.
func inPath(op, before, id, behind string) (string, error) {
	if id == "" || !plainID(id) {
		return "", fault(op, scanner.Malformed, "no id of ACME's")
	}
	return before + id + behind, nil
}

// Templates lists the templates that have events in the span, or all of them (List
// Event Templates).
func (c *Client) Templates(ctx context.Context, q Query) ([]Template, error) {
	var out list[Template]
	err := c.fetch(ctx, opTemplates, templatesPath, q, &out, pStart, pEnd, pType, pMembership, pCategory)
	return out.items, err
}

// SlimTemplates is Templates with the columns of the slim list alone (List Event
// Templates (Slim)).
func (c *Client) SlimTemplates(ctx context.Context, q Query) ([]Template, error) {
	var out list[Template]
	err := c.fetch(ctx, opSlim, templatesPath+"/slim", q, &out, pStart, pEnd, pType, pChannel, pMembership, pCategory)
	return out.items, err
}

// Template gives one template, with its ticket details (Get Event Template).
func (c *Client) Template(ctx context.Context, id string, q Query) (Template, error) {
	path, err := inPath(opTemplate, templatesPath+"/", id, "")
	if err != nil {
		return Template{}, err
	}
	var out Template
	if err := c.fetch(ctx, opTemplate, path, q, &out, pChannel, pMembership, pCategory); err != nil {
		return Template{}, err
	}
	if string(out.ID) != id {
		return Template{}, nonsense(opTemplate, "an answer about another template than was asked for")
	}
	return out, nil
}

// EventTime is when an event of a template takes place (Event Time Object). Date and
// Time are words such as "Mon, Nov 17, 2018" and "9:30 AM EST"; StartsAt is the
// instant. How many seats are left is read as available or as seats, the document
// has both, and shown to nobody.
type EventTime struct {
	ID             id       `json:"id"`
	Date           *string  `json:"date"`
	Time           *string  `json:"time"`
	StartsAt       moment   `json:"startTime"`
	AvailableSeats withheld `json:"availableSeats"`
	SeatsAvailable withheld `json:"seatsAvailable"`
	AddOns         addOns   `json:"addOns"`
}

// TemplateTimes are the times of one template. Its id is templateId in the document
// and eventTemplateId in what clients read.
type TemplateTimes struct {
	Template      id          `json:"templateId"`
	EventTemplate id          `json:"eventTemplateId"`
	Times         []EventTime `json:"times"`
}

// ID is the template's, by whichever name it came.
func (t TemplateTimes) ID() string {
	if t.Template != "" {
		return string(t.Template)
	}
	return string(t.EventTemplate)
}

// Times lists the events of one template (List Template Times).
func (c *Client) Times(ctx context.Context, template string, q Query) ([]EventTime, error) {
	path, err := inPath(opTimes, templatesPath+"/", template, "/times")
	if err != nil {
		return nil, err
	}
	var out list[EventTime]
	err = c.fetch(ctx, opTimes, path, q, &out, pStart, pEnd, pChannel, pType, pCombo, pMembership, pCategory)
	return out.items, err
}

// AllTimes lists the events of all templates, by template (List All Times).
func (c *Client) AllTimes(ctx context.Context, q Query) ([]TemplateTimes, error) {
	var out list[TemplateTimes]
	err := c.fetch(ctx, opAllTimes, templatesPath+"/times", q, &out, pStart, pEnd, pChannel, pType, pMembership, pCategory)
	return out.items, err
}

// Day is one day of an Activity Calendar.
type Day struct {
	Date moment `json:"date"`
	// Name is a holiday's.
	Name   *string `json:"name"`
	Active flag    `json:"active"`
}

// Calendar tells the days with events (Get Activity Calendar).
func (c *Client) Calendar(ctx context.Context, q Query) ([]Day, error) {
	var out list[Day]
	err := c.fetch(ctx, opCalendar, templatesPath+"/calendar", q, &out, pStart, pEnd, pChannel, pType, pMembership, pCategory)
	return out.items, err
}

// TemplateCalendar tells the days with events of one template; where the span has
// none, the two months from its first event on (Get Activity Calendar for Template).
func (c *Client) TemplateCalendar(ctx context.Context, template string, q Query) ([]Day, error) {
	path, err := inPath(opTemplateCalendar, templatesPath+"/", template, "/calendar")
	if err != nil {
		return nil, err
	}
	var out list[Day]
	err = c.fetch(ctx, opTemplateCalendar, path, q, &out, pStart, pEnd, pChannel, pType, pMembership, pCategory)
	return out.items, err
}

// Event gives one event as buyers see it (GET /v2/b2c/events/{instance}).
func (c *Client) Event(ctx context.Context, instance string, q Query) (Instance, error) {
	path, err := inPath(opEvent, eventsPath, instance, "")
	if err != nil {
		return Instance{}, err
	}
	var out Instance
	err = c.fetch(ctx, opEvent, path, q, &out, pChannel, pMembership, pCategory, pCard)
	return out, err
}

// NextAvailable gives the next event of a template that has tickets (GET
// /v2/b2c/events/{template}/nextAvailable).
func (c *Client) NextAvailable(ctx context.Context, template string, q Query) (Instance, error) {
	path, err := inPath(opNext, eventsPath, template, "/nextAvailable")
	if err != nil {
		return Instance{}, err
	}
	var out Instance
	err = c.fetch(ctx, opNext, path, q, &out, pStart, pNextChannel, pMembership, pCategory)
	return out, err
}
