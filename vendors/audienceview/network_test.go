package audienceview_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"usher/scanner"
	"usher/vendors/audienceview"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/vendortest"
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
		Code: spread, Refused: "void000006", Why: scanner.Voided,
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
