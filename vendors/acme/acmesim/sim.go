// Package acmesim is a simulator of ACME Ticketing's API, written from the vendor's
// documents and the client code that is public: check-in by its three paths, undo,
// event instances, and the whole event calendar. It is strict where those speak
// (headers per path, required fields, a terminal that it knows, parameters and their
// values) and is for tests and demonstrations; its state is in memory.
//
// What the documents leave open, and is chosen here: the values of checkInStatus
// ([MadeUp]; ACME's own are not public), HTTP 401 for a wrong key, 400 for what is
// required and missing or wrong, 404 for an id that is not known, and that a barcode
// is a ticket's UUID where a ticket names no other.
package acmesim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Statuses are the values of checkInStatus, one for each outcome that staff are shown.
type Statuses struct {
	Admitted, AlreadyUsed, TooEarly, TooLate, WrongEvent, NotFound, Blocked int64
}

// MadeUp are this simulator's own values.
func MadeUp() Statuses {
	return Statuses{Admitted: 555, AlreadyUsed: 20, TooEarly: 30, TooLate: 40, WrongEvent: 60, NotFound: 70, Blocked: 80}
}

// Options say what the tenant is like.
type Options struct {
	// Key is the API key, Tenant the tenant's id; empty: the demonstration's.
	Key, Tenant string
	// Terminals are those set up in Back Office; none: the demonstration's.
	Terminals []string
	// Statuses are the values of checkInStatus; zero: [MadeUp].
	Statuses Statuses
	// Zone is the tenant's; nil: UTC.
	Zone *time.Location
	// Clients spells the contradictory fields as clients read them, not as the document
	// has them: availableSeats, eventTemplateId, a calendar as {"days": [...]}.
	Clients bool
	// Now is the simulator's clock; nil: the machine's.
	Now func() time.Time
}

// Window is a check-in window, in minutes before and after the event's start.
type Window struct {
	Before     *int `json:"minutesBefore,omitempty"`
	After      *int `json:"minutesAfter,omitempty"`
	BlockScan  bool `json:"blockScan"`
	AutoRebook bool `json:"autoRebook"`
}

// Minutes gives a window.
func Minutes(before, after int) *Window { return &Window{Before: &before, After: &after} }

// Template is an event template; an event without a window of its own has its
// template's.
type Template struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Window *Window `json:"window"`
}

// Event is an event instance.
type Event struct {
	ID       string    `json:"id"`
	Template string    `json:"template"`
	Name     string    `json:"name"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Window   *Window   `json:"window"`
	State    string    `json:"state"`
	// Capacity bounds rebooking; 0: none.
	Capacity int      `json:"capacity"`
	Places   []string `json:"places"`
}

// Ticket is a ticket, or a membership card where it has a Level.
type Ticket struct {
	Code string `json:"code"`
	// UUID is empty where it is the code.
	UUID  string `json:"uuid"`
	Event string `json:"event"`
	// Type is the ticket type's name.
	Type string `json:"type"`
	// Level, Card and Standing are a membership card's.
	Level    string `json:"level"`
	Card     string `json:"card"`
	Standing string `json:"standing"`
}

func (t Ticket) uuid() string {
	if t.UUID != "" {
		return t.UUID
	}
	return t.Code
}

// Entry is a check-in that was made.
type Entry struct {
	Code string `json:"code"`
	UUID string `json:"uuid"`
	// Event is the one checked into, Bought the one that was paid for.
	Event    string    `json:"event"`
	Bought   string    `json:"bought"`
	At       time.Time `json:"at"`
	Terminal string    `json:"terminal,omitempty"`
	Undone   bool      `json:"undone,omitempty"`
}

// Sim is the simulator. It is an http.Handler.
type Sim struct {
	o   Options
	mux *http.ServeMux

	mu        sync.Mutex // guards what follows
	key       string
	offset    time.Duration
	templates []Template
	events    []Event
	tickets   map[string]Ticket
	generated int
	entries   []Entry
	// inside are the check-ins that stand, by code.
	inside map[string]int
	calls  map[string]int
	faults []fault
}

// fault is an answer that calls get, acting on nothing: an HTTP status, or a
// checkInStatus where http is 0.
type fault struct {
	call   string
	http   int
	status int64
	times  int
}

// New makes an empty simulator.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Key == "" {
		o.Key = DemoKey
	}
	if o.Tenant == "" {
		o.Tenant = DemoTenant
	}
	if o.Terminals == nil {
		o.Terminals = []string{DemoTerminal}
	}
	if o.Statuses == (Statuses{}) {
		o.Statuses = MadeUp()
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	s := &Sim{o: o, key: o.Key, tickets: map[string]Ticket{}, inside: map[string]int{}, calls: map[string]int{}}
	s.mux = s.routes()
	return s
}

// AddTemplates adds templates, or replaces those with the same id.
func (s *Sim) AddTemplates(templates ...Template) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range templates {
		s.templates = put(s.templates, t, func(old Template) bool { return old.ID == t.ID })
	}
}

// AddEvents adds events, or replaces those with the same id.
func (s *Sim) AddEvents(events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.events = put(s.events, e, func(old Event) bool { return old.ID == e.ID })
	}
}

func put[T any](list []T, one T, same func(T) bool) []T {
	if i := slices.IndexFunc(list, same); i >= 0 {
		list[i] = one
		return list
	}
	return append(list, one)
}

// AddTickets adds tickets, or replaces those with the same code.
func (s *Sim) AddTickets(tickets ...Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tickets {
		s.tickets[t.Code] = t
	}
}

// Generate gives n more tickets, see [Generated].
func (s *Sim) Generate(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated = n
}

// SetClock puts the simulator's clock off the machine's.
func (s *Sim) SetClock(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// SetKey changes the API key that is right.
func (s *Sim) SetKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// SetFault makes the next calls of that name (empty: any) answer with an HTTP status,
// acting on nothing, times times; 0: no more of that name.
func (s *Sim) SetFault(call string, status, times int) {
	s.set(fault{call: call, http: status, times: times})
}

// SetStatus makes the next check-ins answer with a checkInStatus, acting on nothing,
// times times; 0: no more.
func (s *Sim) SetStatus(status int64, times int) {
	s.set(fault{call: CheckIn, status: status, times: times})
}

func (s *Sim) set(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.times == 0 {
		s.faults = slices.DeleteFunc(s.faults, func(old fault) bool { return old.call == f.call && (old.http == 0) == (f.http == 0) })
		return
	}
	s.faults = append(s.faults, f)
}

// Entries are all check-ins, in order, those undone included.
func (s *Sim) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Entered is how often a ticket was checked in.
func (s *Sim) Entered(code string) int {
	n := 0
	for _, e := range s.Entries() {
		if e.Code == code {
			n++
		}
	}
	return n
}

// Calls is how often a call was made, refused ones included.
func (s *Sim) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// clock is the simulator's time; the mutex is held.
func (s *Sim) clock() time.Time { return s.o.Now().Add(s.offset).In(s.o.Zone) }
