package vendors_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors"
)

func TestManifest(t *testing.T) {
	got, err := vendors.New("manifest", nil, vendors.Deps{Event: "gala"})
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
	raw := map[string]any{"client_id": 1, "base_url": "https://x.example"}
	_, err := vendors.New("manifest", raw, vendors.Deps{})
	for _, want := range []string{"vendor.base_url: unknown key", "vendor.client_id: unknown key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
