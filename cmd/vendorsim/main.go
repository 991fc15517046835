// Vendorsim runs a vendor's simulator on this machine, for demonstrations and
// tests; it is never shipped. It prints two lines, one URL each, and runs until
// it is interrupted:
//
//	vendor http://127.0.0.1:40001/public
//	control http://127.0.0.1:40002/_sim/
//
// The first is for vendor.base_url. AudienceView's has the user gate7@example.org,
// password demo, client 284, performance 49182; Presence's the key demo, venue
// KovZpZAFF17J, and uploads go to /ticket/upload/{direction}; Archtics' the key demo,
// uid user99, dsn apigee, product sth-customer; TickeTing's the key demo (user gate7,
// password demo), event 16993717817996, and the admission tokens A0F9GG8D (all
// sections) and FR0NT001 (Front Stage); ACME's the key demo, tenant
// 57113d507947cc39efb44200, terminal 7, event 63d08b46c9092f6d5ed46389, and made-up
// statuses: 555 admits, 20 is already used, 30 too early, 40 too late, 60 the wrong
// event, 70 unknown. The second switches the network's faults, and stays there when the
// first is switched off; while the first is up, it serves /_sim/ as well:
//
//	GET    /_sim/faults   those switched on
//	POST   /_sim/faults?kind=blackhole&call=validateTicket&times=3&delay=2s&status=503&retry_after=7&bytes=20
//	DELETE /_sim/faults   all is well again
//	GET    /_sim/calls    {"calls": N}: requests so far
//	/_sim/...             the simulator's own, such as scans, tickets, clock, expire
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/vendors/acme/acmesim"
	"usher/vendors/archtics/archticssim"
	"usher/vendors/audienceview/audienceviewsim"
	"usher/vendors/presence/presencesim"
	"usher/vendors/ticketing/ticketingsim"
	"usher/vendors/vendortest/faults"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "vendorsim:", err)
		os.Exit(1)
	}
}

// simulator is what every vendor's simulator gives.
type simulator struct {
	http.Handler
	name func(*http.Request) string
	base string
	// control is the vendor's own part of /_sim/.
	control http.Handler
}

// simulators is the list: each makes one with count tickets.
func simulators() map[string]func(count int) simulator {
	return map[string]func(int) simulator{
		"acme": func(count int) simulator {
			sim := acmesim.New(acmesim.Options{})
			sim.Demo(count)
			return simulator{sim, acmesim.CallName, "", sim.Control()}
		},
		"archtics": func(count int) simulator {
			sim := archticssim.New(archticssim.Options{})
			sim.Demo(count)
			return simulator{sim, archticssim.CallName, "", sim.Control()}
		},
		"audienceview": func(count int) simulator {
			sim := audienceviewsim.New(nil)
			sim.Demo(count)
			return simulator{sim, audienceviewsim.CallName, "/public", sim.Control()}
		},
		"presence": func(count int) simulator {
			sim := presencesim.New(presencesim.Options{})
			sim.Demo(count)
			return simulator{sim, presencesim.CallName, presencesim.Base, sim.Control()}
		},
		"ticketing": func(count int) simulator {
			sim := ticketingsim.New(ticketingsim.Options{})
			sim.Demo(count)
			return simulator{sim, ticketingsim.CallName, ticketingsim.Base, sim.Control()}
		},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("vendorsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	vendor := flags.String("vendor", "audienceview", "whose simulator: "+strings.Join(slices.Sorted(maps.Keys(simulators())), ", "))
	listen := flags.String("listen", "127.0.0.1:0", "where the vendor is: a loopback address")
	control := flags.String("control", "127.0.0.1:0", "where /_sim/ always is: a loopback address")
	tickets := flags.Int("tickets", 0, "so many generated tickets beside the named ones")
	if err := flags.Parse(args); err != nil {
		return err
	}
	build, known := simulators()[*vendor]
	if !known || flags.NArg() > 0 {
		return fmt.Errorf("unknown vendor %q; use one of: %s", *vendor, strings.Join(slices.Sorted(maps.Keys(simulators())), ", "))
	}
	sim := build(*tickets)
	mux := http.NewServeMux()
	server, err := faults.Listen(*listen, sim, sim.name, faults.Aside("/_sim/", mux))
	if err != nil {
		return err
	}
	defer server.Close()
	switches(mux, server, sim.control)
	aside, err := faults.Listen(*control, mux, func(*http.Request) string { return "" })
	if err != nil {
		return err
	}
	defer aside.Close()
	if _, err := fmt.Fprintf(stdout, "vendor %s%s\ncontrol %s/_sim/\n", server.URL(), sim.base, aside.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// switches puts the faults of the network, and the vendor's own control, under
// /_sim/.
func switches(mux *http.ServeMux, server *faults.Server, control http.Handler) {
	mux.Handle("/_sim/", http.StripPrefix("/_sim", control))
	mux.HandleFunc("GET /_sim/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, server.Faults()) })
	mux.HandleFunc("GET /_sim/calls", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]int{"calls": server.Calls()})
	})
	mux.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		f, err := parseFault(r)
		if err == nil {
			err = server.Set(f)
		}
		done(w, err)
	})
	mux.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, _ *http.Request) { done(w, server.Clear()) })
}

func parseFault(r *http.Request) (faults.Fault, error) {
	f := faults.Fault{Kind: faults.Kind(r.FormValue("kind")), Call: r.FormValue("call"), RetryAfter: r.FormValue("retry_after")}
	if !slices.Contains(faults.Kinds(), f.Kind) {
		return f, fmt.Errorf("kind=%q: want one of %v", f.Kind, faults.Kinds())
	}
	var all []error
	number := func(name string, into *int) {
		if text := r.FormValue(name); text != "" {
			var err error
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				all = append(all, fmt.Errorf("%s=%q: want a number", name, text))
			}
		}
	}
	number("times", &f.Times)
	number("status", &f.Status)
	number("bytes", &f.Bytes)
	if text := r.FormValue("delay"); text != "" {
		var err error
		if f.Delay, err = time.ParseDuration(text); err != nil {
			all = append(all, fmt.Errorf("delay=%q: want such as 2s", text))
		}
	}
	if f.Kind == faults.Status && (f.Status < 200 || f.Status > 599) {
		all = append(all, errors.New("kind=status wants status=200..599"))
	}
	return f, errors.Join(all...)
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
