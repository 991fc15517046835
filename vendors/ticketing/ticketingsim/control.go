package ticketingsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Control lets a person or a script stage a story, in JSON:
//
//	GET  scans                  every admission, in order
//	GET  tokens                 the event's admission tokens, with their codes
//	GET  ticket?serial=S        one ticket as it is
//	POST tickets                an array of tickets, see [Ticket]; serial and section are required
//	POST generate?count=N       N more tickets, spread over the sections
//	POST touch?count=N&from=I   N generated tickets from I on change their status now, to ?status=Refunded
//	POST status?serial=S&status=Refunded
//	POST admit?serial=S&redeemer=R&device=D   somebody else's device admits it
//	POST remove?serial=S        it is off the list
//	POST token?code=C&sections=1,2   adds a token, or changes what it admits to
//	POST invalidate?code=C      a token is taken back
//	POST clock?offset=2h        the server's clock against the machine's
//	POST version?least=3.1.0    older clients are told to upgrade
//	POST fail?call=admit&status=500&words=W&times=3   times=0: no more
//	POST key?key=K              another integration key is right
//	POST expire                 tokens' keys and sessions are dead
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	get := func(name string, value func(r *http.Request) any) {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value(r))
		})
	}
	get("scans", func(*http.Request) any { return append([]Admission{}, s.Admissions()...) })
	get("tokens", func(*http.Request) any { return s.Tokens() })
	get("ticket", func(r *http.Request) any {
		t, ok := s.Ticket(r.FormValue("serial"))
		if !ok {
			return nil
		}
		return t
	})
	for name, act := range s.acts() {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := act(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return mux
}

func (s *Sim) acts() map[string]func(r *http.Request) error {
	plainly := func(act func(r *http.Request)) func(*http.Request) error {
		return func(r *http.Request) error {
			act(r)
			return nil
		}
	}
	return map[string]func(r *http.Request) error{
		"tickets":  s.controlTickets,
		"generate": s.controlGenerate,
		"touch":    s.controlTouch,
		"status":   func(r *http.Request) error { return s.SetStatus(r.FormValue("serial"), r.FormValue("status")) },
		"admit": func(r *http.Request) error {
			return s.Admit(r.FormValue("serial"), r.FormValue("redeemer"), r.FormValue("device"))
		},
		"remove": plainly(func(r *http.Request) { s.Remove(r.FormValue("serial")) }),
		"token": func(r *http.Request) error {
			code, sections := r.FormValue("code"), strings.Split(r.FormValue("sections"), ",")
			if len(code) != 8 {
				return fmt.Errorf("want code=C of 8 characters, and sections=1,2")
			}
			for _, t := range s.Tokens() {
				if t.Code == code {
					s.SetSections(code, sections...)
					return nil
				}
			}
			s.AddToken(code, sections...)
			return nil
		},
		"invalidate": plainly(func(r *http.Request) { s.Invalidate(r.FormValue("code")) }),
		"clock": func(r *http.Request) error {
			offset, err := time.ParseDuration(r.FormValue("offset"))
			if err == nil {
				s.SetClock(offset)
			}
			return err
		},
		"version": func(r *http.Request) error {
			var v [3]int
			if _, err := fmt.Sscanf(r.FormValue("least"), "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
				return fmt.Errorf("want least=3.1.0")
			}
			s.SetVersion(v[0], v[1], v[2])
			return nil
		},
		"fail": func(r *http.Request) error {
			times, err := strconv.Atoi(r.FormValue("times"))
			status, err2 := strconv.Atoi("0" + r.FormValue("status"))
			if err != nil || err2 != nil || times < 0 || times > 0 && (status < 400 || status > 599) {
				return fmt.Errorf("want status=400..599 and times=N (0: no more)")
			}
			s.SetFault(r.FormValue("call"), status, r.FormValue("words"), times)
			return nil
		},
		"key":    plainly(func(r *http.Request) { s.SetKey(r.FormValue("key")) }),
		"expire": plainly(func(*http.Request) { s.ExpireKeys() }),
	}
}

func (s *Sim) controlTickets(r *http.Request) error {
	var tickets []Ticket
	if err := json.NewDecoder(r.Body).Decode(&tickets); err != nil {
		return fmt.Errorf("want an array of tickets: %w", err)
	}
	for i, t := range tickets {
		if t.Serial == "" || t.Section == "" {
			return fmt.Errorf("ticket %d: want a serial and a section", i+1)
		}
	}
	s.AddTickets(tickets...)
	return nil
}

func (s *Sim) controlGenerate(r *http.Request) error {
	n, err := strconv.Atoi(r.FormValue("count"))
	if err != nil || n < 0 {
		return fmt.Errorf("want count=N")
	}
	s.Generate(n)
	return nil
}

func (s *Sim) controlTouch(r *http.Request) error {
	n, err := strconv.Atoi(r.FormValue("count"))
	from, err2 := strconv.Atoi("0" + r.FormValue("from"))
	if err != nil || err2 != nil || r.FormValue("status") == "" {
		return fmt.Errorf("want count=N, from=I and status=Refunded")
	}
	return s.Touch(from, n, r.FormValue("status"))
}

// Generate adds count tickets, spread over the sections there are.
func (s *Sim) Generate(count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets.generated += count
	s.tickets.at = s.clock()
	s.tickets.changed()
}

// Touch changes the status of count generated tickets, now.
func (s *Sim) Touch(from, count int, status string) error {
	for i := from; i < from+count; i++ {
		if err := s.SetStatus(GeneratedSerial(i), status); err != nil {
			return err
		}
	}
	return nil
}

// The demonstration's event. The global token admits to all sections, the front's to
// that alone.
const (
	DemoKey      = "demo"
	DemoUser     = "gate7"
	DemoPassword = "demo"
	DemoEvent    = "16993717817996"
	DemoGlobal   = "A0F9GG8D"
	DemoFront    = "FR0NT001"
	SectionFront = "16993964783416"
	SectionBack  = "16993964783417"
)

// Demo fills the simulator with two sections, a token for each way, a few tickets and
// count generated ones.
func (s *Sim) Demo(count int) {
	s.AddSections(Section{ID: SectionFront, Name: "Front Stage", Description: "Before the stage"}, Section{ID: SectionBack, Name: "Back Lawn", Description: "On the lawn"})
	s.AddToken(DemoFront, SectionFront)
	ticket := func(serial, section, first string) Ticket {
		return Ticket{Serial: serial, Section: section, First: first, Last: "Milk"}
	}
	refunded := ticket("DAWIER-FRNT75580351", SectionFront, "Rita")
	refunded.Status = "Refunded"
	s.AddTickets(
		ticket("DAWIER-FRNT75580348", SectionFront, "Marvin"), ticket("DAWIER-FRNT75580349", SectionFront, "Janine"),
		ticket("DAWIER-FRNT75580350", SectionFront, "Monique"), refunded, ticket("DAWIER-BACK75580352", SectionBack, "Colin"),
	)
	s.Generate(count)
}
