package audienceviewsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// envelope is what the document shows in every answer.
type envelope struct {
	Expires *int64   `json:"accessTokenExpiration"`
	Error   bool     `json:"error"`
	HTML    *string  `json:"errorMessageHTML"`
	Details *details `json:"errorDetails"`
}

type details struct {
	ID     int    `json:"errorCodeId"`
	Key    string `json:"errorCodeKey"`
	Name   string `json:"errorCodeName"`
	Logout bool   `json:"forceLogout"`
}

// shortNames are the document's, by error id.
func shortName(id int) string {
	names := []string{
		"", "Authorization Header Invalid", "Authentication Failed", "Not Authorized", "Password expired", "Token Expired",
		"Token Not Valid", "User Wrong Client", "Ticket Wrong Client", "Ticket Wrong Series", "TIcket Wrong Performance",
		"Ticket Not Valid", "Ticket Already Scanned", "Ticket Voided", "Ticket Refunded", "Input Missing Required Field",
		"Unanticipated Error", "Unanticipated Error Forced Logout",
	}
	if id < 1 || id >= len(names) {
		return "Something New"
	}
	return names[id]
}

// key is the document's where it shows one.
func key(id int) string {
	switch id {
	case 4:
		return "error.authentication.password_expired"
	case 11:
		return "error.ticket.not_valid"
	}
	return "error.simulated." + strconv.Itoa(id)
}

func words(id int) string {
	switch id {
	case 4:
		return "Password is expired. You must reset it by logging in via a desktop."
	case 11:
		return "<div>INVALID TICKET</div>"
	}
	return "<div>" + strings.ToUpper(shortName(id)) + "</div>"
}

// failed is an error answer. Ids that end the token force a logout.
func failed(id int, expires *int64) envelope {
	html := "<div style='font-size:1.2em;background-color:red;color:white;text-align:center;padding:5px;'>" + words(id) + "</div>"
	logout := id <= 7 || id == 17
	return envelope{Expires: expires, Error: true, HTML: &html, Details: &details{id, key(id), shortName(id), logout}}
}

// call is one request under way.
type call struct {
	sim     *Sim
	w       http.ResponseWriter
	r       *http.Request
	user    User
	expires *int64
	body    map[string]json.RawMessage
}

// ServeHTTP serves the documented calls.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	type endpoint struct {
		method string
		open   bool
		serve  func(*call)
	}
	endpoints := map[string]endpoint{
		"/public/scanning/authenticate":       {http.MethodPost, true, (*call).authenticate},
		"/public/scanning/filterOptions":      {http.MethodGet, false, (*call).filterOptions},
		"/public/scanning/validateTicket":     {http.MethodPost, false, (*call).validateTicket},
		"/public/scanning/cache/validTickets": {http.MethodGet, false, (*call).validTickets},
		"/public/scanning/cache/syncScans":    {http.MethodPost, false, (*call).syncScans},
		"/public/scanning/validateToken":      {http.MethodGet, false, (*call).validateToken},
		"/public/scanning/invalidateToken":    {http.MethodDelete, false, (*call).invalidateToken},
	}
	if futureList(r.URL.Path) != "" {
		s.serveFuture(w, r)
		return
	}
	e, ok := endpoints[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != e.method {
		w.Header().Set("Allow", e.method)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	c := &call{sim: s, w: w, r: r}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.calls[CallName(r)]++
	s.mu.Unlock()
	if id, logout, forced := s.forced(CallName(r)); forced {
		answer := failed(id, nil)
		answer.Details.Logout = logout
		c.json(answer)
		return
	}
	if !e.open {
		if id := c.signedIn(); id != 0 {
			c.json(failed(id, nil))
			return
		}
	}
	if e.method == http.MethodPost {
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" || json.Unmarshal(raw, &c.body) != nil || c.body == nil {
			c.json(failed(15, c.expires))
			return
		}
	}
	e.serve(c)
}

// forced gives the error that was asked for, if any.
func (s *Sim) forced(name string) (int, bool, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.next {
		if o := &s.next[i]; o.times > 0 && (o.call == "" || o.call == name) {
			o.times--
			return o.id, o.logout, true
		}
	}
	return 0, false, false
}

