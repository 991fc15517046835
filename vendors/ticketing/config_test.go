package ticketing_test

import (
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/ticketing"
)

func TestWhatABlockNeeds(t *testing.T) {
	fine := map[string]any{"admission_token": token}
	for _, tt := range []struct {
		name  string
		block map[string]any
		want  []string
	}{
		{"nothing", nil, []string{"vendor.event: missing"}},
		{"the token alone", fine, nil},
		{"the event alone", map[string]any{"event": 16993717817996}, nil},
		{"an event in quotes", map[string]any{"event": "16993717817996"}, nil},
		{"a large event", map[string]any{"event": uint64(1<<63 + 5)}, nil},
		{"the token in a file, no event", map[string]any{"admission_token_file": "/t"}, []string{"vendor.event: missing"}},
		{"two tokens", map[string]any{"admission_token": token, "admission_token_file": "/t"}, []string{"vendor.admission_token_file: there is vendor.admission_token as well"}},
		{"a token in small letters", map[string]any{"admission_token": "a0f9gg8d"}, []string{"vendor.admission_token: is not 8 characters"}},
		{"a short token", map[string]any{"admission_token": "A0F9GG8"}, []string{"vendor.admission_token: is not 8 characters"}},
		{"a token that YAML takes for a number", map[string]any{"admission_token": 12345678}, []string{"vendor.admission_token: is not text; put it in quotes"}},
		{"an event that is text", map[string]any{"event": "gala"}, []string{"vendor.event: is not a number of TickeTing"}},
		{"an event that is a fraction", map[string]any{"event": 1.5}, []string{"vendor.event: is not a number of TickeTing"}},
		{"an event that is negative", map[string]any{"event": -3}, []string{"vendor.event: is not a number of TickeTing"}},
		{"an event that is too long", map[string]any{"event": "12345678901234567890"}, []string{"vendor.event: is not a number of TickeTing"}},
		{"secrets in the file", map[string]any{"admission_token": token, "api_key": key, "password": password},
			[]string{"vendor.api_key: a secret does not belong in this file", "vendor.password: a secret does not belong in this file"}},
		{"unknown keys", map[string]any{"admission_token": token, "tokn": "x", "section": "y"}, []string{"vendor.section: unknown key; known here: admission_token,", "vendor.tokn: unknown key"}},
		{"a password and no user", map[string]any{"admission_token": token, "password_file": "/p"}, []string{"vendor.username: missing"}},
		{"paths that are not absolute", map[string]any{"event": 1, "api_key_file": "k", "username": "u", "password_file": "p", "admission_token_file": "t"},
			[]string{`vendor.admission_token_file: "t" is not an absolute path`, `vendor.api_key_file: "k" is not`, `vendor.password_file: "p" is not`}},
		{"http beyond this machine", map[string]any{"admission_token": token, "base_url": "http://api.example.org"}, []string{"vendor.base_url: must begin with https://"}},
		{"counts", map[string]any{"admission_token": token, "records": 1001, "batch": 0}, []string{"vendor.batch: is not a number from 1 to 500", "vendor.records: is not a number from 1 to 1000"}},
		{"counts of another kind", map[string]any{"admission_token": token, "records": true, "batch": "many"}, []string{"vendor.batch: is not", "vendor.records: is not"}},
		{"who lists", map[string]any{"admission_token": token, "list_with": "base"}, []string{`vendor.list_with: "base" is neither auto nor token`}},
		{"of another kind", map[string]any{"admission_token": token, "redeemer": 7, "list_with": nil}, []string{"vendor.list_with: is not text", "vendor.redeemer: is not text"}},
	} {
		_, err := ticketing.New(tt.block, ticketing.Deps{})
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if lines := strings.Count(text, "\n") + 1; err != nil && lines != len(tt.want) {
			t.Errorf("%s: %d faults, want %d: %s", tt.name, lines, len(tt.want), text)
		}
		at := 0
		for _, want := range tt.want {
			i := strings.Index(text[at:], want)
			if i < 0 {
				t.Errorf("%s: no %q (in order) in %s", tt.name, want, text)
				continue
			}
			at += i
		}
		if strings.Contains(text, key) || strings.Contains(text, password) || strings.Contains(text, token) {
			t.Errorf("%s: a secret is shown: %s", tt.name, text)
		}
	}
}

// The event is what scans are judged under, whatever token the device has; without
// one each token stands for itself, and leads nobody back to it.
func TestScope(t *testing.T) {
	scope := func(block map[string]any) scanner.Scope {
		t.Helper()
		v, err := ticketing.New(block, ticketing.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		if (len(v.Advice) == 0) != (block["event"] != nil) {
			t.Errorf("advice %q", v.Advice)
		}
		return v.Scope
	}
	want := scanner.Scope{Vendor: "ticketing", Event: "16993717817996"}
	for _, block := range []map[string]any{
		{"event": 16993717817996}, {"event": "16993717817996", "admission_token": token}, {"event": 16993717817996, "admission_token": "ANOTHER1", "redeemer": "x"},
	} {
		if got := scope(block); got != want {
			t.Errorf("%v: %+v", block, got)
		}
	}
	trial := scope(map[string]any{"event": 16993717817996, "base_url": "https://qa.ticketingevents.com/v3/"})
	if trial.Account != "qa.ticketingevents.com" || trial.Event != want.Event {
		t.Errorf("a trial: %+v", trial)
	}
	one, other := scope(map[string]any{"admission_token": token}), scope(map[string]any{"admission_token": "ANOTHER1"})
	if one == other || one != scope(map[string]any{"admission_token": token}) || strings.Contains(one.Key(), token) || len(one.Event) != len("token 12345") {
		t.Errorf("%+v, %+v", one, other)
	}
}

func TestWhatTheVendorOffers(t *testing.T) {
	v, err := ticketing.New(map[string]any{"admission_token": token}, ticketing.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Exits || v.Finder != nil || v.Undoer != nil || v.Validator == nil || v.Uploader == nil || v.Lister == nil || v.Changes == nil ||
		v.Session == nil || v.Events == nil || v.Tokens == nil || v.Freeze == nil || v.Sections() != nil {
		t.Errorf("%+v", v)
	}
}
