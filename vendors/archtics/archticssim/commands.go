package archticssim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// handlers are the calls that are served; the mutex is held in each.
func handlers() map[string]func(*call) {
	return map[string]func(*call){
		"ping":                       (*call).ping,
		"ats_ext_test_polling":       func(c *call) { c.result(0, 0, "", nil) },
		"system_options":             (*call).systemOptions,
		"event_search":               (*call).eventSearch,
		"event_details":              (*call).eventDetails,
		"seats_sold":                 (*call).seatsSold,
		"verify_barcode":             (*call).verifyBarcode,
		"get_attendance":             (*call).attendance,
		"get_attendance_incremental": (*call).incremental,
		"get_event_manifest":         (*call).manifest,
	}
}

// ping answers as the vendor's sample does, in which a database that is well has
// system_available 0.
func (c *call) ping() {
	c.result(0, 0, "", map[string]any{
		"system_available": 0, "digit_available": 0, "cpu_load": 3, "cpu_usage": 12.5, "db_connections": 41, "active_requests": 1,
		"unscheduled_requests": 0, "db_name": c.sim.o.DSN,
	})
}

func (c *call) systemOptions() {
	c.result(0, 0, "", map[string]any{
		"classes":      []map[string]any{{"class_name": "GA", "class_id": 1}},
		"ticket_types": []map[string]any{{"ticket_type": "Adult", "ticket_type_code": "A"}},
	})
}

// verifyBarcode looks a ticket up. It says nothing of entries.
func (c *call) verifyBarcode() {
	s := c.sim
	barcode := c.text("barcode")
	s.lookups[barcode]++
	if barcode == "" {
		c.result(5011, 0, "barcode is missing", nil)
		return
	}
	t, have := s.tickets[barcode]
	if !have {
		t, have = s.generatedTicket(barcode)
	}
	if !have {
		c.result(5024, noRows, "barcode not found", nil)
		return
	}
	fields := map[string]any{
		"event_name": t.Event, "section_name": t.Section, "row_name": t.Row, "seat_num": t.Seat, "price_code": "AA", "purchase_price": 45.5,
	}
	if t.Account != 0 {
		fields["acct_id"] = t.Account
	}
	if t.First+t.Last != "" {
		fields["first_name"], fields["last_name"] = t.First, t.Last
	}
	for name, value := range t.More {
		fields[name] = value
	}
	if s.nested {
		fields = map[string]any{"barcodes": []map[string]any{fields}}
	}
	c.result(0, 0, "", fields)
}

const noRows = 100

func (c *call) attendance() {
	event, account := c.text("event_name"), c.text("acct_id")
	if event == "" && account == "" {
		c.result(5011, 0, "event_name or acct_id is missing", nil)
		return
	}
	c.pageOf(func(scan Scan) bool { return event == "" || scan.Event == event })
}

func (c *call) incremental() {
	text := c.text(SinceField)
	since, err := time.ParseInLocation("2006-01-02 15:04", text, c.sim.o.Zone)
	if err != nil {
		c.result(5011, 0, SinceField+" is missing", nil)
		return
	}
	c.pageOf(func(scan Scan) bool { return !scan.At.Before(since) })
}

// pageOf answers with one page of the scans that fit.
func (c *call) pageOf(fits func(Scan) bool) {
	s := c.sim
	page, err := strconv.Atoi(c.text("page"))
	if err != nil || page < 0 {
		c.result(5014, 0, "page is no number", nil)
		return
	}
	var rows []map[string]any
	for _, scan := range s.scans {
		if !fits(scan) {
			continue
		}
		at := scan.At.In(s.o.Zone)
		kind := scan.Kind
		if kind == "" {
			kind = "S"
		}
		rows = append(rows, map[string]any{
			"event_name": scan.Event, "event_date": at.Format(time.DateOnly), "section_name": scan.Section, "row_name": scan.Row, "seat_num": scan.Seat,
			"scan_type": kind, "result_code": scan.Result, "action_time": at.Format(time.TimeOnly), "gate": scan.Gate, "acct_id": 1,
		})
	}
	from := min(page*s.o.PageSize, len(rows))
	rows = rows[from:min(from+s.o.PageSize, len(rows))]
	if len(rows) == 0 {
		c.result(0, noRows, "", map[string]any{"attendance": []any{}})
		return
	}
	c.result(0, 0, "", map[string]any{"attendance": rows})
}

