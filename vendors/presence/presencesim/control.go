package presencesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Control lets a person or a script stage a story, in JSON:
//
//	GET  scans             every movement taken, in order
//	GET  devices           those configured
//	POST tickets           an array of tickets, see [Ticket]; "token" is required
//	POST generate?count=N  N more tickets, see [Generated]
//	POST clock?offset=2h   the vendor's clock against the machine's
//	POST fail?call=ticket/enter&status=GENERAL_ERROR&http=200&times=3   times=0: no more
//	POST http?status=403   the HTTP status beside refusals
//	POST key?key=K         another API key is right
//	POST gate?name=Bar&kind=internal&exit_required=true
//	POST forget            all devices are taken off the venue
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	get := func(name string, value func() any) {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value())
		})
	}
	get("scans", func() any { return append([]Entry{}, s.Entries()...) })
	get("devices", func() any { return append([]Device{}, s.Devices()...) })
	post := func(name string, act func(r *http.Request) error) {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := act(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	post("tickets", func(r *http.Request) error {
		var tickets []Ticket
		if err := json.NewDecoder(r.Body).Decode(&tickets); err != nil {
			return fmt.Errorf("want an array of tickets: %w", err)
		}
		for i, t := range tickets {
			if t.Token == "" {
				return fmt.Errorf("ticket %d: want a token", i+1)
			}
		}
		s.AddTickets(tickets...)
		return nil
	})
	post("generate", func(r *http.Request) error {
		n, err := strconv.Atoi(r.FormValue("count"))
		if err != nil || n < 0 {
			return fmt.Errorf("want count=N")
		}
		s.Generate(n)
		return nil
	})
	post("clock", func(r *http.Request) error {
		offset, err := time.ParseDuration(r.FormValue("offset"))
		if err != nil {
			return fmt.Errorf("want offset=2h")
		}
		s.SetClock(offset)
		return nil
	})
	post("fail", func(r *http.Request) error {
		times, err := strconv.Atoi(r.FormValue("times"))
		code, err2 := strconv.Atoi("0" + r.FormValue("http"))
		if err != nil || times < 0 || err2 != nil || times > 0 && r.FormValue("status") == "" {
			return fmt.Errorf("want status=GENERAL_ERROR and times=N (0: no more)")
		}
		s.SetFault(r.FormValue("call"), r.FormValue("status"), code, times)
		return nil
	})
	post("http", func(r *http.Request) error {
		code, err := strconv.Atoi(r.FormValue("status"))
		if err != nil || code < 200 || code > 599 {
			return fmt.Errorf("want status=200..599")
		}
		s.SetHTTP(code)
		return nil
	})
	post("key", func(r *http.Request) error {
		s.SetKey(r.FormValue("key"))
		return nil
	})
	post("gate", func(r *http.Request) error {
		g := Gate{Kind: Kind(r.FormValue("kind")), ExitRequired: r.FormValue("exit_required") == "true"}
		if r.FormValue("name") == "" || g.Kind != External && g.Kind != Internal {
			return fmt.Errorf("want name=N and kind=external or internal")
		}
		s.SetGate(r.FormValue("name"), g)
		return nil
	})
	post("forget", func(*http.Request) error {
		s.ForgetDevices()
		return nil
	})
	return mux
}

// The demonstration's venue.
const (
	DemoKey   = "demo"
	DemoVenue = "KovZpZAFF17J"
	DemoEvent = "3F005062B2B4E313"
)

// Demo fills the simulator with one event that is active now, a few tickets and
// count generated ones.
func (s *Sim) Demo(count int) {
	s.AddEvent(Event{ID: DemoEvent})
	s.AddTickets(
		Ticket{Token: "721744537954", Event: DemoEvent, Place: "PIT1:3:4"},
		Ticket{Token: "721744537955", Event: DemoEvent, Place: "PIT1:3:5"},
		Ticket{Token: "721744537956", Event: DemoEvent, Place: "PIT1:3:6", Status: "MARK_RESTRICTION"},
		Ticket{Token: "721744537957", Event: DemoEvent, Place: "LAWN::", Status: "SECTION_RESTRICTION"},
	)
	s.Generate(count)
}

// Generated is ticket i (from 0) of those that [Sim.Generate] gives.
func Generated(i int) Ticket {
	return Ticket{Token: fmt.Sprintf("83%010d", i), Event: DemoEvent, Place: fmt.Sprintf("S%d:%d:%d", i/1000, i/20%50+1, i%20+1)}
}

// generatedTicket gives one of those; the mutex is held.
func (s *Sim) generatedTicket(token string) (Ticket, bool) {
	if len(token) != 12 || token[:2] != "83" {
		return Ticket{}, false
	}
	i, err := strconv.Atoi(token[2:])
	if err != nil || i < 0 || i >= s.generated {
		return Ticket{}, false
	}
	return Generated(i), true
}
