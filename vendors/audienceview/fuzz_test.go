package audienceview_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/vendortest"
)

// canned answers sign-ins and one body for every other call, without a network.
// With signIn, that is what sign-ins are answered with.
type canned struct {
	body   string
	status int
	signIn string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, status := c.body, c.status
	if strings.HasSuffix(r.URL.Path, "/authenticate") {
		body, status = cmp.Or(c.signIn, `{"error":false,"accessToken":"t"}`), http.StatusOK
	}
	if status < 100 || status > 599 {
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func cannedClient(t *testing.T, body string) *audienceview.Client {
	t.Helper()
	return cannedClientOf(t, canned{body: body})
}

func cannedClientOf(t *testing.T, answers canned, kept ...byte) *audienceview.Client {
	t.Helper()
	mem := &vendortest.Memory{Kept: map[string][]byte{}}
	if kept != nil {
		mem.Kept["sign_in_lock"] = kept
	}
	c, err := audienceview.NewClient(map[string]any{"username": user, "client_id": clientID}, audienceview.Deps{
		Transport: answers, Environ: []string{"USHER_VENDOR_PASSWORD=" + password}, Memory: mem,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkText: what goes to a screen, a log or support is one line that prints, and
// no secret.
func checkText(t *testing.T, text string) {
	t.Helper()
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, unseen) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > 600 || strings.Contains(text, password) {
		t.Errorf("to be shown: %q", text)
	}
}

// Nothing but a documented admission admits.
func FuzzValidate(f *testing.F) {
	f.Add(documentSuccess, 200)
	f.Add(documentFailure, 400)
	f.Fuzz(func(t *testing.T, body string, status int) {
		got, err := cannedClientOf(t, canned{body: body, status: status}).Validate(t.Context(), scanner.Ask{Code: "6nwmw29eo", Direction: scanner.Entry})
		if err != nil {
			if got.Verdict != "" {
				t.Errorf("a verdict and an error: %v", err)
			}
			checkText(t, err.Error())
			return
		}
		if got.Ticket != nil {
			for _, text := range []string{got.Ticket.ID, got.Ticket.Name, got.Ticket.Section, got.Ticket.Seat, got.Ticket.Event} {
				checkText(t, text)
			}
		}
		if got.Verdict == scanner.Admit && status >= 100 && status <= 599 && status/100 != 2 {
			t.Errorf("admitted by status %d: %q", status, body)
		}
		var raw map[string]any
		if json.Unmarshal([]byte(body), &raw) != nil || raw["error"] == nil && raw["errorDetails"] == nil {
			t.Fatalf("a verdict out of %q", body)
		}
		if got.Verdict == scanner.Admit && (raw["error"] != false || raw["errorDetails"] != nil) {
			t.Errorf("admitted by %q", body)
		}
	})
}

// No upload counts as taken without failedBarcodes.
func FuzzSync(f *testing.F) {
	f.Fuzz(func(t *testing.T, body string) {
		got, err := cannedClient(t, body).Upload(t.Context(), []scanner.Movement{movement(1, "6nwmw29eo", 1)})
		if err != nil {
			return
		}
		var raw map[string]any
		if json.Unmarshal([]byte(body), &raw) != nil || raw["failedBarcodes"] == nil || len(got) != 1 || got[0].Seq != 1 {
			t.Errorf("%+v out of %q", got, body)
		}
		checkText(t, got[0].Detail)
		if named := strings.Contains(body, "barcode\""); got[0].Delivery == scanner.Rejected && !named {
			t.Errorf("rejected, and the vendor named no ticket: %q", body)
		}
	})
}

// A list that is taken is whole JSON, says error:false and names the client, and
// gives each ticket that it holds.
func FuzzList(f *testing.F) {
	f.Add(documentList)
	f.Add(documentFailure)
	f.Fuzz(func(t *testing.T, body string) {
		n := 0
		_, err := cannedClient(t, body).List(t.Context(), func(ticket scanner.Ticket, _ string) error {
			n++
			if ticket.Code == "" || !json.Valid(ticket.Vendor) || !ticket.Status.Known() {
				t.Errorf("ticket %+v", ticket)
			}
			for _, text := range []string{ticket.ID, ticket.Name, ticket.Section, ticket.Seat, ticket.Event, ticket.Series} {
				checkText(t, text)
			}
			return nil
		})
		if err != nil {
			return
		}
		var raw struct {
			Error   *bool
			Client  *int64 `json:"clientId"`
			Tickets []any
		}
		if e := json.Unmarshal([]byte(body), &raw); e != nil || raw.Error == nil || *raw.Error || raw.Client == nil || *raw.Client != clientID || n > len(raw.Tickets) {
			t.Errorf("%d tickets out of %q: %v", n, body, e)
		}
	})
}

// A sign-in without a token is none, and no answer to it panics or is shown.
func FuzzSignIn(f *testing.F) {
	f.Fuzz(func(t *testing.T, body string) {
		c := cannedClientOf(t, canned{body: `{"error":false,"name":"x"}`, signIn: body})
		err := c.SignIn(t.Context())
		status := c.Status()
		checkText(t, status.Problem)
		if err == nil {
			var raw struct {
				Token string `json:"accessToken"`
			}
			if e := json.Unmarshal([]byte(body), &raw); body != "" && (e != nil || raw.Token == "" || !status.Ready) {
				t.Errorf("signed in by %q: %+v", body, status)
			}
			return
		}
		checkText(t, err.Error())
		if status.Ready {
			t.Errorf("ready by %q: %v", body, err)
		}
		if got, err := c.Validate(t.Context(), scanner.Ask{Code: "6nwmw29eo", Direction: scanner.Entry}); err == nil {
			t.Errorf("a verdict without a sign-in: %+v, %q", got, body)
		}
	})
}

// What Memory gives back is a lock or none, and never opens or closes anything
// for ever: a person's own sign-in is always tried.
func FuzzLock(f *testing.F) {
	f.Fuzz(func(t *testing.T, kept []byte) {
		c := cannedClientOf(t, canned{body: `{"error":false,"name":"x"}`}, append([]byte{}, kept...)...)
		if err := c.Probe(t.Context()); err != nil && scanner.CallErrorOf(err).Trouble != scanner.Denied {
			t.Errorf("%q: %v", kept, err)
		}
		if err := c.SignIn(t.Context()); err != nil || !c.Status().Ready {
			t.Errorf("%q locks for ever: %v, %+v", kept, err, c.Status())
		}
	})
}

// What was frozen at scan time is sent as it was or not at all.
func FuzzFrozen(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		m := movement(1, "6nwmw29eo", 1)
		m.Data = data
		c := cannedClient(t, `{"failedBarcodes":[]}`)
		group := c.Group(m)
		got, err := c.Upload(t.Context(), []scanner.Movement{m})
		if err != nil || len(got) != 1 || got[0].Seq != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		checkText(t, got[0].Detail)
		checkText(t, group)
		if got[0].Delivery == scanner.Taken && (!json.Valid(data) || group == "without ids") {
			t.Errorf("sent: %q as of %s", data, group)
		}
	})
}

const documentList = `{"accessTokenExpiration":1537395445777,"error":false,"errorMessageHTML":null,"errorDetails":null,
"clientId":284,"productionId":null,"performanceId":null,"tickets":[{"ticketId":580768132,"performanceId":10302127,
"productionName":"Kinky Boots","performanceStartDate":1536768000000,"barcode":"6nwmw29eo","alreadyScanned":false,
"refundedOrVoided":false,"orderConsumerName":"Walkup Walkup","performance":"Kinky Boots: Sep 12 12:00PM Wed",
"section":"Test Section I","seat":"A1","ticketsScanned":null,"ticketsSold":4,"patron":{"email":null,"firstName":"Walkup",
"lastName":"Walkup","billingAddress":null,"shippingAddress":null,"primaryPhoneNumber":null}}]}`
