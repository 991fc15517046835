// Package archtics speaks Ticketmaster's Archtics Season Ticketing API (ATS). It
// looks tickets up, and learns what was scanned at other gates; it redeems nothing,
// because the API cannot. This device decides by itself, and its entries stay on it
// and are exported: there should be one gate only, or gates whose entries reach
// Archtics by another way.
//
// # Documents
//
// The page developer.ticketmaster.com/products-and-docs/apis/archtics-season-ticketing/
// is the newest; the tables of event_search, event_details, seats_sold and ping, the
// common fields and the results come from its earlier generations (2016, 2017). What
// each part here rests on:
//
//	How to Construct the URL, Access        call.go, config.go
//	Asynchronous Polling, HTTP Result Codes call.go
//	the rate limits                         quota.go, book.go
//	results and their texts                 answer.go
//	PING, ATS_EXT_TEST_POLLING              ping.go
//	EVENT_SEARCH, EVENT_DETAILS             events.go
//	SEATS_SOLD                              sold.go
//	GET_ATTENDANCE, and what follows        attendance.go, watch.go
//
// # Assumptions
//
// Where the documents are silent or contradict each other, this is what is assumed:
//
//   - The key goes into the header apikey, and not into the query as it once did.
//   - Every request counts against the quota, each poll too, and the quota is the
//     key's: vendor.calls_per_minute and calls_per_day are this device's share. A
//     minute and a day are the last 60 s and 24 h, not those of a calendar. A 429
//     without Retry-After is heeded for 30 s.
//   - A call that is at work is asked for again at the document's pace four times and
//     then ever more rarely, every 5 s at last: at 2 a second one call that takes
//     minutes would use up the quota of all.
//   - Cookies are taken as the server names them; the documents name them
//     differently. What is in the body of a 202 is of no interest.
//   - cmd and ref, where an answer repeats them, are the question's; else it is the
//     answer to another one.
//   - system_available 0 in a ping is no fault: the vendor's sample has it.
//   - The result is command1.result; where that is 0, header.result. Results that no
//     table has are a fault of Archtics', but for verify_barcode: see there. An error's
//     text that speaks of dsn, uid or permission is about the set-up. A result of
//     another call than ping never stops the scans: it may be about one account.
//   - verify_barcode has its input in barcode. Its answer has event_name,
//     section_name (or section), row_name (or row) and seat_num (or seat_number,
//     seat, seat_name), beside each other or in objects and arrays of any name, and
//     all four are needed. Result 5024, and sql_code 100, say that the barcode is not
//     known. Whatever else is not understood (another result, no seat, several
//     seats, a range or block of seats, a part of the seat in two ways) is for a
//     supervisor, and never an admission. So are results that are about the set-up
//     elsewhere: here they may be about one account. A sign-in takes those of a code
//     that nobody has for the set-up's.
//   - A field of verify_barcode whose name has state, status, void, cancel, refund,
//     return, valid, activ, block, lost, stolen, reissue, replaced, disabled, expired,
//     revoked, allowed, denied or suspend in it says how the ticket stands, but for
//     *_allowed_ind, status_date_time, status_seat_num, block_*_price and the state of
//     an address. Empty values, words such as valid, the letters of the public tables
//     in seat_status_ind and ticket_status, and vendor.admit_statuses are no obstacle;
//     words in a status, and yes or no to names that ask one clear question (valid,
//     is_void), say what they say; all others, and whatever has more inside, are for
//     a supervisor.
//   - The words of verify_barcode may name a patron. They are shown to the supervisor
//     and in no log, and not at all where they repeat the code.
//   - A barcode that names seats at several events is a card: the seat at
//     vendor.events (else gate.event) counts.
//   - Nothing in verify_barcode says whether somebody entered, nor when an event ends:
//     that a ticket entered here is known until gate.forget_after (24 h) after its last
//     movement, and then forgotten. It is known by its code for gate.event, or without
//     it for vendor.events together, so that a card enters again once these change.
//   - get_attendance_incremental has its moment in a field that no public page names;
//     vendor.attendance_since is a guess. It is written as other moments are, YYYY-MM-DD
//     HH:MM in the venue's time, and means the scan's own time: what reaches Archtics
//     more than 15 minutes after a later scan is missed. It has pages as get_attendance
//     has. Where Archtics does not take the question, get_attendance is asked for the
//     whole of each event, and rests by what that costs. Rows from well before the
//     moment say that the field is not heeded, or that the zone is another.
//   - The fields of both are those that others load from them: event_name,
//     section_name, row_name, seat_num, result_code, action_time, event_date, gate,
//     scan_type, access_type, result_type; or names like these. Only a result_code that
//     is a number other than 0 did not enter: without one, and with words such as OK,
//     whose meaning nobody has told, it is an entry, since a second person through the
//     gate is worse than a question that a supervisor answers. One whose kind says exit
//     changes nothing, so that who left counts as entered.
//   - action_time is a time of day on event_date, or a moment, in the venue's time
//     (gate.timezone) unless it names another. Its date counts from the year 2000 on:
//     programs write a time of day as one of 1899, 1900 or 1970. event_date may be the
//     first of several days. A row whose action_time is empty was not scanned; nor was
//     one of get_attendance without any. One of get_attendance_incremental, which
//     gives entry scans alone, is an entry at an unknown time.
//   - What was entered elsewhere counts for 48 h from when usher heard of it.
//   - The last page of the attendance is one without rows, or one with the same seats,
//     times, gates and results as the page before. Pages keep their order while new
//     rows come, or rows move to later ones.
//   - Seats are the same whatever the case of their names, and with or without zeros
//     before a number.
//   - Times of events are the venue's, as the document says.
package archtics

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// Name is the vendor's name in the configuration.
const Name = "archtics"

