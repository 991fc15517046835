package vendors_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	if err == nil || err.Error() != `vendor.name: unknown vendor "manifst"; use one of: acme, archtics, audienceview, manifest, presence, ticketing` {
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

func TestAudienceViewNeedsNothingToBeChecked(t *testing.T) {
	raw := map[string]any{"username": "gate7@example.org", "client_id": 284, "performance_id": 49182}
	got, err := vendors.New("audienceview", raw, vendors.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	want := scanner.Scope{Vendor: "audienceview", Account: "284", Event: "performance 49182"}
	if got.Scope != want || got.Client != "284" || got.Exits {
		t.Errorf("got %+v", got)
	}
	if got.Validator == nil || got.Uploader == nil || got.Lister == nil || got.Session == nil {
		t.Error("a part is missing")
	}
}

func TestPresenceSaysWhatItMissesOfTheDevice(t *testing.T) {
	raw := map[string]any{"venue_id": "KovZpZAFF17J"}
	_, err := vendors.New("presence", raw, vendors.Deps{Device: vendors.Device{Name: "handheld 7", GateName: "Gate 7", MAC: "00:11:22:33:44:55"}})
	for _, want := range []string{"device.serial: missing", "device.model: missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	got, err := vendors.New("presence", raw, vendors.Deps{Device: vendors.Device{
		Name: "handheld 7", GateName: "Gate 7", MAC: "00:11:22:33:44:55", Serial: "S-1", Model: "Janam XT2",
	}})
	if err != nil || !got.Exits || !got.Registers || got.Uploader != nil || got.Lister != nil || got.Validator == nil || got.Session == nil {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestArchticsOffersLookUpsAlone(t *testing.T) {
	got, err := vendors.New("archtics", map[string]any{"uid": "user99", "dsn": "apigee"}, vendors.Deps{Event: "EVENT01"})
	if err != nil || got.Exits || got.Validator != nil || got.Uploader != nil || got.Lister != nil || got.Finder == nil || got.Watcher == nil || got.Session == nil {
		t.Errorf("%v, %+v", err, got)
	}
	if want := (scanner.Scope{Vendor: "archtics", Account: "apigee", Event: "EVENT01"}); got.Scope != want {
		t.Errorf("scope %+v", got.Scope)
	}
}

func TestEachVendorHasItsOwnMemory(t *testing.T) {
	var asked []string
	deps := vendors.Deps{Memory: func(prefix string) scanner.Memory {
		asked = append(asked, prefix)
		return nil
	}}
	raw := map[string]any{"username": "gate7@example.org", "client_id": 284}
	if _, err := vendors.New("audienceview", raw, deps); err != nil || len(asked) != 1 || asked[0] != "audienceview" {
		t.Errorf("%v, asked for %v", err, asked)
	}
}

// The house's time is the one that a vendor's certificate is judged at.
func TestCertificatesAreJudgedAtTheHousesTime(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	var asked atomic.Bool
	raw := map[string]any{"username": "gate7@example.org", "client_id": 284, "base_url": server.URL}
	v, err := vendors.New("audienceview", raw, vendors.Deps{
		Environ: []string{"USHER_VENDOR_PASSWORD=x"},
		Time:    func() time.Time { asked.Store(true); return time.Now() },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Session.Probe(t.Context()); err == nil || !asked.Load() {
		t.Errorf("%v, asked for the time: %v", err, asked.Load())
	}
}
