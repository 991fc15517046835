package acmesim

import (
	"net/http"
	"slices"
	"time"
)

// shownEvent is an event instance; the mutex is held.
func (s *Sim) shownEvent(e Event) map[string]any {
	details := map[string]any{"ticketDurationDays": 1, "hideEventDate": false, "expireFromEventDate": true, "doNotPrint": false}
	if e.Window != nil {
		details["checkInWindow"] = e.Window
	}
	return map[string]any{
		"id": e.ID, "templateId": e.Template, "name": e.Name, "startTime": iso(e.Start, s.o.Zone), "endTime": iso(e.End, s.o.Zone),
		"capacity": e.Capacity, "soldQuantity": 40, "checkInCount": len(s.inside), "state": e.State, "available": true, "type": "standard",
		"admissionType": "standard", "manuallyDeleted": false, "ticketDetails": details, "resources": []any{},
		"eventResourceSummary": map[string]any{"place": map[string]any{"resourceCategory": "place", "resourceNames": e.Places}},
	}
}

// between gives the events of a span, soonest first; the mutex is held.
func (s *Sim) between(from, to time.Time, template string) []Event {
	var out []Event
	for _, e := range s.events {
		if !e.Start.Before(from) && !e.Start.After(to) && (template == "" || e.Template == template) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.Start.Compare(b.Start) })
	return out
}

// instances is GET /v2/b2b/event/instances.
func (c *call) instances() { c.listed((*Sim).shownEvent) }

// summaries is GET /v2/b2b/event/instances/summaries.
func (c *call) summaries() {
	c.listed(func(s *Sim, e Event) map[string]any {
		return map[string]any{
			"id": e.ID, "templateId": e.Template, "startTime": iso(e.Start, s.o.Zone), "endTime": iso(e.End, s.o.Zone), "name": e.Name,
			"sold": 40, "available": 60, "checkedIn": len(s.inside), "reserved": 0, "type": "standard", "admissionType": "standard", "state": e.State,
		}
	})
}

