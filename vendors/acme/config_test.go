package acme_test

import (
	"maps"
	"strings"
	"testing"

	"usher/vendors/acme"
)

func TestConfigFaults(t *testing.T) {
	raw := map[string]any{
		"base_url": "http://api.acmeticketing.com", "api_key": "hush", "api_key_file": "key", "tenant_id": "a/b", "terminal_id": 1.5, "event_instance": "../x",
		"checkin_path": "/v2/willcall/checkin", "undo_path": "undo", "admit_statuses": []any{1, "2"}, "refuse_statuses": map[string]any{"ok": 1}, "tenant": "x",
	}
	_, err := acme.New(raw, acme.Deps{})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`vendor.admit_statuses: 2 is no check-in status: write whole numbers`,
		`vendor.api_key: a secret does not belong in this file`,
		`vendor.api_key_file: "key" is not an absolute path`,
		`vendor.base_url: must begin with https://`,
		`vendor.checkin_path: "/v2/willcall/checkin" is none of the documented calls`,
		`vendor.event_instance: "../x" is no id of ACME's`,
		`vendor.refuse_statuses: "ok" is no reason to refuse; use one of: already_entered, not_found`,
		`vendor.tenant: unknown key; known here: admit_statuses, api_key_file, base_url, checkin_path, event_instance, late_uploads, refuse_statuses, tenant_id, terminal_id, undo_path`,
		`vendor.tenant_id: "a/b" is no id of ACME's`,
		`vendor.terminal_id: 1.5 is no id; put it in quotes`,
		`vendor.undo_path: "undo" is no path such as`,
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
	_, err = acme.New(nil, acme.Deps{})
	for _, missing := range []string{"vendor.tenant_id: missing", "vendor.terminal_id: missing"} {
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("empty: %v", err)
		}
	}
}

// One key at a time, from a block that is good.
func TestConfigValues(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		fault string // empty: none
	}{
		{"tenant_id", 284, ""}, {"tenant_id", uint64(284), ""}, {"tenant_id", -1, "no id"}, {"tenant_id", true, "no id"}, {"tenant_id", " ", "missing"},
		{"terminal_id", 7, ""}, {"terminal_id", "T-7_a", ""}, {"terminal_id", "T 7", "no id of ACME's"}, {"terminal_id", strings.Repeat("7", 101), "no id of ACME's"},
		{"event_instance", "57113d507947cc39efb44249", ""}, {"event_instance", 5, ""}, {"event_instance", "", ""}, {"event_instance", []any{"x"}, "no id"},
		{"admit_statuses", 1, ""}, {"admit_statuses", []any{1, 2, -3}, ""}, {"admit_statuses", []any{}, ""}, {"admit_statuses", []any{1, 1}, "twice"},
		{"admit_statuses", 1.5, "no check-in status"}, {"admit_statuses", "1", "no check-in status"}, {"admit_statuses", true, "no check-in status"},
		{"refuse_statuses", map[string]any{}, ""}, {"refuse_statuses", map[string]any{"voided": []any{1, 2}, "too_early": 3}, ""}, {"refuse_statuses", []any{1}, "write reasons"},
		{"refuse_statuses", map[string]any{"voided": 1, "refunded": 1}, "1 is both refunded and voided"}, {"refuse_statuses", map[string]any{"voided": "x"}, "voided: x is no check-in status"},
		{"refuse_statuses", map[string]any{"exited": 1}, "no reason to refuse"}, {"refuse_statuses", map[string]any{"restricted": 555}, "555 is restricted here and admits"},
		{"checkin_path", singlePath, ""}, {"checkin_path", batchPath, ""}, {"checkin_path", "/v2/b2b/willcall/checkinticketsexternal", ""}, {"checkin_path", "", ""},
		{"checkin_path", "checkintickets", "none of the documented"}, {"checkin_path", "/v2/../checkintickets", "none of the documented"}, {"checkin_path", "/v2/checkintickets?x=1", "none of the documented"},
		{"checkin_path", "//evil.example/checkintickets", "none of the documented"}, {"checkin_path", 5, "not text"},
		{"undo_path", "off", ""}, {"undo_path", "/v2/b2b/willcall/undocheckintickets", ""}, {"undo_path", "/x#y", "no path"}, {"undo_path", "https://x/y", "no path"},
		{"late_uploads", "park", ""}, {"late_uploads", "unvalidated", ""}, {"late_uploads", "never", "is neither park nor"}, {"late_uploads", true, "not text"},
		{"base_url", "https://sand1-api.acmeticketing.net/", ""}, {"base_url", "http://127.0.0.1:8080", ""}, {"base_url", "https://x?y", "ends in a query"}, {"base_url", 5, "not text"},
	} {
		raw := maps.Clone(told())
		raw["admit_statuses"] = []any{555}
		if raw[tt.key] = tt.value; tt.key == "admit_statuses" {
			delete(raw, "refuse_statuses")
		}
		_, err := acme.New(raw, acme.Deps{})
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.HasPrefix(err.Error(), "vendor."+tt.key+": ") || !strings.Contains(err.Error(), tt.fault) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v: %v", tt.key, tt.value, err)
		}
	}
}
