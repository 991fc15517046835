package ticketingsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"time"
)

// stamp is how the server writes a time.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05-07:00") }

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// freshKey makes a key of 32 characters; the mutex is held.
func (s *Sim) freshKey(of string) string { return hash("key", of, s.nextID())[:32] }

// account is what is told of a user.
func (s *Sim) account() map[string]any {
	return map[string]any{
		"self": "/accounts/AG-5E1F3A20", "number": "AG-5E1F3A20", "username": s.o.User, "email": "staff@example.org", "role": "Customer",
		"verified": true, "activated": true, "firstName": "Gate", "lastName": "Staff", "preferences": "/accounts/AG-5E1F3A20/preferences",
	}
}

func (c *call) sessionBody(one *session, key string) map[string]any {
	return map[string]any{
		"self": fmt.Sprintf("/sessions/%d", one.id), "started": one.started.UTC().Format("2006-01-02 15:04:05"), "key": key, "account": c.sim.account(),
	}
}

func (c *call) startSession() {
	s := c.sim
	var user, password string
	if !c.required("identification", "password") || !c.field("identification", &user) || !c.field("password", &password) {
		return
	}
	switch {
	case user != s.o.User && user != "staff@example.org":
		c.refuse(http.StatusNotFound, "The requested account could not be located")
		return
	case password != s.password:
		c.refuse(http.StatusUnauthorized, "A session cannot be started with the given password.")
		return
	}
	key := s.freshKey(user)
	s.lastID++
	one := &session{id: s.lastID, started: s.clock()}
	s.sessions[key] = one
	c.write(http.StatusCreated, c.sessionBody(one, key))
}

func (c *call) activeSession() {
	if c.session == nil {
		c.refuse(http.StatusUnauthorized, "There is no session associated with the provided key.")
		return
	}
	c.write(http.StatusOK, c.sessionBody(c.session, c.key))
}

func (c *call) endSession() {
	if c.session == nil {
		c.refuse(http.StatusUnauthorized, "There is no session associated with the provided key.")
		return
	}
	c.session.ended = true
	c.write(http.StatusOK, c.sessionBody(c.session, c.key))
}

// sectionsOf are the ids of those that a token admits to; the mutex is held.
func (s *Sim) sectionsOf(t Token) []string {
	if !t.Global {
		return t.Sections
	}
	var all []string
	for _, section := range s.sections {
		all = append(all, section.ID)
	}
	return all
}

func (s *Sim) uris(t Token) []string {
	out := []string{}
	for _, id := range s.sectionsOf(t) {
		out = append(out, s.sectionURI(id))
	}
	return out
}

func (s *Sim) eventURI() string            { return "/events/" + s.o.Event }
func (s *Sim) sectionURI(id string) string { return s.eventURI() + "/sections/" + id }
func (s *Sim) tokenBody(t Token) any {
	return map[string]any{"self": s.eventURI() + "/tokens/" + t.ID, "code": t.Code, "global": t.Global, "sections": s.uris(t)}
}

// exchange is GET /tokens/{code}.
func (c *call) exchange() {
	s := c.sim
	code := c.args[0]
	at := slices.IndexFunc(s.tokens, func(t Token) bool { return t.Code == code })
	if at < 0 {
		c.refuse(http.StatusNotFound, "The provided code does not belong to any event token")
		return
	}
	key := ""
	for have, of := range s.keys {
		if of == code {
			key = have
		}
	}
	if s.o.Rotate {
		s.expire(code)
		key = ""
	}
	if key == "" {
		key = s.freshKey(code)
		s.keys[key] = code
	}
	c.write(http.StatusOK, map[string]any{"key": key, "event": s.eventURI(), "sections": s.uris(s.tokens[at])})
}

