package acme_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
	"usher/vendors/vendortest"
)

// spread is the i-th of many codes no two of which are a bit or a byte apart.
func spread(i int) scanner.Code { return scanner.Code(fmt.Sprintf("n%03dx%03dzzzz", i, (i*7+13)%1000)) }

// site is a stage with many tickets for the sweep.
func site(codes int) *vendortest.Site {
	sim := stage(acmesim.Options{})
	for i := range codes {
		sim.AddTickets(acmesim.Ticket{Code: string(spread(i)), Event: show, Type: "Adult"})
	}
	return &vendortest.Site{
		Handler: sim,
		Connect: func(url string, transport *http.Transport) scanner.Vendor {
			raw := told()
			// Its answers are the shortest: a sweep takes a call for each byte.
			raw["base_url"], raw["event_instance"], raw["checkin_path"] = url, show, singlePath
			v, err := acme.New(raw, acme.Deps{Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: transport})
			if err != nil {
				panic(err)
			}
			return v
		},
		Code: spread, Refused: "earl00000007", Why: scanner.TooEarly,
		Movement: movement,
		Recorded: func(code scanner.Code) int { return sim.Entered(string(code)) },
		Total:    func() int { return len(sim.Entries()) },
	}
}

func TestEveryByteOfASession(t *testing.T) { vendortest.Sweep(t, site) }

// answers gives the bytes of one answer, over no network.
type answers struct{ raw []byte }

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(a.raw)), r)
}

// No byte of a refusal, whatever it is changed into, makes an admission of it, and no
// byte that is lost or comes twice.
func TestNoChangedByteAdmits(t *testing.T) {
	for p, body := range map[string]string{
		"/v2/willcall/checkinticketsexternal": `{"checkInStatus":20,"orderId":88001,"checkInDate":"2026-11-21T19:00:00Z"}`,
		singlePath:                            `{"checkInStatus":70,"orderId":555,"minutesBefore":555}`,
		batchPath:                             `[{"uuid":"mark00000005","checkInDate":"2026-11-21T19:00:00Z"},{"orderId":555}]`,
	} {
		raw := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 19:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		current := &answers{raw}
		c := over(t, current, path(p))
		ask := func(raw []byte) {
			current.raw = raw
			got, _ := c.Validate(t.Context(), scanner.Ask{Code: "mark00000001", Direction: scanner.Entry})
			// One bit apart, another ticket's check-in is this one's: only TLS tells.
			if got.Verdict == scanner.Admit && (p != batchPath || bytes.Contains(raw, []byte("mark00000005"))) {
				t.Errorf("%s: admitted by %q", p, raw)
			}
		}
		ask(raw)
		for i := range raw {
			for bit := range 8 {
				spoilt := bytes.Clone(raw)
				spoilt[i] ^= 1 << bit
				ask(spoilt)
			}
			ask(append(bytes.Clone(raw[:i]), raw[i+1:]...))
			ask(append(bytes.Clone(raw[:i+1]), raw[i:]...))
		}
	}
}
