package vendors_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors"
)

func TestManifest(t *testing.T) {
	got, err := vendors.New("manifest", map[string]any{"name": "manifest"}, vendors.Deps{Event: "gala"})
	want := scanner.Vendor{Scope: scanner.Scope{Vendor: "manifest", Event: "gala"}, Exits: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestUnknownVendorNamesTheKnown(t *testing.T) {
	_, err := vendors.New("manifst", nil, vendors.Deps{})
	if err == nil || err.Error() != `vendor.name: unknown vendor "manifst"; use one of: manifest` {
		t.Errorf("got %v", err)
	}
}

func TestBlockIsStrict(t *testing.T) {
	for want, raw := range map[string]map[string]any{
		"unknown keys for a manifest site: base_url, client_id": {"name": "manifest", "client_id": 1, "base_url": "https://x.example"},
		"expected type 'string'":                                {"name": 12},
		"vendor.name: must be manifest":                         {},
	} {
		if _, err := vendors.New("manifest", raw, vendors.Deps{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", raw, err, want)
		}
	}
}
