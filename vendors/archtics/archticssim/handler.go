package archticssim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const resource = "/ticketing_services.aspx"

// mostBody is the longest request.
const mostBody = 1 << 20

// peek reads the call's name and leaves the body as it was.
func peek(r *http.Request) string {
	raw, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return cmdOf(raw)
}

func cmdOf(raw []byte) string {
	var body struct {
		Command struct {
			Cmd string `json:"cmd"`
		} `json:"command1"`
	}
	_ = json.Unmarshal(raw, &body)
	return body.Command.Cmd
}

// job is a call that is at work.
type job struct {
	sid, bid, token string
	body            []byte
	ready           time.Time
}

// call is one request under way.
type call struct {
	sim    *Sim
	w      http.ResponseWriter
	raw    []byte
	dsn    string
	cmd    string
	fields map[string]json.RawMessage
}

// ServeHTTP serves the API.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/"+Product+resource {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	if err != nil {
		return
	}
	c := &call{sim: s, w: w, raw: raw, dsn: r.URL.Query().Get("dsn")}
	s.count(raw, r)
	if !s.admitted(w, r) {
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		http.Error(w, "Content-Type: want application/json", http.StatusBadRequest)
		return
	}
	if c.dsn != s.o.DSN {
		http.NotFound(w, r)
		return
	}
	if why, result := c.open(); result != 0 {
		c.result(result, 0, why, nil)
		return
	}
	s.wait(r.Context(), c, r)
}

// count notes a call that is begun.
func (s *Sim) count(raw []byte, r *http.Request) {
	if _, err := r.Cookie("QTKN"); err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[cmdOf(raw)]++
}

// admitted checks the key and the quota, and counts the request.
func (s *Sim) admitted(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if keys := r.Header.Values("apikey"); len(keys) != 1 || keys[0] != s.key {
		s.requests = append(s.requests, now)
		http.Error(w, `{"fault":{"faultstring":"Invalid ApiKey"}}`, http.StatusUnauthorized)
		return false
	}
	minute, day := 0, 0
	for _, at := range s.requests {
		if now.Sub(at) < time.Minute {
			minute++
		}
		if now.Sub(at) < 24*time.Hour {
			day++
		}
	}
	s.requests = append(s.requests, now)
	if minute >= s.o.PerMinute || day >= s.o.PerDay {
		http.Error(w, "rate limit", http.StatusTooManyRequests)
		return false
	}
	return true
}

// open reads the envelope; a result other than 0 says what is wrong with it.
func (c *call) open() (string, int) {
	var body struct {
		Header  map[string]json.RawMessage `json:"header"`
		Command map[string]json.RawMessage `json:"command1"`
	}
	if json.Unmarshal(c.raw, &body) != nil || body.Command == nil {
		return "the request is no JSON with command1", 5011
	}
	c.fields = body.Command
	for _, name := range []string{"ver", "src_sys_type", "src_sys_name", "archtics_version"} {
		if len(body.Header[name]) == 0 {
			return "header." + name + " is missing", 5011
		}
	}
	c.cmd = c.text("cmd")
	if _, known := handlers()[c.cmd]; !known {
		return "unknown cmd", 9999
	}
	switch {
	case c.text("dsn") != c.dsn:
		return "the dsn is not the one in the URL", 5014
	case c.text("uid") != c.sim.o.UID:
		return "the uid is not valid", 5014
	}
	for name, longest := range map[string]int{"cmd": 32, "ref": 32, "uid": 12, "dsn": 32, "site_name": 24} {
		if len(c.text(name)) > longest {
			return name + " is too long", 5014
		}
	}
	return "", 0
}

// wait answers at once, or 202 until the call is done.
func (s *Sim) wait(ctx context.Context, c *call, r *http.Request) {
	s.mu.Lock()
	j, lost := s.job(c, r)
	if lost != "" {
		s.mu.Unlock()
		c.result(9999, 0, "No data for token '"+lost+"'", nil)
		return
	}
	now := s.clock()
	left, hold := j.ready.Sub(now), s.o.Hold
	if left > hold {
		s.lastJob++
		j.token = "q" + strconv.Itoa(s.lastJob)
		s.jobs[j.sid] = j
		s.mu.Unlock()
		sleep(ctx, hold)
		for name, value := range map[string]string{"SID": j.sid, "BID": j.bid, "QTKN": j.token} {
			http.SetCookie(c.w, &http.Cookie{Name: name, Value: value, Path: "/"})
		}
		c.w.WriteHeader(http.StatusAccepted)
		return
	}
	delete(s.jobs, j.sid)
	s.mu.Unlock()
	sleep(ctx, left)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered[c.cmd]++
	if body, have := s.canned[c.cmd]; have {
		c.write([]byte(strings.ReplaceAll(body, "{ref}", c.text("ref"))))
		return
	}
	for i := range s.faults {
		if f := &s.faults[i]; f.times > 0 && f.cmd == c.cmd {
			f.times--
			c.result(f.result, 0, f.words, nil)
			return
		}
	}
	handlers()[c.cmd](c)
}

// job gives the call's job, a new one where it has no cookies; lost is the SID of one
// that is not there, or not so. The mutex is held.
func (s *Sim) job(c *call, r *http.Request) (j *job, lost string) {
	cookie := func(name string) string {
		if one, err := r.Cookie(name); err == nil {
			return one.Value
		}
		return ""
	}
	sid := cookie("SID")
	if sid == "" && cookie("QTKN") == "" {
		s.lastJob++
		id := strconv.Itoa(s.lastJob)
		return &job{sid: "s" + id, bid: "b" + id, body: bytes.Clone(c.raw), ready: s.clock().Add(s.delays[c.cmd])}, ""
	}
	j, have := s.jobs[sid]
	if !have || cookie("BID") != j.bid || cookie("QTKN") != j.token || !bytes.Equal(j.body, c.raw) {
		return nil, "{" + sid + "}"
	}
	return j, ""
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// text is a field of command1 as text; numbers are their digits.
func (c *call) text(name string) string {
	raw := c.fields[name]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// result answers; fields are what command1 has beside the usual.
func (c *call) result(result, sqlCode int, words string, fields map[string]any) {
	command := map[string]any{"cmd": c.cmd, "ref": c.text("ref"), "result": result, "sql_code": sqlCode}
	if words != "" {
		command["error_detail"] = words
		if c.cmd == "seats_sold" {
			delete(command, "error_detail")
			command["error_desc"] = words
		}
	}
	for name, value := range fields {
		command[name] = value
	}
	raw, err := json.Marshal(map[string]any{
		"command1": command,
		"header":   map[string]any{"src_sys_type": 2, "archtics_version": "V999", "ver": 1, "src_sys_name": "usher", "ats_version": "4.23.3", "result": 0},
	})
	if err != nil {
		panic(fmt.Sprintf("the simulator's own answer: %v", err))
	}
	c.write(raw)
}

func (c *call) write(raw []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	_, _ = c.w.Write(raw)
}
