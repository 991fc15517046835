package acme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// denyTime is how long a refused key is not tried again by itself.
const denyTime = time.Minute

// session is how this device stands with ACME: there is no sign-in, each call
// carries the key.
type session struct {
	client *Client
	secret wire.Secret

	mu sync.Mutex // guards what follows; never held across I/O
	// problem is what a person must do; denied is the key that was refused then, at
	// deniedAt.
	problem  string
	denied   string
	deniedAt scanner.Stamp
}

// key reads the API key. The error says what to do.
func (s *session) key() (string, error) {
	key, err := s.secret.Read()
	if err != nil {
		s.trouble(err.Error())
		return "", err
	}
	for _, r := range key {
		if r <= ' ' || r > '~' {
			err := errors.New("the API key holds a character that no header can carry: write the key alone")
			s.trouble(err.Error())
			return "", err
		}
	}
	return key, nil
}

// Probe is the cheapest call there is: the event that is scanned into, which tells
// its check-in window as well, else the events of this minute.
func (c *Client) Probe(ctx context.Context) error {
	if why := c.session.barred(); why != "" {
		return fault(opInstance, scanner.Denied, why)
	}
	return c.SignIn(ctx)
}

// SignIn asks as Probe does, whatever was refused before.
func (c *Client) SignIn(ctx context.Context) error {
	err := c.look(ctx)
	if err != nil {
		return c.session.noted(err)
	}
	c.session.fine()
	return nil
}

// look is the call of a probe.
func (c *Client) look(ctx context.Context) error {
	if c.cfg.EventInstance != "" {
		_, err := c.configured(ctx)
		return err
	}
	now := c.clock.True(c.clock.Now()).At
	_, err := c.Summaries(ctx, Range{From: now, To: now.Add(time.Minute)})
	if part := new(partError); errors.As(err, &part) {
		return nil
	}
	return err
}

// SignOut does nothing: there is no session.
func (c *Client) SignOut(context.Context) error { return nil }

// Status is how the device stands with ACME.
func (c *Client) Status() scanner.SessionStatus {
	s := c.session
	s.mu.Lock()
	st := scanner.SessionStatus{Ready: s.problem == "", Problem: s.problem}
	s.mu.Unlock()
	if st.Problem != "" {
		return st
	}
	st.Problem = c.unnamed.text()
	if event, known := c.kept.get(c); known && st.Problem == "" {
		st.Problem = event.problem()
	}
	return st
}

// explained says what to do about a refusal of the key.
func explained(err error) error {
	call := *scanner.CallErrorOf(err)
	switch {
	case call.Trouble != scanner.Denied:
	case call.Status == http.StatusForbidden:
		call.Err = errors.New("ACME forbids this call to the API key (HTTP 403): give its user in Back Office a role that may check in and see events")
	default:
		call.Err = fmt.Errorf("the API key is refused (HTTP %d): put the right one into the credential api_key or vendor.api_key_file; a key is good for one venue and one environment", call.Status)
	}
	return &call
}

// noted keeps a refusal that stands for every call, as far as this one can tell.
func (s *session) noted(err error) error {
	call := scanner.CallErrorOf(err)
	if call.Trouble != scanner.Denied {
		return err
	}
	// Without a key there was no call, and trouble is told already.
	if key, none := s.secret.Read(); none == nil {
		s.refuse(call.Err.Error(), key)
	}
	return err
}

// refuse keeps a refusal that is not tried again by itself.
func (s *session) refuse(why, key string) {
	now := s.client.clock.Now()
	s.trouble(why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied, s.deniedAt = key, now
}

// barred tells why nothing is tried now; empty: try.
func (s *session) barred() string {
	key, err := s.secret.Read()
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.denied == "" || err != nil || s.denied != key {
		return ""
	}
	if passed, known := now.Since(s.deniedAt); !known || passed >= denyTime {
		return ""
	}
	return s.problem
}

// fine forgets what was wrong.
func (s *session) fine() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != "" {
		s.client.log.Info("ACME can be asked")
	}
	s.problem, s.denied = "", ""
}

// trouble keeps what a person must know.
func (s *session) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != text {
		s.client.log.Error("ACME cannot be asked: " + text)
	}
	s.problem = text
}