func (c *call) eventSearch() {
	s := c.sim
	from, to := s.clock(), s.clock().AddDate(0, 0, 90)
	for name, into := range map[string]*time.Time{"start_date": &from, "end_date": &to} {
		if text := c.text(name); text != "" {
			day, err := time.ParseInLocation(time.DateOnly, text, s.o.Zone)
			if err != nil {
				c.result(5211, 0, name+" is not valid", nil)
				return
			}
			*into = day
		}
	}
	to = to.AddDate(0, 0, 1)
	events := []map[string]any{}
	for _, e := range s.events {
		if !e.Starts.Before(from) && e.Starts.Before(to) {
			events = append(events, map[string]any{"event_name": e.Name, "availability": 1})
		}
	}
	if len(events) == 0 {
		c.result(5212, noRows, "no events found", nil)
		return
	}
	c.result(0, 0, "", map[string]any{"events": events})
}

func (c *call) eventDetails() {
	s := c.sim
	filter, kind := c.text("event_filter"), c.text("event_filter_type")
	if filter != "" && kind != "L" || strings.Contains(filter, " ") {
		c.result(5211, 0, "event_filter is not valid", nil)
		return
	}
	count := 500
	if text := c.text("count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			c.result(5211, 0, "count is not valid", nil)
			return
		}
		count = n
	}
	wanted := strings.Split(filter, ",")
	events := []map[string]any{}
	for _, e := range s.events {
		if filter != "" && !slices.Contains(wanted, e.Name) || e.Name <= c.text("prev_event_name") || len(events) == count {
			continue
		}
		events = append(events, s.details(e))
	}
	if len(events) == 0 {
		c.result(5231, noRows, "no events found", nil)
		return
	}
	c.result(0, 0, "", map[string]any{"count": len(events), "events": events})
}

func (s *Sim) details(e Event) map[string]any {
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	at := e.Starts.In(s.o.Zone)
	m["event_date"], m["event_time"], m["plan_type"], m["archtics_venue_id"] = at.Format(time.DateOnly), at.Format("15:04"), "N", "1"
	return m
}

func (c *call) seatsSold() {
	account, err := strconv.Atoi(c.text("acct_id"))
	if err != nil {
		c.result(5061, 0, "acct_id is missing", nil)
		return
	}
	blocks := []map[string]any{}
	for _, t := range c.sim.tickets {
		if t.Account == account {
			blocks = append(blocks, map[string]any{
				"event_name": t.Event, "section_name": t.Section, "row_name": t.Row, "seat_num": t.Seat, "num_seat": 1, "last_seat": t.Seat,
				"seat_status_ind": "A", "atomic_seats": []map[string]any{{"atomic_seat": t.Seat, "barcode": t.Barcode, "ticket_status": "PB"}},
			})
		}
	}
	if len(blocks) == 0 {
		c.result(5069, noRows, "no blocks found", nil)
		return
	}
	slices.SortFunc(blocks, func(a, b map[string]any) int { return a["seat_num"].(int) - b["seat_num"].(int) })
	c.result(0, 0, "", map[string]any{"Count": len(blocks), "seats_array": blocks})
}

func (c *call) manifest() {
	event := c.text("event_name")
	if event == "" {
		c.result(5011, 0, "event_name is missing", nil)
		return
	}
	seats := []map[string]any{}
	for _, t := range c.sim.tickets {
		if t.Event == event {
			seats = append(seats, map[string]any{"section_name": t.Section, "row_name": t.Row, "seat_num": t.Seat})
		}
	}
	if len(seats) == 0 {
		c.result(5024, noRows, "no such event", nil)
		return
	}
	c.result(0, 0, "", map[string]any{"seats": seats})
}
