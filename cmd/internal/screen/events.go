package screen

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"usher/cmd/internal/control"
)

const (
	// beat is between two states. A page that hears nothing for a little more than
	// two of them says that it has lost the daemon.
	beat = 300 * time.Millisecond
	// slowTime is how long a page may take for an event.
	slowTime = 2 * time.Second
	// maxPages bounds the pages that follow; a leak gives way to what comes after.
	maxPages = 16
)

// events tells a page the state, then verdicts as they happen, and the state again
// with every beat. Nothing that happened before is told: a page that comes back
// must not show it as new.
func (a *app) events(w http.ResponseWriter, r *http.Request, stopping <-chan struct{}) {
	name := r.URL.Query().Get("scanner")
	here, full := a.pages.enter()
	if full {
		a.log.Warn("too many gate screen pages are open: whoever has followed longest is dropped for each newer one", "most", maxPages)
	}
	defer a.pages.leave(here)
	follower, _ := a.feed.Follow()
	defer follower.Close()

	out := newStream(w)
	if out.begin() != nil || out.write("page", []byte(a.page.print)) != nil || out.state(a.state(name)) != nil {
		return
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-stopping:
			return
		case <-here.dropped:
			return
		case e, ok := <-follower.Events():
			if !ok {
				return // too slow: the page says so, and comes back
			}
			if !Shown(e) || !of(e, name) {
				continue
			}
			if err = out.verdict(a.speaker.Event(e)); err == nil && len(follower.Events()) == 0 {
				err = out.state(a.state(name))
			}
		case <-ticker.C:
			err = out.state(a.state(name))
		}
		if err != nil {
			return
		}
	}
}

// of tells whether a page of that scanner shows the event.
func of(e control.Event, name string) bool { return name == "" || e.Scanner == name }

func (a *app) state(name string) State {
	status := a.house.Status()
	state := a.speaker.State(status, name)
	state.Bar = append(state.Bar, a.speaker.Clock(status.Clock, time.Now()))
	state.HoldMS = a.hold.Milliseconds()
	return state
}

// stream writes server-sent events, each under its own deadline. Each has the time
// of sending as its id: a browser that was stopped knows by it what is old.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, control: http.NewResponseController(w)}
}

func (s *stream) begin() error {
	_ = s.control.SetReadDeadline(time.Time{})
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *stream) state(state State) error { return s.json("state", state) }

func (s *stream) verdict(v View) error { return s.json("verdict", v) }

func (s *stream) json(event string, body any) error {
	// Never a line break: JSON escapes them.
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.write(event, data)
}

func (s *stream) write(event string, data []byte) error {
	now := time.Now()
	if err := s.control.SetWriteDeadline(now.Add(slowTime)); err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("event: " + event + "\nid: " + strconv.FormatInt(now.UnixMilli(), 10) + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return err
	}
	return s.control.Flush()
}

// pages are those that follow.
type pages struct {
	mu   sync.Mutex // guards what follows; held across no I/O
	open []*visit   // oldest first
	full bool
}

// visit is one page that follows; dropped is closed when it must leave.
type visit struct{ dropped chan struct{} }

// enter counts a page in. Full is true the first time that one is dropped for it,
// until most are gone.
func (p *pages) enter() (v *visit, full bool) {
	v = &visit{dropped: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, v)
	switch n := len(p.open); {
	case n > maxPages:
		close(p.open[0].dropped)
		p.open = slices.Delete(p.open, 0, 1)
		full, p.full = !p.full, true
	case n < maxPages/2:
		p.full = false
	}
	return v, full
}

func (p *pages) leave(v *visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.open, v); i >= 0 {
		p.open = slices.Delete(p.open, i, i+1)
	}
}
