package archtics

import (
	"context"
	"sync"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// denyTime is how long a refused key is not tried again by itself: accounts lock.
const denyTime = 5 * time.Minute

// session is how this device stands with Archtics. There is nothing to sign in to:
// every call carries the key.
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

// open gives the key for one call, or why there is none to be made.
func (s *session) open(op string) (string, error) {
	key, err := s.secret.Read()
	if err != nil {
		s.trouble(err.Error())
		return "", fault(op, scanner.Denied, err.Error())
	}
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.denied == "" || s.denied != key {
		return key, nil
	}
	if passed, known := now.Since(s.deniedAt); !known || passed >= denyTime {
		return key, nil
	}
	return "", fault(op, scanner.Denied, s.problem)
}

// judge notes a refusal that needs a person: one of ping, or of a scan's own call by
// its HTTP status. Ticketmaster allows each call by itself, so that what is refused
// to others says nothing of a scan, and a result of verify_barcode may speak of one
// ticket's account alone.
func (s *session) judge(call *scanner.CallError, key string) {
	byHTTP := call.Status >= 400
	if call.Trouble != scanner.Denied || call.Op != cmdPing && (call.Op != cmdVerify || !byHTTP) {
		return
	}
	s.trouble(call.Op + ": " + call.Err.Error())
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied, s.deniedAt = key, now
}

// trouble keeps what a person must know.
func (s *session) trouble(problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != problem {
		s.client.log.Error("Archtics cannot be asked: " + problem)
	}
	s.problem = problem
}

// well forgets every refusal: a call was answered, or a person wants another try.
func (s *session) well() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem, s.denied = "", ""
}

// Probe is a ping.
func (c *Client) Probe(ctx context.Context) error { return c.probe(ctx, probing) }

// SignIn is a ping as well, whatever was refused before: Archtics has no sign-in. It
// also looks up a code that nobody has, because a key that may ping may still be
// refused to look tickets up.
func (c *Client) SignIn(ctx context.Context) error {
	c.session.well()
	if err := c.probe(ctx, scans); err != nil {
		return err
	}
	return c.mayVerify(ctx)
}

func (c *Client) probe(ctx context.Context, u urgency) error {
	if _, err := c.ping(ctx, u); err != nil {
		return err
	}
	c.session.well()
	return nil
}

// SignOut ends nothing at Archtics; the count of calls is written as it is.
func (c *Client) SignOut(ctx context.Context) error { return c.quota.book.close(ctx) }

// Status is how the device stands with Archtics. It is ready unless the key is
// missing or refused.
func (c *Client) Status() scanner.SessionStatus {
	s := c.session
	s.mu.Lock()
	st := scanner.SessionStatus{Ready: s.problem == "", Problem: s.problem}
	s.mu.Unlock()
	if st.Problem == "" {
		st.Problem = c.quota.problem()
	}
	return st
}
