package audienceview_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest"
	"usher/vendors/vendortest/faults"
)

// spread is the i-th of many barcodes no two of which are a bit or a byte apart.
func spread(i int) scanner.Code { return scanner.Code(fmt.Sprintf("n%03dx%03dz", i, (i*7+13)%1000)) }

// site is a stage with many tickets for the sweep.
func site(codes int) *vendortest.Site {
	sim := stage(nil)
	ids := map[scanner.Code]int64{"void000006": 6}
	for i := range codes {
		ids[spread(i)] = int64(1000 + 37*i)
		sim.AddTickets(audienceviewsim.Ticket{ID: ids[spread(i)], Performance: performanceID, Barcode: string(spread(i)), Consumer: "Pat Purchaser"})
	}
	return &vendortest.Site{
		Handler: sim,
		Connect: func(url string, transport *http.Transport) scanner.Vendor {
			c, err := audienceview.NewClient(map[string]any{
				"base_url": url + "/public", "username": user, "client_id": clientID, "performance_id": performanceID,
			}, audienceview.Deps{Environ: []string{"USHER_VENDOR_PASSWORD=" + password}, Transport: transport})
			if err != nil {
				panic(err)
			}
			return scanner.Vendor{Validator: c, Uploader: c, Lister: c, Session: c}
		},
		Code: spread, Refused: "void000006", Why: scanner.Voided, SignIn: "authenticate",
		Movement: func(seq uint64, code scanner.Code) scanner.Movement { return movement(seq, code, ids[code]) },
		Recorded: func(code scanner.Code) int { return sim.Counts()[string(code)] },
		Total:    func() int { return len(sim.Scans()) },
		Calls: map[string]func(context.Context, scanner.Vendor) error{
			"filterOptions": func(ctx context.Context, v scanner.Vendor) error {
				_, err := v.Session.(*audienceview.Client).FilterOptions(ctx)
				return err
			},
			"probe": func(ctx context.Context, v scanner.Vendor) error { return v.Session.Probe(ctx) },
		},
	}
}

func TestEveryByteOfASession(t *testing.T) { vendortest.Sweep(t, site) }

// answers gives the bytes of one answer to each request, over no network.
type answers struct{ raw []byte }

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if strings.HasSuffix(r.URL.Path, "/authenticate") {
		return http.ReadResponse(bufio.NewReader(strings.NewReader(signedInAnswer)), r)
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(a.raw)), r)
}

const signedInAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n" + `{"error":false,"accessToken":"0123456789abc"}`

// No byte of a refusal, whatever it is changed into, makes an admission of it, and
// no byte that is lost or comes twice.
func TestNoChangedByteAdmits(t *testing.T) {
	h := stage(nil)
	for id := 8; id <= 14; id++ {
		h.Fail("validateTicket", id, false, 1)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/public/scanning/validateTicket", nil))
		body := rec.Body.Bytes()
		raw := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		ask := func(raw []byte) error {
			t.Helper()
			c, err := audienceview.NewClient(map[string]any{"base_url": "http://127.0.0.1:1", "username": user, "client_id": clientID},
				audienceview.Deps{Environ: []string{"USHER_VENDOR_PASSWORD=" + password}, Transport: answers{raw}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Validate(t.Context(), scanner.Ask{Code: "void000006", Direction: scanner.Entry})
			if got.Verdict == scanner.Admit {
				t.Errorf("id %d: admitted by %q", id, raw)
			}
			return err
		}
		if err := ask(raw); err != nil {
			t.Fatalf("id %d, as it is: %v", id, err)
		}
		for i := range raw {
			if id == 13 {
				for bit := range 8 {
					_ = ask(spoilt(raw, i, raw[i]^1<<bit))
				}
			}
			_ = ask(spoilt(raw, i, ' '))
			_ = ask(append(bytes.Clone(raw[:i]), raw[i+1:]...))
			_ = ask(append(bytes.Clone(raw[:i+1]), raw[i:]...))
		}
	}
}

func spoilt(raw []byte, at int, b byte) []byte {
	raw = bytes.Clone(raw)
	raw[at] = b
	return raw
}

// A status that contradicts the answer's own words leaves the call in doubt, and a
// bare 400, as a front end gives to half a request, is no refused sign-in.
func TestContradictionsAreInDoubt(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		c := answering(t, status, documentSuccess)
		_, err := c.Validate(t.Context(), scanner.Ask{Code: "6nwmw29eo", Direction: scanner.Entry})
		if call := scanner.CallErrorOf(err); err == nil || !call.MaybeSent {
			t.Errorf("%d with an admission: %v, maybe sent %v", status, err, call.MaybeSent)
		}
	}
	v := newVenue(t, nil)
	if err := v.server.Set(faults.Fault{Kind: faults.Status, Status: 400, Call: "authenticate", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.validate(t, "good000001"); err == nil || v.client.Status().Problem != "" {
		t.Errorf("%v, problem %q", err, v.client.Status().Problem)
	}
	if got, err := v.validate(t, "good000001"); err != nil || got.Verdict != scanner.Admit {
		t.Errorf("the next: %v, %v", got, err)
	}
}
