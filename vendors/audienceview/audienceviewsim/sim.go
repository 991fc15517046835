// Package audienceviewsim is a simulator of AudienceView Professional's Scanning
// API and its Future Events API, written from the vendor's document alone: it serves every documented call
// field by field and refuses what the document does not allow. It is for tests
// and demonstrations; its state is in memory.
//
// Times come from its own clock, which can be set off. A list of any size is
// generated as it is sent.
package audienceviewsim

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// tokenLife is how long a token lives after each call.
const tokenLife = time.Hour

// User is somebody who may log in.
type User struct {
	Name, Password string
	// Clients the user has access to.
	Clients []int64
	// NoScanning: without the scanning permission.
	NoScanning bool
	// Expired: the password is. ExpiresOn is when it will be; zero: in 60 days.
	Expired   bool
	ExpiresOn time.Time
	// Patrons: with the patronReporting permission.
	Patrons bool
}

// Client is an organisation with its series.
type Client struct {
	ID          int64
	Name        string
	Productions []Production
}

// Production is a series. Status is D, U or T (empty: T), Style a colour from 0 to
// 9, Venue its name; empty: none is given.
type Production struct {
	ID           int64
	Name         string
	Department   int64
	Status       string
	Style        int
	Venue        string
	Performances []Performance
}

// Performance is one show. It can be scanned from Opens to Closes; zero: always.
type Performance struct {
	ID            int64
	Start         time.Time
	Opens, Closes time.Time

	// Availability is N, P or A (empty: A), Display I, M, T, C or S (empty: T).
	Availability, Display string
	SuperTitle, SubTitle  string
	Message               string
	Remaining             int
	AllDay                bool
	DoorsOpen, DoorsClose time.Time
	// EntryTimes are times of the day, since midnight.
	EntryTimes []time.Duration
}

// Ticket is one ticket.
type Ticket struct {
	ID          int64  `json:"id"`
	Performance int64  `json:"performance"`
	Barcode     string `json:"barcode"`
	Consumer    string `json:"consumer"`
	First       string `json:"first"`
	Last        string `json:"last"`
	Section     string `json:"section"`
	Seat        string `json:"seat"`
	Voided      bool   `json:"voided"`
	Refunded    bool   `json:"refunded"`
	Scanned     bool   `json:"scanned"`
}

// Scan is a scan that the simulator was told of and took.
type Scan struct {
	Ticket      int64     `json:"ticket"`
	Performance int64     `json:"performance"`
	Barcode     string    `json:"barcode"`
	At          time.Time `json:"at"`
	// Synced: through syncScans; otherwise through validateTicket.
	Synced bool `json:"synced"`
}

// List is what is done to the lists of validTickets.
type List string

// The ways of a list.
const (
	ListWhole List = ""
	// ListEmpty holds no ticket.
	ListEmpty List = "empty"
	// ListForeign is another client's.
	ListForeign List = "foreign"
	// ListCut ends in the middle, the connection with it.
	ListCut List = "cut"
	// ListDouble names its first ticket twice.
	ListDouble List = "double"
)

// Sim is the simulator. It is an http.Handler; every path stands behind /public.
type Sim struct {
	now func() time.Time

	mu        sync.Mutex // guards what follows
	offset    time.Duration
	users     map[string]User
	tokens    map[string]*token
	clients   []Client
	tickets   map[string]*Ticket
	order     []string
	generated map[int64]int
	used      map[string]bool
	scans     []Scan
	calls     map[string]int
	list      List
	next      []outcome
	zone      *time.Location
	future    []futureFault
}

type token struct {
	user string
	ends time.Time
}

// outcome is an answer forced on calls.
type outcome struct {
	call   string
	id     int
	logout bool
	times  int
}

// New makes an empty simulator; now nil: the machine's clock.
func New(now func() time.Time) *Sim {
	if now == nil {
		now = time.Now
	}
	return &Sim{
		now: now, users: map[string]User{}, tokens: map[string]*token{}, tickets: map[string]*Ticket{},
		generated: map[int64]int{}, used: map[string]bool{}, calls: map[string]int{}, zone: time.UTC,
	}
}

