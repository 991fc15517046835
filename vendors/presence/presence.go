// Package presence speaks Ticketmaster's Presence API: device/init, device,
// ticket/enter, ticket/exit, and an upload whose path the site is told.
//
// # Documents
//
// The page developer.ticketmaster.com/products-and-docs/apis/presence/ is the
// newest, and has lost its tables; it is behind "API Flow", "Authentication",
// "Device Service", "Ticket Service" (external and internal scanning, upload) and
// "F.A.Q.". The fields and statuses come from its two earlier generations (2017,
// 2019), "API Device Configure", "API Device Information", "API Ticket
// Enter/Exit". What each part here rests on:
//
//	API Flow, Scanner Configuration    session.go, configure.go
//	API Flow, Scanning; Ticket Service ticket.go, status.go
//	API Flow, offline; Ticket Upload   upload.go
//	Authentication                     call.go
//	F.A.Q. on the gate id, on 3 s      configure.go, CallTimeout
//
// # Assumptions
//
// Where the documents are silent or contradict each other, this is what is assumed:
//
//   - The key goes into the query as apikey, paths have no ".json" behind them (the
//     raw samples do, the endpoint lines do not).
//   - Ids are sent as numbers, as the tables say, and read as numbers or as text, as
//     the samples show both.
//   - device is asked with the venue as both venue (the table) and venueId (every
//     sample), and with mac, which each generation takes.
//   - result.status decides, not the HTTP status: which that is beside a refusal is
//     nowhere said, so a JSON answer with a status of the tables is believed at 2xx
//     and at 4xx, but for 407, 408 and 429. A "yes" beside another status than 2xx is
//     a contradiction and no answer. 401 means the key, whatever is beside it, and so
//     does 403 without such a body.
//   - Entering is OKAY alone. Leaving is OKAY (the newest page), EXIT (the earlier
//     ones) and both spellings of the internal exit, INTERNAL_SCAN_EXIT and
//     INTERNAL_EXIT_SCAN. INTERNAL_SCAN, which only the first generation has, lets
//     nobody in: the newest page allows OKAY alone. A status that no table has lets
//     nobody pass.
//   - What else than result.status is in an answer is optional: message is not shown
//     beside a refusal.
//   - place is "Section:Row:Seat"; fewer and more parts are shown as they come.
//   - GENERAL_ERROR may have let the ticket in.
//   - DUPLICATE says that Presence got the ticket within the last 2 seconds, and not
//     what it answered then. Where this device sent that scan and knows the answer,
//     the answer holds. Where it sent it and never heard, nobody can know whether
//     the holder was let in: he is to be scanned once more (amber), and what Presence
//     says then is the verdict: "already entered" is taken for the lost scan by the
//     gate's own rule. Where this device did not send it, it is refused. It is never a
//     green by itself: the lost answer may have been a refusal.
//   - Presence forgets no device by itself. Where it says NOT_FOUND of one, or
//     BAD_REQUEST, or another 4xx than for the key, the device is configured again:
//     no site needs to have the optional call.
//   - scanTime is the corrected true time of the scan. deviceOs is Printed.
//   - The upload is an array of the fields of enter, at vendor.upload_path, and is
//     answered as the other calls are: OKAY, all taken; BAD_REQUEST, the format is
//     wrong. How an exit is told from an entry there is unknown: they are never sent
//     in one call, and exits only where upload_path holds {direction}, which becomes
//     enter or exit; otherwise each waits for a person, so that no exit is taken for
//     an entry.
//   - A scan of a device that was never configured before it is uploaded under the
//     ids it has got since, where its gate is still the same.
package presence

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// Name is the vendor's name in the configuration.
const Name = "presence"

// callTimeout is the document's: on entry, more than 3 seconds is a time-out.
const callTimeout = 3 * time.Second

// Deps are what the house gives. Every field may be zero, but for Device.
type Deps struct {
	// Version of usher, for User-Agent.
	Version string
	// Device is what Presence is told of this device.
	Device Device
	// Address gives the device's network address; nil: the system's own.
	Address func() string
	// Clock tells stamps; nil: the process's own time.
	Clock scanner.Clock
	// Memory keeps the configuration last confirmed; nil: it ends with the process.
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

// Client is the vendor: validator, uploader and session in one. It is safe for
// concurrent use.
type Client struct {
	cfg     Config
	device  Device
	address func() string
	// devices and tickets are the two services, often below one URL.
	devices, tickets *wire.Client
	clock            scanner.Clock
	log              *slog.Logger
	session          *session
	recent           recent
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
	v := scanner.Vendor{
		Scope:       c.cfg.scope(),
		Exits:       true,
		CallTimeout: callTimeout,
		Registers:   true,
		EventsNote:  "Ticketmaster Presence lists no events: it looks each ticket up among those that are active now.",
		Validator:   c,
		Session:     c,
	}
	switch {
	case c.cfg.UploadPath == "":
		v.Advice = append(v.Advice, "vendor.upload_path: missing, so entries made offline are kept on this device and exported, never uploaded: "+
			"the path is not public, ask Ticketmaster's Nexus Partner Program coordinator for it; "+
			"what was kept before it is set is not uploaded afterwards: hand it over by `usher export`")
	case !strings.Contains(c.cfg.UploadPath, directionWord):
		v.Advice = append(v.Advice, "vendor.upload_path: holds no {direction}, so entries made offline are uploaded and exits are parked: "+
			"ask Ticketmaster's Nexus Partner Program coordinator how exits are uploaded")
	}
	if c.cfg.UploadPath != "" {
		v.Uploader, v.Freeze = c, c.Freeze
	}
	return v
}

// NewClient is [New] for those who want the whole client.
func NewClient(raw map[string]any, deps Deps) (*Client, error) {
	cfg, err := parse(raw, deps.Device)
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
	address := deps.Address
	if address == nil {
		address = func() string { return ownAddress(cfg.device) }
	}
	transport := deps.Transport
	if transport == nil {
		own := wire.NewTransport()
		own.TLSClientConfig.Time = deps.Time
		transport = own
	}
	service := wire.Options{Base: cfg.device, Version: deps.Version, Transport: transport, Clock: clock, Observe: deps.Observe}
	c := &Client{cfg: cfg, device: deps.Device, address: address, clock: clock, log: log, devices: wire.New(service)}
	service.Base = cfg.ticket
	c.tickets = wire.New(service)
	c.session = &session{
		client: c, turn: make(chan struct{}, 1), memory: deps.Memory,
		secret: wire.Secret{Name: "api_key", File: cfg.APIKeyFile, Environ: deps.Environ},
	}
	return c, nil
}

// scope is the venue. One at another host than the vendor's own is another
// account: a trial's scans never reach the real one.
func (c Config) scope() scanner.Scope {
	account := c.VenueID
	if host := c.ticket.Hostname(); host != vendorHost {
		account += "@" + host
	}
	return scanner.Scope{Vendor: Name, Account: account}
}

var (
	_ scanner.Validator      = (*Client)(nil)
	_ scanner.Uploader       = (*Client)(nil)
	_ scanner.Session        = (*Client)(nil)
	_ func() json.RawMessage = (*Client)(nil).Freeze
)
