package presencesim

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request under way.
type call struct {
	sim  *Sim
	w    http.ResponseWriter
	r    *http.Request
	raw  []byte
	body map[string]json.RawMessage
}

// ServeHTTP serves the documented calls.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	type endpoint struct {
		method string
		serve  func(*call)
	}
	endpoints := map[string]endpoint{
		Base + "/device/init":         {http.MethodPost, (*call).init},
		Base + "/device":              {http.MethodGet, (*call).device},
		Base + "/ticket/enter":        {http.MethodPost, func(c *call) { c.ticket(false) }},
		Base + "/ticket/exit":         {http.MethodPost, func(c *call) { c.ticket(true) }},
		Base + "/ticket/upload/enter": {http.MethodPost, func(c *call) { c.upload(false) }},
		Base + "/ticket/upload/exit":  {http.MethodPost, func(c *call) { c.upload(true) }},
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
	var err error
	if c.raw, err = io.ReadAll(io.LimitReader(r.Body, 8<<20)); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[CallName(r)]++
	if keys := r.URL.Query()["apikey"]; len(keys) != 1 || keys[0] != s.key {
		http.Error(w, `{"fault":{"faultstring":"Invalid ApiKey"}}`, http.StatusUnauthorized)
		return
	}
	if f, forced := s.forced(CallName(r)); forced {
		c.answer(f.http, f.status, nil)
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); e.method == http.MethodPost && kind != "application/json" {
		c.refuse("BAD_REQUEST")
		return
	}
	e.serve(c)
}

// forced gives the status that was asked for, if any; the mutex is held.
func (s *Sim) forced(name string) (fault, bool) {
	for i := range s.faults {
		if f := &s.faults[i]; f.times > 0 && (f.call == "" || f.call == name) {
			f.times--
			return *f, true
		}
	}
	return fault{}, false
}

// init is API Device Configure.
func (c *call) init() {
	s := c.sim
	var d Device
	for name, into := range map[string]*string{
		"venueId": &d.Venue, "name": &d.Name, "mac": &d.MAC, "ip": &d.IP, "gateName": &d.GateName, "serial": &d.Serial, "model": &d.Model,
	} {
		if !c.field(name, into) || *into == "" {
			c.refuse("BAD_REQUEST")
			return
		}
	}
	if _, err := net.ParseMAC(d.MAC); err != nil || net.ParseIP(d.IP) == nil {
		c.refuse("BAD_REQUEST")
		return
	}
	if d.Venue != s.o.Venue {
		c.refuse("NOT_FOUND")
		return
	}
	d.GateID = s.gateID(d.GateName)
	i := slices.IndexFunc(s.devices, func(old Device) bool { return old.MAC == d.MAC })
	if i < 0 {
		s.lastID++
		d.ID = 100 + s.lastID
		s.devices = append(s.devices, d)
	} else {
		d.ID = s.devices[i].ID
		s.devices[i] = d
	}
	c.answer(0, "OKAY", c.shown(d, false))
}

// device is API Device Information.
func (c *call) device() {
	q := c.r.URL.Query()
	venue := q.Get("venue")
	if venue == "" {
		venue = q.Get("venueId")
	}
	if venue == "" || (q.Get("mac") == "") == (q.Get("device") == "") {
		c.refuse("BAD_REQUEST")
		return
	}
	for _, d := range c.sim.devices {
		if d.Venue == venue && (d.MAC == q.Get("mac") || strconv.FormatInt(d.ID, 10) == q.Get("device")) {
			c.answer(0, "OKAY", c.shown(d, true))
			return
		}
	}
	c.refuse("NOT_FOUND")
}

// shown is a device as the document shows it: only the information names the gate.
func (c *call) shown(d Device, named bool) map[string]any {
	m := map[string]any{
		"id": d.ID, "venueId": d.Venue, "name": d.Name, "mac": d.MAC, "ip": d.IP, "gateId": d.GateID, "serial": d.Serial, "model": d.Model,
	}
	if c.sim.o.TextIDs {
		m["id"], m["gateId"] = strconv.FormatInt(d.ID, 10), strconv.FormatInt(d.GateID, 10)
	}
	if named {
		m["gateName"], m["localId"] = d.GateName, "COM-"+d.MAC+"-H"
	}
	return m
}

