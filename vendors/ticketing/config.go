package ticketing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"usher/vendors/wire"
)

const (
	vendorHost  = "api.ticketingevents.com"
	defaultBase = "https://" + vendorHost + "/v3"
	// defaultRecords and defaultBatch are our own: the document names no most.
	defaultRecords = 100
	mostRecords    = 1000
	defaultBatch   = 50
	mostBatch      = 500
)

// The values of list_with.
const (
	listAuto  = "auto"
	listToken = "token"
)

// Config is the vendor's block of the configuration.
type Config struct {
	// BaseURL is what /tokens/... and /events/... are put behind.
	BaseURL string
	// APIKeyFile holds the integration key, where no credential and no variable does.
	APIKeyFile string
	// Username and PasswordFile are for a session instead of an integration key.
	Username, PasswordFile string
	// Token is the admission token, TokenFile a file that holds it: one of the two, or
	// none where a credential or variable does.
	Token, TokenFile string
	// Event is the event's number; empty: the token's.
	Event string
	// Redeemer is the human name behind this device's admissions; empty: the device's.
	Redeemer string
	// Records is how many tickets a page of the list has, Batch how many a call
	// admits at most.
	Records, Batch int
	// ListWith is listAuto or listToken: who lists the tickets of other sections.
	ListWith string

	base *url.URL
}

// parse reads the block strictly and gives every fault at once.
func parse(raw map[string]any) (Config, error) {
	cfg := Config{BaseURL: defaultBase, Records: defaultRecords, Batch: defaultBatch, ListWith: listAuto}
	keys := map[string]func(any) error{
		"base_url":             text(&cfg.BaseURL),
		"api_key_file":         text(&cfg.APIKeyFile),
		"username":             text(&cfg.Username),
		"password_file":        text(&cfg.PasswordFile),
		"admission_token":      text(&cfg.Token),
		"admission_token_file": text(&cfg.TokenFile),
		"event":                id(&cfg.Event),
		"redeemer":             text(&cfg.Redeemer),
		"records":              count(&cfg.Records, mostRecords),
		"batch":                count(&cfg.Batch, mostBatch),
		"list_with":            text(&cfg.ListWith),
	}
	block := wire.ReadBlock(raw, keys)
	cfg.check(block)
	return cfg, block.Err()
}

// check adds what is wrong with the values, where a key is not at fault already.
func (c *Config) check(block *wire.Block) {
	add := func(key, format string, args ...any) { block.Fault(key, fmt.Errorf(format, args...)) }
	base, err := wire.ParseBase(c.BaseURL)
	block.Fault("base_url", err)
	c.base = base
	for key, path := range map[string]string{
		"api_key_file": c.APIKeyFile, "password_file": c.PasswordFile, "admission_token_file": c.TokenFile,
	} {
		block.File(key, path)
	}
	if c.Username == "" && c.PasswordFile != "" {
		add("username", "missing: the user of TickeTing whose password vendor.password_file holds; without a session, name the integration key in vendor.api_key_file instead")
	}
	switch {
	case c.Token != "" && c.TokenFile != "":
		add("admission_token_file", "there is vendor.admission_token as well: give one of the two")
	case c.Token != "" && !tokenShaped(c.Token):
		add("admission_token", "is not 8 characters of A to Z and 0 to 9, such as those that `usher tokens issue` prints")
	case c.Token == "" && c.Event == "" && !block.Faulty("admission_token"):
		add("event", "missing: the number of the event, the last part of its address at TickeTing; it may be left out beside vendor.admission_token only")
	}
	if c.ListWith != listAuto && c.ListWith != listToken {
		add("list_with", "%q is neither %s nor %s", c.ListWith, listAuto, listToken)
	}
}

// advice is what a person should know before a gate opens.
func (c Config) advice() []string {
	if c.Event != "" {
		return nil
	}
	return []string{"vendor.event: missing, so another admission token counts as another event, and what was scanned under this one is not held against its tickets: " +
		"write the event's number, which `usher events` shows"}
}

// tag tells one admission token at one server from another. It is too short to
// lead back to the token.
func (c Config) tag(token string) string {
	sum := sha256.Sum256([]byte("usher admission token\x00" + c.base.String() + "\x00" + token))
	return hex.EncodeToString(sum[:])[:5]
}

// tokenShaped tells what may be an admission token.
func tokenShaped(token string) bool {
	const length = 8
	return len(token) == length && !strings.ContainsFunc(token, func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') })
}

func text(into *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok {
			return errors.New("is not text; put it in quotes")
		}
		if s = strings.TrimSpace(s); s != "" {
			*into = s
		}
		return nil
	}
}

// id takes a number of TickeTing, in quotes or not.
func id(into *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if n := reflect.ValueOf(value); n.IsValid() && (n.CanInt() || n.CanUint()) {
			s, ok = fmt.Sprint(value), true
		}
		s = strings.TrimSpace(s)
		if !ok || strings.Trim(s, "0123456789") != "" || len(s) > 19 {
			return errors.New("is not a number of TickeTing, such as 16993717817996")
		}
		if s != "" && s != "0" {
			*into = s
		}
		return nil
	}
}

func count(into *int, most int) func(any) error {
	return func(value any) error {
		n, err := strconv.Atoi(fmt.Sprint(value))
		if err != nil || n < 1 || n > most {
			return fmt.Errorf("is not a number from 1 to %d", most)
		}
		*into = n
		return nil
	}
}
