// Package ticketingsim is a simulator of TickeTing's REST API v3, written from the
// vendor's documents and from what the vendor's own Node client asks for and reads:
// sessions, tokens, events, tickets and admissions, field by field. It is for tests
// and demonstrations; its state is in memory.
//
// What the documents leave open, and is chosen here: a session is started without a
// key or with a valid one; a key of a token reads tickets and admissions and admits,
// and nothing else; the base key lists the tickets of all sections ([Options.Base]);
// the list holds tickets of any status ([Options.ValidOnly]); a redeemed ticket is
// "Redeemed"; a page beyond the end is a 404, an empty first page is not
// ([Options.EmptyIs404]); an exchange gives the same key until it is taken back.
package ticketingsim

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Base is what every path stands behind.
const Base = "/v3"

// BaseMay is what the base key may do with the list of tickets.
type BaseMay string

// What it may do. The document says "sections that the redeemer may admit to".
const (
	// BaseAll: it lists the tickets of all sections.
	BaseAll BaseMay = ""
	// BaseNothing: it is refused. BaseEmpty: it is given an empty list.
	BaseNothing BaseMay = "nothing"
	BaseEmpty   BaseMay = "empty"
)

// Options say what the server is like.
type Options struct {
	// Key is the integration key, User and Password are for sessions; empty: the
	// demonstration's.
	Key, User, Password string
	// Event is the event's number; empty: the demonstration's.
	Event string
	Base  BaseMay
	// ValidOnly: the list holds tickets that may enter, and no other.
	ValidOnly bool
	// EmptyIs404: a first page of nothing is a 404 as well.
	EmptyIs404 bool
	// MessageErrors: refusals come as message where the client's tests show error.
	MessageErrors bool
	// TextNumbers: counts come as text.
	TextNumbers bool
	// MostRecords is the longest page, whatever is asked for; 0: as is asked for.
	MostRecords int
	// Rotate: every exchange gives another key, and the one before is dead.
	Rotate bool
	// Now is the simulator's clock; nil: the machine's.
	Now func() time.Time
}