// shownSection is a section as tickets and admissions show it.
type shownSection struct {
	Self        string `json:"self"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (s *Sim) sectionBody(id string) *shownSection {
	for _, section := range s.sections {
		if section.ID == id {
			return &shownSection{s.sectionURI(id), section.Name, section.Description}
		}
	}
	return nil
}

// shownOwner is a ticket's holder.
type shownOwner struct {
	Self     string `json:"self"`
	Number   string `json:"number"`
	Username string `json:"username"`
	Email    string `json:"email"`
	First    string `json:"firstName"`
	Last     string `json:"lastName"`
}

func ownerBody(t Ticket) shownOwner {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(t.First + "\x00" + t.Last))
	number := fmt.Sprintf("AG-%08X", sum.Sum32())
	return shownOwner{
		"/accounts/" + number, number, strings.ToLower(t.First + "." + t.Last), strings.ToLower(t.First) + "@example.org", t.First, t.Last,
	}
}

// shownTicket is a ticket as the list shows it.
type shownTicket struct {
	Serial   string        `json:"serial"`
	Status   string        `json:"status"`
	Section  *shownSection `json:"section"`
	Owner    shownOwner    `json:"owner"`
	Issued   string        `json:"issued"`
	Redeemed string        `json:"redeemed"`
}

func (s *Sim) ticketBody(t Ticket) any {
	redeemed := "N/A"
	if !t.Redeemed.IsZero() {
		redeemed = stamp(t.Redeemed)
	}
	issued := t.Issued
	if issued.IsZero() {
		issued = s.start.AddDate(-1, 0, 0)
	}
	return shownTicket{t.Serial, t.Status, s.sectionBody(t.Section), ownerBody(t), stamp(issued), redeemed}
}

// listTickets is GET /events/{event}/tickets.
func (c *call) listTickets() {
	s := c.sim
	q := query{validOnly: s.o.ValidOnly, sections: s.sectionsOf(Token{Global: true})}
	switch {
	case c.kind == keyToken:
		q.sections = s.sectionsOf(c.token)
	case s.o.Base == BaseNothing:
		c.restricted()
		return
	case s.o.Base == BaseEmpty:
		q.sections = nil
	}
	if text := c.r.URL.Query().Get("modified_since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			c.refuse(http.StatusBadRequest, "The argument modified_since is not a date.")
			return
		}
		q.since = at
	}
	list := s.tickets.view(q, s.sections)
	c.list(len(list), func(i int) any { return s.ticketBody(s.tickets.ticket(list[i], s.sections)) })
}

func (s *Sim) admissionBody(a Admission) any {
	t, _ := s.tickets.get(a.Ticket, s.sections)
	return map[string]any{
		"self": fmt.Sprintf("%s/admissions/%d", s.eventURI(), a.ID), "redeemer": a.Redeemer, "device": a.Device, "ticket": a.Ticket,
		"patron": ownerBody(t), "section": s.sectionBody(a.Section), "admitted": stamp(a.At),
	}
}

// admit is POST /events/{event}/admissions.
func (c *call) admit() {
	s := c.sim
	if c.kind != keyToken {
		c.restricted()
		return
	}
	var redeemer, device string
	var serials []string
	if !c.required("redeemer", "device", "serials") || !c.field("redeemer", &redeemer) || !c.field("device", &device) || !c.field("serials", &serials) {
		return
	}
	may := s.sectionsOf(c.token)
	out := []any{}
	for _, serial := range serials {
		t, ok := s.tickets.get(serial, s.sections)
		if !ok || t.Status != Issued || !slices.Contains(may, t.Section) {
			continue
		}
		s.lastID++
		a := Admission{
			ID: s.lastID, Redeemer: redeemer, Device: device, Ticket: serial, Section: t.Section, At: s.clock().UTC().Truncate(time.Second),
			Token: c.token.Code, Batch: len(serials),
		}
		s.redeem(t, a)
		out = append(out, s.admissionBody(a))
	}
	if len(out) == 0 {
		c.refuse(http.StatusBadRequest, "None of the provided ticket serials grants admission to this event")
		return
	}
	c.write(http.StatusCreated, out)
}

// redeem notes an admission; the mutex is held.
func (s *Sim) redeem(t Ticket, a Admission) {
	t.Status, t.Redeemed, t.Modified = Redeemed, a.At, s.clock()
	s.tickets.put(t)
	s.admissions = append(s.admissions, a)
	s.by[a.Ticket]++
}

// Admit redeems a ticket as somebody else's device does.
func (s *Sim) Admit(serial, redeemer, device string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tickets.get(serial, s.sections)
	if !ok || t.Status != Issued {
		return fmt.Errorf("%s cannot be admitted", serial)
	}
	s.lastID++
	s.redeem(t, Admission{ID: s.lastID, Redeemer: redeemer, Device: device, Ticket: serial, Section: t.Section, At: s.clock().UTC().Truncate(time.Second), Batch: 1})
	return nil
}

// listAdmissions is GET /events/{event}/admissions.
func (c *call) listAdmissions() {
	s := c.sim
	q := c.r.URL.Query()
	last := func(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }
	var list []Admission
	for _, a := range s.admissions {
		t, _ := s.tickets.get(a.Ticket, s.sections)
		owner := ownerBody(t)
		patron := q.Get("patron")
		if (q.Get("redeemer") == "" || q.Get("redeemer") == a.Redeemer) && (q.Get("device") == "" || q.Get("device") == a.Device) &&
			(q.Get("ticket") == "" || q.Get("ticket") == a.Ticket) && (q.Get("section") == "" || last(q.Get("section")) == a.Section) &&
			(patron == "" || patron == owner.Username || last(patron) == owner.Number) {
			list = append(list, a)
		}
	}
	c.list(len(list), func(i int) any { return s.admissionBody(list[i]) })
}

// event is GET /events/{event}.
func (c *call) event() {
	s := c.sim
	sections := []any{}
	for _, section := range s.sections {
		// Relative to the event, unlike everywhere else.
		sections = append(sections, map[string]any{
			"self": "/sections/" + section.ID, "name": section.Name, "description": section.Description,
			"price": map[string]any{"base": 50, "current": 50, "expires": nil}, "salesStart": stamp(s.start.AddDate(-1, 0, 0)), "salesEnd": stamp(s.end),
			"active": true, "capacity": 100000, "sold": 0, "remaining": 100000, "reserved": 0,
		})
	}
	c.write(http.StatusOK, map[string]any{
		"self": s.eventURI(), "published": stamp(s.start.AddDate(-1, 0, 0)), "title": "Carnival Monday", "description": "A parade.", "status": "Published",
		"type": "Standard", "public": true, "category": map[string]any{"self": "/categories/1", "name": "Festival", "subcategories": []string{"Parade"}},
		"subcategory": "Parade", "start": stamp(s.start), "end": stamp(s.end),
		"venue": map[string]any{
			"self": "/venues/1", "name": "Recreation Ground", "region": map[string]any{"self": "/regions/1", "name": "Saint John", "country": "Antigua and Barbuda"},
			"latitude": 17.12, "longitude": -61.84, "address": "Factory Road", "map": "",
		},
		"host": map[string]any{"self": "/hosts/1", "name": "Festivals Office"}, "disclaimer": "", "tags": []string{}, "banner": "", "thumbnail": "", "popularity": 1,
		"sections": sections,
	})
}

// wanted reads the sections of a token's body; false: it is refused.
func (c *call) wanted() ([]string, bool) {
	var uris []string
	if !c.required("sections") || !c.field("sections", &uris) {
		return nil, false
	}
	var ids []string
	for _, uri := range uris {
		id, ok := strings.CutPrefix(uri, c.sim.eventURI()+"/sections/")
		if !ok || !slices.ContainsFunc(c.sim.sections, func(s Section) bool { return s.ID == id }) {
			c.refuse(http.StatusBadRequest, "One or more of the specified sections does not belong to this event.")
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// issueToken is POST /events/{event}/tokens.
func (c *call) issueToken() {
	s := c.sim
	ids, ok := c.wanted()
	if !ok {
		return
	}
	id := s.nextID()
	t := Token{ID: id, Code: strings.ToUpper(hash("token", id)[:8]), Sections: ids}
	s.tokens = append(s.tokens, t)
	c.write(http.StatusCreated, s.tokenBody(t))
}

// listTokens is GET /events/{event}/tokens.
func (c *call) listTokens() {
	s := c.sim
	global := c.r.URL.Query().Get("global")
	if global != "" && global != "true" && global != "false" {
		c.refuse(http.StatusBadRequest, "The argument global is not a boolean.")
		return
	}
	var list []Token
	for _, t := range s.tokens {
		if global == "" || (global == "true") == t.Global {
			list = append(list, t)
		}
	}
	c.list(len(list), func(i int) any { return s.tokenBody(list[i]) })
}

// tokenAt finds the token of the path.
func (c *call) tokenAt() int {
	return slices.IndexFunc(c.sim.tokens, func(t Token) bool { return t.ID == c.args[1] })
}

// oneToken is GET /events/{event}/tokens/{token}.
func (c *call) oneToken() {
	i := c.tokenAt()
	if i < 0 {
		c.missing()
		return
	}
	c.write(http.StatusOK, c.sim.tokenBody(c.sim.tokens[i]))
}

// alone tells a token that may be changed; the global one may not.
func (c *call) alone() (int, bool) {
	i := c.tokenAt()
	switch {
	case i < 0:
		c.missing()
	case c.sim.tokens[i].Global:
		c.refuse(http.StatusConflict, "The global admission token cannot be modified or invalidated.")
	default:
		return i, true
	}
	return 0, false
}

// changeToken is PUT /events/{event}/tokens/{token}.
func (c *call) changeToken() {
	i, ok := c.alone()
	if !ok {
		return
	}
	ids, ok := c.wanted()
	if !ok {
		return
	}
	c.sim.tokens[i].Sections = ids
	c.write(http.StatusOK, c.sim.tokenBody(c.sim.tokens[i]))
}

// removeToken is DELETE /events/{event}/tokens/{token}.
func (c *call) removeToken() {
	i, ok := c.alone()
	if !ok {
		return
	}
	t := c.sim.tokens[i]
	c.sim.expire(t.Code)
	c.sim.tokens = slices.Delete(c.sim.tokens, i, i+1)
	c.write(http.StatusOK, json.RawMessage("{}"))
}
