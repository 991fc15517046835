package audienceview

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"

	"usher/vendors/wire"
)

const (
	vendorHost  = "api.ovationtix.com"
	defaultBase = "https://" + vendorHost + "/public"
)

// Config is the vendor's block of the configuration.
type Config struct {
	// BaseURL is what /scanning/... is put behind.
	BaseURL string
	// Username is the user of AudienceView Professional with the scanning
	// permission, usually an e-mail address.
	Username string
	// PasswordFile holds the password, where no credential and no variable does.
	PasswordFile string
	// ClientID is the client of AudienceView. ProductionID and PerformanceID
	// restrict what is admitted; 0: any within the scan window.
	ClientID, ProductionID, PerformanceID int64
	// DepartmentID restricts the listing of events, where no ProductionID does; 0: the
	// whole client's. Scanning knows no departments.
	DepartmentID int64

	base *url.URL
}

// parse reads the block strictly and gives every fault at once.
func parse(raw map[string]any) (Config, error) {
	cfg := Config{BaseURL: defaultBase}
	keys := map[string]func(any) error{
		"base_url":       wire.Text(&cfg.BaseURL),
		"username":       wire.Text(&cfg.Username),
		"password_file":  wire.Text(&cfg.PasswordFile),
		"client_id":      id(&cfg.ClientID),
		"production_id":  id(&cfg.ProductionID),
		"performance_id": id(&cfg.PerformanceID),
		"department_id":  id(&cfg.DepartmentID),
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
	switch {
	case c.Username == "":
		add("username", errors.New("missing: the user of AudienceView Professional who has the scanning permission"))
	case strings.ContainsAny(c.Username, ":\r\n"):
		add("username", errors.New("holds a colon or a line break, which the sign-in cannot carry"))
	}
	block.File("password_file", c.PasswordFile)
	if c.ClientID == 0 {
		add("client_id", errors.New("missing: the number of your client at AudienceView; `usher events` lists what the user may scan"))
	}
}

func id(into *int64) func(any) error {
	return func(value any) error {
		v := reflect.ValueOf(value)
		switch {
		case v.IsValid() && v.CanInt() && v.Int() >= 0:
			*into = v.Int()
		case v.IsValid() && v.CanUint() && v.Uint() <= math.MaxInt64:
			*into = int64(v.Uint())
		default:
			return fmt.Errorf("%v is not a number of AudienceView, such as 284", value)
		}
		return nil
	}
}
