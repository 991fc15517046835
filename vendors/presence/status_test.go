package presence_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
)

// Every status of every generation of the document, and one of none, in both
// directions; also where the vendor puts another HTTP status beside it.
func TestStatuses(t *testing.T) {
	const none = scanner.Reason("")
	type row struct {
		status      string
		entry, exit scanner.Reason
	}
	rows := []row{
		{"OKAY", scanner.OK, scanner.Exited},
		{"EXIT", scanner.Restricted, scanner.Exited},
		{"INTERNAL_SCAN", scanner.Restricted, scanner.Restricted},
		{"INTERNAL_SCAN_EXIT", scanner.Restricted, scanner.Exited},
		{"INTERNAL_EXIT_SCAN", scanner.Restricted, scanner.Exited},
		{"DUPLICATE", scanner.Restricted, scanner.Restricted},
		{"EXIT_NOT_PERMITTED", scanner.Restricted, scanner.ExitNotPermitted},
		{"INTERNAL_SCAN_ALREADY_ENTERED", scanner.AlreadyEntered, scanner.Restricted},
		{"INTERNAL_SCAN_EXIT_NOT_PERMITTED", scanner.Restricted, scanner.ExitNotPermitted},
		{"NOT_FOUND", scanner.NotFound, scanner.NotFound},
		{"BAD_REQUEST", none, none},
		{"ALREADY_ENTERED", scanner.AlreadyEntered, scanner.Restricted},
		{"INVALID_TICKET", scanner.Restricted, scanner.Restricted},
		{"START_RESTRICTION", scanner.TooEarly, scanner.TooEarly},
		{"END_RESTRICTION", scanner.TooLate, scanner.TooLate},
		{"SECTION_RESTRICTION", scanner.WrongSection, scanner.WrongSection},
		{"EVENT_RESTRICTION", scanner.WrongEvent, scanner.WrongEvent},
		{"ACCESS_GROUP_RESTRICTION", scanner.Restricted, scanner.Restricted},
		{"XNUM_RESTRICTION", scanner.Restricted, scanner.Restricted},
		{"MARK_RESTRICTION", scanner.Restricted, scanner.Restricted},
		{"TOO_EARLY", scanner.TooEarly, scanner.TooEarly},
		{"TOO_LATE", scanner.TooLate, scanner.TooLate},
		{"BAD_TOKEN", scanner.Restricted, scanner.Restricted},
		{"OPEN_SEAT", scanner.Restricted, scanner.Restricted},
		{"TRANSFER", scanner.Restricted, scanner.Restricted},
		{"GENERAL_ERROR", none, none},
		{"SOMETHING_NEW", scanner.Restricted, scanner.Restricted},
		{"okay", scanner.Restricted, scanner.Restricted},
		{"OKAY ", scanner.Restricted, scanner.Restricted},
	}
	g := newGate(t, presencesim.Options{}, nil)
	g.probe(t)
	asked := 0
	for _, tt := range rows {
		for direction, want := range map[scanner.Direction]scanner.Reason{scanner.Entry: tt.entry, scanner.Exit: tt.exit} {
			call := map[scanner.Direction]string{scanner.Entry: "ticket/enter", scanner.Exit: "ticket/exit"}[direction]
			for _, code := range []int{200, 403, 404, 400, 500} {
				g.sim.SetFault(call, tt.status, code, 1)
				asked++ // another ticket each: DUPLICATE speaks of the question before
				got, err := g.ask(t, scanner.Code(fmt.Sprintf("nobody%06d", asked)), direction)
				refused := want != none && want.Verdict() == scanner.Refuse && tt.status != "EXIT" && !strings.HasPrefix(tt.status, "INTERNAL_SCAN_EXIT") && tt.status != "INTERNAL_EXIT_SCAN" ||
					tt.status == "INTERNAL_SCAN_EXIT_NOT_PERMITTED"
				named := tt.status != "SOMETHING_NEW" && !strings.EqualFold(strings.TrimSpace(tt.status), "okay")
				switch {
				case code == 200 && want != none || code/100 == 4 && refused && named:
					if err != nil || got.Reason != want || got.Verdict != want.Verdict() {
						t.Errorf("%s %s %d: got %s %s, %v; want %s", direction, tt.status, code, got.Verdict, got.Reason, err, want)
					}
					if want == scanner.Restricted && (!strings.Contains(got.Detail, strings.TrimSpace(tt.status))) {
						t.Errorf("%s %s: detail %q does not show the status", direction, tt.status, got.Detail)
					}
				case err == nil:
					t.Errorf("%s %s %d: got %s %s, want no definite answer", direction, tt.status, code, got.Verdict, got.Reason)
				default:
					c := scanner.CallErrorOf(err)
					malformed := tt.status == "BAD_REQUEST" && code != 500
					if c.MaybeSent == malformed || malformed && c.Trouble != scanner.Malformed || tt.status == "GENERAL_ERROR" && code == 200 && c.Trouble != scanner.Failing {
						t.Errorf("%s %s %d: %v, maybe sent %v", direction, tt.status, code, err, c.MaybeSent)
					}
				}
			}
		}
	}
}

