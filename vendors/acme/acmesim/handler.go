package acmesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of the calls, for faults and counts.
const (
	CheckIn   = "checkin"
	Undo      = "undo"
	Instance  = "instance"
	Instances = "instances"
	Summaries = "summaries"
	Templates = "templates"
	Calendar  = "calendar"
	Times     = "times"
	EventCall = "event"
)

// call is one request under way.
type call struct {
	sim *Sim
	w   http.ResponseWriter
	r   *http.Request
	raw []byte
}

// routes are the documented calls.
func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	serve := func(pattern, name string, act func(*call)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(name, act, w, r) })
	}
	serve("POST /v2/willcall/checkinticketsexternal", CheckIn, (*call).external)
	serve("POST /v2/b2b/willcall/checkinexternal", CheckIn, (*call).single)
	serve("POST /v2/b2b/willcall/checkintickets", CheckIn, (*call).batch)
	serve("POST /v2/willcall/undocheckintickets", Undo, (*call).undo)
	serve("GET /v2/b2b/event/instances", Instances, (*call).instances)
	serve("GET /v2/b2b/event/instances/summaries", Summaries, (*call).summaries)
	serve("GET /v2/b2b/event/instances/{id}", Instance, (*call).instance)
	serve("GET /v2/b2c/events/{id}", EventCall, (*call).event)
	serve("GET /v2/b2c/events/{id}/nextAvailable", EventCall, (*call).next)
	const templates = "GET /v2/b2c/event/templates"
	serve(templates, Templates, func(c *call) { c.templates(false) })
	serve(templates+"/slim", Templates, func(c *call) { c.templates(true) })
	serve(templates+"/{id}", Templates, (*call).template)
	serve(templates+"/times", Times, (*call).allTimes)
	serve(templates+"/{id}/times", Times, (*call).times)
	serve(templates+"/calendar", Calendar, (*call).calendar)
	serve(templates+"/{id}/calendar", Calendar, (*call).calendar)
	return mux
}

// CallName names the request's call; empty: none.
func CallName(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.Contains(path, "/willcall/undo"):
		return Undo
	case strings.Contains(path, "/willcall/checkin"):
		return CheckIn
	case strings.HasSuffix(path, "/calendar"):
		return Calendar
	case strings.HasSuffix(path, "/times"):
		return Times
	case strings.HasPrefix(path, "/v2/b2c/event/templates"):
		return Templates
	case strings.HasPrefix(path, "/v2/b2c/events/"):
		return EventCall
	case path == "/v2/b2b/event/instances":
		return Instances
	case path == "/v2/b2b/event/instances/summaries":
		return Summaries
	case strings.HasPrefix(path, "/v2/b2b/event/instances/"):
		return Instance
	}
	return ""
}

// Handler is the simulator itself.
func (s *Sim) Handler() http.Handler { return s }

// ServeHTTP serves the documented calls.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// serve checks what every call owes.
func (s *Sim) serve(name string, act func(*call), w http.ResponseWriter, r *http.Request) {
	c := &call{sim: s, w: w, r: r}
	var err error
	if c.raw, err = io.ReadAll(io.LimitReader(r.Body, 1<<20)); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	if keys := r.Header["X-Acme-Api-Key"]; len(keys) != 1 || keys[0] != s.key {
		c.refuse(http.StatusUnauthorized, "the API key is not valid")
		return
	}
	if tenants := r.Header["X-B2c-Tenant-Id"]; strings.Contains(r.URL.Path, "/b2c/") && (len(tenants) != 1 || tenants[0] != s.o.Tenant) {
		c.refuse(http.StatusBadRequest, "x-b2c-tenant-id is required")
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); r.Method == http.MethodPost && kind != "application/json" {
		c.refuse(http.StatusUnsupportedMediaType, "send JSON")
		return
	}
	if f, forced := s.forced(name); forced {
		if f.http != 0 {
			c.refuse(f.http, "by order")
			return
		}
		c.answer(map[string]any{"checkInStatus": f.status})
		return
	}
	act(c)
}

// forced gives the answer that was asked for, if any; the mutex is held.
func (s *Sim) forced(name string) (fault, bool) {
	for i := range s.faults {
		if f := &s.faults[i]; f.times > 0 && (f.call == "" || f.call == name) {
			f.times--
			return *f, true
		}
	}
	return fault{}, false
}

// body reads a body that has no field but the documented ones; false: it was refused.
func (c *call) body(into any) bool {
	d := json.NewDecoder(bytes.NewReader(c.raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		c.refuse(http.StatusBadRequest, "the body is not as documented")
		return false
	}
	return true
}

// query checks the parameters: only those documented, and of their kind. false: it was
// refused.
func (c *call) query(takes ...string) bool {
	q := c.r.URL.Query()
	for name, values := range q {
		value := values[0]
		good := len(values) == 1 && slices.Contains(takes, name)
		switch name {
		case "startTime", "endTime":
			_, err := time.Parse(time.RFC3339, value)
			good = good && err == nil
		case "type":
			good = good && slices.Contains([]string{"private", "standard", "all"}, value)
		case "saleChannel":
			good = good && slices.Contains([]string{"online", "customerRep", "pointOfSale", "manualEntry"}, value)
		}
		if !good {
			c.refuse(http.StatusBadRequest, "the parameter "+name+" is wrong")
			return false
		}
	}
	if q.Has("endTime") && !q.Has("startTime") {
		c.refuse(http.StatusBadRequest, "endTime without startTime")
		return false
	}
	return true
}

// span gives the asked span; today in the tenant's zone where none is.
func (c *call) span() (from, to time.Time) {
	now := c.sim.clock()
	from = time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	to = from.AddDate(0, 0, 1).Add(-time.Second)
	if t, err := time.Parse(time.RFC3339, c.r.FormValue("startTime")); err == nil {
		from = t
		end := t.In(now.Location())
		to = time.Date(end.Year(), end.Month(), end.Day(), 23, 59, 0, 0, end.Location())
	}
	if t, err := time.Parse(time.RFC3339, c.r.FormValue("endTime")); err == nil {
		to = t
	}
	return from, to
}

// refuse answers an error. The documents do not say what its body is.
func (c *call) refuse(status int, text string) {
	c.write(status, map[string]string{"message": text})
}

func (c *call) answer(v any) { c.write(http.StatusOK, v) }

func (c *call) write(status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v", err))
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if h.Get("Date") == "" {
		h.Set("Date", c.sim.clock().UTC().Format(http.TimeFormat))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(raw)
}