// scan is the table of API Ticket Enter/Exit.
type scan struct {
	token, gate, venue string
	device, gateID, at int64
	internal           bool
}

// scan reads one; false: something required is missing, or wrong.
func (c *call) scan() (scan, bool) {
	var one scan
	var deviceOS, channel string
	if !c.field("deviceOs", &deviceOS) || !c.field("gateName", &one.gate) || !c.field("token", &one.token) || !c.field("venueId", &one.venue) ||
		!c.field("deviceId", &one.device) || !c.field("gateId", &one.gateID) || !c.field("scanTime", &one.at) || one.token == "" {
		return one, false
	}
	if _, have := c.body["channelId"]; have && (!c.field("channelId", &channel) || len([]rune(channel)) != 1) {
		return one, false
	}
	known := slices.ContainsFunc([]string{"Printed", "iOS", "Android"}, func(os string) bool { return strings.EqualFold(os, deviceOS) })
	return one, known && sane(one.at) && one.venue == c.sim.o.Venue
}

// ticket is API Ticket Enter and Exit.
func (c *call) ticket(exit bool) {
	s := c.sim
	one, ok := c.scan()
	if !ok || !slices.ContainsFunc(s.devices, func(d Device) bool {
		return d.ID == one.device && d.GateID == one.gateID && d.GateName == one.gate
	}) {
		c.refuse("BAD_REQUEST")
		return
	}
	t, status := s.judge(one.token, exit, one.gate)
	if !passed(status) {
		c.refuse(status)
		return
	}
	s.entries = append(s.entries, Entry{
		Token: one.token, Exit: exit, Internal: s.gate(one.gate).Kind == Internal, At: time.UnixMilli(one.at).UTC(),
		Received: s.clock().UTC(), Device: one.device, Gate: one.gateID,
	})
	c.answer(0, status, map[string]any{"tickets": []map[string]any{{"place": t.Place, "eventId": t.Event}}})
}

// upload is API Ticket Upload, all or nothing: the only error is a wrong format.
func (c *call) upload(exit bool) {
	s := c.sim
	var all []json.RawMessage
	if json.Unmarshal(c.raw, &all) != nil || len(all) == 0 {
		c.refuse("BAD_REQUEST")
		return
	}
	var scans []scan
	for _, raw := range all {
		one, ok := (&call{sim: s, raw: raw}).scan()
		if !ok {
			c.refuse("BAD_REQUEST")
			return
		}
		one.internal = s.gate(one.gate).Kind == Internal
		scans = append(scans, one)
	}
	for _, one := range scans {
		s.upload(one.token, exit, one.internal)
		s.entries = append(s.entries, Entry{
			Token: one.token, Exit: exit, Internal: one.internal, At: time.UnixMilli(one.at).UTC(), Received: s.clock().UTC(),
			Device: one.device, Gate: one.gateID, Uploaded: true,
		})
	}
	c.answer(0, "OKAY", nil)
}

// field reads a required field of the body: present, not null, of its type.
func (c *call) field(name string, into any) bool {
	if c.body == nil && (json.Unmarshal(c.raw, &c.body) != nil || c.body == nil) {
		return false
	}
	raw, have := c.body[name]
	return have && string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

// refuse answers with a status that is no success; the mutex is held.
func (c *call) refuse(status string) { c.answer(c.sim.http, status, nil) }

// answer writes result, and message where there is one.
func (c *call) answer(code int, status string, message any) {
	words := map[string]string{"OKAY": "Okay"}[status]
	if words == "" {
		words = strings.ToLower(strings.ReplaceAll(status, "_", " "))
	}
	out := map[string]any{"result": map[string]string{"status": status, "message": words}}
	if message != nil {
		out["message"] = message
	}
	raw, err := json.Marshal(out)
	if err != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v", err))
	}
	if code == 0 {
		code = http.StatusOK
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	c.w.WriteHeader(code)
	_, _ = c.w.Write(raw)
}