// answering is a configured client before a server that answers every scan with
// one body.
func answering(t *testing.T, status int, body string) *presence.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/device/init") {
			_, _ = fmt.Fprint(w, configuredAnswer)
			return
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := presence.NewClient(map[string]any{"base_url": server.URL, "venue_id": venue, "upload_path": "/ticket/upload"},
		presence.Deps{Device: device(), Environ: []string{"USHER_VENDOR_API_KEY=" + key}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// The documents' own samples.
const (
	documentSuccess = `{"result":{"status":"OKAY","message":"Okay"},"message":{"tickets":[{"place":"PIT1:3:4","eventId":"3F005062B2B4E313"}]}}`
	documentWelcome = `{"result":{"status":"OKAY","message":"'Welcome IN"},"message":{"tickets":[{"place":"PIT1:3:4","eventId":"3F005062B2B4E313"}]}}`
)

// No odd answer admits anybody, and what is not in an answer is not missed.
func TestOddAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		reason     scanner.Reason
		trouble    scanner.Trouble
	}{
		{name: "the document's", body: documentSuccess, reason: scanner.OK},
		{name: "the later document's", body: documentWelcome, reason: scanner.OK},
		{name: "bare", body: `{"result":{"status":"OKAY"}}`, reason: scanner.OK},
		{name: "message null", body: `{"result":{"status":"OKAY","message":null},"message":null}`, reason: scanner.OK},
		{name: "a message of another shape", body: `{"result":{"status":"NOT_FOUND","message":{"en":"no"}},"message":"no"}`, reason: scanner.NotFound},
		{name: "an admission with 404", body: documentSuccess, status: 404, trouble: scanner.Malformed},
		{name: "an admission with 500", body: documentSuccess, status: 500, trouble: scanner.Failing},
		{name: "a refusal with 409", body: `{"result":{"status":"ALREADY_ENTERED"}}`, status: 409, reason: scanner.AlreadyEntered},
		{name: "a refusal with 429", body: `{"result":{"status":"ALREADY_ENTERED"}}`, status: 429, trouble: scanner.Throttled},
		{name: "a refusal with 503", body: `{"result":{"status":"ALREADY_ENTERED"}}`, status: 503, trouble: scanner.Failing},
		{name: "a bare 401", body: `{"fault":{"faultstring":"Invalid ApiKey"}}`, status: 401, trouble: scanner.Denied},
		{name: "a 401 with a status", body: `{"result":{"status":"BAD_TOKEN","message":"Invalid ApiKey"}}`, status: 401, trouble: scanner.Denied},
		{name: "a bare 404", body: `{}`, status: 404, trouble: scanner.Malformed},
		{name: "empty", body: "", trouble: scanner.Nonsense},
		{name: "null", body: "null", trouble: scanner.Nonsense},
		{name: "an array", body: "[]", trouble: scanner.Nonsense},
		{name: "no result", body: `{"status":"OKAY"}`, trouble: scanner.Nonsense},
		{name: "no status", body: `{"result":{"message":"Okay"}}`, trouble: scanner.Nonsense},
		{name: "an empty status", body: `{"result":{"status":""}}`, trouble: scanner.Nonsense},
		{name: "status null", body: `{"result":{"status":null}}`, trouble: scanner.Nonsense},
		{name: "status a number", body: `{"result":{"status":1}}`, trouble: scanner.Nonsense},
		{name: "status a list", body: `{"result":{"status":["OKAY"]}}`, trouble: scanner.Nonsense},
		{name: "other case", body: `{"result":{"Status":"OKAY"}}`, trouble: scanner.Nonsense},
		{name: "twice", body: `{"result":{"status":"NOT_FOUND","status":"OKAY"}}`, trouble: scanner.Nonsense},
		{name: "two results", body: `{"result":{"status":"NOT_FOUND"},"result":{"status":"OKAY"}}`, trouble: scanner.Nonsense},
		{name: "something behind", body: documentSuccess + "{}", trouble: scanner.Nonsense},
		{name: "no text", body: "{\"result\":{\"status\":\"OKAY\",\"message\":\"\xff\"}}", trouble: scanner.Nonsense},
	} {
		status := tt.status
		if status == 0 {
			status = 200
		}
		c := answering(t, status, tt.body)
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		call := scanner.CallErrorOf(err)
		if tt.trouble == "" && (err != nil || got.Reason != tt.reason) {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got.Reason, err, tt.reason)
		}
		if tt.trouble != "" && (err == nil || call.Trouble != tt.trouble || got.Verdict != "") {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got.Verdict, err, tt.trouble)
		}
		if strings.HasPrefix(tt.name, "an admission with") && !call.MaybeSent {
			t.Errorf("%s: called not sent", tt.name)
		}
	}
}

