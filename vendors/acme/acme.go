package acme

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
const Name = "acme"

// Deps are what the house gives. Every field may be zero.
type Deps struct {
	// Version of usher, for User-Agent.
	Version string
	// Zone is the venue's time zone, for what ACME wants with the tenant's offset; nil:
	// UTC.
	Zone *time.Location
	// Clock tells stamps; nil: the process's own time.
	Clock scanner.Clock
	// Memory keeps the event last told; nil: it ends with the process.
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

// Client is the vendor: validator, uploader, undoer, session, watcher and event
// lister in one. It is safe for concurrent use.
type Client struct {
	cfg     Config
	http    *wire.Client
	clock   scanner.Clock
	zone    *time.Location
	log     *slog.Logger
	session *session
	kept    *kept
	unnamed unnamed
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
		Scope: c.cfg.scope(), Freeze: c.Freeze, Advice: c.advice(),
		Validator: c, Uploader: c, Session: c, Events: c,
	}
	if c.cfg.UndoPath != off {
		v.Undoer = c
	}
	if c.cfg.EventInstance != "" {
		v.Window, v.Watcher = c.Window, c
	}
	return v
}

// advice says what the configuration leaves open.
func (c *Client) advice() []string {
	var all []string
	if shapeOf(c.cfg.CheckInPath) != batch {
		if len(c.cfg.AdmitStatuses) == 0 {
			all = append(all, "vendor.admit_statuses: empty, so no online answer admits anybody (amber) and nothing is uploaded: ACME's check-in statuses are not public; "+
				"scan a test ticket, read its status on the screen or in `usher status`, make sure in Back Office that it is checked in, and write the number here; or ask ACME's support for the list")
		}
		if !c.cfg.names(scanner.AlreadyEntered) {
			all = append(all, "vendor.refuse_statuses: no status stands for already_entered, so a used ticket is amber, and a holder whose own green light got lost waits for a supervisor: "+
				"scan the test ticket a second time and write its status here")
		}
	}
	if c.cfg.EventInstance == "" {
		all = append(all, "vendor.event_instance: empty, so ACME finds the event by the ticket, whatever gate.event says, and no check-in window is known in an outage: set the id of the event that is scanned into (`usher events` lists them)")
	}
	return all
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
	zone := deps.Zone
	if zone == nil {
		zone = time.UTC
	}
	c := &Client{
		cfg: cfg, clock: clock, zone: zone, log: log,
		http: wire.New(wire.Options{Base: cfg.base, Version: deps.Version, Transport: deps.Transport, Time: deps.Time, Clock: clock, Observe: deps.Observe}),
		kept: &kept{memory: deps.Memory, want: knownEvent{URL: strings.TrimRight(cfg.BaseURL, "/"), Tenant: cfg.TenantID, ID: cfg.EventInstance}},
	}
	c.session = &session{client: c, secret: wire.Secret{Name: "api_key", File: cfg.APIKeyFile, Environ: deps.Environ}}
	return c, nil
}

var (
	_ scanner.Validator      = (*Client)(nil)
	_ scanner.Uploader       = (*Client)(nil)
	_ scanner.Undoer         = (*Client)(nil)
	_ scanner.Session        = (*Client)(nil)
	_ scanner.Watcher        = (*Client)(nil)
	_ scanner.EventLister    = (*Client)(nil)
	_ func() json.RawMessage = (*Client)(nil).Freeze
)
