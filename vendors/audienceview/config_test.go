package audienceview_test

import (
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/audienceview"
)

func TestConfigFaults(t *testing.T) {
	raw := map[string]any{
		"base_url": "http://api.ovationtix.com/public", "username": "a:b", "password": "hush", "password_file": "password",
		"client_id": "284", "production_id": -1, "performance_id": 1.5, "clientid": 284,
	}
	_, err := audienceview.New(raw, audienceview.Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		"vendor.base_url: must begin with https://",
		"vendor.client_id: 284 is not a number",
		"vendor.clientid: unknown key; known here: base_url, client_id, department_id, password_file, performance_id, production_id, username",
		"vendor.password: a secret does not belong in this file",
		"vendor.password_file: \"password\" is not an absolute path",
		"vendor.performance_id: 1.5 is not a number",
		"vendor.production_id: -1 is not a number",
		"vendor.username: holds a colon",
	}
	if len(lines) != len(want) {
		t.Fatalf("got %d lines:\n%v", len(lines), err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got %s\nwant %s", lines[i], want[i])
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("the error tells the password")
	}
	_, err = audienceview.New(nil, audienceview.Deps{})
	if err == nil || !strings.Contains(err.Error(), "vendor.username: missing") || !strings.Contains(err.Error(), "vendor.client_id: missing") {
		t.Errorf("empty: %v", err)
	}
}

func TestScope(t *testing.T) {
	for _, tt := range []struct {
		change map[string]any
		want   scanner.Scope
	}{
		{nil, scanner.Scope{Vendor: "audienceview", Account: "284"}},
		{map[string]any{"production_id": uint64(5)}, scanner.Scope{Vendor: "audienceview", Account: "284", Event: "production 5"}},
		{map[string]any{"production_id": 5, "performance_id": int64(6)}, scanner.Scope{Vendor: "audienceview", Account: "284", Event: "production 5, performance 6"}},
		{map[string]any{"base_url": "http://127.0.0.1:99/public"}, scanner.Scope{Vendor: "audienceview", Account: "284@127.0.0.1"}},
		{map[string]any{"base_url": "https://api.ovationtix.com/public/"}, scanner.Scope{Vendor: "audienceview", Account: "284"}},
	} {
		raw := map[string]any{"username": "u", "client_id": 284}
		for k, v := range tt.change {
			raw[k] = v
		}
		got, err := audienceview.New(raw, audienceview.Deps{})
		if err != nil || got.Scope != tt.want {
			t.Errorf("%v: got %+v, %v", tt.change, got.Scope, err)
		}
	}
}

func TestNoPassword(t *testing.T) {
	v := newVenue(t, func(raw map[string]any, _ *audienceview.Deps) { raw["password_file"] = "/nowhere/password" })
	err := v.client.Probe(t.Context())
	if call := scanner.CallErrorOf(err); call.Trouble != scanner.Denied || call.MaybeSent || !strings.Contains(err.Error(), "/nowhere/password does not exist") {
		t.Errorf("got %v", err)
	}
	if s := v.client.Status(); s.Ready || !strings.Contains(s.Problem, "does not exist") || v.server.Calls() != 0 {
		t.Errorf("status %+v", s)
	}
}