// The place is "Section:Row:Seat", and whatever else comes is shown as far as it
// goes. Where there is nothing to show, the list may know more.
func TestPlaces(t *testing.T) {
	for tickets, want := range map[string]*scanner.TicketInfo{
		`[{"place":"PIT1:3:4","eventId":"3F"}]`:         {Section: "PIT1", Seat: "3-4", Event: "3F"},
		`[{"place":" PIT 1 : A : 12 ","eventId":"3F"}]`: {Section: "PIT 1", Seat: "A-12", Event: "3F"},
		`[{"place":"LAWN"}]`:                            {Section: "LAWN"},
		`[{"place":"LAWN::","eventId":null}]`:           {Section: "LAWN"},
		`[{"place":"101:7"}]`:                           {Section: "101", Seat: "7"},
		`[{"place":"101:3:4:B"}]`:                       {Section: "101", Seat: "3-4-B"},
		`[{"place":"::4"}]`:                             {Seat: "4"},
		`[{"place":"PIT1:3:4"},{"place":"PIT1:3:5"}]`:   {Section: "PIT1", Seat: "3-4, 3-5"},
		`[{"place":"A:1:1"},{"place":"B:1:1"}]`:         {Section: "A, B", Seat: "1-1"},
		`[{"place":"A:1"},{"place":"A:2"},{"place":"A:3"},{"place":"A:4"},{"place":"A:5"}]`: {Section: "A", Seat: "1, 2, 3, 4, …"},
		`[{"place":"<b>x\u202e</b>:1:2"}]`:                                                  {Section: "<b>x</b>", Seat: "1-2"},
		`[{"place":null}]`:                                                                  nil,
		`[{"place":5}]`:                                                                     nil,
		`[]`:                                                                                nil,
		`null`:                                                                              nil,
		`"none"`:                                                                            nil,
	} {
		c := answering(t, 200, `{"result":{"status":"OKAY"},"message":{"tickets":`+tickets+`}}`)
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if diff := cmp.Diff(want, got.Ticket); err != nil || diff != "" || got.Verdict != scanner.Admit {
			t.Errorf("%s: %v, %s\n%s", tickets, err, got.Verdict, diff)
		}
	}
}

// The vendor's own words are shown beside the status, but for those with the code.
func TestWordsBesideAStatus(t *testing.T) {
	for message, want := range map[string]string{
		"VIP <b>only</b>":         "there is a mark on the ticket · VIP <b>only</b> · MARK_RESTRICTION",
		"ticket 721744537954 bad": "there is a mark on the ticket · MARK_RESTRICTION",
		"":                        "there is a mark on the ticket · MARK_RESTRICTION",
	} {
		c := answering(t, 200, fmt.Sprintf(`{"result":{"status":"MARK_RESTRICTION","message":%q}}`, message))
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "721744537954", Direction: scanner.Entry})
		if err != nil || got.Detail != want {
			t.Errorf("%q: %q, %v", message, got.Detail, err)
		}
	}
}
