package audienceviewsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// futurePath is the document's: parentheses are parts of the path.
const futurePath = `^/public/(calendar|series|events)/client\((\d+)\)(?:/(production|department)\((\d+)\))?$`

// futureList is the call that the path of a URL means; empty: another API's.
func futureList(path string) string {
	for _, list := range []string{"calendar", "series", "events"} {
		if strings.HasPrefix(path, "/public/"+list+"/") {
			return list
		}
	}
	return ""
}

// futureFault is an error forced on calls of the Future Events API.
type futureFault struct {
	call, text string
	times      int
}

// FailFuture makes the next calls of that name (calendar, series, events; empty:
// any) answer with an error in a 200, times times. 0 times: no more of that name.
func (s *Sim) FailFuture(call, text string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		s.future = slices.DeleteFunc(s.future, func(f futureFault) bool { return f.call == call })
		return
	}
	s.future = append(s.future, futureFault{call, text, times})
}

// agnostic is performanceStart: the time that the venue's clocks show, as if they
// hung in New York.
func (s *Sim) agnostic(at time.Time) int64 {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return at.UnixMilli()
	}
	at = at.In(s.zone)
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, zone).UnixMilli()
}

// serveFuture serves one call of the Future Events API.
func (s *Sim) serveFuture(w http.ResponseWriter, r *http.Request) {
	// The path as it was sent: an escaped parenthesis is no parenthesis.
	parts := regexp.MustCompile(futurePath).FindStringSubmatch(r.URL.EscapedPath())
	if parts == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Origin") != "" {
		http.Error(w, "this domain is not whitelisted", http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[parts[1]]++
	head := futureHead{Errors: []string{}, Warnings: []string{}}
	head.Messages = futureMessages{[]string{}, []string{}, []string{}, []string{}}
	client, _ := strconv.ParseInt(parts[2], 10, 64)
	part, _ := strconv.ParseInt(parts[4], 10, 64)
	list, err := s.futureAnswer(parts[1], client, parts[3], part, r, &head)
	if err == nil {
		err = s.futureForced(parts[1])
	}
	if err != nil {
		text := err.Error()
		head.Errors, head.Messages.Errors, head.Messages.All = []string{text}, []string{text}, []string{text}
		list = nil
	}
	name := map[string]string{"calendar": "performancesByDateDisplay", "series": "seriesInformation", "events": "performances"}[parts[1]]
	writeFuture(w, head, name, list)
}

// writeFuture writes the answer: the list stands beside the head's fields.
func writeFuture(w http.ResponseWriter, head futureHead, name string, list any) {
	raw, err := json.Marshal(head)
	items, err2 := json.Marshal(list)
	if err != nil || err2 != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v %v", err, err2))
	}
	h := w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = fmt.Fprintf(w, `%s,%q:%s}`, raw[:len(raw)-1], name, items)
}

// futureForced is the error that was asked for, if any; the mutex is held.
func (s *Sim) futureForced(call string) error {
	for i := range s.future {
		if f := &s.future[i]; f.times > 0 && (f.call == "" || f.call == call) {
			f.times--
			return fmt.Errorf("%s", f.text)
		}
	}
	return nil
}

