package audienceview_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest/faults"
)

func TestAdmissionTells(t *testing.T) {
	v := newVenue(t, nil)
	got, err := v.validate(t, "good000001")
	want := scanner.Answer{Verdict: scanner.Admit, Reason: scanner.OK, Ticket: &scanner.TicketInfo{
		Name: "Walkup Walkup", Section: "s1", Seat: "A1", Event: "Spamalot: Nov 21 4:00PM Sat",
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// authenticate, validateTicket
	if n := len(v.seen.All()); n != 2 {
		t.Errorf("%d observations, want 2", n)
	}
}

func TestPurchaserWithoutPatronPermission(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.AddUser(audienceviewsim.User{Name: user, Password: password, Clients: []int64{clientID}})
	if got, err := v.validate(t, "good000001"); err != nil || got.Ticket.Name != "Pat Purchaser" {
		t.Errorf("got %+v, %v", got.Ticket, err)
	}
}

// answering is a client before a server that signs in and answers every other
// call with one body.
func answering(t *testing.T, status int, body string) *audienceview.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/authenticate") {
			_, _ = fmt.Fprint(w, `{"accessTokenExpiration":1537219056608,"error":false,"errorMessageHTML":null,"errorDetails":null,
				"accessToken":"11620f64-5328-49ae-aea8-414951fdd21a","passwordExpiresOn":1663460212000,"daysTillPasswordExpires":60}`)
			return
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := audienceview.NewClient(map[string]any{
		"base_url": server.URL + "/public", "username": user, "client_id": clientID,
	}, audienceview.Deps{Environ: []string{"USHER_VENDOR_PASSWORD=" + password}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// No odd answer admits anybody.
func TestOddAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		reason     scanner.Reason
		trouble    scanner.Trouble
	}{
		{name: "the document's", body: documentSuccess, reason: scanner.OK},
		{name: "the document's refusal", body: documentFailure, reason: scanner.NotFound},
		{name: "a refusal with 404", body: documentFailure, status: 404, reason: scanner.NotFound},
		{name: "a refusal with 500", body: documentFailure, status: 500, reason: scanner.NotFound},
		{name: "an admission with 500", body: documentSuccess, status: 500, trouble: scanner.Failing},
		{name: "an admission with 404", body: documentSuccess, status: 404, trouble: scanner.Malformed},
		{name: "empty", body: "", trouble: scanner.Nonsense},
		{name: "null", body: "null", trouble: scanner.Nonsense},
		{name: "an array", body: "[]", trouble: scanner.Nonsense},
		{name: "no error field", body: `{"name":"x","errorDetails":null}`, trouble: scanner.Nonsense},
		{name: "error null", body: `{"error":null,"name":"x"}`, trouble: scanner.Nonsense},
		{name: "error text", body: `{"error":"false","name":"x"}`, trouble: scanner.Nonsense},
		{name: "error number", body: `{"error":0,"name":"x"}`, trouble: scanner.Nonsense},
		{name: "bare", body: `{"error":false}`, trouble: scanner.Nonsense},
		{name: "other case", body: `{"Error":false,"name":"x"}`, trouble: scanner.Nonsense},
		{name: "twice", body: `{"error":true,"error":false,"name":"x"}`, trouble: scanner.Nonsense},
		{name: "twice, escaped", body: `{"error":true,"err\u006fr":false,"name":"x"}`, trouble: scanner.Nonsense},
		{name: "something behind", body: documentSuccess + "{}", trouble: scanner.Nonsense},
		{name: "no text", body: "{\"error\":false,\"name\":\"\xff\"}", trouble: scanner.Nonsense},
		{name: "error without details", body: `{"error":true,"errorDetails":null}`, trouble: scanner.Failing},
		{name: "error without an id", body: `{"error":true,"errorDetails":{"errorCodeName":"Ticket Not Valid"}}`, trouble: scanner.Failing},
		{name: "no error, yet details", body: `{"error":false,"name":"x","errorDetails":{"errorCodeId":12}}`, reason: scanner.AlreadyEntered},
		{name: "no error, yet words", body: `{"error":false,"name":"x","errorMessageHTML":"<b>STOP</b>"}`, trouble: scanner.Nonsense},
		{name: "id against name", body: `{"error":true,"errorDetails":{"errorCodeId":13,"errorCodeKey":"error.ticket.ok","errorCodeName":"Ticket Not Valid"}}`, reason: scanner.Voided},
		{name: "id as text", body: `{"error":true,"errorDetails":{"errorCodeId":"12"}}`, trouble: scanner.Nonsense},
		{name: "name as number", body: `{"error":false,"name":5}`, trouble: scanner.Nonsense},
	} {
		status := tt.status
		if status == 0 {
			status = 200
		}
		c := answering(t, status, tt.body)
		got, err := c.Validate(t.Context(), scanner.Ask{Code: "6nwmw29eo", Direction: scanner.Entry})
		call := scanner.CallErrorOf(err)
		if tt.trouble == "" && (err != nil || got.Reason != tt.reason) {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got.Reason, err, tt.reason)
		}
		if tt.trouble != "" && (err == nil || call.Trouble != tt.trouble || got.Verdict != "") {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got.Verdict, err, tt.trouble)
		}
	}
}

