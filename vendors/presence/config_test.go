package presence_test

import (
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/presence"
)

func TestConfigFaults(t *testing.T) {
	raw := map[string]any{
		"base_url": "http://app.ticketmaster.com/presence/v1", "device_url": "ftp://x", "ticket_url": "https://x?apikey=hush", "api_key": "hush",
		"api_key_file": "key", "venue_id": 5, "upload_path": "ticket/upload", "channel_id": "AB", "venueid": "x",
	}
	_, err := presence.New(raw, presence.Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`vendor.api_key: a secret does not belong in this file`,
		`vendor.api_key_file: "key" is not an absolute path`,
		`vendor.base_url: must begin with https://`,
		`vendor.channel_id: "AB" has more than one character`,
		`vendor.device_url: must begin with https://`,
		`vendor.ticket_url: ends in a query`,
		`vendor.upload_path: "ticket/upload" is not a path`,
		`vendor.venue_id: 5 is not text`,
		`vendor.venueid: unknown key; known here: api_key_file, base_url, channel_id, device_url, ticket_url, upload_path, venue_id`,
		`device.mac: missing, and Ticketmaster Presence wants it`,
		`device.model: missing`,
		`device.name: missing`,
		`device.serial: missing`,
		`gate.name: missing`,
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines:\n%v", len(lines), err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got %s\nwant %s", lines[i], want[i])
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("the error tells the key")
	}
	if _, err := presence.New(nil, presence.Deps{Device: device()}); err == nil || !strings.Contains(err.Error(), "vendor.venue_id: missing") {
		t.Errorf("empty: %v", err)
	}
	bad := device()
	bad.MAC = "nonsense"
	if _, err := presence.New(map[string]any{"venue_id": venue}, presence.Deps{Device: bad}); err == nil || !strings.HasPrefix(err.Error(), `device.mac: "nonsense" is no hardware address`) {
		t.Errorf("address: %v", err)
	}
}

func TestUploadPaths(t *testing.T) {
	for path, good := range map[string]bool{
		"/ticket/upload": true, "/ticket/upload/{direction}": true, "/ticket/{direction}/upload.json": true, "": true,
		"//evil.example/x": false, "/x?y=1": false, "/x#y": false, "/x/../y": false, "/x{other}": false, "/x y": false, "/%2e": false, "https://x/y": false,
	} {
		_, err := presence.New(map[string]any{"venue_id": venue, "upload_path": path}, presence.Deps{Device: device()})
		if (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// What the vendor offers follows from what is configured, and what is left open is
// said with whom to ask.
func TestParts(t *testing.T) {
	for path, want := range map[string]string{
		"":                           "vendor.upload_path: missing, so entries made offline are kept on this device and exported, never uploaded: the path is not public, ask Ticketmaster's Nexus Partner Program coordinator",
		"/ticket/upload":             "vendor.upload_path: holds no {direction}",
		"/ticket/upload/{direction}": "",
	} {
		v, err := presence.New(map[string]any{"venue_id": venue, "upload_path": path}, presence.Deps{Device: device()})
		if err != nil {
			t.Fatal(err)
		}
		advice := strings.Join(v.Advice, "\n")
		if !strings.HasPrefix(advice, want) || want == "" && advice != "" {
			t.Errorf("%q: advice %q", path, advice)
		}
		if uploads := path != ""; (v.Uploader != nil) != uploads || (v.Freeze != nil) != uploads || v.Lister != nil || v.Validator == nil || v.Session == nil || !v.Exits || v.CallTimeout.Seconds() != 3 {
			t.Errorf("%q: %+v", path, v)
		}
	}
}

func TestScope(t *testing.T) {
	for base, want := range map[string]string{
		"": venue, "https://app.ticketmaster.com/presence/v1/": venue, "https://livenation-test.apigee.net/presence-api-preprod/presence/v1": venue + "@livenation-test.apigee.net",
	} {
		v, err := presence.New(map[string]any{"venue_id": venue, "base_url": base}, presence.Deps{Device: device()})
		if err != nil || v.Scope != (scanner.Scope{Vendor: "presence", Account: want}) {
			t.Errorf("%q: %+v, %v", base, v.Scope, err)
		}
	}
}
