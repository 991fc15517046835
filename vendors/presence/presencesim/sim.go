// Package presencesim is a simulator of Ticketmaster's Presence API, written from
// the vendor's documents alone: it serves the documented calls field by field and
// refuses what they do not allow. It is for tests and demonstrations; its state is
// in memory.
//
// What the documents leave open, and is chosen here: HTTP 200 beside every status
// ([Sim.SetHTTP] gives refusals another), 401 for a wrong key, BAD_REQUEST for a
// device or gate that is not configured or not that device's, and [UploadPath],
// whose format is not public: there only what the document says of it is checked,
// the scan's own time and its device.
package presencesim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is the kind of a gate.
type Kind string

// The kinds. External is what the vendor takes a gate for that is not set up.
const (
	External Kind = "external"
	Internal Kind = "internal"
)

// Base is what every path stands behind, and UploadPath where uploads go behind
// it: at {direction} stands enter or exit.
const (
	Base       = "/presence/v1"
	UploadPath = "/ticket/upload/{direction}"
)

// duplicateWindow is within what a second scan of a ticket is a DUPLICATE.
const duplicateWindow = 2 * time.Second

// Options say what the venue is like.
type Options struct {
	// Key is the API key, Venue the venue's id; empty: the demonstration's.
	Key, Venue string
	// Kind is what gates are that [Sim.SetGate] does not name; empty: external.
	Kind Kind
	// ExitRequired: at internal gates a second entry needs an exit first.
	ExitRequired bool
	// Reentry: an external entry after an external exit is accepted; the documents do
	// not say.
	Reentry bool
	// AnyTime switches DUPLICATE off, for stories that go faster than people.
	AnyTime bool
	// TextIDs gives ids as text, as one of the vendor's samples does.
	TextIDs bool
	// Now is the simulator's clock; nil: the machine's.
	Now func() time.Time
}

// Gate is how a gate is set up.
type Gate struct {
	Kind         Kind
	ExitRequired bool
}

// Device is a configured device.
type Device struct {
	ID       int64  `json:"id"`
	Venue    string `json:"venueId"`
	Name     string `json:"name"`
	MAC      string `json:"mac"`
	IP       string `json:"ip"`
	GateID   int64  `json:"gateId"`
	GateName string `json:"gateName"`
	Serial   string `json:"serial"`
	Model    string `json:"model"`
}

// Event is one show; its tickets are known from Opens to Closes alone. Zero:
// always.
type Event struct {
	ID            string
	Opens, Closes time.Time
}

// Ticket is one ticket. Status, where set, is what every scan of it is answered,
// such as MARK_RESTRICTION.
type Ticket struct {
	Token  string `json:"token"`
	Event  string `json:"event"`
	Place  string `json:"place"`
	Status string `json:"status"`
}

// Entry is a movement that the simulator took.
type Entry struct {
	Token string `json:"token"`
	// Exit: a person left. Internal: at an internal gate.
	Exit     bool `json:"exit"`
	Internal bool `json:"internal"`
	// At is the scan's own time, Received when it came.
	At       time.Time `json:"at"`
	Received time.Time `json:"received"`
	Device   int64     `json:"device"`
	Gate     int64     `json:"gate"`
	// Uploaded: made offline.
	Uploaded bool `json:"uploaded"`
}

// state is where a ticket is.
type state struct {
	entered, exited, inside bool
}

// Sim is the simulator. It is an http.Handler; every path stands behind [Base].
type Sim struct {
	o Options

	mu        sync.Mutex // guards what follows
	key       string
	offset    time.Duration
	gates     map[string]Gate
	gateIDs   map[string]int64
	devices   []Device
	lastID    int64
	events    map[string]Event
	tickets   map[string]Ticket
	generated int
	states    map[string]state
	last      map[string]time.Time
	entries   []Entry
	calls     map[string]int
	faults    []fault
	http      int
}

// fault is a status that calls are answered with, acting on nothing.
type fault struct {
	call, status string
	http, times  int
}

// New makes an empty simulator.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Key == "" {
		o.Key = DemoKey
	}
	if o.Venue == "" {
		o.Venue = DemoVenue
	}
	if o.Kind == "" {
		o.Kind = External
	}
	return &Sim{
		o: o, key: o.Key, gates: map[string]Gate{}, gateIDs: map[string]int64{}, events: map[string]Event{}, tickets: map[string]Ticket{},
		states: map[string]state{}, last: map[string]time.Time{}, calls: map[string]int{}, http: http.StatusOK,
	}
}

// Handler is the simulator itself.
func (s *Sim) Handler() http.Handler { return s }

// SetGate sets a gate up by its name.
func (s *Sim) SetGate(name string, g Gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates[name] = g
}

// AddEvent adds or replaces an event.
func (s *Sim) AddEvent(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[e.ID] = e
}

// AddTicket adds tickets that are valid at any time, at one place each.
func (s *Sim) AddTicket(tokens ...string) {
	for _, token := range tokens {
		s.AddTickets(Ticket{Token: token, Place: "PIT1:3:4"})
	}
}

// AddTickets adds tickets, or replaces those with the same token.
func (s *Sim) AddTickets(tickets ...Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tickets {
		s.tickets[t.Token] = t
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

// SetHTTP is the HTTP status that comes with every refusal from now on.
func (s *Sim) SetHTTP(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http = status
}

// SetFault makes the next calls of that name (empty: any) answer with a status,
// times times, beside an HTTP status (0: 200); the call is not acted on. 0 times:
// no more of that name.
func (s *Sim) SetFault(call, status string, http, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		s.faults = slices.DeleteFunc(s.faults, func(f fault) bool { return f.call == call })
		return
	}
	s.faults = append(s.faults, fault{call, status, http, times})
}

// ForgetDevices takes all devices off the venue.
func (s *Sim) ForgetDevices() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = nil
}

// MoveDevice puts the device with that MAC to another gate, as a person does at
// the vendor.
func (s *Sim) MoveDevice(mac, gate string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.devices {
		if s.devices[i].MAC == mac {
			s.devices[i].GateName, s.devices[i].GateID = gate, s.gateID(gate)
		}
	}
}

// Devices are those configured, in the order they were added.
func (s *Sim) Devices() []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.devices)
}

// Entries are all movements taken, in order, exits included.
func (s *Sim) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Counts tells how often each ticket entered and left.
func (s *Sim) Counts() (entered, left map[string]int) {
	entered, left = map[string]int{}, map[string]int{}
	for _, e := range s.Entries() {
		if e.Exit {
			left[e.Token]++
		} else {
			entered[e.Token]++
		}
	}
	return entered, left
}

// Calls is how often a call was made, refused ones included.
func (s *Sim) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// CallName names the request's call: device/init, device, ticket/enter,
// ticket/exit, ticket/upload; empty: none.
func CallName(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, Base+"/")
	switch path {
	case "ticket/upload/enter", "ticket/upload/exit":
		return "ticket/upload"
	}
	return path
}

// clock is the simulator's time; the mutex is held.
func (s *Sim) clock() time.Time { return s.o.Now().Add(s.offset) }

// gateID gives a gate its id; the mutex is held.
func (s *Sim) gateID(name string) int64 {
	id, have := s.gateIDs[name]
	if !have {
		id = int64(len(s.gateIDs) + 1)
		s.gateIDs[name] = id
	}
	return id
}

// gate gives how a gate is set up; the mutex is held.
func (s *Sim) gate(name string) Gate {
	if g, have := s.gates[name]; have {
		return g
	}
	return Gate{Kind: s.o.Kind, ExitRequired: s.o.ExitRequired}
}