func (v *venue) list(t *testing.T) ([]scanner.Ticket, scanner.ListPage, error) {
	t.Helper()
	var got []scanner.Ticket
	page, err := v.client.List(t.Context(), func(ticket scanner.Ticket, _ string) error {
		got = append(got, ticket)
		return nil
	})
	return got, page, err
}

func TestListTells(t *testing.T) {
	v := newVenue(t, nil)
	got, page, err := v.list(t)
	if err != nil {
		t.Fatal(err)
	}
	want := scanner.Ticket{
		Code: "good000001", ID: "1", Name: "Walkup Walkup", Section: "s1", Seat: "A1", Event: "Spamalot: Nov 21 4:00PM Sat",
		Series: "Spamalot", Client: "284", Status: scanner.StatusValid,
		Vendor: []byte(`{"t":1,"p":49182,"b":"good000001","f":[284,3622,49182]}`),
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
	status := map[scanner.Code]scanner.Status{}
	for _, ticket := range got {
		status[ticket.Code] = ticket.Status
	}
	if status["used000005"] != scanner.StatusUsed || status["void000006"] != scanner.StatusVoided || status["refu000007"] != scanner.StatusVoided {
		t.Errorf("statuses %v", status)
	}
	if !page.Complete || page.Delta || page.GeneratedAt.IsZero() || !strings.Contains(page.Source, "performance=49182") {
		t.Errorf("page %+v", page)
	}
}

// A list is complete only for a performance that can be scanned now.
func TestListComplete(t *testing.T) {
	whole := newVenue(t, func(raw map[string]any, _ *audienceview.Deps) { delete(raw, "performance_id") })
	if got, page, err := whole.list(t); err != nil || page.Complete || len(got) != 8 {
		t.Errorf("any performance: %d tickets, %+v, %v", len(got), page, err)
	}
	empty := newVenue(t, nil)
	empty.sim.SetList(audienceviewsim.ListEmpty)
	if got, page, err := empty.list(t); err != nil || page.Complete || len(got) != 0 {
		t.Errorf("empty: %d tickets, %+v, %v", len(got), page, err)
	}
	closed := newVenue(t, func(raw map[string]any, _ *audienceview.Deps) {
		raw["performance_id"], raw["production_id"] = 77, 0
	})
	closed.sim.AddClient(audienceviewsim.Client{ID: clientID, Productions: []audienceviewsim.Production{{ID: 70, Performances: []audienceviewsim.Performance{
		{ID: 77, Opens: time.Now().Add(time.Hour), Closes: time.Now().Add(2 * time.Hour)},
	}}}})
	closed.sim.AddTickets(audienceviewsim.Ticket{ID: 70, Performance: 77, Barcode: "early"})
	if got, page, err := closed.list(t); err != nil || page.Complete || len(got) != 0 {
		t.Errorf("outside its window: %d tickets, %+v, %v", len(got), page, err)
	}
}

func TestListRefused(t *testing.T) {
	for mode, want := range map[audienceviewsim.List]string{
		audienceviewsim.ListForeign: "another client", audienceviewsim.ListCut: "cut off",
	} {
		v := newVenue(t, nil)
		v.sim.SetList(mode)
		_, _, err := v.list(t)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", mode, err)
		}
	}
	entry := `{"ticketId":1,"performanceId":2,"barcode":"x1","alreadyScanned":false,"refundedOrVoided":false}`
	head := `{"error":false,"errorDetails":null,"clientId":284,"productionId":null,"performanceId":null,`
	for name, body := range map[string]string{
		"no tickets":           head + `"x":1}`,
		"tickets null":         head + `"tickets":null}`,
		"tickets twice":        head + `"tickets":[],"tickets":[]}`,
		"error twice":          head + `"tickets":[],"error":false}`,
		"error at the end":     head[:len(`{`)] + `"clientId":284,"tickets":[` + entry + `],"error":true}`,
		"no error field":       `{"clientId":284,"tickets":[` + entry + `]}`,
		"no client":            `{"error":false,"tickets":[` + entry + `]}`,
		"another production":   `{"error":false,"clientId":284,"productionId":5,"tickets":[]}`,
		"behind":               head + `"tickets":[]} {}`,
		"cut":                  head + `"tickets":[` + entry,
		"no comma":             head + `"tickets":[` + entry + entry + `]}`,
		"flag missing":         head + `"tickets":[{"ticketId":1,"performanceId":2,"barcode":"x1","alreadyScanned":false}]}`,
		"flag as text":         head + `"tickets":[{"ticketId":1,"performanceId":2,"barcode":"x1","alreadyScanned":"false","refundedOrVoided":false}]}`,
		"flag twice":           head + `"tickets":[{"ticketId":1,"performanceId":2,"barcode":"x1","alreadyScanned":true,"alreadyScanned":false,"refundedOrVoided":false}]}`,
		"not an array":         head + `"tickets":{}}`,
		"deep":                 head + `"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,"tickets":[]}`,
		"not even an object":   `[]`,
		"nothing":              ``,
		"a name without value": head + `"tickets"}`,
	} {
		c := answering(t, 200, body)
		_, err := c.List(t.Context(), func(scanner.Ticket, string) error { return nil })
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if call := scanner.CallErrorOf(err); call.Trouble == scanner.Silent {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := answering(t, 200, `{"tickets":[`+entry+`,{"ticketId":2,"performanceId":2,"barcode":null,"alreadyScanned":false,"refundedOrVoided":false}],"new":{"a":[1,{"b":null}],"c":"}"},"clientId":284,"error":false}`)
	n := 0
	if _, err := good.List(t.Context(), func(scanner.Ticket, string) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("in another order, with news: %d tickets, %v", n, err)
	}
}

// A token that expires at the list is renewed; the list comes once.
func TestListRenewsToken(t *testing.T) {
	v := newVenue(t, nil)
	v.sim.Fail("validTickets", 5, true, 1)
	if got, _, err := v.list(t); err != nil || len(got) != 7 {
		t.Errorf("%d tickets, %v", len(got), err)
	}
}

// A long list costs no memory.
func TestLongList(t *testing.T) {
	count := 20_000
	if text := os.Getenv("USHER_TEST_LIST"); text != "" {
		if _, err := fmt.Sscan(text, &count); err != nil {
			t.Fatal(err)
		}
	}
	v := newVenue(t, nil)
	v.sim.Generate(performanceID, count)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most, n, started := uint64(0), 0, time.Now()
	_, err := v.client.List(t.Context(), func(scanner.Ticket, string) error {
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != count+7 {
		t.Errorf("%d tickets, %v", n, err)
	}
	t.Logf("%d tickets in %v, %d KiB more heap at most", n, time.Since(started), (int64(most)-int64(before.HeapAlloc))>>10)
	if most > before.HeapAlloc+8<<20 {
		t.Errorf("the heap grew from %d to %d KiB", before.HeapAlloc>>10, most>>10)
	}
}

func TestUploadReasons(t *testing.T) {
	v := newVenue(t, nil)
	future := movement(4, "more000004", 4)
	future.At = time.Now().Add(time.Hour)
	old := movement(5, "more000003", 3)
	old.At = time.Now().Add(-49 * time.Hour)
	unknown := movement(6, "nobody0000", 600)
	bare := scanner.Movement{Seq: 7, Code: "typed00000", Direction: scanner.Entry}
	exit := movement(8, "more000002", 2)
	exit.Direction = scanner.Exit
	got, err := v.client.Upload(t.Context(), []scanner.Movement{movement(1, "good000001", 1), movement(2, "void000006", 6), future, old, unknown, bare, exit})
	want := []scanner.Receipt{
		{Seq: 1, Delivery: scanner.Taken},
		{Seq: 2, Delivery: scanner.Rejected, Detail: "Ticket is refunded or voided."},
		{Seq: 4, Delivery: scanner.Later, Detail: "Scan time is in the future."},
		{Seq: 5, Delivery: scanner.Rejected, Detail: "Scan time is more than 48 hours ago. We cannot process scans that old."},
		{Seq: 6, Delivery: scanner.Rejected, Detail: "Ticket ID not found."},
		{Seq: 7, Delivery: scanner.Rejected, Detail: "AudienceView wants the ticket's number, which was not in the list when this was scanned: enter it there by hand"},
		{Seq: 8, Delivery: scanner.Rejected, Detail: "AudienceView knows no exits"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	scans := v.sim.Scans()
	if len(scans) != 1 || scans[0].Ticket != 1 || !scans[0].Synced || time.Since(scans[0].At) < 50*time.Second {
		t.Errorf("recorded %+v", scans)
	}
	calls := v.server.Calls()
	if got, err := v.client.Upload(t.Context(), []scanner.Movement{bare}); err != nil || got[0].Delivery != scanner.Rejected || v.server.Calls() != calls {
		t.Errorf("nothing to send: %+v, %v, %d calls more", got, err, v.server.Calls()-calls)
	}
	if g := v.client.Group(movement(1, "good000001", 1)); g != "284/3622/49182" || v.client.Group(bare) == g {
		t.Errorf("group %q", g)
	}
	if batch, age := v.client.Limits(); batch != 100 || age != 48*time.Hour {
		t.Errorf("limits %d, %v", batch, age)
	}
}

func TestUploadOddAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       scanner.Trouble
	}{
		{"a ticket that was not sent", `{"failedBarcodes":[{"barcode":"other","reason":"Ticket ID not found."}]}`, scanner.Nonsense},
		{"no barcode", `{"failedBarcodes":[{"reason":"Ticket ID not found."}]}`, scanner.Nonsense},
		{"null", `{"failedBarcodes":null}`, scanner.Nonsense},
		{"nothing", `{}`, scanner.Nonsense},
		{"no error, no barcodes", `{"error":false}`, scanner.Nonsense},
		{"the document's, as printed", `{failedBarcodes:[]}`, scanner.Nonsense},
		{"refused by id", `{"error":true,"errorDetails":{"errorCodeId":8}}`, scanner.Malformed},
		{"failing", `{"error":true,"errorDetails":{"errorCodeId":16}}`, scanner.Failing},
		{"an error and barcodes", `{"error":true,"errorDetails":{"errorCodeId":15},"failedBarcodes":[]}`, scanner.Failing},
		{"not allowed", `{"error":true,"errorDetails":{"errorCodeId":7}}`, scanner.Denied},
	} {
		c := answering(t, 200, tt.body)
		got, err := c.Upload(t.Context(), []scanner.Movement{movement(1, "6nwmw29eo", 1)})
		if err == nil || scanner.CallErrorOf(err).Trouble != tt.want {
			t.Errorf("%s: got %+v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
	for body, want := range map[string]scanner.Delivery{
		`{"failedBarcodes":[]}`: scanner.Taken,
		`{"error":false,"accessTokenExpiration":1537283545089,"errorMessageHTML":null,"errorDetails":null,"failedBarcodes":[]}`: scanner.Taken,
		`{"failedBarcodes":[{"barcode":"6nwmw29eo","reason":"Ticket was already scanned."}]}`:                                   scanner.Duplicate,
		`{"failedBarcodes":[{"barcode":"6nwmw29eo","reason":null}]}`:                                                            scanner.Rejected,
	} {
		c := answering(t, 200, body)
		got, err := c.Upload(t.Context(), []scanner.Movement{movement(1, "6nwmw29eo", 1)})
		if err != nil || got[0].Delivery != want {
			t.Errorf("%s: got %+v, %v; want %s", body, got, err, want)
		}
	}
}

func TestFilterOptions(t *testing.T) {
	v := newVenue(t, nil)
	got, err := v.client.FilterOptions(t.Context())
	if err != nil || len(got) != 1 || got[0].ID != clientID || len(got[0].Productions) != 2 || got[0].Productions[0].Performances[0].ID != performanceID {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The clock hears the vendor's Date, and nobody else's.
func TestObservations(t *testing.T) {
	v := newVenue(t, nil)
	if err := v.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(v.seen.All())
	for _, f := range []faults.Fault{{Kind: faults.HTML}, {Kind: faults.Foreign}, {Kind: faults.Status, Status: 500}, {Kind: faults.Redirect}} {
		f.Times = 1
		if err := v.server.Set(f); err != nil {
			t.Fatal(err)
		}
		if err := v.client.Probe(t.Context()); err == nil {
			t.Fatal("no error")
		}
	}
	if n := len(v.seen.All()); n != before {
		t.Errorf("%d observations of answers that are not the vendor's", n-before)
	}
	if err := v.server.Set(faults.Fault{Kind: faults.Date, Delay: time.Hour, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if err := v.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := v.seen.All()[len(v.seen.All())-1]
	if ahead := last.Date.Sub(last.Received.Wall); ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("observed %v", last)
	}
	if took, ok := last.Received.Since(last.Sent); !ok || took <= 0 || took > 5*time.Second {
		t.Errorf("round trip %v", took)
	}
}

func TestPasswordRunsOut(t *testing.T) {
	v := newVenue(t, nil)
	end := time.Now().Add(3*24*time.Hour + time.Hour).UTC().Truncate(time.Millisecond)
	v.sim.AddUser(audienceviewsim.User{Name: user, Password: password, Clients: []int64{clientID}, ExpiresOn: end})
	if err := v.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := v.client.Status(); !s.PasswordExpiresAt.Equal(end) || s.Problem != "" || !s.Ready {
		t.Errorf("status %+v", s)
	}
	if !strings.Contains(v.log.String(), "expires soon") || !strings.Contains(v.log.String(), "days=3") {
		t.Errorf("log %s", v.log)
	}
}

func TestCancelledBeforeAnything(t *testing.T) {
	v := newVenue(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.client.Validate(ctx, scanner.Ask{Code: "good000001", Direction: scanner.Entry})
	var call *scanner.CallError
	if !errors.As(err, &call) || call.MaybeSent {
		t.Errorf("got %v", err)
	}
}

// The document's examples.
const (
	documentSuccess = `{"accessTokenExpiration":1537282567230,"error":false,"errorMessageHTML":null,"errorDetails":null,
"name":"Walkup Walkup","performance":"Spamalot: Sep 18 4:00PM Tue","section":"s1","seat":"A1","ticketsScanned":2,"ticketsSold":2,
"successMsg":"<div style='font-size:1.4em;background-color:green;color:white;padding:5px;'><div>s1: A1</div><div>Walkup Walkup</div><div>Spamalot: Sep 18 4:00PM Tue</div><div>2 scanned of 2 sold.</div></div>",
"patron":{"email":null,"firstName":"Walkup","lastName":"Walkup",
"billingAddress":{"line1":"123 Main St","line2":"Floor 123","city":"New York","state":"NY","zipCode":"10108","country":"US"},
"shippingAddress":{"line1":"123 Main St","line2":"Floor 123","city":"New York","state":"NY","zipCode":"10108","country":"US"},
"primaryPhoneNumber":{"phoneNumber":"212-555-1234","type":"Home"}}}`
	documentFailure = `{"accessTokenExpiration":1537280706925,"error":true,
"errorMessageHTML":"<div style='font-size:1.2em;background-color:red;color:white;text-align:center;padding:5px;'><div>INVALID TICKET</div></div>",
"errorDetails":{"errorCodeId":11,"errorCodeKey":"error.ticket.not_valid","errorCodeName":"Ticket Not Valid","forceLogout":false},
"name":null,"performance":null,"section":null,"seat":null,"ticketsScanned":null,"ticketsSold":null,"successMsg":null,"patron":null}`
)
