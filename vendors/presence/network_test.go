package presence_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"usher/scanner"
	"usher/vendors/presence"
	"usher/vendors/presence/presencesim"
	"usher/vendors/vendortest"
)

// spread is the i-th of many codes no two of which are a bit or a byte apart.
func spread(i int) scanner.Code { return scanner.Code(fmt.Sprintf("n%03dx%03dzzzz", i, (i*7+13)%1000)) }

// site is a stage with many tickets for the sweep.
func site(codes int) *vendortest.Site {
	sim := stage(presencesim.Options{AnyTime: true})
	for i := range codes {
		sim.AddTickets(presencesim.Ticket{Token: string(spread(i)), Event: event, Place: "PIT1:3:4"})
	}
	return &vendortest.Site{
		Handler: sim,
		Connect: func(url string, transport *http.Transport) scanner.Vendor {
			v, err := presence.New(map[string]any{
				"base_url": url + presencesim.Base, "venue_id": venue, "upload_path": presencesim.UploadPath,
			}, presence.Deps{Device: device(), Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: transport})
			if err != nil {
				panic(err)
			}
			return v
		},
		Code: spread, Refused: "mark00000004", Why: scanner.Restricted, Blind: true,
		Movement: func(seq uint64, code scanner.Code) scanner.Movement { return movement(seq, code, nil) },
		Recorded: func(code scanner.Code) int { return entered(sim, code) },
		Total:    func() int { return len(sim.Entries()) },
		Calls: map[string]func(context.Context, scanner.Vendor) error{
			"probe": func(ctx context.Context, v scanner.Vendor) error { return v.Session.Probe(ctx) },
		},
	}
}

func TestEveryByteOfASession(t *testing.T) { vendortest.Sweep(t, site) }

// answers gives the bytes of one answer to each scan, over no network.
type answers struct{ raw []byte }

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	raw := a.raw
	if strings.HasSuffix(r.URL.Path, "/device/init") {
		raw = whole(200, configuredAnswer)
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
}

const configuredAnswer = `{"result":{"status":"OKAY"},"message":{"id":101,"gateId":1}}`

func whole(status int, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// over is a configured client over a transport.
func over(t *testing.T, transport http.RoundTripper) *presence.Client {
	t.Helper()
	c, err := presence.NewClient(map[string]any{"venue_id": venue, "base_url": "http://127.0.0.1:1", "upload_path": "/u/{direction}"}, presence.Deps{
		Device: device(), Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// No byte of a refusal, whatever it is changed into, makes an admission of it, and
// no byte that is lost or comes twice.
func TestNoChangedByteAdmits(t *testing.T) {
	for _, tt := range []struct {
		status    string
		direction scanner.Direction
	}{
		{"ALREADY_ENTERED", scanner.Entry}, {"NOT_FOUND", scanner.Entry}, {"EXIT_NOT_PERMITTED", scanner.Exit},
		{"INTERNAL_SCAN", scanner.Entry}, {"INTERNAL_SCAN_EXIT_NOT_PERMITTED", scanner.Exit}, {"EXIT", scanner.Entry},
	} {
		raw := whole(200, `{"result":{"status":"`+tt.status+`","message":"no"},"message":null}`)
		current := &answers{raw}
		c := over(t, current)
		ask := func(raw []byte) error {
			current.raw = raw
			got, err := c.Validate(t.Context(), scanner.Ask{Code: "mark00000004", Direction: tt.direction})
			if got.Verdict == scanner.Admit {
				t.Errorf("%s: admitted by %q", tt.status, raw)
			}
			return err
		}
		if err := ask(raw); err != nil {
			t.Fatalf("%s, as it is: %v", tt.status, err)
		}
		for i := range raw {
			for bit := range 8 {
				spoilt := bytes.Clone(raw)
				spoilt[i] ^= 1 << bit
				_ = ask(spoilt)
			}
			_ = ask(append(bytes.Clone(raw[:i]), raw[i+1:]...))
			_ = ask(append(bytes.Clone(raw[:i+1]), raw[i:]...))
		}
	}
}
