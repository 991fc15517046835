// Package ticketing speaks TickeTing's REST API v3: sessions, tokens, events,
// tickets and admissions.
//
// # Documents
//
// docs.ticketingevents.com, TickeTing REST API v3 Reference (3.0.0), and how the
// vendor's own Node client (@ticketing/ticketing-nodejs-sdk) calls it. What each
// part here rests on:
//
//	Introduction: keys, client version, errors   call.go, words.go
//	Session Authentication                       base.go
//	Token Authentication                         session.go
//	Event Admissions: tokens                     tokens.go
//	Event Admissions: tickets                    list.go, page.go
//	Event Admissions: admissions                 admit.go, upload.go, lookup.go
//	Working with Events                          events.go
//
// # Keys
//
// The base key is an integration key, or that of a session. It exchanges the
// admission token for a key of the token's own, with which tickets are listed and
// admitted. That one is kept in memory alone; the token's event and sections, as
// last confirmed, are remembered over a restart.
//
// # Assumptions
//
// Where the documents are silent or contradict each other, this is what is assumed:
//
//   - A code is a ticket's serial, and nothing else. A symbology prefix that the
//     scanner put before it is taken off.
//   - Starting a session needs no key of its own; where vendor.api_key_file is set
//     beside vendor.username, that key is sent along.
//   - 401 and 403 mean that the key is not good (any more), and that nothing was
//     done: the token is exchanged anew and the call made once more. 403 to a session
//     key may be its end as well: a session is started anew, once.
//   - A token that is exchanged again may give another key; the older one may be dead
//     then, or not.
//   - Errors come as message or as error, whatever the document of a call says.
//   - An answer to POST admissions holds the tickets that this very call admitted. The
//     one refusal that speaks of the tickets is its 400 "None of the provided ticket
//     serials..."; any other 4xx says that the call is wrong, and nothing of a ticket.
//   - A serial that was not admitted is looked up in the admissions. An entry with
//     this device and redeemer is our own: a call whose answer got lost, or an entry
//     long ago, which its time tells. An entry of anybody else names him and his
//     device. None, beside that refusal, means that TickeTing knows no such ticket for
//     this token: the document gives no reason, and has no way to ask for one.
//   - An admission that is older than the scan it is looked up for is no resend of
//     it, but another entry.
//   - The server's own time is the only one that it keeps: scans made offline get the
//     time of their upload.
//   - A page of nothing is an empty list or a 404, beyond the end and on the first page
//     of what is filtered.
//   - A list whose total shrinks while it is read has moved: what may have slipped to
//     an earlier page is read again. What is listed twice counts as it was first said;
//     the next delta, which begins before that, says the rest.
//   - "Issued" and redeemed "N/A" (or nothing) is a ticket that may enter. A time in
//     redeemed is an entry. Any other status lets nobody in, known or not.
//   - The base key may list the tickets of all sections (list_with: auto): then those
//     of other sections are added to the token's own, so that a handheld without a
//     network can say "wrong section". Where it may not, or lists no more than the
//     token's, they are left out.
//   - Ids are the last part of a URI, whether that is whole, relative to the server or
//     relative to the event.
//   - Times without an offset (a session's) are not used.
package ticketing

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// Name is the vendor's name in the configuration.
const Name = "ticketing"

// Deps are what the house gives. Every field may be zero: New is also called to
// check a configuration.
type Deps struct {
	// Version of usher, for User-Agent.
	Version string
	// Device is what TickeTing is told of this device.
	Device Device
	// Clock tells stamps; nil: the process's own time.
	Clock scanner.Clock
	// Memory keeps what the token was last confirmed for; nil: it ends with the
	// process.
	Memory scanner.Memory
	// Environ is the environment, for CREDENTIALS_DIRECTORY, USHER_VENDOR_API_KEY,
	// USHER_VENDOR_PASSWORD and USHER_VENDOR_ADMISSION_TOKEN.
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

// Device is what TickeTing is told of this device. ID may be empty where nobody
// admits, as when a configuration is checked.
type Device struct {
	// ID is the device's own, for ever.
	ID string
	// Name is what people call it, GateName where it stands.
	Name, GateName string
}

// Client is the vendor: validator, uploader, lister, session and tokens in one.
// It is safe for concurrent use.
type Client struct {
	cfg    Config
	device string
	// redeemer is the human name behind an admission.
	redeemer string
	http     *wire.Client
	clock    scanner.Clock
	log      *slog.Logger
	base     *base
	session  *session
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

// Vendor is what the house gets of the client.
func (c *Client) Vendor() scanner.Vendor {
	return scanner.Vendor{
		Scope:     c.cfg.scope(),
		Freeze:    c.Freeze,
		Advice:    c.cfg.advice(),
		Sections:  c.session.sections,
		Validator: c,
		Uploader:  c,
		Lister:    c,
		Changes:   c,
		Session:   c,
		Events:    c,
		Tokens:    c,
	}
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
		cfg: cfg, device: deps.Device.ID, clock: clock, log: log,
		redeemer: cmp.Or(cfg.Redeemer, deps.Device.Name, deps.Device.GateName, "usher"),
		http: wire.New(wire.Options{
			Base: cfg.base, Version: deps.Version, Transport: deps.Transport, Time: deps.Time, Clock: clock, Observe: deps.Observe,
		}),
	}
	secret := func(name, file string) wire.Secret { return wire.Secret{Name: name, File: file, Environ: deps.Environ} }
	c.base = &base{
		client: c, turn: make(chan struct{}, 1),
		apiKey: secret("api_key", cfg.APIKeyFile), password: secret("password", cfg.PasswordFile),
	}
	c.base.lock.clock, c.base.lock.lasts, c.base.vain.clock = clock, passwordTime, clock
	c.session = &session{client: c, memory: deps.Memory, token: secret("admission_token", cfg.TokenFile)}
	c.session.lock.clock, c.session.lock.lasts, c.session.vain.clock = clock, keyTime, clock
	return c, nil
}

// scope is the event. One at another host than the vendor's own is another
// account: a trial's scans never reach the real one. Without an event in the
// configuration the token stands for it.
func (c Config) scope() scanner.Scope {
	account := ""
	if host := c.base.Hostname(); host != vendorHost {
		account = host
	}
	event := c.Event
	if event == "" {
		event = "token " + c.tag(c.Token)
	}
	return scanner.Scope{Vendor: Name, Account: account, Event: event}
}

var (
	_ scanner.Validator      = (*Client)(nil)
	_ scanner.Uploader       = (*Client)(nil)
	_ scanner.Lister         = (*Client)(nil)
	_ scanner.Changes        = (*Client)(nil)
	_ scanner.Session        = (*Client)(nil)
	_ scanner.EventLister    = (*Client)(nil)
	_ scanner.TokenIssuer    = (*Client)(nil)
	_ func() json.RawMessage = (*Client)(nil).Freeze
)
