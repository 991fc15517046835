package acme

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	vendorHost     = "api.acmeticketing.com"
	defaultBase    = "https://" + vendorHost
	defaultCheckIn = "/v2/willcall/checkinticketsexternal"
	defaultUndo    = "/v2/willcall/undocheckintickets"
	// off as undo_path: nothing is undone at ACME.
	off = "off"
	// What late_uploads may be.
	park        = "park"
	unvalidated = "unvalidated"
)

// Config is the vendor's block of the configuration.
type Config struct {
	// BaseURL is what every path is put behind.
	BaseURL string
	// APIKeyFile holds the API key, where no credential and no variable does.
	APIKeyFile string
	// TenantID is the venue's account at ACME.
	TenantID string
	// TerminalID is the scanning terminal as Back Office names it.
	TerminalID TerminalID
	// EventInstance is the id of the event that is scanned into; empty: ACME finds it
	// by the ticket.
	EventInstance string
	// CheckInPath is one of the documented calls, by its last word; UndoPath the one
	// that takes a check-in back, or "off".
	CheckInPath, UndoPath string
	// LateUploads says what becomes of an entry that ACME calls too early or too late
	// when it is uploaded: park, or unvalidated.
	LateUploads string
	// AdmitStatuses are the values of checkInStatus that let somebody in; RefuseStatuses
	// those that do not, and why. What is in neither lets nobody in.
	AdmitStatuses  []int64
	RefuseStatuses map[int64]scanner.Reason

	base *url.URL
}

// TerminalID is a terminal's id, sent as it was written: a number or text. The
// document does not say which it is.
type TerminalID struct {
	text   string
	number bool
}

// MarshalJSON gives 7 or "7".
func (t TerminalID) MarshalJSON() ([]byte, error) {
	if t.number {
		return []byte(t.text), nil
	}
	return []byte(strconv.Quote(t.text)), nil
}

// parse reads the block strictly and gives every fault at once.
func parse(raw map[string]any) (Config, error) {
	cfg := Config{BaseURL: defaultBase, CheckInPath: defaultCheckIn, UndoPath: defaultUndo, LateUploads: park}
	keys := map[string]func(any) error{
		"base_url": wire.Text(&cfg.BaseURL), "api_key_file": wire.Text(&cfg.APIKeyFile), "checkin_path": wire.Text(&cfg.CheckInPath), "undo_path": wire.Text(&cfg.UndoPath),
		"late_uploads": wire.Text(&cfg.LateUploads),
		"tenant_id":    identifier(&cfg.TenantID, nil), "event_instance": identifier(&cfg.EventInstance, nil),
		"terminal_id":     identifier(&cfg.TerminalID.text, &cfg.TerminalID.number),
		"admit_statuses":  func(v any) (err error) { cfg.AdmitStatuses, err = statuses(v); return err },
		"refuse_statuses": func(v any) (err error) { cfg.RefuseStatuses, err = refusals(v); return err },
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
	for _, field := range []struct{ key, value, missing string }{
		{"tenant_id", c.TenantID, "missing: your venue's id at ACME; ACME's support tells it with the API key"},
		{"terminal_id", c.TerminalID.text, "missing: the terminal's id from Back Office; each device needs its own (USHER_VENDOR_TERMINAL_ID sets one device's)"},
		{"event_instance", c.EventInstance, ""},
	} {
		switch {
		case field.value == "" && field.missing != "":
			add(field.key, errors.New(field.missing))
		case !plainID(field.value):
			add(field.key, fmt.Errorf("%q is no id of ACME's, such as 57113d507947cc39efb44249", field.value))
		}
	}
	if shapeOf(c.CheckInPath) == "" || !plainPath(c.CheckInPath) {
		add("checkin_path", fmt.Errorf("%q is none of the documented calls: %s, or /v2/b2b/willcall/checkinexternal, or /v2/b2b/willcall/checkintickets", c.CheckInPath, defaultCheckIn))
	}
	if c.UndoPath != off && !plainPath(c.UndoPath) {
		add("undo_path", fmt.Errorf("%q is no path such as %s; off: nothing is undone at ACME", c.UndoPath, defaultUndo))
	}
	if c.LateUploads != park && (c.LateUploads != unvalidated || shapeOf(c.CheckInPath) != external) {
		add("late_uploads", fmt.Errorf("%q is neither %s nor, where checkin_path is %s, %s", c.LateUploads, park, external, unvalidated))
	}
	for _, status := range c.AdmitStatuses {
		if reason, both := c.RefuseStatuses[status]; both {
			add("refuse_statuses", fmt.Errorf("%d is %s here and admits by vendor.admit_statuses: it can mean one thing only", status, reason))
		}
	}
}

// plainID tells an id that can stand in a path and a header as it is.
func plainID(text string) bool {
	const longest = 100
	return len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	})
}

