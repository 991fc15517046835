package acmesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Control lets a person or a script stage a story, in JSON:
//
//	GET  scans             every check-in, in order
//	POST tickets           an array of tickets, see [Ticket]; "code" is required
//	POST events            an array of events, see [Event]; "id" is required
//	POST generate?count=N  N more tickets, see [Generated]
//	POST clock?offset=2h   the vendor's clock against the machine's
//	POST fail?call=checkin&http=500&times=3     times=0: no more
//	POST status?status=7&times=3                the next check-ins answer that, and do nothing
//	POST key?key=K         another API key is right
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /scans", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(append([]Entry{}, s.Entries()...))
	})
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
			if t.Code == "" {
				return fmt.Errorf("ticket %d: want a code", i+1)
			}
		}
		s.AddTickets(tickets...)
		return nil
	})
	post("events", func(r *http.Request) error {
		var events []Event
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			return fmt.Errorf("want an array of events: %w", err)
		}
		for i, e := range events {
			if e.ID == "" || e.Start.IsZero() {
				return fmt.Errorf("event %d: want an id and a start", i+1)
			}
		}
		s.AddEvents(events...)
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
		if err != nil || times < 0 || err2 != nil || times > 0 && (code < 300 || code > 599) {
			return fmt.Errorf("want http=300..599 and times=N (0: no more)")
		}
		s.SetFault(r.FormValue("call"), max(code, 1), times)
		return nil
	})
	post("status", func(r *http.Request) error {
		times, err := strconv.Atoi(r.FormValue("times"))
		status, err2 := strconv.ParseInt("0"+r.FormValue("status"), 10, 64)
		if err != nil || times < 0 || err2 != nil {
			return fmt.Errorf("want status=N and times=N (0: no more)")
		}
		s.SetStatus(status, times)
		return nil
	})
	post("key", func(r *http.Request) error {
		s.SetKey(r.FormValue("key"))
		return nil
	})
	return mux
}

// The demonstration's tenant.
const (
	DemoKey      = "demo"
	DemoTenant   = "57113d507947cc39efb44200"
	DemoTerminal = "7"
	DemoTemplate = "57113d507947cc39efb44249"
	DemoEvent    = "63d08b46c9092f6d5ed46389"
	// DemoLater is the same show three hours later.
	DemoLater = "63d08b46c9092f6d5ed46390"
)

// Demo fills the simulator with a show that can be entered now, the same one later,
// a few tickets and count generated ones.
func (s *Sim) Demo(count int) {
	start := s.o.Now().Truncate(time.Hour)
	s.AddTemplates(Template{ID: DemoTemplate, Name: "Planetarium", Type: "Standard", Window: Minutes(90, 180)})
	s.AddEvents(
		Event{ID: DemoEvent, Template: DemoTemplate, Name: "Planetarium", Start: start, End: start.Add(time.Hour), Window: Minutes(90, 180), Places: []string{"Dome"}},
		Event{ID: DemoLater, Template: DemoTemplate, Name: "Planetarium", Start: start.Add(6 * time.Hour), End: start.Add(7 * time.Hour), Window: Minutes(90, 180), Places: []string{"Dome"}},
	)
	s.AddTickets(
		Ticket{Code: "721744537954", Event: DemoEvent, Type: "Adult"},
		Ticket{Code: "721744537955", Event: DemoEvent, Type: "Child"},
		Ticket{Code: "721744537956", Event: DemoLater, Type: "Adult"},
		Ticket{Code: "721744537957", Event: DemoEvent, Level: "Family", Card: "Ada Demo", Standing: "active"},
	)
	s.Generate(count)
}

// Generated is ticket i (from 0) of those that [Sim.Generate] gives.
func Generated(i int) Ticket {
	return Ticket{Code: fmt.Sprintf("83%010d", i), Event: DemoEvent, Type: "Adult"}
}

// generatedTicket gives one of those; the mutex is held.
func (s *Sim) generatedTicket(code string) (Ticket, bool) {
	if len(code) != 12 || code[:2] != "83" {
		return Ticket{}, false
	}
	i, err := strconv.Atoi(code[2:])
	if err != nil || i < 0 || i >= s.generated {
		return Ticket{}, false
	}
	return Generated(i), true
}
