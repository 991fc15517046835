package archtics

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"
	"time"

	"usher/vendors/wire"
)

const (
	vendorHost     = "app.ticketmaster.com"
	defaultBase    = "https://" + vendorHost
	defaultProduct = "sth-buy"
	// defaultSince is a guess: no public page names the field.
	defaultSince = "start_date_time"

	// perMinute and perDay are the document's, for one API key.
	perMinute, perDay = 80, 5000
	// The document's lengths.
	longestUID, longestDSN, longestSite, longestEvent = 12, 32, 24, 8
)

// Config is the vendor's block of the configuration.
type Config struct {
	// BaseURL and Product are what ticketing_services.aspx is put behind.
	BaseURL, Product string
	// APIKeyFile holds the API key, where no credential and no variable does.
	APIKeyFile string
	// UID and DSN are issued by Ticketmaster; Site is site_name, where a database has
	// several.
	UID, DSN, Site string
	// Events are the event_names that are admitted; empty: any. Without them gate.event
	// is what attendance is asked for.
	Events []string
	// AdmitStatuses are values of fields such as status that are no obstacle, beside
	// those of the public tables.
	AdmitStatuses []string
	// AttendanceEvery is the pause between two looks at the attendance (0: never),
	// AttendanceSince the field that says since when, AttendanceBack how far a device
	// that knows none looks back.
	AttendanceEvery, AttendanceBack time.Duration
	AttendanceSince                 string
	// CallsPerMinute and CallsPerDay are this device's share of the API key's quota.
	CallsPerMinute, CallsPerDay int
	// PollEvery is the pause before a queued call is asked for again, PollLimit when
	// it is given up.
	PollEvery, PollLimit time.Duration

	base *url.URL
}

// parse reads the block strictly and gives every fault at once.
func parse(raw map[string]any) (Config, error) {
	cfg := Config{
		BaseURL: defaultBase, Product: defaultProduct, AttendanceEvery: 3 * time.Minute, AttendanceBack: 24 * time.Hour, AttendanceSince: defaultSince,
		CallsPerMinute: perMinute, CallsPerDay: perDay, PollEvery: 500 * time.Millisecond, PollLimit: 150 * time.Second,
	}
	keys := map[string]func(any) error{
		"base_url": wire.Text(&cfg.BaseURL), "product": wire.Text(&cfg.Product), "api_key_file": wire.Text(&cfg.APIKeyFile),
		"uid": wire.Text(&cfg.UID), "dsn": wire.Text(&cfg.DSN), "site_name": wire.Text(&cfg.Site),
		"events": words(&cfg.Events), "admit_statuses": words(&cfg.AdmitStatuses),
		"attendance_every": span(&cfg.AttendanceEvery, true, 30*time.Second, time.Hour), "attendance_since": wire.Text(&cfg.AttendanceSince),
		"attendance_back":  span(&cfg.AttendanceBack, false, time.Hour, 7*24*time.Hour),
		"calls_per_minute": count(&cfg.CallsPerMinute), "calls_per_day": count(&cfg.CallsPerDay),
		"poll_every": span(&cfg.PollEvery, false, 100*time.Millisecond, 10*time.Second), "poll_limit": span(&cfg.PollLimit, false, time.Second, 10*time.Minute),
	}
	block := wire.ReadBlock(raw, keys)
	cfg.check(block)
	return cfg, block.Err()
}

// check adds what is wrong with the values, where a key is not at fault already.
func (c *Config) check(block *wire.Block) {
	add := block.Fault
	base, err := wire.ParseBase(c.BaseURL)
	add("base_url", err)
	c.base = base
	block.File("api_key_file", c.APIKeyFile)
	if strings.ContainsAny(c.Product, "/?#%\\ ") || c.Product == "." || c.Product == ".." {
		add("product", fmt.Errorf("%q is not a product such as sth-buy", c.Product))
	}
	if !fieldName(c.AttendanceSince) {
		add("attendance_since", fmt.Errorf("%q is not the name of a field", c.AttendanceSince))
	}
	for _, field := range []struct {
		key, value, what string
		longest          int
		required         bool
	}{
		{"uid", c.UID, "the user id that Ticketmaster has issued for the API", longestUID, true},
		{"dsn", c.DSN, "the name of the Archtics database, which Ticketmaster tells", longestDSN, true},
		{"site_name", c.Site, "", longestSite, false},
	} {
		switch {
		case field.value == "" && field.required:
			add(field.key, errors.New("missing: "+field.what))
		case len(field.value) > field.longest:
			add(field.key, fmt.Errorf("%q is longer than the %d characters that Archtics takes", field.value, field.longest))
		}
	}
	for _, event := range c.Events {
		if len(event) > longestEvent {
			add("events", fmt.Errorf("%q is longer than the %d characters of an event_name; `usher events` lists them", event, longestEvent))
		}
	}
	if c.CallsPerDay < c.CallsPerMinute {
		add("calls_per_day", fmt.Errorf("%d is less than calls_per_minute", c.CallsPerDay))
	}
}

// advice says what a share that is small for its plan does to a gate; empty: nothing.
func (c *Config) advice() string {
	plan := c.plan()
	if c.AttendanceEvery == 0 || plan <= c.AttendanceEvery {
		return ""
	}
	every := plan.Round(time.Minute).String()
	return fmt.Sprintf("vendor.calls_per_day: %d calls in 24 h do not reach for vendor.attendance_every: %s. At most half of them go to the entries of other gates, "+
		"which this device therefore learns about every %s: until then a ticket that entered there can enter here. The other half is for scans: about %d tickets in 24 h, "+
		"and %d a minute at most, can be looked up, and each further one is amber, for a supervisor. "+
		"Ask Ticketmaster for a higher quota or for more API keys, or scan with fewer devices",
		c.CallsPerDay, c.AttendanceEvery, strings.TrimSuffix(every, "0s"), c.CallsPerDay-share(c.CallsPerDay), c.CallsPerMinute)
}

// fieldName tells what can be a field of command1, and is none of usher's own.
func fieldName(s string) bool {
	switch s {
	case "", "cmd", "ref", "uid", "dsn", "site_name", "page", "event_name":
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

func words(into *[]string) func(any) error {
	return func(value any) error {
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%v is not a list such as [\"EVENT01\"]", value)
		}
		for _, one := range list {
			s, ok := one.(string)
			if s = strings.TrimSpace(s); !ok || s == "" {
				return fmt.Errorf("%v is not text; put it in quotes", one)
			}
			*into = append(*into, s)
		}
		return nil
	}
}

// span reads a duration within bounds, or 0 where that stands for never.
func span(into *time.Duration, none bool, least, most time.Duration) func(any) error {
	return func(value any) error {
		s, _ := value.(string)
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%v is not a duration such as %s", value, *into)
		}
		if (d < least || d > most) && (d != 0 || !none) {
			return fmt.Errorf("%s is not from %s to %s", d, least, most)
		}
		*into = d
		return nil
	}
}

func count(into *int) func(any) error {
	return func(value any) error {
		v := reflect.ValueOf(value)
		switch {
		case v.IsValid() && v.CanInt() && v.Int() > 0 && v.Int() <= math.MaxInt32:
			*into = int(v.Int())
		case v.IsValid() && v.CanUint() && v.Uint() > 0 && v.Uint() <= math.MaxInt32:
			*into = int(v.Uint())
		default:
			return fmt.Errorf("%v is not a number of calls, such as %d", value, *into)
		}
		return nil
	}
}
