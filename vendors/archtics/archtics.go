// Package archtics speaks Ticketmaster's Archtics Season Ticketing API (ATS). It
// looks tickets up and learns what was scanned at other gates; it can redeem
// nothing, because the API cannot.
package archtics

import (
	"log/slog"
	"net/http"
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
		Advice: []string{
			"vendor: Archtics looks tickets up and redeems nothing, so this device decides by itself: use one gate only, or let the entries of the other gates reach Archtics; " +
				"its own entries are kept on this device and exported (`usher export`), never uploaded",
		},
	}
	if c.cfg.AttendanceEvery > 0 {
		v.Watcher = c
	} else {
		v.Advice = append(v.Advice, "vendor.attendance_every: 0s, so this device knows of no entry at another gate: it must be the only one")
	}
	return v
}

// scope is the database. One at another host than the vendor's own, or of another
// product, is another account: a trial's entries are not the real ones.
func (c Config) scope(event string) scanner.Scope {
	account := c.DSN
	if c.Site != "" {
		account += "/" + c.Site
	}
	if host := c.base.Hostname(); host != vendorHost || c.Product != defaultProduct {
		account += "@" + host + "/" + c.Product
	}
	return scanner.Scope{Vendor: Name, Account: account, Event: event}
}

var (
	_ scanner.Finder  = (*Client)(nil)
	_ scanner.Watcher = (*Client)(nil)
	_ scanner.Session = (*Client)(nil)
)
