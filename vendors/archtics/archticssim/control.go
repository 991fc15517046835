package archticssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Control lets a person or a script stage a story, in JSON:
//
//	GET  requests           {"requests": N, "last_minute": N, "lookups": {barcode: times}}
//	POST tickets            an array of tickets, see [Ticket]; "barcode" is required
//	POST generate?count=N   N more tickets, see [Generated]
//	POST attendance         an array of scans at other gates, see [Scan]; "at" may be left out: now
//	POST delay?call=verify_barcode&for=10s   calls of that name are at work for so long
//	POST result?call=verify_barcode&result=5020&words=locked&times=3   times=0: no more
//	POST answer?call=verify_barcode   the body is what calls of that name are answered; empty: the true answer
//	POST quota?minute=80&day=5000
//	POST clock?offset=2h    the vendor's clock against the machine's
//	POST key?key=K          another API key is right
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		minute := 0
		for _, at := range s.requests {
			if s.clock().Sub(at) < time.Minute {
				minute++
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"requests": len(s.requests), "last_minute": minute, "lookups": s.lookups})
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
			if t.Barcode == "" {
				return fmt.Errorf("ticket %d: want a barcode", i+1)
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
	post("attendance", func(r *http.Request) error {
		var scans []Scan
		if err := json.NewDecoder(r.Body).Decode(&scans); err != nil {
			return fmt.Errorf("want an array of scans: %w", err)
		}
		for i := range scans {
			if scans[i].At.IsZero() {
				s.mu.Lock()
				scans[i].At = s.clock()
				s.mu.Unlock()
			}
		}
		s.Attend(scans...)
		return nil
	})
	post("delay", func(r *http.Request) error {
		d, err := time.ParseDuration(r.FormValue("for"))
		if err != nil || d < 0 || r.FormValue("call") == "" {
			return fmt.Errorf("want call=verify_barcode and for=10s")
		}
		s.SetDelay(r.FormValue("call"), d)
		return nil
	})
	post("result", func(r *http.Request) error {
		result, err := strconv.Atoi(r.FormValue("result"))
		times, err2 := strconv.Atoi(r.FormValue("times"))
		if err2 != nil || times < 0 || times > 0 && err != nil || r.FormValue("call") == "" {
			return fmt.Errorf("want call=verify_barcode, result=5020 and times=N (0: no more)")
		}
		s.SetResult(r.FormValue("call"), result, r.FormValue("words"), times)
		return nil
	})
	post("answer", func(r *http.Request) error {
		name := r.URL.Query().Get("call")
		if name == "" {
			return fmt.Errorf("want call=verify_barcode")
		}
		var body json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil && r.ContentLength > 0 {
			return fmt.Errorf("want JSON: %w", err)
		}
		s.SetAnswer(name, string(body))
		return nil
	})
	post("quota", func(r *http.Request) error {
		minute, err := strconv.Atoi(r.FormValue("minute"))
		day, err2 := strconv.Atoi(r.FormValue("day"))
		if err != nil || err2 != nil || minute < 0 || day < 0 {
			return fmt.Errorf("want minute=80 and day=5000")
		}
		s.SetQuota(minute, day)
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
	post("key", func(r *http.Request) error {
		s.SetKey(r.FormValue("key"))
		return nil
	})
	return mux
}

// DemoEvent is the demonstration's.
const DemoEvent = "EVENT01"

// Demo fills the simulator with one event that begins soon, a few tickets and count
// generated ones.
func (s *Sim) Demo(count int) {
	s.AddEvent(Event{
		Name: DemoEvent, Description: "Home opener", Starts: s.o.Now().Add(time.Hour).Truncate(time.Hour), Minutes: 150, Venue: "Demo Arena", Season: "2026", Category: "E",
	})
	s.AddTickets(
		Ticket{Barcode: "721744537954", Event: DemoEvent, Section: "101", Row: "A", Seat: 7, Account: 100479, First: "Ada", Last: "Byron"},
		Ticket{Barcode: "721744537955", Event: DemoEvent, Section: "101", Row: "A", Seat: 8, Account: 100479, First: "Ada", Last: "Byron"},
		Ticket{Barcode: "721744537956", Event: DemoEvent, Section: "101", Row: "3", Seat: 4, More: map[string]any{"barcode_status": "void"}},
		Ticket{Barcode: "721744537957", Event: "EVENT02", Section: "102", Row: "B", Seat: 1},
	)
	s.Generate(count)
}

// Generate gives n more tickets, see [Generated].
func (s *Sim) Generate(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated = n
}

// Generated is ticket i (from 0) of those that [Sim.Generate] gives.
func Generated(i int) Ticket {
	return Ticket{
		Barcode: fmt.Sprintf("84%010d", i), Event: DemoEvent, Section: "S" + strconv.Itoa(i/1000), Row: strconv.Itoa(i/20%50 + 1), Seat: i%20 + 1,
	}
}

// generatedTicket gives one of those; the mutex is held.
func (s *Sim) generatedTicket(barcode string) (Ticket, bool) {
	if len(barcode) != 12 || barcode[:2] != "84" {
		return Ticket{}, false
	}
	i, err := strconv.Atoi(barcode[2:])
	if err != nil || i < 0 || i >= s.generated {
		return Ticket{}, false
	}
	return Generated(i), true
}