// plainPath tells a path that can be put behind a URL as it is.
func plainPath(text string) bool {
	return strings.HasPrefix(text, "/") && path.Clean(text) == text && !strings.ContainsAny(text, `?#%\ {}`)
}

// shape is how a check-in call is asked and answered.
type shape string

// The documented calls, by the last word of their path.
const (
	// external takes any kind of barcode.
	external shape = "checkinticketsexternal"
	// single takes one ticket's UUID, batch a list of them.
	single shape = "checkinexternal"
	batch  shape = "checkintickets"
)

func shapeOf(checkIn string) shape {
	switch s := shape(path.Base(checkIn)); s {
	case external, single, batch:
		return s
	}
	return ""
}

// identifier takes an id as text or as a number, and notes which.
func identifier(into *string, number *bool) func(any) error {
	return func(value any) error {
		if s, ok := value.(string); ok {
			*into = strings.TrimSpace(s)
			return nil
		}
		n, ok := whole(value)
		if !ok || n < 0 {
			return fmt.Errorf("%v is no id; put it in quotes", value)
		}
		*into = strconv.FormatInt(n, 10)
		if number != nil {
			*number = true
		}
		return nil
	}
}

func whole(value any) (int64, bool) {
	v := reflect.ValueOf(value)
	switch {
	case v.IsValid() && v.CanInt():
		return v.Int(), true
	case v.IsValid() && v.CanUint() && v.Uint() <= math.MaxInt64:
		return int64(v.Uint()), true
	}
	return 0, false
}

// statuses takes a number or a list of them.
func statuses(value any) ([]int64, error) {
	all, isList := value.([]any)
	if !isList {
		all = []any{value}
	}
	var out []int64
	for _, one := range all {
		n, ok := whole(one)
		if !ok {
			return nil, fmt.Errorf("%v is no check-in status: write whole numbers, such as [1]", one)
		}
		if slices.Contains(out, n) {
			return nil, fmt.Errorf("%d stands there twice", n)
		}
		out = append(out, n)
	}
	return out, nil
}

// refusable are the reasons that a status may be given.
var refusable = []scanner.Reason{
	scanner.AlreadyEntered, scanner.NotFound, scanner.Voided, scanner.Refunded, scanner.WrongEvent, scanner.WrongSection,
	scanner.TooEarly, scanner.TooLate, scanner.Restricted,
}

// refusals takes reasons and their statuses: {already_entered: 2, too_early: [3, 4]}.
func refusals(value any) (map[int64]scanner.Reason, error) {
	reasons, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("write reasons and their statuses, such as { already_entered: [2], too_early: [3] }")
	}
	out := map[int64]scanner.Reason{}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		reason := scanner.Reason(name)
		if !slices.Contains(refusable, reason) {
			return nil, fmt.Errorf("%q is no reason to refuse; use one of: %s", name, joinReasons(refusable))
		}
		list, err := statuses(reasons[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, status := range list {
			if other, twice := out[status]; twice {
				return nil, fmt.Errorf("%d is both %s and %s", status, other, reason)
			}
			out[status] = reason
		}
	}
	return out, nil
}

func joinReasons(reasons []scanner.Reason) string {
	var names []string
	for _, r := range reasons {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// names tells whether some status stands for the reason.
func (c Config) names(reason scanner.Reason) bool {
	return slices.Contains(slices.Collect(maps.Values(c.RefuseStatuses)), reason)
}

// scope is the tenant and the event scanned into. A tenant at another host than
// ACME's own is another account: a sandbox's scans never reach the real one.
func (c Config) scope() scanner.Scope {
	account := c.TenantID
	if host := c.base.Hostname(); host != vendorHost {
		account += "@" + host
	}
	return scanner.Scope{Vendor: Name, Account: account, Event: c.EventInstance}
}
