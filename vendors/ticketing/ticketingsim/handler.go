package ticketingsim

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// key is whose a request's key is.
type keyKind int

const (
	keyNone keyKind = iota
	keyBase
	keyToken
)

// call is one request under way.
type call struct {
	sim  *Sim
	w    http.ResponseWriter
	r    *http.Request
	args []string
	body map[string]json.RawMessage
	// kind is whose the key is; token is the token behind its own key, session the
	// session behind that.
	kind    keyKind
	token   Token
	session *session
	key     string
}

// endpoint is one of the documented calls; a star in its path is an argument.
type endpoint struct {
	name, method, path string
	serve              func(*call)
}

func endpoints() []endpoint {
	return []endpoint{
		{"start session", http.MethodPost, "sessions", (*call).startSession},
		{"look at session", http.MethodGet, "sessions/active", (*call).activeSession},
		{"end session", http.MethodDelete, "sessions/active", (*call).endSession},
		{"exchange token", http.MethodGet, "tokens/*", (*call).exchange},
		{"event", http.MethodGet, "events/*", (*call).event},
		{"issue token", http.MethodPost, "events/*/tokens", (*call).issueToken},
		{"list tokens", http.MethodGet, "events/*/tokens", (*call).listTokens},
		{"token", http.MethodGet, "events/*/tokens/*", (*call).oneToken},
		{"change token", http.MethodPut, "events/*/tokens/*", (*call).changeToken},
		{"take token back", http.MethodDelete, "events/*/tokens/*", (*call).removeToken},
		{"list tickets", http.MethodGet, "events/*/tickets", (*call).listTickets},
		{"admit", http.MethodPost, "events/*/admissions", (*call).admit},
		{"list admissions", http.MethodGet, "events/*/admissions", (*call).listAdmissions},
	}
}

// route finds the call of a request; false: there is none.
func route(r *http.Request) (endpoint, []string, bool) {
	path, below := strings.CutPrefix(r.URL.Path, Base+"/")
	parts := strings.Split(path, "/")
	for _, e := range endpoints() {
		want := strings.Split(e.path, "/")
		if !below || e.method != r.Method || len(want) != len(parts) {
			continue
		}
		var args []string
		fits := true
		for i := range want {
			switch {
			case want[i] == "*":
				args = append(args, parts[i])
			case want[i] != parts[i]:
				fits = false
			}
		}
		if fits {
			return e, args, true
		}
	}
	return endpoint{}, nil, false
}

// CallName names the request's call; empty: none.
func CallName(r *http.Request) string {
	e, _, _ := route(r)
	return e.name
}

// ServeHTTP serves the documented calls.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, args, ok := route(r)
	c := &call{sim: s, w: w, r: r, args: args, key: r.Header.Get("X-API-Key")}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		c.write(http.StatusNotFound, map[string]string{
			"message": fmt.Sprintf("The requested endpoint %s does not exist on this server.", strings.TrimPrefix(r.URL.Path, Base)),
		})
		return
	}
	s.calls[e.name]++
	if f, forced := s.forced(e.name); forced {
		c.write(f.status, map[string]string{"message": f.words})
		return
	}
	if !s.serves(r.Header.Get("X-Client-Version")) {
		c.write(http.StatusPreconditionFailed, map[string]string{"error": "Please upgrade your client to complete this request"})
		return
	}
	if !c.authenticated(e) {
		return
	}
	if len(raw) > 0 {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if json.Unmarshal(raw, &c.body) != nil && e.method != http.MethodGet || kind != "application/json" && e.method == http.MethodPost {
			c.refuse(http.StatusBadRequest, "The request could not be read.")
			return
		}
	}
	if strings.HasPrefix(e.path, "events/") && args[0] != s.o.Event {
		c.missing()
		return
	}
	e.serve(c)
}

// forced gives the fault that was asked for, if any; the mutex is held.
func (s *Sim) forced(name string) (fault, bool) {
	for i := range s.faults {
		if f := &s.faults[i]; f.times > 0 && (f.call == "" || f.call == name) {
			f.times--
			return *f, true
		}
	}
	return fault{}, false
}