// futureAnswer is what was asked for, or what is wrong with how; the mutex is held.
func (s *Sim) futureAnswer(call string, id int64, kind string, part int64, r *http.Request, head *futureHead) (any, error) {
	if got := r.Header.Get("clientId"); got != strconv.FormatInt(id, 10) {
		return nil, fmt.Errorf("the clientId header is missing or is not %d", id)
	}
	at := slices.IndexFunc(s.clients, func(c Client) bool { return c.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("no client %d", id)
	}
	client := s.clients[at]
	head.Client, head.Name, head.Active = id, client.Name, true
	var productions []Production
	for _, p := range client.Productions {
		if kind == "" || kind == "production" && p.ID == part || kind == "department" && p.Department == part {
			productions = append(productions, p)
		}
	}
	if kind == "department" {
		head.Department = &part
	}
	query := r.URL.Query()
	if call == "calendar" {
		first, last, err := s.month(query)
		if err != nil {
			return nil, err
		}
		days := map[string][]performance{}
		for _, p := range productions {
			for _, f := range s.upcoming(p) {
				if day := f.Start.In(s.zone); !day.Before(first) && day.Before(last) {
					key := day.Format(time.DateOnly)
					days[key] = append(days[key], s.futurePerformance(p, f))
				}
			}
		}
		return days, nil
	}
	if len(query) > 0 {
		return nil, fmt.Errorf("unknown parameter")
	}
	shows, all := []performance{}, []series{}
	for _, p := range productions {
		next := s.upcoming(p)
		for _, f := range next {
			shows = append(shows, s.futurePerformance(p, f))
		}
		if len(next) > 0 {
			all = append(all, s.futureSeries(p, next))
		}
	}
	if call == "series" {
		return all, nil
	}
	return shows, nil
}

// month gives the whole weeks, from Sunday on, of the month that was asked for.
func (s *Sim) month(query url.Values) (first, last time.Time, err error) {
	begin := s.clock().In(s.zone)
	for name := range query {
		if name != "time" && name != "month" && name != "year" {
			return first, last, fmt.Errorf("unknown parameter %s", name)
		}
	}
	ms, month, year := query.Get("time"), query.Get("month"), query.Get("year")
	switch {
	case ms != "" && month+year != "":
		return first, last, fmt.Errorf("either time, or month and year")
	case ms != "":
		n, err := strconv.ParseInt(ms, 10, 64)
		begin = time.UnixMilli(n).In(s.zone)
		if err != nil || begin.Day() != 1 || begin.Hour()+begin.Minute()+begin.Second() != 0 {
			return first, last, fmt.Errorf("time is not midnight on the first day of a month")
		}
	case month+year != "":
		m, err := strconv.Atoi(month)
		y, err2 := strconv.Atoi(year)
		if err != nil || err2 != nil || m < 1 || m > 12 {
			return first, last, fmt.Errorf("month and year go together, month from 1 to 12")
		}
		begin = time.Date(y, time.Month(m), 1, 0, 0, 0, 0, s.zone)
	}
	first = time.Date(begin.Year(), begin.Month(), 1, 0, 0, 0, 0, s.zone)
	last = first.AddDate(0, 1, 0)
	first = first.AddDate(0, 0, -int(first.Weekday()))
	last = last.AddDate(0, 0, (7-int(last.Weekday()))%7)
	return first, last, nil
}

// upcoming are the performances that have not begun.
func (s *Sim) upcoming(p Production) []Performance {
	var out []Performance
	for _, f := range p.Performances {
		if f.Start.After(s.clock()) {
			out = append(out, f)
		}
	}
	return out
}

func (s *Sim) futurePerformance(p Production, f Performance) performance {
	at := f.Start.In(s.zone)
	out := performance{
		ID: f.ID, Start: s.agnostic(f.Start), Date: at.Format("01/02/2006"), Time: at.Format("3:04 PM"), Time24: at.Format("15:04:05"),
		StartDate: at.Format("Mon, Jan 2, 2006 - 3:04 PM"), SuperTitle: f.SuperTitle, SubTitle: f.SubTitle,
		Availability: orElse(f.Availability, "A"), Display: orElse(f.Display, "T"), Production: p.ID, ProductionName: p.Name,
		Available: f.Remaining > 0, Remaining: f.Remaining, Message: f.Message, Shutoff: 2, General: true, AllDay: f.AllDay,
		Logo: "https://web.ovationtix.com/trs/clientFile/303987", Description: "<p>" + p.Name + "</p>", Entries: []entryTime{},
	}
	if p.Department != 0 {
		name := fmt.Sprintf("Department %d", p.Department)
		out.Department, out.DepartmentName = &p.Department, &name
	}
	if f.AllDay {
		for text, set := range map[*time.Time][2]**string{&f.DoorsOpen: {&out.OpenDate, &out.OpenTime}, &f.DoorsClose: {&out.CloseDate, &out.CloseTime}} {
			day, clock := text.In(s.zone).Format("01/02/2006"), text.In(s.zone).Format("3:04 PM")
			*set[0], *set[1] = &day, &clock
		}
	}
	for i, since := range f.EntryTimes {
		of := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(since)
		out.Entries = append(out.Entries, entryTime{
			ID: int64(i + 11), Time: of.Format("15:04:05"), Formatted: of.Format("3:04 PM"), Hour: strconv.Itoa(of.Hour()), Minute: strconv.Itoa(of.Minute()),
		})
	}
	return out
}

func (s *Sim) futureSeries(p Production, next []Performance) series {
	file := int64(263062)
	out := series{
		ID: p.ID, Name: p.Name, Status: orElse(p.Status, "T"), Style: p.Style, Available: true, None: "There are no tickets remaining for this event.",
		Shutoff: 2, ShutoffMessage: "Web sales are closed for this event. However, tickets may still be available at the box office.",
		LogoFile: &file, Logo: "https://web.ovationtix.com/trs/clientFile/263062",
		First: s.agnostic(next[0].Start), Last: s.agnostic(next[len(next)-1].Start), ShowLink: true,
	}
	if p.Venue != "" {
		out.Venue = &venue{Name: p.Venue, Address: venueAddress{"Redding", "United States", "US", "55 Washington St", "", "Connecticut", "CT", "06896"}}
	}
	if len(next) == 1 {
		out.Only = &next[0].ID
	}
	if p.Department != 0 {
		name := fmt.Sprintf("Department %d", p.Department)
		out.Department, out.DepartmentName = &p.Department, &name
	}
	return out
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
