package archtics_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"usher/scanner"
	"usher/vendors/archtics"
)

const fuzzCode = "721744537954"

var seeds = []string{
	`{"command1":{"cmd":"verify_barcode","result":0,"sql_code":0,` + place + `}}`,
	`{"command1":{"result":0,"barcodes":[{` + place + `,"barcode_status":"void"}]}}`,
	`{"command1":{"result":5024,"sql_code":100,"error_detail":"barcode 721744537954 not found"}}`,
	`{"command1":{"result":"5020"},"header":{"result":0}}`,
	`{"command1":{"result":0,"attendance":[{` + place + `,"result_code":0,"event_date":"2026-11-20","action_time":"19:23:11","gate":"N"}]}}`,
	`{"command1":{"result":0,"events":[{"event_name":"EVENT01","event_date":"2026-11-21","event_time":"20:00","event_duration":"150"}]}}`,
	`{"command1":{"result":9999,"error_desc":"No data for token '{s1}'"}}`,
	`{"command1":{"result":0,"row_name":"","seat_num":null,"x":[[{}],{"a":[1]}],"status":{"status":1}}}`,
	`{"command1":{"result":0,"events":[{"event_name":[]}],"count":"many"}}`, `{"command1":{"result":1e400}}`, `{"command1":{}}`, `[]`, `{}`, `null`, "\xff", `{"command1":{"result":0,"seat":"\u0000"}}`,
}

// owed is what every error owes: it is a CallError, not in doubt, and tells neither
// key nor code.
func owed(t *testing.T, err error) {
	t.Helper()
	call := scanner.CallErrorOf(err)
	if call.MaybeSent || call.Op == "call" || call.Trouble == "" {
		t.Errorf("%+v", call)
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, call)
	if strings.Contains(text, key) || strings.Contains(text, fuzzCode) {
		t.Errorf("the error tells a secret: %s", text)
	}
}

// Whatever answers a look-up: only a whole seat beside result 0 is a ticket, and no
// text holds the code.
func FuzzVerify(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, found, err := look(t, canned(t, body), fuzzCode)
		if err != nil {
			owed(t, err)
			return
		}
		var answer struct {
			Command struct {
				Result json.RawMessage `json:"result"`
			} `json:"command1"`
		}
		if json.Unmarshal([]byte(body), &answer) != nil {
			t.Fatal("believed, and it is no JSON")
		}
		if found == scanner.Listed {
			if got.Code != fuzzCode || got.Section == "" || got.Seat == "" || got.Event == "" || got.ID == "" || got.Status == "" {
				t.Errorf("%+v", got)
			}
			if r := strings.Trim(string(answer.Command.Result), `" `); strings.Trim(r, "0.eE+-") != "" {
				t.Errorf("result %s, and a ticket: %+v", r, got)
			}
		}
		if strings.Contains(got.Detail, fuzzCode) || strings.ContainsFunc(got.Detail+got.Name+got.Section+got.Seat+got.Event, unicode.IsControl) {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever answers for attendance, it ends, and what is kept of it can be read.
func FuzzAttendance(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := canned(t, body, func(raw map[string]any) { raw["events"], raw["calls_per_minute"] = []any{event}, 20 })
		if err := c.Watch(t.Context()); err != nil {
			owed(t, err)
		}
	})
}

// Whatever answers event_search and event_details, it ends.
func FuzzEvents(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := canned(t, body, func(raw map[string]any) { raw["calls_per_minute"] = 20 })
		events, err := c.Events(t.Context(), time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC))
		if err != nil {
			owed(t, err)
		}
		for _, e := range events {
			if e.ID == "" && len(events) == 1 && e.Name != "" {
				t.Errorf("an event without a name: %+v", e)
			}
		}
		if _, err := c.SeatsSold(t.Context(), archtics.SeatsSold{Account: 1}); err != nil {
			owed(t, err)
		}
	})
}