// AddUser adds or replaces a user.
func (s *Sim) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.Name] = u
}

// AddClient adds a client.
func (s *Sim) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
}

// AddTickets adds tickets, or replaces those with the same barcode.
func (s *Sim) AddTickets(tickets ...Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tickets {
		if _, have := s.tickets[t.Barcode]; !have {
			s.order = append(s.order, t.Barcode)
		}
		s.tickets[t.Barcode] = &t
	}
}

// Generate gives the performance n more tickets, made as they are asked for:
// see [Generated].
func (s *Sim) Generate(performance int64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated[performance] = n
}

// Generated is ticket i (from 0) of those that [Sim.Generate] gives.
func Generated(performance int64, i int) Ticket {
	return Ticket{
		ID: performance*10_000_000 + int64(i) + 1, Performance: performance, Barcode: fmt.Sprintf("g%dx%07d", performance, i),
		Consumer: fmt.Sprintf("Holder %d", i), First: "Holder", Last: fmt.Sprint(i),
		Section: fmt.Sprintf("Section %d", i/1000), Seat: fmt.Sprintf("A%d", i%1000+1),
	}
}

// SetClock puts the simulator's clock off the machine's.
func (s *Sim) SetClock(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// SetZone says by which clocks the venue's performances start; UTC before.
func (s *Sim) SetZone(zone *time.Location) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone = zone
}

// SetList chooses what validTickets does to its lists from now on.
func (s *Sim) SetList(l List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = l
}

// ExpireTokens lets every token expire now.
func (s *Sim) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		t.ends = time.Time{}
	}
}

// Fail makes the next calls of that name (empty: any) answer with an error id,
// times times; the call is not acted on. 0 times: no more of that name.
func (s *Sim) Fail(call string, id int, logout bool, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		s.next = slices.DeleteFunc(s.next, func(o outcome) bool { return o.call == call })
		return
	}
	s.next = append(s.next, outcome{call, id, logout, times})
}

// Scans are all scans taken, in order.
func (s *Sim) Scans() []Scan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Scan(nil), s.scans...)
}

// Calls is how often a call was made, refused ones included.
func (s *Sim) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// CallName names the request's call in the vendor's words; empty: none.
func CallName(r *http.Request) string {
	if list := futureList(r.URL.Path); list != "" {
		return list
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/public/scanning/")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(path, "cache/")
}

// clock is the simulator's time; the mutex is held.
func (s *Sim) clock() time.Time { return s.now().Add(s.offset) }

// find gives a ticket; the mutex is held.
func (s *Sim) find(barcode string) (Ticket, bool) {
	if t, ok := s.tickets[barcode]; ok {
		got := *t
		got.Scanned = got.Scanned || s.used[barcode]
		return got, true
	}
	var performance int64
	var i int
	if n, err := fmt.Sscanf(barcode, "g%dx%d", &performance, &i); n != 2 || err != nil || i < 0 || i >= s.generated[performance] {
		return Ticket{}, false
	}
	t := Generated(performance, i)
	t.Scanned = s.used[barcode]
	return t, t.Barcode == barcode
}

// place finds where a performance belongs; the mutex is held.
func (s *Sim) place(performance int64) (Client, Production, Performance, bool) {
	for _, c := range s.clients {
		for _, p := range c.Productions {
			for _, f := range p.Performances {
				if f.ID == performance {
					return c, p, f, true
				}
			}
		}
	}
	return Client{}, Production{}, Performance{}, false
}

// open tells whether the performance can be scanned now; the mutex is held.
func (s *Sim) open(p Performance) bool {
	now := s.clock()
	return (p.Opens.IsZero() || !now.Before(p.Opens)) && (p.Closes.IsZero() || !now.After(p.Closes))
}

// newToken looks like the document's.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