// serves tells whether a client version is new enough; the mutex is held.
func (s *Sim) serves(version string) bool {
	parts := strings.Split(version, ".")
	if len(parts) != len(s.version) {
		return false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		switch {
		case err != nil || n < s.version[i]:
			return false
		case n > s.version[i]:
			return true
		}
	}
	return true
}

// authenticated finds out whose the key is, and refuses what is nobody's.
func (c *call) authenticated(e endpoint) bool {
	s := c.sim
	one, of := s.sessions[c.key], s.keys[c.key]
	at := slices.IndexFunc(s.tokens, func(t Token) bool { return of != "" && t.Code == of })
	switch {
	case c.key == "" && e.name == "start session":
		return true
	case c.key == "":
		c.write(http.StatusUnauthorized, map[string]string{"message": "Your request could not be authenticated."})
		return false
	case c.key == s.key:
		c.kind = keyBase
	case one != nil && !one.ended:
		c.kind, c.session = keyBase, one
	case at >= 0:
		c.kind, c.token = keyToken, s.tokens[at]
	case e.path == "sessions/active":
		status, words := http.StatusUnauthorized, "There is no session associated with the provided key."
		if one != nil && e.method == http.MethodDelete {
			status, words = http.StatusForbidden, "The session has already been ended."
		}
		c.refuse(status, words)
		return false
	}
	if c.kind == keyNone || c.kind == keyToken && !slices.Contains([]string{"list tickets", "admit", "list admissions", "event"}, e.name) {
		c.restricted()
		return false
	}
	return true
}

func (c *call) restricted() {
	c.write(http.StatusForbidden, map[string]string{"message": "You are restricted from accessing this resource."})
}

func (c *call) missing() {
	c.refuse(http.StatusNotFound, "There is presently no resource with the given URI.")
}

// refuse says no in the words of a call.
func (c *call) refuse(status int, words string) {
	name := "error"
	if c.sim.o.MessageErrors {
		name = "message"
	}
	c.write(status, map[string]string{name: words})
}

// required names the fields of the body that are not there.
func (c *call) required(names ...string) bool {
	var lacking []string
	for _, name := range names {
		raw := string(c.body[name])
		if raw == "" || raw == "null" || raw == `""` || raw == "[]" {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		c.refuse(http.StatusBadRequest, "The following arguments are required, but have not been supplied: "+strings.Join(lacking, ", ")+".")
	}
	return len(lacking) == 0
}

// field reads a field of the body: false: it has another type, which is said.
func (c *call) field(name string, into any) bool {
	if json.Unmarshal(c.body[name], into) == nil {
		return true
	}
	c.refuse(http.StatusBadRequest, "The argument "+name+" is invalid.")
	return false
}

// list writes a page of n entries.
func (c *call) list(n int, entry func(i int) any) {
	number := func(name string, or int) (int, bool) {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			return or, true
		}
		v, err := strconv.Atoi(text)
		return v, err == nil && v > 0
	}
	records, ok := number("records", 25)
	page, ok2 := number("page", 1)
	if !ok || !ok2 {
		c.refuse(http.StatusBadRequest, "The arguments records and page must be positive integers.")
		return
	}
	if most := c.sim.o.MostRecords; most > 0 {
		records = min(records, most)
	}
	first := (page - 1) * records
	if first >= n && (page > 1 || c.sim.o.EmptyIs404) {
		c.missing()
		return
	}
	entries := []any{}
	for i := first; i < min(n, first+records); i++ {
		entries = append(entries, entry(i))
	}
	shown := func(v int) any {
		if c.sim.o.TextNumbers {
			return strconv.Itoa(v)
		}
		return v
	}
	c.write(http.StatusOK, map[string]any{"total": shown(n), "page": shown(page), "records": shown(records), "entries": entries})
}

// write writes the answer; the mutex is held.
func (c *call) write(status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v", err))
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if h.Get("Date") == "" {
		h.Set("Date", c.sim.clock().UTC().Format(http.TimeFormat))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(raw)
}