// signedIn checks "Basic base64encoded(username:accessToken)" and slides the
// token's end. It gives an error id, 0: signed in.
func (c *call) signedIn() int {
	encoded, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Basic ")
	if !ok {
		return 1
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	name, value, colon := strings.Cut(string(raw), ":")
	if err != nil || !colon {
		return 1
	}
	s := c.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.tokens[value]
	switch {
	case !known || t.user != name:
		return 6
	case !s.clock().Before(t.ends):
		delete(s.tokens, value)
		return 5
	}
	c.user = s.users[name]
	if c.user.NoScanning {
		return 3
	}
	t.ends = s.clock().Add(tokenLife)
	c.expires = millis(t.ends)
	return 0
}

func (c *call) authenticate() {
	type reply struct {
		envelope
		Token   *string `json:"accessToken"`
		Expires *int64  `json:"passwordExpiresOn"`
		Days    *int64  `json:"daysTillPasswordExpires"`
	}
	var name, password string
	if !c.field("username", &name) || !c.field("password", &password) {
		c.json(reply{envelope: failed(15, nil)})
		return
	}
	s := c.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	u, known := s.users[name]
	id := 0
	switch {
	case !known || u.Password != password:
		id = 2
	case u.Expired:
		id = 4
	case u.NoScanning:
		id = 3
	}
	if id != 0 {
		c.json(reply{envelope: failed(id, nil)})
		return
	}
	value := newToken()
	ends := s.clock().Add(tokenLife)
	s.tokens[value] = &token{user: name, ends: ends}
	expires := u.ExpiresOn
	if expires.IsZero() {
		expires = s.clock().Add(60 * 24 * time.Hour)
	}
	days := int64(expires.Sub(s.clock()) / (24 * time.Hour))
	c.json(reply{envelope{Expires: millis(ends)}, &value, millis(expires), &days})
}

func (c *call) filterOptions() {
	type performance struct {
		ID    int64 `json:"performanceId"`
		Start int64 `json:"performanceStart"`
	}
	type production struct {
		ID           int64         `json:"productionId"`
		Name         string        `json:"productionName"`
		Performances []performance `json:"performances"`
	}
	type client struct {
		ID          int64        `json:"id"`
		Name        string       `json:"value"`
		Productions []production `json:"productions"`
	}
	type reply struct {
		envelope
		Clients []client `json:"clients"`
	}
	s := c.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	out := reply{envelope: envelope{Expires: c.expires}, Clients: []client{}}
	for _, k := range s.clients {
		if !c.may(k.ID) {
			continue
		}
		one := client{ID: k.ID, Name: k.Name}
		for _, p := range k.Productions {
			series := production{ID: p.ID, Name: p.Name}
			for _, f := range p.Performances {
				if s.open(f) {
					series.Performances = append(series.Performances, performance{f.ID, s.agnostic(f.Start)})
				}
			}
			if series.Performances != nil {
				one.Productions = append(one.Productions, series)
			}
		}
		out.Clients = append(out.Clients, one)
	}
	c.json(out)
}

func (c *call) validateToken() { c.json(envelope{Expires: c.expires}) }

// invalidateToken "responds with an HTTP 200 OK and no body".
func (c *call) invalidateToken() {
	encoded := strings.TrimPrefix(c.r.Header.Get("Authorization"), "Basic ")
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	_, value, _ := strings.Cut(string(raw), ":")
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	delete(c.sim.tokens, value)
	c.w.WriteHeader(http.StatusOK)
}

func (c *call) may(client int64) bool {
	for _, id := range c.user.Clients {
		if id == client {
			return true
		}
	}
	return false
}

// field reads a required field of the body: present, not null, of its type.
func (c *call) field(name string, into any) bool {
	raw, have := c.body[name]
	return have && string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

// optional reads a nullable field; false: it has the wrong type.
func (c *call) optional(name string, into *int64) bool {
	raw, have := c.body[name]
	return !have || string(raw) == "null" || json.Unmarshal(raw, into) == nil
}

// json answers with 200, as the document says of every error.
func (c *call) json(v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v", err))
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	_, _ = c.w.Write(raw)
}

func millis(t time.Time) *int64 {
	ms := t.UnixMilli()
	return &ms
}