// Section is a part of the house.
type Section struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Ticket is one ticket. Status empty: Issued.
type Ticket struct {
	Serial  string `json:"serial"`
	Section string `json:"section"`
	Status  string `json:"status"`
	First   string `json:"first"`
	Last    string `json:"last"`
	// Issued is when it was sold; zero: a year before the event.
	Issued time.Time `json:"issued,omitzero"`
	// Redeemed and Modified are the server's own to set.
	Redeemed time.Time `json:"redeemed,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
}

// The statuses: that of a ticket that may enter, and what is chosen here for one
// that has.
const (
	Issued   = "Issued"
	Redeemed = "Redeemed"
)

// Token is an admission token.
type Token struct {
	ID       string   `json:"id"`
	Code     string   `json:"code"`
	Global   bool     `json:"global"`
	Sections []string `json:"sections"`
}

// Admission is one ticket that was admitted.
type Admission struct {
	ID       int64     `json:"id"`
	Redeemer string    `json:"redeemer"`
	Device   string    `json:"device"`
	Ticket   string    `json:"ticket"`
	Section  string    `json:"section"`
	At       time.Time `json:"admitted"`
	// Token is the token's code, Batch how many serials the call had.
	Token string `json:"token"`
	Batch int    `json:"batch"`
}

// session is one that was started.
type session struct {
	id      int64
	started time.Time
	ended   bool
}

// Sim is the simulator. It is an http.Handler; every path stands behind [Base].
type Sim struct {
	o Options

	mu       sync.Mutex // guards what follows
	key      string
	password string
	offset   time.Duration
	version  [3]int
	lastID   int64
	// sessions and keys are by key; keys are the tokens' own, and name their code.
	sessions map[string]*session
	keys     map[string]string
	sections []Section
	tokens   []Token
	start    time.Time
	end      time.Time

	tickets ticketStore
	// admissions are in order; by counts each ticket's.
	admissions []Admission
	by         map[string]int
	calls      map[string]int
	faults     []fault
}

// fault is a status and text that calls are answered with, acting on nothing.
type fault struct {
	call   string
	status int
	words  string
	times  int
}

// New makes a simulator with one event that has the global token [DemoGlobal] and
// nothing else: see [Sim.AddSections], [Sim.AddTickets], [Sim.AddToken].
func New(o Options) *Sim {
	for _, d := range []struct {
		into *string
		text string
	}{{&o.Key, DemoKey}, {&o.User, DemoUser}, {&o.Password, DemoPassword}, {&o.Event, DemoEvent}} {
		if *d.into == "" {
			*d.into = d.text
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sim{
		o: o, key: o.Key, password: o.Password, version: [3]int{3, 0, 0}, lastID: 17370490770234,
		sessions: map[string]*session{}, keys: map[string]string{}, by: map[string]int{}, calls: map[string]int{},
		start: o.Now().Add(2 * time.Hour).UTC().Truncate(time.Hour), end: o.Now().Add(7 * time.Hour).UTC().Truncate(time.Hour),
	}
	s.tickets.init()
	s.tokens = []Token{{ID: s.nextID(), Code: DemoGlobal, Global: true}}
	return s
}

// nextID gives a number; the mutex is held, or nobody else knows the simulator yet.
func (s *Sim) nextID() string {
	s.lastID++
	return fmt.Sprint(s.lastID)
}

// AddSections adds sections to the event; the global token admits to each.
func (s *Sim) AddSections(sections ...Section) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sections = append(s.sections, sections...)
	s.tickets.changed()
}

// AddTickets adds tickets, or replaces those there are: their status changed now.
func (s *Sim) AddTickets(tickets ...Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tickets {
		if t.Status == "" {
			t.Status = Issued
		}
		t.Modified = s.clock()
		s.tickets.put(t)
	}
}

// Remove takes a ticket off the list, as if it had never been sold.
func (s *Sim) Remove(serial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets.remove(serial)
}

// SetStatus changes a ticket's status, at the simulator's own time.
func (s *Sim) SetStatus(serial, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets.get(serial, s.sections)
	if !ok {
		return fmt.Errorf("no ticket %s", serial)
	}
	t.Status, t.Modified = status, s.clock()
	s.tickets.put(t)
	return nil
}

// Ticket gives one as it is.
func (s *Sim) Ticket(serial string) (Ticket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tickets.get(serial, s.sections)
}

// AddToken adds an admission token for sections, by their ids.
func (s *Sim) AddToken(code string, sections ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, Token{ID: s.nextID(), Code: code, Sections: sections})
}

// SetSections changes what a token admits to.
func (s *Sim) SetSections(code string, sections ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.tokens {
		if s.tokens[i].Code == code {
			s.tokens[i].Sections = sections
		}
	}
}

// Invalidate takes a token back, and its key with it.
func (s *Sim) Invalidate(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = slices.DeleteFunc(s.tokens, func(t Token) bool { return t.Code == code })
	s.expire(code)
}

// ExpireKeys makes every key that a token was exchanged for invalid, and ends every
// session.
func (s *Sim) ExpireKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = map[string]string{}
	for _, one := range s.sessions {
		one.ended = true
	}
}

// expire drops a token's keys; the mutex is held.
func (s *Sim) expire(code string) {
	for key, of := range s.keys {
		if of == code {
			delete(s.keys, key)
		}
	}
}

// SetKey makes another integration key right, SetPassword another password.
func (s *Sim) SetKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// SetPassword makes another password right.
func (s *Sim) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// SetClock sets the simulator's clock against the machine's.
func (s *Sim) SetClock(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// SetVersion is the least client version that is served from now on.
func (s *Sim) SetVersion(major, minor, patch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = [3]int{major, minor, patch}
}

// SetFault makes the next calls of that name (empty: any) fail with a status and
// words, times times; nothing is acted on. 0 times: no more of that name.
func (s *Sim) SetFault(call string, status int, words string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		s.faults = slices.DeleteFunc(s.faults, func(f fault) bool { return f.call == call })
		return
	}
	s.faults = append(s.faults, fault{call, status, words, times})
}

// Admissions are all that were made, in order.
func (s *Sim) Admissions() []Admission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.admissions)
}

// Count is how many there are, Admitted how often a ticket was.
func (s *Sim) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.admissions)
}

// Admitted is how often a ticket was admitted.
func (s *Sim) Admitted(serial string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[serial]
}

// Tokens are the event's.
func (s *Sim) Tokens() []Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tokens)
}

// Sessions is how many sessions were started and not ended.
func (s *Sim) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.sessions {
		if !one.ended {
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
func (s *Sim) clock() time.Time { return s.o.Now().Add(s.offset) }
