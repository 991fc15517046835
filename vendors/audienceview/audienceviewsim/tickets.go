package audienceviewsim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// tooOld is how old a scan may be for syncScans.
const tooOld = 48 * time.Hour

type address struct {
	Line1   string `json:"line1"`
	Line2   string `json:"line2"`
	City    string `json:"city"`
	State   string `json:"state"`
	ZipCode string `json:"zipCode"`
	Country string `json:"country"`
}

type phone struct {
	Number string `json:"phoneNumber"`
	Type   string `json:"type"`
}

type patron struct {
	Email    *string  `json:"email"`
	First    string   `json:"firstName"`
	Last     string   `json:"lastName"`
	Billing  *address `json:"billingAddress"`
	Shipping *address `json:"shippingAddress"`
	Phone    *phone   `json:"primaryPhoneNumber"`
}

// PrivateMail and PrivatePhone stand in every patron, so that a test can look
// for where they must not be.
const (
	PrivateMail  = "patron.private@example.org"
	PrivatePhone = "212-555-1234"
)

func patronOf(t Ticket) *patron {
	home := &address{"123 Main St", "Floor 123", "New York", "NY", "10108", "US"}
	mail := PrivateMail
	return &patron{&mail, t.First, t.Last, home, home, &phone{PrivatePhone, "Home"}}
}

type validateReply struct {
	envelope
	Name        *string `json:"name"`
	Performance *string `json:"performance"`
	Section     *string `json:"section"`
	Seat        *string `json:"seat"`
	Scanned     *int64  `json:"ticketsScanned"`
	Sold        *int64  `json:"ticketsSold"`
	Message     *string `json:"successMsg"`
	Patron      *patron `json:"patron"`
}

func (c *call) validateTicket() {
	var barcode string
	var client, production, performance int64
	if !c.field("barcodeString", &barcode) || barcode == "" || !c.field("clientId", &client) ||
		!c.optional("productionId", &production) || !c.optional("performanceId", &performance) {
		c.json(validateReply{envelope: failed(15, c.expires)})
		return
	}
	s := c.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	t, series, show, id := c.judge(barcode, client, production, performance)
	if id != 0 {
		c.json(validateReply{envelope: failed(id, c.expires)})
		return
	}
	s.used[barcode] = true
	s.scans = append(s.scans, Scan{Ticket: t.ID, Performance: t.Performance, Barcode: barcode, At: s.clock()})
	one, text := int64(1), showText(series, show)
	message := fmt.Sprintf("<div style='font-size:1.4em;background-color:green;color:white;padding:5px;'><div>%s: %s</div><div>%s</div><div>%s</div><div>1 scanned of 1 sold.</div></div>",
		html.EscapeString(t.Section), html.EscapeString(t.Seat), html.EscapeString(t.Consumer), html.EscapeString(text))
	out := validateReply{
		envelope: envelope{Expires: c.expires}, Name: &t.Consumer, Performance: &text, Section: &t.Section, Seat: &t.Seat,
		Scanned: &one, Sold: &one, Message: &message,
	}
	if c.user.Patrons {
		out.Patron = patronOf(t)
	}
	c.json(out)
}

// judge gives the ticket, or the id of what is wrong with it; the mutex is held.
func (c *call) judge(barcode string, client, production, performance int64) (Ticket, Production, Performance, int) {
	s := c.sim
	t, known := s.find(barcode)
	owner, series, show, placed := s.place(t.Performance)
	id := 0
	switch {
	case !c.may(client):
		id = 7
	case !known || !placed:
		id = 11
	case owner.ID != client:
		id = 8
	case production != 0 && series.ID != production:
		id = 9
	case performance != 0 && show.ID != performance:
		id = 10
	case t.Voided:
		id = 13
	case t.Refunded:
		id = 14
	case t.Scanned:
		id = 12
	case !s.open(show):
		id = 10
	}
	return t, series, show, id
}

// showText is such as "Spamalot: Sep 18 4:00PM Tue".
func showText(p Production, f Performance) string {
	return p.Name + ": " + f.Start.UTC().Format("Jan 2 3:04PM Mon")
}

type listTicket struct {
	ID          int64   `json:"ticketId"`
	Performance int64   `json:"performanceId"`
	Production  string  `json:"productionName"`
	Start       int64   `json:"performanceStartDate"`
	Barcode     string  `json:"barcode"`
	Scanned     bool    `json:"alreadyScanned"`
	Dead        bool    `json:"refundedOrVoided"`
	Consumer    string  `json:"orderConsumerName"`
	Text        string  `json:"performance"`
	Section     string  `json:"section"`
	Seat        string  `json:"seat"`
	OrderCount  *int64  `json:"ticketsScanned"`
	Sold        int64   `json:"ticketsSold"`
	Patron      *patron `json:"patron"`
}

// validTickets writes the list as it goes: its size costs no memory.
func (c *call) validTickets() {
	query := c.r.URL.Query()
	client, ok1 := number(query, "clientId", true)
	production, ok2 := number(query, "productionId", false)
	performance, ok3 := number(query, "performanceId", false)
	s := c.sim
	s.mu.Lock()
	mode := s.list
	allowed := c.may(client)
	shows := c.shows(client, production, performance)
	s.mu.Unlock()
	switch {
	case !ok1 || !ok2 || !ok3:
		c.json(failed(15, c.expires))
		return
	case !allowed:
		c.json(failed(7, c.expires))
		return
	}
	if mode == ListForeign {
		client++
	}
	c.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	out := bufio.NewWriterSize(c.w, 64<<10)
	fmt.Fprintf(out, `{"accessTokenExpiration":%d,"error":false,"errorMessageHTML":null,"errorDetails":null,"clientId":%d,"productionId":%s,"performanceId":%s,"tickets":[`,
		*c.expires, client, orNull(production), orNull(performance))
	n := 0
	for _, show := range shows {
		if mode == ListEmpty {
			break
		}
		ended := show.tickets(func(t listTicket) bool {
			raw, err := json.Marshal(t)
			if err != nil {
				return false
			}
			again := 1
			if mode == ListDouble && n == 0 {
				again = 2
			}
			for range again {
				if n > 0 {
					_ = out.WriteByte(',')
				}
				n++
				if _, err := out.Write(raw); err != nil {
					return false
				}
			}
			return mode != ListCut || n < show.count/2
		})
		if !ended {
			_ = out.Flush()
			panic(http.ErrAbortHandler)
		}
	}
	_, _ = out.WriteString("]}")
	_ = out.Flush()
}

