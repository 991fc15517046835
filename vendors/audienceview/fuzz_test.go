package audienceview_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/audienceview"
)

// canned answers sign-ins and one body for every other call, without a network.
type canned struct{ body string }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body := c.body
	if strings.HasSuffix(r.URL.Path, "/authenticate") {
		body = `{"error":false,"accessToken":"t"}`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func cannedClient(t *testing.T, body string) *audienceview.Client {
	t.Helper()
	c, err := audienceview.NewClient(map[string]any{"username": user, "client_id": clientID}, audienceview.Deps{
		Transport: canned{body}, Environ: []string{"USHER_VENDOR_PASSWORD=" + password},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Nothing but a documented admission admits.
func FuzzValidate(f *testing.F) {
	f.Add(documentSuccess)
	f.Add(documentFailure)
	f.Add(`{"error":false,"name":"x","errorDetails":{"errorCodeId":12,"forceLogout":true}}`)
	f.Add(`{"error":false}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := cannedClient(t, body).Validate(t.Context(), scanner.Ask{Code: "6nwmw29eo", Direction: scanner.Entry})
		if err != nil {
			if got.Verdict != "" {
				t.Errorf("a verdict and an error: %v", err)
			}
			return
		}
		var raw map[string]any
		if json.Unmarshal([]byte(body), &raw) != nil || raw["error"] == nil {
			t.Fatalf("a verdict out of %q", body)
		}
		if got.Verdict == scanner.Admit && (raw["error"] != false || raw["errorDetails"] != nil) {
			t.Errorf("admitted by %q", body)
		}
	})
}

// No upload counts as taken without failedBarcodes.
func FuzzSync(f *testing.F) {
	f.Add(`{"failedBarcodes":[{"barcode":"6nwmw29eo","reason":"Ticket ID not found."},{"barcode":"6nwmw29eo","reason":"Scan time is in the future."}]}`)
	f.Add(`{"error":true,"errorDetails":{"errorCodeId":15,"forceLogout":false}}`)
	f.Add(`{failedBarcodes:[]}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := cannedClient(t, body).Upload(t.Context(), []scanner.Movement{movement(1, "6nwmw29eo", 1)})
		if err != nil {
			return
		}
		var raw map[string]any
		if json.Unmarshal([]byte(body), &raw) != nil || raw["failedBarcodes"] == nil || len(got) != 1 || got[0].Seq != 1 {
			t.Errorf("%+v out of %q", got, body)
		}
	})
}

// A list that is taken is whole JSON, says error:false and names the client, and
// gives each ticket that it holds.
func FuzzList(f *testing.F) {
	f.Add(documentList)
	f.Add(`{"tickets":[],"x":[{"a":"}\"]"},-1.5e3,true],"clientId":284,"error":false}`)
	f.Add(documentFailure)
	f.Fuzz(func(t *testing.T, body string) {
		n := 0
		_, err := cannedClient(t, body).List(t.Context(), func(ticket scanner.Ticket, _ string) error {
			n++
			if ticket.Code == "" || !json.Valid(ticket.Vendor) {
				t.Errorf("ticket %+v", ticket)
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

const documentList = `{"accessTokenExpiration":1537395445777,"error":false,"errorMessageHTML":null,"errorDetails":null,
"clientId":284,"productionId":null,"performanceId":null,"tickets":[{"ticketId":580768132,"performanceId":10302127,
"productionName":"Kinky Boots","performanceStartDate":1536768000000,"barcode":"6nwmw29eo","alreadyScanned":false,
"refundedOrVoided":false,"orderConsumerName":"Walkup Walkup","performance":"Kinky Boots: Sep 12 12:00PM Wed",
"section":"Test Section I","seat":"A1","ticketsScanned":null,"ticketsSold":4,"patron":{"email":null,"firstName":"Walkup",
"lastName":"Walkup","billingAddress":null,"shippingAddress":null,"primaryPhoneNumber":null}}]}`
