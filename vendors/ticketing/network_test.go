package ticketing_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/ticketing"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest"
)

// spread is the i-th of many serials no two of which are a bit or a byte apart.
func spread(i int) scanner.Code {
	return scanner.Code(fmt.Sprintf("DAWIER-N%03dX%03dZZZZ", i, (i*7+13)%1000))
}

// site is a stage with many tickets for the sweep.
func site(codes int) *vendortest.Site {
	sim := stage(ticketingsim.Options{})
	for i := range codes {
		sim.AddTickets(ticketingsim.Ticket{Serial: string(spread(i)), Section: front})
	}
	calls := map[string]func(context.Context, scanner.Vendor) error{}
	if os.Getenv("USHER_SWEEP") == "full" {
		calls["changes"] = deltas() // its bytes are those of a list
	}
	return &vendortest.Site{
		Handler: sim,
		Connect: func(url string, transport *http.Transport) scanner.Vendor {
			v, err := ticketing.New(map[string]any{
				"base_url": url + ticketingsim.Base, "admission_token": token, "event": event,
				"list_with": "token", // the others' tickets may be left out, and a list is compared here
			}, ticketing.Deps{Device: ticketing.Device{ID: handheld, Name: redeemer}, Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: transport})
			if err != nil {
				panic(err)
			}
			return v
		},
		Code: spread, Refused: used, Why: scanner.AlreadyEntered, Unsaid: scanner.Restricted, SignIn: "exchange token", Endless: true,
		Movement: func(seq uint64, code scanner.Code) scanner.Movement {
			return scanner.Movement{
				Seq: seq, Code: code, Direction: scanner.Entry, At: time.Now(), Data: []byte(`{"e":"` + event + `","r":"` + redeemer + `"}`),
				Origin: scanner.Origin{Device: handheld},
			}
		},
		Recorded: func(code scanner.Code) int { return sim.Admitted(string(code)) },
		Total:    sim.Count,
		Calls:    calls,
	}
}

// deltas is a call for what changed since the one before it.
func deltas() func(context.Context, scanner.Vendor) error {
	var cursor []byte
	return func(ctx context.Context, v scanner.Vendor) error {
		nothing := func(scanner.Ticket, string) error { return nil }
		page, err := v.Changes.Changes(ctx, cursor, nothing)
		if errors.Is(err, scanner.ErrCursor) {
			page, err = v.Lister.List(ctx, nothing)
		}
		if err == nil {
			cursor = page.Cursor
		}
		return err
	}
}

func TestEveryByteOfASession(t *testing.T) { vendortest.Sweep(t, site) }

// answers gives fixed bytes to each call by its method and the last part of its
// path, over no network.
type answers map[string][]byte

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	part := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	raw, ok := a[r.Method+" "+part]
	if !ok {
		raw = whole(404, `{"message":"The requested endpoint / does not exist on this server."}`)
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
}

func whole(status int, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

const (
	exchanged    = `{"key":"a9427bf35dd3d3011a1277c9c344ae07","event":"/events/16993717817996","sections":["/events/16993717817996/sections/16993964783416"]}`
	noneAdmitted = `{"error":"None of the provided ticket serials grants admission to this event"}`
	nothing      = `{"total":0,"page":1,"records":25,"entries":[]}`
	ourAdmission = `{"self":"/events/16993717817996/admissions/1","redeemer":"Billy Butcher","device":"7hx-9kq-2mp","ticket":"DAWIER-GOOD00000001",` +
		`"patron":{"username":"marvin.milk","email":"marvin.milk@example.org","firstName":"Marvin","lastName":"Milk"},` +
		`"section":{"self":"/events/16993717817996/sections/16993964783416","name":"Front Stage","description":""},"admitted":"2026-11-21T20:00:03+00:00"}`
)

func entries(all ...string) string {
	return fmt.Sprintf(`{"total":%d,"page":1,"records":25,"entries":[%s]}`, len(all), strings.Join(all, ","))
}

// fixed are answers for one token: what is admitted, and what is found.
func fixed(admit, found []byte) answers {
	return answers{"GET " + token: whole(200, exchanged), "POST admissions": admit, "GET admissions": found}
}

// over is a client over a transport.
func over(t *testing.T, transport http.RoundTripper) *ticketing.Client {
	t.Helper()
	c, err := ticketing.NewClient(map[string]any{
		"base_url": "http://127.0.0.1:1", "admission_token": token, "event": event, "redeemer": redeemer, "list_with": "token",
	}, ticketing.Deps{Device: ticketing.Device{ID: handheld}, Environ: []string{"USHER_VENDOR_API_KEY=" + key}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func validate(t *testing.T, c *ticketing.Client) (scanner.Answer, error) {
	t.Helper()
	return c.Validate(t.Context(), scanner.Ask{Code: good, Direction: scanner.Entry})
}

// No byte of a refusal, whatever it is changed into, makes an admission of it, and
// no byte that is lost or comes twice: neither of the refusal nor of the look-up.
func TestNoChangedByteAdmits(t *testing.T) {
	refusal, found := whole(400, noneAdmitted), whole(200, entries(ourAdmission))
	for name, raw := range map[string]*[]byte{"refusal": &refusal, "look-up": &found} {
		intact := bytes.Clone(*raw)
		ask := func(spoilt []byte) error {
			*raw = spoilt
			got, err := validate(t, over(t, fixed(refusal, found)))
			if got.Verdict == scanner.Admit {
				t.Errorf("%s: admitted by %q", name, spoilt)
			}
			return err
		}
		if err := ask(intact); err != nil {
			t.Fatalf("%s, as it is: %v", name, err)
		}
		for i := range intact {
			for bit := range 8 {
				spoilt := bytes.Clone(intact)
				spoilt[i] ^= 1 << bit
				_ = ask(spoilt)
			}
			_ = ask(append(bytes.Clone(intact[:i]), intact[i+1:]...))
			_ = ask(append(bytes.Clone(intact[:i+1]), intact[i:]...))
		}
		*raw = intact
	}
}
