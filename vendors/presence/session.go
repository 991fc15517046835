package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// denyTime is how long a refused key or configuration is not tried again by
	// itself.
	denyTime = time.Minute
	// memoryKey is where Memory keeps the configuration last confirmed.
	memoryKey = "configuration"
)

// registration is a configuration of this device that Presence confirmed.
type registration struct {
	// What it was confirmed for.
	URL   string `json:"url"`
	Venue string `json:"venue"`
	Gate  string `json:"gate"`
	MAC   string `json:"mac"`
	// Device and GateID are Presence's ids.
	Device int64 `json:"device_id"`
	GateID int64 `json:"gate_id"`
	// At is when that was.
	At time.Time `json:"at"`
}

// session is how this device stands with Presence.
type session struct {
	client *Client
	secret wire.Secret
	memory scanner.Memory
	// turn is held by the one call for the configuration that is under way.
	turn chan struct{}
	load sync.Once

	mu sync.Mutex // guards what follows; never held across I/O
	// kept is the configuration last confirmed; confirmed says that it was in this
	// run, with key.
	kept      registration
	confirmed bool
	key       string
	// problem is what a person must do; denied is the key that was refused then, at
	// deniedAt.
	problem  string
	denied   string
	deniedAt scanner.Stamp
}

// wanted is what a configuration must have been confirmed for to be this device's.
func (c *Client) wanted() registration {
	return registration{URL: c.cfg.device.String(), Venue: c.cfg.VenueID, Gate: c.device.GateName, MAC: c.device.MAC}
}

func (r registration) fits(want registration) bool {
	return r.Device != 0 && r.URL == want.URL && r.Venue == want.Venue && r.Gate == want.Gate && sameMAC(r.MAC, want.MAC)
}

// remember reads the configuration last confirmed, once.
func (s *session) remember() {
	s.load.Do(func() {
		if s.memory == nil {
			return
		}
		raw, err := s.memory.Load(memoryKey)
		if err != nil {
			s.client.log.Warn("the configuration at Presence cannot be read: this device counts as never configured", "err", err)
		}
		var kept registration
		if err != nil || len(raw) == 0 || json.Unmarshal(raw, &kept) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.kept.Device == 0 {
			s.kept = kept
		}
	})
}

// current gives what a scan is sent with; false: Presence has not confirmed this
// device since it started.
func (s *session) current() (registration, string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept, s.key, s.confirmed
}

// last gives the configuration last confirmed, in this run or before it; false:
// there is none for this gate.
func (s *session) last() (registration, bool) {
	s.remember()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept, s.kept.fits(s.client.wanted())
}

// Probe is the cheapest call there is: it asks for the device's information, or
// configures the device where that has not been done since usher started. Where
// Presence does not know the device any more, it is configured again.
func (c *Client) Probe(ctx context.Context) error { return c.session.probe(ctx, false) }

// SignIn configures the device, whatever was refused before.
func (c *Client) SignIn(ctx context.Context) error { return c.session.probe(ctx, true) }

// SignOut does nothing: Presence has no end of a session.
func (c *Client) SignOut(context.Context) error { return nil }

func (s *session) probe(ctx context.Context, forced bool) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return &scanner.CallError{Op: opInit, Trouble: scanner.Silent, Err: fmt.Errorf("another call for the configuration is under way: %w", ctx.Err())}
	}
	defer func() { <-s.turn }()
	s.remember()
	key, err := s.secret.Read()
	if err != nil {
		s.trouble(err.Error())
		return fault(opInit, scanner.Denied, err.Error())
	}
	if why := s.barred(key); why != "" && !forced {
		return fault(opInit, scanner.Denied, why)
	}
	if _, _, confirmed := s.current(); confirmed && !forced {
		again, err := s.client.inform(ctx, key)
		if !again {
			return s.judged(err, key)
		}
		s.unconfirm()
	}
	// A person may ask for this while scans go on: they are asked as before, until
	// Presence has not answered OKAY.
	err = s.client.configure(ctx, key)
	if err != nil {
		s.unconfirm()
	}
	return s.judged(err, key)
}

// judged notes a refusal that needs a person.
func (s *session) judged(err error, key string) error {
	if err == nil {
		return nil
	}
	call := *scanner.CallErrorOf(err)
	if call.Trouble != scanner.Denied {
		return &call
	}
	now := s.client.clock.Now()
	s.trouble(call.Err.Error())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied, s.deniedAt, s.confirmed = key, now, false
	return &call
}

// barred tells why nothing is tried now; empty: try.
func (s *session) barred(key string) string {
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.denied == "" || s.denied != key {
		return ""
	}
	if passed, known := now.Since(s.deniedAt); !known || passed >= denyTime {
		return ""
	}
	return s.problem
}

// confirm takes a confirmed configuration in and keeps it.
func (s *session) confirm(r registration, key string) {
	now := s.client.clock.Now()
	r.At = s.client.clock.True(now).At.UTC().Truncate(time.Second)
	s.mu.Lock()
	first := !s.confirmed
	before := s.kept
	s.kept, s.confirmed, s.key, s.problem, s.denied = r, true, key, "", ""
	s.mu.Unlock()
	if first {
		s.client.log.Info("configured at Presence", "device_id", r.Device, "gate_id", r.GateID, "gate", r.Gate)
	}
	before.At = r.At
	if s.memory == nil || !first && before == r {
		return
	}
	raw, err := json.Marshal(r)
	if err == nil {
		err = s.memory.Save(memoryKey, raw)
	}
	if err != nil {
		s.client.log.Warn("the configuration at Presence cannot be kept: after a restart without a network this device cannot go on", "err", err)
	}
}

// unconfirm forgets that Presence confirmed the device in this run.
func (s *session) unconfirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = false
}

// trouble keeps what a person must know.
func (s *session) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != text {
		s.client.log.Error("Presence cannot be asked: " + text)
	}
	s.problem = text
}

// Status is how the device stands with Presence. It is ready with a configuration
// that was confirmed for this gate, be it before it started.
func (c *Client) Status() scanner.SessionStatus {
	s := c.session
	s.remember()
	want := c.wanted()
	s.mu.Lock()
	defer s.mu.Unlock()
	fits := s.kept.fits(want)
	st := scanner.SessionStatus{Ready: fits && s.denied == "", Problem: s.problem}
	switch {
	case st.Problem != "" || s.confirmed:
	case fits:
		st.Problem = fmt.Sprintf("the configuration at Presence of %s is not confirmed yet since usher started: until then scans are decided offline, at the same gate",
			s.kept.At.Format("2 Jan 2006 15:04 MST"))
	case s.kept.Device != 0:
		st.Problem = fmt.Sprintf("this device is not configured at Presence for gate %q yet, only for %q: it must reach Presence once", want.Gate, s.kept.Gate)
	default:
		st.Problem = "this device was never configured at Presence: it must reach it once"
	}
	return st
}

// sameMAC compares hardware addresses however they are written; none matches any.
func sameMAC(a, b string) bool {
	bare := func(s string) string {
		return strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.ToLower(s))
	}
	return a == "" || b == "" || bare(a) == bare(b)
}