// show is a performance of a list, with its tickets as they were then.
type show struct {
	sim        *Sim
	production Production
	show       Performance
	text       string
	own        []Ticket
	generated  int
	count      int
}

// shows are the open performances of the filters; the mutex is held.
func (c *call) shows(client, production, performance int64) []show {
	s := c.sim
	var out []show
	for _, k := range s.clients {
		for _, p := range k.Productions {
			for _, f := range p.Performances {
				if k.ID != client || production != 0 && p.ID != production || performance != 0 && f.ID != performance || !s.open(f) {
					continue
				}
				one := show{sim: s, production: p, show: f, text: showText(p, f), generated: s.generated[f.ID]}
				for _, barcode := range s.order {
					if t, ok := s.find(barcode); ok && t.Performance == f.ID {
						one.own = append(one.own, t)
					}
				}
				one.count = len(one.own) + one.generated
				out = append(out, one)
			}
		}
	}
	return out
}

// tickets gives each ticket until yield says no; it tells whether all were given.
func (w show) tickets(yield func(listTicket) bool) bool {
	for _, t := range w.own {
		if !yield(w.entry(t)) {
			return false
		}
	}
	w.sim.mu.Lock()
	used := maps.Clone(w.sim.used)
	w.sim.mu.Unlock()
	for i := range w.generated {
		t := Generated(w.show.ID, i)
		t.Scanned = used[t.Barcode]
		if !yield(w.entry(t)) {
			return false
		}
	}
	return true
}

func (w show) entry(t Ticket) listTicket {
	return listTicket{
		ID: t.ID, Performance: t.Performance, Production: w.production.Name, Start: w.show.Start.UnixMilli(), Barcode: t.Barcode,
		Scanned: t.Scanned, Dead: t.Voided || t.Refunded, Consumer: t.Consumer, Text: w.text,
		Section: t.Section, Seat: t.Seat, Sold: 1, Patron: patronOf(t),
	}
}

func number(query url.Values, name string, required bool) (int64, bool) {
	text := query.Get(name)
	if text == "" {
		return 0, !required
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func orNull(id int64) string {
	if id == 0 {
		return "null"
	}
	return strconv.FormatInt(id, 10)
}

type syncFailure struct {
	Barcode string `json:"barcode"`
	Reason  string `json:"reason"`
}

// syncScans takes scans one by one: each that is not listed as failed is taken.
func (c *call) syncScans() {
	var client, production, performance int64
	var tickets []map[string]json.RawMessage
	if !c.field("clientId", &client) || !c.optional("productionId", &production) ||
		!c.optional("performanceId", &performance) || !c.field("tickets", &tickets) {
		c.json(failed(15, c.expires))
		return
	}
	s := c.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.may(client) {
		c.json(failed(7, c.expires))
		return
	}
	out := struct {
		Failed []syncFailure `json:"failedBarcodes"`
	}{[]syncFailure{}}
	var taken []Scan
	for _, raw := range tickets {
		one := &call{body: raw}
		var id, show, at int64
		var barcode string
		if !one.field("ticketId", &id) || !one.field("performanceId", &show) || !one.field("barcode", &barcode) || !one.field("scanTime", &at) {
			c.json(failed(15, c.expires))
			return
		}
		if reason := c.syncFault(client, id, show, barcode, time.UnixMilli(at)); reason != "" {
			out.Failed = append(out.Failed, syncFailure{barcode, reason})
			continue
		}
		taken = append(taken, Scan{Ticket: id, Performance: show, Barcode: barcode, At: time.UnixMilli(at).UTC(), Synced: true})
	}
	for _, scan := range taken {
		s.used[scan.Barcode] = true
	}
	s.scans = append(s.scans, taken...)
	c.json(out)
}

// syncFault gives the document's words for what is wrong; the mutex is held.
func (c *call) syncFault(client, id, performance int64, barcode string, at time.Time) string {
	s := c.sim
	t, known := s.find(barcode)
	owner, _, _, _ := s.place(t.Performance)
	switch now := s.clock(); {
	case !known || t.ID != id:
		return "Ticket ID not found."
	case owner.ID != client:
		return fmt.Sprintf("Ticket does not belong to client #%d", client)
	case t.Performance != performance:
		return fmt.Sprintf("Ticket does not belong to performance #%d", performance)
	case t.Voided || t.Refunded:
		return "Ticket is refunded or voided."
	case at.After(now):
		return "Scan time is in the future."
	case at.Before(now.Add(-tooOld)):
		return "Scan time is more than 48 hours ago. We cannot process scans that old."
	}
	return ""
}

// Counts tells how often each barcode was scanned, in the order of barcodes.
func (s *Sim) Counts() map[string]int {
	counts := map[string]int{}
	for _, scan := range s.Scans() {
		counts[scan.Barcode]++
	}
	return counts
}

// Barcodes are those of all scans, sorted, each once.
func (s *Sim) Barcodes() []string { return slices.Sorted(maps.Keys(s.Counts())) }
