package audienceviewsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Control lets a person or a script stage a story, in JSON:
//
//	GET  scans             every scan taken, in order
//	POST tickets           an array of tickets, see [Ticket]; "performance" and "barcode" are required
//	POST generate?performance=ID&count=N   N more tickets, barcodes g<ID>x0000000 and on
//	POST clock?offset=2h   the vendor's clock against the machine's
//	POST expire            every token expires now
//	POST list?mode=empty   whole (default), empty, foreign, cut, double
//	POST fail?call=validateTicket&id=16&times=3&logout=false   error ids; times=0: no more
//	POST password?user=U&password=P   changes a user's password
//	POST future?call=calendar&error=TEXT&times=3   errors of the Future Events API; times=0: no more
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /scans", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(append([]Scan{}, s.Scans()...))
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
	post("tickets", s.postTickets)
	post("generate", func(r *http.Request) error {
		performance, err := strconv.ParseInt(r.FormValue("performance"), 10, 64)
		count, err2 := strconv.Atoi(r.FormValue("count"))
		if err != nil || err2 != nil || count < 0 {
			return fmt.Errorf("want performance=ID and count=N")
		}
		s.Generate(performance, count)
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
	post("expire", func(*http.Request) error {
		s.ExpireTokens()
		return nil
	})
	post("list", func(r *http.Request) error {
		switch mode := List(r.FormValue("mode")); mode {
		case ListWhole, ListEmpty, ListForeign, ListCut, ListDouble:
			s.SetList(mode)
			return nil
		case "whole":
			s.SetList(ListWhole)
			return nil
		}
		return fmt.Errorf("want mode=whole, empty, foreign, cut or double")
	})
	post("fail", func(r *http.Request) error {
		id, err := strconv.Atoi(r.FormValue("id"))
		times, err2 := strconv.Atoi(r.FormValue("times"))
		if err != nil || err2 != nil || times < 0 {
			return fmt.Errorf("want id=1..17 and times=N (0: no more)")
		}
		s.Fail(r.FormValue("call"), id, r.FormValue("logout") == "true", times)
		return nil
	})
	post("future", func(r *http.Request) error {
		times, err := strconv.Atoi(r.FormValue("times"))
		if err != nil || times < 0 {
			return fmt.Errorf("want times=N (0: no more)")
		}
		s.FailFuture(r.FormValue("call"), r.FormValue("error"), times)
		return nil
	})
	post("password", func(r *http.Request) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		u, known := s.users[r.FormValue("user")]
		if !known {
			return fmt.Errorf("no such user")
		}
		u.Password = r.FormValue("password")
		s.users[u.Name] = u
		return nil
	})
	return mux
}

func (s *Sim) postTickets(r *http.Request) error {
	var tickets []Ticket
	if err := json.NewDecoder(r.Body).Decode(&tickets); err != nil {
		return fmt.Errorf("want an array of tickets: %w", err)
	}
	s.mu.Lock()
	for i, t := range tickets {
		if _, _, _, known := s.place(t.Performance); !known || t.Barcode == "" {
			s.mu.Unlock()
			return fmt.Errorf("ticket %d: want a barcode and a known performance", i+1)
		}
		if t.ID == 0 {
			tickets[i].ID = int64(len(s.tickets)+i) + 580_768_132
		}
	}
	s.mu.Unlock()
	s.AddTickets(tickets...)
	return nil
}

// The demonstration's venue.
const (
	DemoUser        = "gate7@example.org"
	DemoPassword    = "demo"
	DemoClient      = 284
	DemoProduction  = 3622
	DemoPerformance = 49182
	// DemoRemaining is how many tickets are left, which nobody must be told.
	DemoRemaining = 987654
)

// Demo fills the simulator with one client, series and performance, which can be
// scanned from now on, and count generated tickets.
func (s *Sim) Demo(count int) {
	s.SetZone(time.Local)
	start := s.now().Add(time.Hour).Truncate(time.Hour)
	s.AddUser(User{Name: DemoUser, Password: DemoPassword, Clients: []int64{DemoClient}, Patrons: true})
	s.AddClient(Client{ID: DemoClient, Name: "TestAccount-300", Productions: []Production{{
		ID: DemoProduction, Name: "Spamalot", Venue: "Jonas James", Performances: []Performance{
			{ID: DemoPerformance, Start: start, Remaining: DemoRemaining},
			{ID: DemoPerformance + 1, Start: start.AddDate(0, 0, 1), Display: "S", Opens: start.AddDate(0, 0, 1).Add(-2 * time.Hour)},
			{ID: DemoPerformance + 2, Start: start.AddDate(0, 0, 2), Display: "C", Opens: start.AddDate(0, 0, 2).Add(-2 * time.Hour)},
		},
	}}})
	s.AddTickets(
		Ticket{ID: 580768132, Performance: DemoPerformance, Barcode: "6nwmw29eo", Consumer: "Ada Lovelace", First: "Ada", Last: "Lovelace", Section: "Stalls", Seat: "A1"},
		Ticket{ID: 580768141, Performance: DemoPerformance, Barcode: "aj00ymskl", Consumer: "Ada Lovelace", First: "Charles", Last: "Babbage", Section: "Stalls", Seat: "A2"},
		Ticket{ID: 580768150, Performance: DemoPerformance, Barcode: "k2vvoided", Consumer: "Ben Bounced", First: "Ben", Last: "Bounced", Section: "Circle", Seat: "C7", Voided: true},
		Ticket{ID: 580768159, Performance: DemoPerformance, Barcode: "k2scanned", Consumer: "Eve Early", First: "Eve", Last: "Early", Section: "Circle", Seat: "C8", Scanned: true},
	)
	s.Generate(DemoPerformance, count)
}
