// Package archticssim is a simulator of Ticketmaster's Archtics Season Ticketing
// API, written from the vendor's documents: it is strict where they speak. It is for
// tests and demonstrations; its state is in memory.
//
// Strict: POST to /{product}/ticketing_services.aspx, the key in the header apikey,
// JSON, the dsn in the URL and the same one in the body, header and command1, a known
// cmd and uid, required fields of the public tables; while a call is at work, the
// same body with every cookie that was set; the quota, which every request uses.
//
// What the documents leave open, and is chosen here: 404 for a dsn that is not known,
// 5014 for two that differ and for another uid, 5011 for an envelope that is not
// whole, 5024 for an unknown barcode, the fields of verify_barcode (those of
// seats_sold, flat, or in an array: [Sim.SetNested]) and of both kinds of attendance
// (those that other people load), [SinceField], pages of [Options].PageSize of which
// the last is empty.
package archticssim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The demonstration's access.
const (
	DemoKey = "demo"
	DemoUID = "user99"
	DemoDSN = "apigee"
	Product = "sth-customer"
	// SinceField is where get_attendance_incremental wants its moment.
	SinceField = "start_date_time"
)

// Options say what the database is like.
type Options struct {
	// Key is the API key, UID the user id, DSN the database; empty: the
	// demonstration's.
	Key, UID, DSN string
	// PerMinute and PerDay are the quota; 0: 80 and 5000.
	PerMinute, PerDay int
	// Hold is how long a request is kept waiting before it is answered 202.
	Hold time.Duration
	// PollingDelay is how long ats_ext_test_polling takes; 0: 10 s.
	PollingDelay time.Duration
	// PageSize is how many scans a page of attendance has; 0: 100.
	PageSize int
	// Zone is the venue's; nil: UTC.
	Zone *time.Location
	// Now is the simulator's clock; nil: the machine's.
	Now func() time.Time
}

// Event is one event.
type Event struct {
	Name        string `json:"event_name"`
	Description string `json:"event_description,omitempty"`
	// Starts is when it begins, Minutes how long it takes.
	Starts  time.Time `json:"-"`
	Minutes int       `json:"event_duration,omitempty"`
	Venue   string    `json:"venue_name,omitempty"`
	Season  string    `json:"season_name,omitempty"`
	// Category is E, P (parking) or O.
	Category string `json:"event_category,omitempty"`
}

// Ticket is one barcode. More are fields that its look-up has beside the usual ones.
type Ticket struct {
	Barcode string         `json:"barcode"`
	Event   string         `json:"event_name"`
	Section string         `json:"section_name"`
	Row     string         `json:"row_name"`
	Seat    int            `json:"seat_num"`
	Account int            `json:"acct_id,omitempty"`
	First   string         `json:"first_name,omitempty"`
	Last    string         `json:"last_name,omitempty"`
	More    map[string]any `json:"more,omitempty"`
}

// Scan is a row of the attendance.
type Scan struct {
	Event   string    `json:"event_name"`
	Section string    `json:"section_name"`
	Row     string    `json:"row_name"`
	Seat    int       `json:"seat_num"`
	At      time.Time `json:"at"`
	Gate    string    `json:"gate"`
	// Result is result_code, Kind scan_type; 0 and empty: an entry at a gate.
	Result int    `json:"result_code"`
	Kind   string `json:"scan_type"`
}

// Sim is the simulator. It is an http.Handler.
type Sim struct {
	o Options

	mu        sync.Mutex // guards what follows
	key       string
	offset    time.Duration
	events    []Event
	tickets   map[string]Ticket
	generated int
	scans     []Scan
	nested    bool
	delays    map[string]time.Duration
	jobs      map[string]*job
	lastJob   int
	faults    []fault
	canned    map[string]string
	requests  []time.Time
	calls     map[string]int
	answered  map[string]int
	lookups   map[string]int
}

// fault is a result that calls are answered with.
type fault struct {
	cmd, words string
	result     int
	times      int
}

// New makes an empty simulator.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	for _, d := range []struct {
		into *string
		or   string
	}{{&o.Key, DemoKey}, {&o.UID, DemoUID}, {&o.DSN, DemoDSN}} {
		if *d.into == "" {
			*d.into = d.or
		}
	}
	for _, d := range []struct {
		into *int
		or   int
	}{{&o.PerMinute, 80}, {&o.PerDay, 5000}, {&o.PageSize, 100}} {
		if *d.into == 0 {
			*d.into = d.or
		}
	}
	if o.PollingDelay == 0 {
		o.PollingDelay = 10 * time.Second
	}
	return &Sim{
		o: o, key: o.Key, tickets: map[string]Ticket{}, delays: map[string]time.Duration{"ats_ext_test_polling": o.PollingDelay}, jobs: map[string]*job{},
		canned: map[string]string{}, calls: map[string]int{}, answered: map[string]int{}, lookups: map[string]int{},
	}
}

// AddEvent adds events.
func (s *Sim) AddEvent(events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	slices.SortFunc(s.events, func(a, b Event) int { return strings.Compare(a.Name, b.Name) })
}

// AddTickets adds tickets, or replaces those with the same barcode.
func (s *Sim) AddTickets(tickets ...Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tickets {
		s.tickets[t.Barcode] = t
	}
}

// Attend adds rows to the attendance: what other gates have scanned.
func (s *Sim) Attend(scans ...Scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scans = append(s.scans, scans...)
}

// SetKey changes the API key that is right.
func (s *Sim) SetKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// SetClock puts the simulator's clock off the machine's.
func (s *Sim) SetClock(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// SetQuota changes the quota.
func (s *Sim) SetQuota(minute, day int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.PerMinute, s.o.PerDay = minute, day
}

// SetDelay is how long calls of that name are at work from now on.
func (s *Sim) SetDelay(cmd string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays[cmd] = d
}

// SetNested puts the fields of verify_barcode into an array of that name.
func (s *Sim) SetNested(nested bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nested = nested
}

// SetResult makes the next calls of that name answer with a result, acting on
// nothing, times times. 0 times: no more of that name.
func (s *Sim) SetResult(cmd string, result int, words string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		s.faults = slices.DeleteFunc(s.faults, func(f fault) bool { return f.cmd == cmd })
		return
	}
	s.faults = append(s.faults, fault{cmd, words, result, times})
}

// SetAnswer is the body of every answer to calls of that name; empty: the true one.
func (s *Sim) SetAnswer(cmd, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body == "" {
		delete(s.canned, cmd)
		return
	}
	s.canned[cmd] = body
}

// Calls is how often a call was begun, refused ones included.
func (s *Sim) Calls(cmd string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[cmd]
}

// Requests are the moments of all requests, polls and refused ones included.
func (s *Sim) Requests() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Answered is how often a call was answered with 200.
func (s *Sim) Answered(cmd string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered[cmd]
}

// Lookups is how often a barcode was looked up.
func (s *Sim) Lookups(barcode string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups[barcode]
}

// clock is the simulator's time; the mutex is held.
func (s *Sim) clock() time.Time { return s.o.Now().Add(s.offset) }

// CallName names the request's call, which is in its body; empty: none.
func CallName(r *http.Request) string {
	if !strings.HasSuffix(r.URL.Path, resource) {
		return ""
	}
	return peek(r)
}
