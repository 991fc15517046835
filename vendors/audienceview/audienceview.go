// Package audienceview speaks the two APIs of AudienceView Professional
// (OvationTix), https://api.ovationtix.com/public/documentation/index.html: the
// Scanning API (authenticate, filterOptions, validateTicket, cache/validTickets,
// cache/syncScans, validateToken, invalidateToken) and, to name what is scanned, the
// Future Events API (calendar, series, events).
//
// # Assumptions
//
// Where the document is silent or contradicts itself, this is what is assumed:
//
//   - validateTicket admits the ticket: no other call does, and its answer counts
//     the scan. So an answer that got lost is in doubt.
//   - Errors come as {error, errorDetails} whatever the HTTP status; they are
//     judged by errorCodeId alone, never by key or name. Where errorDetails stands
//     beside error:false, its id counts: such an answer admits nobody.
//   - 401 or 403 without that body means that the token is dead: sign in again,
//     ask once more. If it comes again, this one call is refused, by a firewall
//     or for a right that the user lacks; other calls go on, and the same kind of
//     call does not sign in for it again for 5 minutes.
//   - After id 17 ("unanticipated error") the first call may have admitted the
//     ticket. "Already scanned" to the same question a moment later is then no
//     verdict: it may be our own.
//   - An error of authenticate with an id that the document does not name may be
//     a locked account: no further try for 5 minutes. The lock outlives a restart,
//     with a salted hash of the user and password it was for.
//   - An admission carries something of the documented answer beside error:false
//     (each single field is nullable); a bare {"error":false} is somebody else's.
//   - validTickets holds all tickets of the filters that were asked for, also used
//     and refunded ones. It is complete for a performance only where
//     filterOptions lists that performance as open for scanning just before, and
//     at least one ticket came: a list asked for outside the scan window is
//     empty or short.
//   - A ticket of validTickets without a barcode cannot be scanned and is left out.
//   - syncScans names the barcode "barcode", as the sample body does; the table
//     says barcodeString.
//   - A reason that says "already scanned" (the document lists none) means that
//     the vendor holds an entry of the ticket.
//   - A syncScans answer without error fields is a success where failedBarcodes
//     is there, even if empty: the document shows it so. With error fields they
//     count. An id that refuses a ticket (8 to 14) there refuses the whole call.
//   - The token's hour is counted on the boot-time clock from the answer's own Date,
//     since the device's clock may be wrong.
//   - The vendor's list names no series id, so a filter by series or performance is
//     left to the vendor; the echo of the filters in the list, and each ticket's
//     performance where one was asked for, are checked.
//
// Of the Future Events API:
//
//   - performanceDate and performanceTime24 are the clocks of the venue, in
//     gate.timezone. performanceStart is "time zone agnostic": in every example it
//     is that same time of day as if the venue were in New York, and it is read so
//     where nothing else is given, as in filterOptions.
//   - An hour that the venue's clocks show twice is the first one.
//   - The month of a calendar counts from 1.
//   - Doors are believed of all-day performances alone; others have them null, or,
//     in the document's example, on another day.
//   - "errors" and "serviceMessages.errors" are both errors; each entry is a text,
//     or an object with one.
//   - The answer's Date is not believed: who serves public data may keep answers.
//   - An entry that cannot be read is left out, and the others stay; where none can
//     be read, the answer is somebody else's.
//   - A fault of one API does not hide what the other told.
//   - Where production_id is configured, its performances are listed, else the
//     department's, else the client's. What filterOptions opens is listed always.
//
// A password that expires within 7 days is a warning in the log and in
// SessionStatus.PasswordExpiresAt; it is no Problem, for everything works.
package audienceview

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// Name is the vendor's name in the configuration.
const Name = "audienceview"

// Deps are what the house gives. Every field may be zero: New is also called to
// check a configuration.
type Deps struct {
	// Version of usher, for User-Agent.
	Version string
	// Clock tells stamps; nil: the process's own time.
	Clock scanner.Clock
	// Memory keeps the sign-in lock; nil: it ends with the process.
	Memory scanner.Memory
	// Environ is the environment, for CREDENTIALS_DIRECTORY and
	// USHER_VENDOR_PASSWORD.
	Environ []string
	// Transport carries the requests; nil: the network.
	Transport http.RoundTripper
	// Time is the moment at which the vendor's certificate must be valid; nil: the
	// wall clock.
	Time func() time.Time
	// Observe learns the vendor's time.
	Observe func(wire.Observation)
	// Zone is the venue's, by whose clocks performances start; nil: the device's.
	Zone *time.Location
	Log  *slog.Logger
}

// Client is the vendor: validator, uploader, lister and session in one, over one
// sign-in, and the listing of events, of which a part wants none. It is safe for concurrent use.
type Client struct {
	cfg     Config
	http    *wire.Client
	clock   scanner.Clock
	venue   *time.Location
	log     *slog.Logger
	session *session
}

