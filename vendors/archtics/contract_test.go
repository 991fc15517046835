package archtics_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/archtics"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/vendortest"
)

func TestContract(t *testing.T) {
	vendortest.Run(t, vendortest.Suite{New: func(t *testing.T) *vendortest.World {
		g := newGate(t, archticssim.Options{}, func(raw map[string]any, _ *archtics.Deps) { raw["events"] = []any{event} })
		g.sim.AddTickets(archticssim.Ticket{Barcode: "used00000005", Event: event, Section: "101", Row: "A", Seat: 10})
		g.sim.Attend(scan(10, start.Add(-time.Minute)))
		return &vendortest.World{
			Vendor: g.client.Vendor(), Server: g.server, Transport: g.transport, ValidateCall: "verify_barcode", WatchCall: "get_attendance_incremental",
			Codes: map[scanner.Reason]scanner.Code{
				scanner.OK: "good00000001", scanner.NotFound: "nobody000000", scanner.Voided: "void00000003", scanner.WrongEvent: "show00000004",
				scanner.AlreadyEntered: "used00000005",
			},
			More:    []scanner.Code{"more00000002"},
			Deny:    func() { g.sim.SetKey("another") },
			SignIns: func() int { return g.sim.Calls("ping") },
			Secrets: []string{key, "k3y-of", "more&"},
			Log:     g.log.String,
		}
	}})
}

// spread is the i-th of many codes no two of which are a bit or a byte apart.
func spread(i int) scanner.Code { return scanner.Code(fmt.Sprintf("n%03dx%03dzzzz", i, (i*7+13)%1000)) }

// plenty is a quota that no test reaches.
const plenty = 1 << 20

func site(codes int) *vendortest.Site {
	sim := archticssim.New(archticssim.Options{PerMinute: plenty, PerDay: plenty})
	for i := range codes {
		sim.AddTickets(archticssim.Ticket{Barcode: string(spread(i)), Event: event, Section: "101", Row: "A", Seat: i})
	}
	sim.Attend(archticssim.Scan{Event: event, Section: "999", Row: "A", Seat: 1, At: time.Now(), Gate: "North"})
	return &vendortest.Site{
		Handler: sim,
		Connect: func(url string, transport *http.Transport) scanner.Vendor {
			v, err := archtics.New(map[string]any{
				"base_url": url, "product": archticssim.Product, "uid": archticssim.DemoUID, "dsn": archticssim.DemoDSN,
				"calls_per_minute": plenty, "calls_per_day": plenty,
			}, archtics.Deps{Environ: []string{"USHER_VENDOR_API_KEY=" + archticssim.DemoKey}, Transport: transport, Zone: time.UTC})
			if err != nil {
				panic(err)
			}
			return v
		},
		Code: spread, Refused: "nobody000000", Why: scanner.NotFound,
		Calls: map[string]func(context.Context, scanner.Vendor) error{
			"probe":      func(ctx context.Context, v scanner.Vendor) error { return v.Session.Probe(ctx) },
			"attendance": func(ctx context.Context, v scanner.Vendor) error { return v.Watcher.Watch(ctx) },
		},
	}
}

func TestEveryByteOfASession(t *testing.T) { vendortest.Sweep(t, site) }