// normal is how long an answer usually takes, by the document.
const normal = 2 * time.Second

// Deps are what the house gives. Every field may be zero.
type Deps struct {
	// Event is the configured gate.event.
	Event string
	// Version of usher, for User-Agent.
	Version string
	// Clock tells stamps; nil: the process's own time.
	Clock scanner.Clock
	// Zone is the venue's; nil: the system's own.
	Zone *time.Location
	// Memory keeps the count of calls and the attendance; nil: they end with the
	// process.
	Memory scanner.Memory
	// Environ is the environment, for CREDENTIALS_DIRECTORY and
	// USHER_VENDOR_API_KEY.
	Environ []string
	// Transport carries the requests; nil: the network.
	Transport http.RoundTripper
	// Time is the moment at which the vendor's certificate must be valid; nil: the
	// wall clock.
	Time func() time.Time
	// Observe learns the vendor's time.
	Observe func(wire.Observation)
	Log     *slog.Logger
}

// Client is the vendor. It is safe for concurrent use.
type Client struct {
	cfg       Config
	gateEvent string
	wire      *wire.Client
	clock     scanner.Clock
	zone      *time.Location
	log       *slog.Logger
	quota     *quota
	session   *session
	watch     *watch
}

// New makes the vendor of its block of the configuration, without the name. It
// does no I/O. The error joins every fault, each as "path: text".
func New(raw map[string]any, deps Deps) (scanner.Vendor, error) {
	c, err := NewClient(raw, deps)
	if err != nil {
		return scanner.Vendor{}, err
	}
	return c.Vendor(), nil
}

// NewClient is [New] for those who want the whole client.
func NewClient(raw map[string]any, deps Deps) (*Client, error) {
	cfg, err := parse(raw)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, gateEvent: deps.Event, clock: deps.Clock, zone: deps.Zone, log: deps.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = wire.Uptime()
	}
	if c.zone == nil {
		c.zone = time.Local
	}
	c.wire = wire.New(wire.Options{
		Base: cfg.base, Version: deps.Version, Transport: deps.Transport, Time: deps.Time, Clock: c.clock, Observe: deps.Observe,
	})
	c.quota = newQuota(cfg, c.clock, deps.Memory, c.log)
	c.session = &session{client: c, secret: wire.Secret{Name: "api_key", File: cfg.APIKeyFile, Environ: deps.Environ}}
	c.watch = newWatch(c, deps.Memory)
	return c, nil
}

// Vendor is what the house gets of the client.
func (c *Client) Vendor() scanner.Vendor {
	v := scanner.Vendor{
		Scope:       c.cfg.scope(c.gateEvent),
		CallTimeout: c.cfg.PollLimit,
		Normal:      normal,
		Finder:      c,
		Session:     c,
		Events:      c,
		Fixed:       []string{"gate.timezone"},
		Advice: []string{
			"vendor: Archtics looks tickets up and redeems nothing, so this device decides by itself: use one gate only, or let the entries of the other gates reach Archtics; " +
				"its own entries are kept on this device and exported (`usher export`), never uploaded",
		},
	}
	if len(c.cfg.Events) == 0 {
		v.Fixed = append(v.Fixed, "gate.event")
	}
	if v.Scope.Event == "" {
		v.Advice = append(v.Advice, "vendor.events: empty, as is gate.event: a card that is good for several events counts as entered at the next one as well, "+
			"until gate.forget_after has passed, and one that names seats at several is for a supervisor; set either to what is scanned today")
	}
	if c.cfg.AttendanceEvery > 0 {
		v.Watcher = c
		if advice := c.cfg.advice(); advice != "" {
			v.Advice = append(v.Advice, advice)
		}
	} else {
		v.Advice = append(v.Advice, "vendor.attendance_every: 0s, so this device knows of no entry at another gate: it must be the only one")
	}
	return v
}

// scope is the database, and gate.event or, without it, vendor.events: a card has one
// barcode for every event, and who entered yesterday has not entered today. One at
// another host than the vendor's own, or of another product, is another account: a
// trial's entries are not the real ones.
func (c Config) scope(event string) scanner.Scope {
	account := c.DSN
	if c.Site != "" {
		account += "/" + c.Site
	}
	if host := c.base.Hostname(); host != vendorHost || c.Product != defaultProduct {
		account += "@" + host + "/" + c.Product
	}
	if event == "" {
		var events []string
		for _, e := range c.Events {
			events = append(events, strings.ToUpper(e))
		}
		slices.Sort(events)
		event = strings.Join(slices.Compact(events), ", ")
	}
	return scanner.Scope{Vendor: Name, Account: account, Event: event}
}

var (
	_ scanner.Finder  = (*Client)(nil)
	_ scanner.Watcher = (*Client)(nil)
	_ scanner.Session = (*Client)(nil)
)