func (c *call) listed(shown func(*Sim, Event) map[string]any) {
	if !c.query("startTime", "endTime", "salesChannel", "saleChannel", "templateId", "type") {
		return
	}
	from, to := c.span()
	if !c.r.URL.Query().Has("startTime") {
		from, to = time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	list := []any{}
	for _, e := range c.sim.between(from, to, c.r.FormValue("templateId")) {
		list = append(list, shown(c.sim, e))
	}
	c.answer(map[string]any{"list": list, "pagination": map[string]any{"page": 1, "pageSize": len(list), "count": len(list)}})
}

// instance is GET /v2/b2b/event/instances/{id}.
func (c *call) instance() {
	if c.query() {
		c.one(c.r.PathValue("id"))
	}
}

// event is GET /v2/b2c/events/{id}.
func (c *call) event() {
	if c.query("saleChannel", "membershipId", "membershipCategoryId", "barcode") {
		c.one(c.r.PathValue("id"))
	}
}

// next is GET /v2/b2c/events/{id}/nextAvailable.
func (c *call) next() {
	if !c.query("startTime", "salesChannel", "membershipId", "membershipCategoryId") {
		return
	}
	from := c.sim.clock()
	if t, err := time.Parse(time.RFC3339, c.r.FormValue("startTime")); err == nil {
		from = t
	}
	if all := c.sim.between(from, from.AddDate(10, 0, 0), c.r.PathValue("id")); len(all) > 0 {
		c.answer(c.sim.shownEvent(all[0]))
		return
	}
	c.refuse(http.StatusNotFound, "no such event")
}

func (c *call) one(id string) {
	if e := c.sim.eventOf(id); e.ID != "" {
		c.answer(c.sim.shownEvent(e))
		return
	}
	c.refuse(http.StatusNotFound, "no such event")
}

// shownTemplate is an Event Template Object; slim: the marked columns alone. The mutex
// is held.
func (s *Sim) shownTemplate(t Template, slim bool) map[string]any {
	out := map[string]any{
		"id": t.ID, "type": t.Type, "name": t.Name, "description": "<p>" + t.Name + "</p>", "shortDescription": t.Name,
		"soldQuantity": 40, "stars": 9, "ratings": 2, "available": true, "images": []any{}, "addOns": map[string]any{"inventoryIds": []any{}},
	}
	if !slim {
		out["admissionType"], out["capacity"], out["reviewState"] = "standard", 100, "Published"
		out["duration"] = map[string]any{"hour": 1, "minutes": 30}
		details := map[string]any{"ticketDurationDays": 1}
		if t.Window != nil {
			details["checkInWindow"] = t.Window
		}
		out["ticketDetails"] = details
	}
	return out
}

// templates is GET /v2/b2c/event/templates, and /slim.
func (c *call) templates(slim bool) {
	takes := []string{"startTime", "endTime", "type", "membershipId", "membershipCategoryId"}
	if slim {
		takes = append(takes, "saleChannel")
	}
	if !c.query(takes...) {
		return
	}
	kind := c.r.FormValue("type")
	list := []any{}
	for _, t := range c.sim.templates {
		private := t.Type == "Private"
		if kind == "private" && !private || (kind == "" || kind == "standard") && private {
			continue
		}
		if from, to := c.span(); c.r.URL.Query().Has("startTime") && len(c.sim.between(from, to, t.ID)) == 0 {
			continue
		}
		list = append(list, c.sim.shownTemplate(t, slim))
	}
	c.answer(list)
}

// template is GET /v2/b2c/event/templates/{id}.
func (c *call) template() {
	if !c.query("saleChannel", "membershipId", "membershipCategoryId") {
		return
	}
	for _, t := range c.sim.templates {
		if t.ID == c.r.PathValue("id") {
			c.answer(c.sim.shownTemplate(t, false))
			return
		}
	}
	c.refuse(http.StatusNotFound, "no such template")
}

// shownTime is an Event Time Object.
func (s *Sim) shownTime(e Event) map[string]any {
	at := e.Start.In(s.o.Zone)
	seats := "seatsAvailable"
	if s.o.Clients {
		seats = "availableSeats"
	}
	return map[string]any{
		"id": e.ID, "date": at.Format("Mon, Jan 2, 2006"), "time": at.Format("3:04 PM MST"), seats: 60, "startTime": iso(at, s.o.Zone),
		"addOns": map[string]any{"inventoryIds": []any{}, "inventoryAddOns": []any{}},
	}
}

// times is GET /v2/b2c/event/templates/{id}/times.
func (c *call) times() {
	if !c.query("startTime", "endTime", "saleChannel", "type", "comboTemplateId", "membershipId", "membershipCategoryId") {
		return
	}
	from, to := c.span()
	list := []any{}
	for _, e := range c.sim.between(from, to, c.r.PathValue("id")) {
		list = append(list, c.sim.shownTime(e))
	}
	c.answer(list)
}

// allTimes is GET /v2/b2c/event/templates/times.
func (c *call) allTimes() {
	if !c.query("startTime", "endTime", "saleChannel", "type", "membershipId", "membershipCategoryId") {
		return
	}
	from, to := c.span()
	name := "templateId"
	if c.sim.o.Clients {
		name = "eventTemplateId"
	}
	list := []any{}
	for _, t := range c.sim.templates {
		times := []any{}
		for _, e := range c.sim.between(from, to, t.ID) {
			times = append(times, c.sim.shownTime(e))
		}
		if len(times) > 0 {
			list = append(list, map[string]any{name: t.ID, "times": times})
		}
	}
	c.answer(list)
}

// calendar is GET /v2/b2c/event/templates/calendar, and /{id}/calendar, which gives
// two months from its first event on where the span has none.
func (c *call) calendar() {
	if !c.query("startTime", "endTime", "saleChannel", "type", "membershipId", "membershipCategoryId") {
		return
	}
	from, to := c.span()
	template := c.r.PathValue("id")
	if template != "" && len(c.sim.between(from, to, template)) == 0 {
		if all := c.sim.between(time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), template); len(all) > 0 {
			from = all[0].Start
			to = from.AddDate(0, 2, 0)
		}
	}
	list := []any{}
	at := from.In(c.sim.o.Zone)
	for day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location()); !day.After(to); day = day.AddDate(0, 0, 1) {
		events := c.sim.between(day, day.AddDate(0, 0, 1).Add(-time.Second), template)
		list = append(list, map[string]any{"date": iso(day, c.sim.o.Zone), "active": len(events) > 0})
	}
	if c.sim.o.Clients {
		c.answer(map[string]any{"days": list})
		return
	}
	c.answer(list)
}