// New makes the vendor of its block of the configuration, without the name. It
// does no I/O. The error joins every fault, each as "vendor.key: text".
func New(raw map[string]any, deps Deps) (scanner.Vendor, error) {
	c, err := NewClient(raw, deps)
	if err != nil {
		return scanner.Vendor{}, err
	}
	return scanner.Vendor{
		Scope:     c.cfg.scope(),
		Client:    strconv.FormatInt(c.cfg.ClientID, 10),
		Validator: c,
		Uploader:  c,
		Lister:    c,
		Session:   c,
		Events:    c,
	}, nil
}

// NewClient is [New] for those who want the whole client.
func NewClient(raw map[string]any, deps Deps) (*Client, error) {
	cfg, err := parse(raw)
	if err != nil {
		return nil, err
	}
	log := deps.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	clock := deps.Clock
	if clock == nil {
		clock = wire.Uptime()
	}
	c := &Client{
		cfg:   cfg,
		clock: clock,
		venue: cmp.Or(deps.Zone, time.Local),
		log:   log,
		http: wire.New(wire.Options{
			Base: cfg.base, Version: deps.Version, Transport: deps.Transport, Time: deps.Time, Clock: clock, Observe: deps.Observe,
		}),
	}
	c.session = &session{
		client: c,
		secret: wire.Secret{Name: "password", File: cfg.PasswordFile, Environ: deps.Environ},
		memory: deps.Memory,
	}
	return c, nil
}

// scope is the client of AudienceView, and the filters as its event. An account
// at another host than the vendor's own is another account: a trial's scans never
// reach the real one.
func (c Config) scope() scanner.Scope {
	account := strconv.FormatInt(c.ClientID, 10)
	if host := c.base.Hostname(); host != vendorHost {
		account += "@" + host
	}
	var event []string
	if c.ProductionID != 0 {
		event = append(event, fmt.Sprintf("production %d", c.ProductionID))
	}
	if c.PerformanceID != 0 {
		event = append(event, fmt.Sprintf("performance %d", c.PerformanceID))
	}
	return scanner.Scope{Vendor: Name, Account: account, Event: strings.Join(event, ", ")}
}

// filters are what every scanning call restricts itself to.
func (c Config) filters() filters {
	return filters{Client: c.ClientID, Production: orNull(c.ProductionID), Performance: orNull(c.PerformanceID)}
}

// orNull is the vendor's way of saying "any".
func orNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// Validate asks for a verdict on one ticket (validateTicket).
func (c *Client) Validate(ctx context.Context, ask scanner.Ask) (scanner.Answer, error) {
	const op = "validateTicket"
	if ask.Direction == scanner.Exit {
		return scanner.Answer{}, fault(op, scanner.Malformed, "AudienceView knows no exits")
	}
	body := validateRequest{Barcode: string(ask.Code), filters: c.cfg.filters()}
	var out scanner.Answer
	inDoubt := false
	err := c.signedIn(ctx, op, func(ctx context.Context, auth http.Header) error {
		var reply validateReply
		_, err := c.ask(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: "/scanning/validateTicket", Header: auth, Body: body}, &reply)
		if refused, ok := asRefusal(err); ok {
			if refused.reason == scanner.AlreadyEntered && inDoubt {
				return &scanner.CallError{Op: op, Trouble: scanner.Failing, MaybeSent: true, Err: errOurOwn}
			}
			out = scanner.Answer{Verdict: scanner.Refuse, Reason: refused.reason, Ticket: reply.info()}
			return nil
		}
		if err != nil {
			inDoubt = inDoubt || scanner.CallErrorOf(err).MaybeSent
			return err
		}
		if why := reply.doubt(); why != nil {
			return wire.Nonsense(op, http.StatusOK, why)
		}
		out = scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK, Ticket: cmp.Or(reply.info(), &scanner.TicketInfo{})}
		return nil
	})
	if err != nil {
		return scanner.Answer{}, err
	}
	return out, nil
}

// Probe asks whether the token is good (validateToken).
func (c *Client) Probe(ctx context.Context) error {
	const op = "validateToken"
	return c.signedIn(ctx, op, func(ctx context.Context, auth http.Header) error {
		var reply envelope
		_, err := c.ask(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: "/scanning/validateToken", Header: auth}, &reply)
		return whole(op, err)
	})
}

// SignIn forgets why no sign-in was tried, and tries one.
func (c *Client) SignIn(ctx context.Context) error { return c.session.again(ctx) }

// Status is how the session stands, from memory.
func (c *Client) Status() scanner.SessionStatus { return c.session.status() }

// SignOut ends the session at the vendor (invalidateToken). A later call signs
// in again.
func (c *Client) SignOut(ctx context.Context) error {
	token := c.session.end()
	if token == "" {
		return nil
	}
	_, err := c.http.Do(ctx, wire.Call{
		Op: "invalidateToken", Method: http.MethodDelete, Path: "/scanning/invalidateToken", Header: c.authorization(token),
	})
	return err
}

var (
	_ scanner.Validator   = (*Client)(nil)
	_ scanner.Uploader    = (*Client)(nil)
	_ scanner.Lister      = (*Client)(nil)
	_ scanner.Session     = (*Client)(nil)
	_ scanner.EventLister = (*Client)(nil)
)
