package audienceview

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
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
		"base_url":       text(&cfg.BaseURL),
		"username":       text(&cfg.Username),
		"password_file":  text(&cfg.PasswordFile),
		"client_id":      id(&cfg.ClientID),
		"production_id":  id(&cfg.ProductionID),
		"performance_id": id(&cfg.PerformanceID),
		"department_id":  id(&cfg.DepartmentID),
	}
	faults := map[string]error{}
	for key, value := range raw {
		set, known := keys[key]
		switch {
		case key == "password":
			faults[key] = errors.New("a secret does not belong in this file: put it into a file of its own and name that in vendor.password_file")
		case !known:
			faults[key] = fmt.Errorf("unknown key; known here: %s", strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		default:
			if err := set(value); err != nil {
				faults[key] = err
			}
		}
	}
	cfg.check(faults)
	var all []error
	for _, key := range slices.Sorted(maps.Keys(faults)) {
		all = append(all, fmt.Errorf("vendor.%s: %w", key, faults[key]))
	}
	return cfg, errors.Join(all...)
}

// check adds what is wrong with the values, where a key is not at fault already.
func (c *Config) check(faults map[string]error) {
	add := func(key string, err error) {
		if _, have := faults[key]; !have && err != nil {
			faults[key] = err
		}
	}
	base, err := wire.ParseBase(c.BaseURL)
	add("base_url", err)
	c.base = base
	switch {
	case c.Username == "":
		add("username", errors.New("missing: the user of AudienceView Professional who has the scanning permission"))
	case strings.ContainsAny(c.Username, ":\r\n"):
		add("username", errors.New("holds a colon or a line break, which the sign-in cannot carry"))
	}
	if c.PasswordFile != "" && !filepath.IsAbs(c.PasswordFile) {
		add("password_file", fmt.Errorf("%q is not an absolute path", c.PasswordFile))
	}
	if c.ClientID == 0 {
		add("client_id", errors.New("missing: the number of your client at AudienceView; `usher events` lists what the user may scan"))
	}
}

func text(into *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("%v is not text; put it in quotes", value)
		}
		*into = cmp.Or(strings.TrimSpace(s), *into)
		return nil
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
