package archtics_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
)

// canned answers every call with one body, without a network.
func canned(t *testing.T, body string, edit ...func(map[string]any)) *archtics.Client {
	t.Helper()
	c, err := archtics.NewClient(block(edit...), archtics.Deps{
		Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Zone: newYork(t),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func look(t *testing.T, c *archtics.Client, code scanner.Code) (scanner.Ticket, scanner.Found, error) {
	t.Helper()
	return c.Find(t.Context(), scanner.Ask{Code: code, Direction: scanner.Entry})
}

const place = `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":7`

// However a look-up is shaped, one whole seat without an obstacle is a good ticket,
// and whatever is not understood is for a supervisor.
func TestShapes(t *testing.T) {
	good := map[string]string{
		"flat":                      place,
		"text":                      `"event_name":" EVENT01 ","section_name":101,"row_name":"A","seat_num":"7"`,
		"other case":                `"Event_Name":"EVENT01","SECTION":"101","Row":"A","Seat":7`,
		"array":                     `"barcodes":[{` + place + `}]`,
		"object":                    `"ticket":{` + place + `}`,
		"array in object":           `"data":{"seats":[{` + place + `}]}`,
		"arrays in an array":        `"data":[[{` + place + `}]]`,
		"event around":              `"event_name":"EVENT01","seats":[{"section_name":"101","row_name":"A","seat_num":7}]`,
		"event beside":              `"event":{"event_name":"EVENT01"},"seat":{"section":"101","row":"A","seat":7}`,
		"twice the same":            `"seats":[{` + place + `},{"event_name":"event01","section_name":"0101","row_name":"a","seat_num":"007"}]`,
		"empty status":              place + `,"barcode_status":"","void_ind":null`,
		"fine status":               place + `,"seat_status_ind":"A","ticket_status":"PB","is_void":"N","valid":"Y","cancelled":0,"active":true,"resale_allowed_ind":"Q"`,
		"a block of one":            place + `,"num_seats":1,"last_seat":"07"`,
		"an account":                place + `,"account":{"acct_id":5,"full_name":"Ada Byron"}`,
		"configured status":         place + `,"barcode_status":"printed at home"`,
		"an empty list of states":   place + `,"status_list":[]`,
		"an empty object of states": place + `,"status":{}`,
		"a whole seat around":       place + `,"seats":[{"seat_num":7.0,"section":"0101"}]`,
		"an address":                place + `,"account":{"city":"Troy","state":"NY","zip":"12180"}`,
		"what may be done":          place + `,"return_allowed_ind":"Q","status_date_time":"2026-11-20 10:00","status_seat_num":7,"block_full_price":45.5`,
		"a letter in its field":     place + `,"seat_status_ind":"C"`,
		"a clear question":          place + `,"is_valid":"Y","is_active":1,"ticket_void_ind":"N","not_valid":"N","deactivated":false,"entry_allowed":"Y","void_date":""`,
		"an empty neighbour":        place + `,"seats":[{}],"x":[1,2,["y"]]`,
	}
	for name, fields := range good {
		c := canned(t, `{"command1":{"result":0,"sql_code":0,`+fields+`}}`, func(raw map[string]any) { raw["admit_statuses"] = []any{"Printed at home"} })
		got, found, err := look(t, c, "7217")
		if err != nil || found != scanner.Listed || got.Status != scanner.StatusValid || got.Seat != "A7" || got.Section != "101" && got.Section != "0101" || !strings.EqualFold(got.Event, event) || got.Code != "7217" {
			t.Errorf("%s: %v, %v, %+v", name, found, err, got)
		}
	}
	review := map[string]string{
		"nothing":                   `"x":1`,
		"no event":                  `"section_name":"101","row_name":"A","seat_num":7`,
		"no section":                `"event_name":"EVENT01","row_name":"A","seat_num":7`,
		"no row":                    `"event_name":"EVENT01","section_name":"101","seat_num":7`,
		"no seat":                   `"event_name":"EVENT01","section_name":"101","row_name":"A"`,
		"an empty seat":             `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":""`,
		"parts in several places":   `"event_name":"EVENT01","a":{"section_name":"101","row_name":"A"},"b":{"seat_num":7}`,
		"two seats":                 `"seats":[{` + place + `},{"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":8}]`,
		"two events":                `"seats":[{` + place + `},{"event_name":"EVENT02","section_name":"101","row_name":"A","seat_num":7}]`,
		"a block":                   place + `,"num_seats":2`,
		"a block by its end":        place + `,"last_seat":9`,
		"an unknown status":         place + `,"barcode_status":"ZZ"`,
		"an unknown letter":         place + `,"seat_status_ind":"L"`,
		"a resold seat":             place + `,"seat_status_ind":"R"`,
		"a status of another seat":  `"seats":[{` + place + `},{` + place + `,"ticket_status":"XX"}]`,
		"a status around":           `"status":"odd","seats":[{` + place + `}]`,
		"a status beside":           `"ticket":{"ticket_status":"odd"},"seat":{` + place + `}`,
		"a status far beside":       `"a":{"b":{"c":{"ticket_status":"odd"}}},"seat":{` + place + `}`,
		"a status in a list":        place + `,"statuses":["void"]`,
		"an unknown validity":       place + `,"valid_until":"2026-11-20"`,
		"a contradiction":           place + `,"sql_code":100`,
		"too deep":                  place + `,"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"status":"void"}}}}}}}}}}`,
		"an object as a status":     place + `,"status":{"code":"VOID","description":"Voided"}`,
		"a list of states":          place + `,"barcode_status":[{"code":"VOID"}]`,
		"who voided it":             place + `,"voided":{"by":"box"}`,
		"an object of validity":     place + `,"valid":{"x":1}`,
		"a letter of another field": place + `,"barcode_status":"C"`,
		"S of another field":        place + `,"barcode_status":"S"`,
		"A of another field":        place + `,"ticket_status":"A"`,
		"a code of another field":   place + `,"seat_status_ind":"PB"`,
		"was it validated":          place + `,"validated":"Y"`,
		"may it be refunded":        place + `,"refundable":"Y"`,
		"valid for what":            place + `,"valid_for_entry":"Y"`,
		"a void that is no answer":  place + `,"void":"perhaps"`,
		"an odd state":              place + `,"barcode_state":"QQ"`,
		"the state of no address":   place + `,"state":"XX"`,
		"another seat within":       place + `,"previous_seat":{"section_name":"999","row_name":"Z","seat_num":99}`,
		"part of another within":    place + `,"seat_view":{"section_name":"102"}`,
		"a parking place within":    place + `,"parking":{"section":"LOT","row":"P","seat":"3","event_name":"PARK01"}`,
		"two names of a section":    place + `,"section":"102"`,
		"two names of a row":        place + `,"row":"B"`,
		"two names of a seat":       place + `,"seat":"8"`,
		"two events beside":         `"section_name":"101","row_name":"A","seat_num":7,"a_plan":{"event_name":"PLAN26"},"event":{"event_name":"EVENT01"}`,
		"another event beside":      place + `,"plan":{"event_name":"PLAN26"}`,
		"an event within another":   `"event_name":"PLAN26","seats":[{` + place + `}]`,
		"a range":                   `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":"7-10"`,
		"a range in words":          `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":"7 to 10"`,
		"a range of letters":        `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":"A-C"`,
		"a list":                    `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":"7,8"`,
		"a list of letters":         `"event_name":"EVENT01","section_name":"101","row_name":"A","seat_num":"AA, BB"`,
		"no blocks":                 `"result":5069`,
		"no events":                 `"result":5212`,
		"a locked account":          `"result":5020`,
		"somebody else's account":   `"result":4711,"error_detail":"You do not have permission to view this account"`,
		"an odd code":               `"result":5014,"error_detail":"barcode has an invalid format"`,
		"another result":            place + `,"result":77`,
		"another result, with text": `"result":77,"error_detail":"barcode 7217 is odd"`,
	}
	for name, fields := range review {
		if !strings.Contains(fields, `"result"`) {
			fields += `,"result":0`
		}
		if !strings.Contains(fields, `"sql_code"`) {
			fields += `,"sql_code":0`
		}
		got, found, err := look(t, canned(t, `{"command1":{`+fields+`}}`), "7217")
		if err != nil || found != scanner.Damaged || got.Detail == "" || strings.Contains(got.Detail, "7217") {
			t.Errorf("%s: %v, %v, %+v", name, found, err, got)
		}
	}
}

// What says clearly that a ticket is not good refuses it, wherever it stands.
func TestObstacles(t *testing.T) {
	for fields, want := range map[string]scanner.Status{
		`"barcode_status":"VOID"`:           scanner.StatusVoided,
		`"status_code":"VOID"`:              scanner.StatusVoided,
		`"status_desc":"Voided"`:            scanner.StatusVoided,
		`"barcode_state":"VOID"`:            scanner.StatusVoided,
		`"state":"VOID","city":"Troy"`:      scanner.StatusVoided,
		`"ticket_voided_ind":"Y"`:           scanner.StatusVoided,
		`"void_reason":"sold twice"`:        scanner.StatusVoided,
		`"deactivated":true`:                scanner.StatusBlocked,
		`"not_valid":"Y"`:                   scanner.StatusBlocked,
		`"is_active":"N"`:                   scanner.StatusBlocked,
		`"entry_allowed":"N"`:               scanner.StatusBlocked,
		`"status":"Cancelled"`:              scanner.StatusVoided,
		`"ticket_status":"returned"`:        scanner.StatusVoided,
		`"status":"Refunded and cancelled"`: scanner.StatusRefunded,
		`"is_void":"Y"`:                     scanner.StatusVoided,
		`"void_date":"2026-11-20"`:          scanner.StatusVoided,
		`"refunded":true`:                   scanner.StatusRefunded,
		`"returned":1`:                      scanner.StatusVoided,
		`"reissued":"yes"`:                  scanner.StatusVoided,
		`"valid":"N"`:                       scanner.StatusBlocked,
		`"valid":0`:                         scanner.StatusBlocked,
		`"active":false`:                    scanner.StatusBlocked,
		`"inactive":"Y"`:                    scanner.StatusBlocked,
		`"lost":"Y"`:                        scanner.StatusBlocked,
		`"status":"blocked"`:                scanner.StatusBlocked,
		`"account":{"status":"inactive"}`:   scanner.StatusBlocked,
	} {
		got, found, err := look(t, canned(t, `{"command1":{"result":0,`+place+`,`+fields+`}}`), "7217")
		if err != nil || found != scanner.Listed || got.Status != want || got.Detail == "" {
			t.Errorf("%s: %v, %v, %+v", fields, found, err, got)
		}
	}
}

// Missing is told by result, before any seat is looked at. No result is an error: it
// may be about one ticket, and must not take the link from the next.
func TestFindResults(t *testing.T) {
	for fields, want := range map[string]struct {
		found   scanner.Found
		trouble scanner.Trouble
	}{
		`"result":5024`:                         {scanner.Missing, ""},
		`"result":5024,` + place:                {scanner.Missing, ""},
		`"result":0,"sql_code":100`:             {scanner.Missing, ""},
		`"result":10535,"sql_code":100`:         {scanner.Missing, ""},
		`"result":5069,"sql_code":100`:          {scanner.Missing, ""},
		`"result":5212,"sql_code":100`:          {scanner.Missing, ""},
		`"result":5069`:                         {scanner.Damaged, ""},
		`"result":5212`:                         {scanner.Damaged, ""},
		`"result":5231`:                         {scanner.Damaged, ""},
		`"result":10535`:                        {scanner.Damaged, ""},
		`"result":88,"sql_code":"100"`:          {scanner.Missing, ""},
		`"result":5011`:                         {scanner.Damaged, ""},
		`"result":0,"SEAT_NUM":8,` + place:      {scanner.Missing, scanner.Nonsense},
		`"result":5014,"sql_code":100`:          {scanner.Damaged, ""},
		`"result":5020`:                         {scanner.Damaged, ""},
		`"result":1,"error_detail":"bad uid x"`: {scanner.Damaged, ""},
		`"result":4711,"error_detail":"You do not have permission to view this account"`: {scanner.Damaged, ""},
		`"result":9999,"error_detail":"No data for token 's1'"`:                          {scanner.Missing, scanner.Failing},
	} {
		c := canned(t, `{"command1":{`+fields+`}}`)
		got, found, err := look(t, c, "7217")
		call := scanner.CallErrorOf(err)
		if found != want.found || (err == nil) != (want.trouble == "") || err != nil && (call.Trouble != want.trouble || call.MaybeSent) {
			t.Errorf("%s: %v, %v, %+v", fields, found, err, got)
		}
		if !c.Status().Ready {
			t.Errorf("%s: one ticket stops all scans", fields)
		}
	}
}

// The code is in no words for a person, however Archtics writes it; what else it says
// is shown, and not logged: it may name a patron.
func TestWords(t *testing.T) {
	for words, shown := range map[string]bool{
		"Barcode ABC0721 is on hold for Ada Byron":   false,
		"Barcode abc-07 21 is on hold for Ada Byron": false,
		"On hold for Ada Byron":                      true,
	} {
		g := newGate(t, archticssim.Options{}, nil)
		for _, fields := range []string{`"result":77,"error_detail":"` + words + `"`, `"result":0,` + place + `,"status_text":"` + words + `"`} {
			g.sim.SetAnswer("verify_barcode", `{"command1":{`+fields+`}}`)
			for _, code := range []scanner.Code{"abc0721", "]C1abc0721", "00abc0721"} {
				got, found, err := g.find(t, code)
				if err != nil || found != scanner.Damaged || strings.Contains(got.Detail, "Ada Byron") != shown || got.Detail == "" {
					t.Errorf("%s, %s: %v, %v, %q", code, fields, found, err, got.Detail)
				}
			}
		}
		if text := g.log.String(); strings.Contains(text, "Byron") {
			t.Errorf("the log has %s", text)
		}
	}
}

// A card is good for several events: those of this gate count.
func TestCards(t *testing.T) {
	body := `{"command1":{"result":0,"seats":[{` + place + `},{"event_name":"EVENT02","section_name":"102","row_name":"B","seat_num":8}]}}`
	of := func(events ...any) func(map[string]any) { return func(raw map[string]any) { raw["events"] = events } }
	got, found, err := look(t, canned(t, body, of("event02")), "7217")
	if err != nil || found != scanner.Listed || got.Seat != "B8" || got.Status != scanner.StatusValid {
		t.Errorf("%v, %v, %+v", found, err, got)
	}
	got, found, err = look(t, canned(t, body, of("EVENT03")), "7217")
	if err != nil || found != scanner.Listed || got.Status != scanner.StatusElsewhere {
		t.Errorf("elsewhere: %v, %v, %+v", found, err, got)
	}
	if _, found, err = look(t, canned(t, body, of("EVENT01", "EVENT02")), "7217"); err != nil || found != scanner.Damaged {
		t.Errorf("both are admitted: %v, %v", found, err)
	}
	c, err := archtics.NewClient(block(), archtics.Deps{
		Event: "EVENT01", Environ: []string{"USHER_VENDOR_API_KEY=x"},
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, found, err = look(t, c, "7217"); err != nil || found != scanner.Listed || got.Seat != "A7" {
		t.Errorf("gate.event: %v, %v, %+v", found, err, got)
	}
}

// Archtics knows barcodes without what a scanner puts before them.
func TestPrefixes(t *testing.T) {
	g := newGate(t, archticssim.Options{}, nil)
	got := g.listed(t, "]C1good00000001")
	if got.Code != "]C1good00000001" || g.sim.Lookups("good00000001") != 1 || len(g.sim.Requests()) != 1 {
		t.Errorf("%+v", got)
	}
	if _, found, err := g.find(t, "]C1nobody0000"); err != nil || found != scanner.Missing || g.sim.Lookups("nobody0000") != 1 || g.sim.Lookups("]C1nobody0000") != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
