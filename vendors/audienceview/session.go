package audienceview

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

const (
	// tokenLife is how long a token lives after each call, by the document.
	tokenLife = time.Hour
	// longestLife bounds what is believed of an answer's expiry.
	longestLife = 24 * time.Hour
	// margin is how long before its end a token is not used any more.
	margin = 15 * time.Second
	// signInTime bounds one sign-in. It is longer than a scan waits: the next scan
	// profits.
	signInTime = 10 * time.Second
	// warnDays is when a password's end is worth a warning.
	warnDays = 7
	// vainTime is how long a call that a fresh sign-in did not help signs in no
	// more on a bare 401 or 403.
	vainTime = 5 * time.Minute
)

// session is the one sign-in that all calls share.
type session struct {
	client *Client
	secret wire.Secret
	memory scanner.Memory

	mu sync.Mutex // guards what follows; never held across I/O
	// value is the token, auth the header it makes, until its end.
	value, auth string
	until       scanner.Stamp
	expires     time.Time
	passwordEnd time.Time
	// once says that a sign-in worked since the start and none was refused after.
	once    bool
	problem string
	// closed is the lock; loaded says that Memory was asked for it.
	closed *lock
	loaded bool
	flying *flight
	// vain is when a call, by its name, was last refused with a fresh token.
	vain map[string]scanner.Stamp
}

// flight is one sign-in under way, for everybody who waits for it.
type flight struct {
	landed chan struct{}
	stop   context.CancelFunc
	token  string
	err    error
}

// token gives a token that is good as far as is known, signing in where there is
// none. Waiting ends with ctx; the sign-in itself goes on for the next caller, so
// that its answer (accounts lock) is always heard.
func (s *session) token(ctx context.Context) (string, error) {
	f, token := s.join()
	if f == nil {
		return token, nil
	}
	select {
	case <-f.landed:
		return f.token, f.err
	case <-ctx.Done():
		return "", late(ctx)
	}
}

// late is the error of a caller who leaves before the sign-in has ended.
func late(ctx context.Context) error {
	return &scanner.CallError{Op: "authenticate", Trouble: scanner.Silent, Err: fmt.Errorf("no sign-in in time: %w", ctx.Err())}
}

// join gives the token, or the sign-in to wait for.
func (s *session) join() (*flight, string) {
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value != "" && s.good(now) {
		return nil, s.value
	}
	if s.flying == nil {
		s.takeOff(false)
	}
	return s.flying, ""
}

func (s *session) good(now scanner.Stamp) bool {
	left, ok := s.until.Since(now)
	return ok && left > margin
}

// takeOff starts a sign-in; forced takes no notice of the lock.
func (s *session) takeOff(forced bool) {
	ctx, stop := context.WithTimeout(context.Background(), signInTime)
	f := &flight{landed: make(chan struct{}), stop: stop}
	s.flying = f
	s.value, s.auth = "", ""
	if forced {
		s.vain = nil
	}
	go func() {
		defer stop()
		f.token, f.err = s.signIn(ctx, forced)
		s.mu.Lock()
		if s.flying == f {
			s.flying = nil
		}
		s.mu.Unlock()
		close(f.landed)
	}()
}

// again signs in although nothing asks for it, whatever was refused before.
func (s *session) again(ctx context.Context) error {
	for {
		s.mu.Lock()
		before := s.flying
		if before == nil {
			s.takeOff(true)
		}
		f := s.flying
		s.mu.Unlock()
		select {
		case <-f.landed:
		case <-ctx.Done():
			return late(ctx)
		}
		if before == nil {
			return f.err
		}
	}
}

// signIn is one sign-in, on its own goroutine.
func (s *session) signIn(ctx context.Context, forced bool) (string, error) {
	password, err := s.secret.Read()
	if err != nil {
		s.trouble(err.Error())
		return "", fault("authenticate", scanner.Denied, err.Error())
	}
	if forced {
		s.unlock()
	} else if why := s.locked(password); why != "" {
		return "", fault("authenticate", scanner.Denied, why)
	}
	c := s.client
	call := wire.Call{
		Op: "authenticate", Method: http.MethodPost, Path: "/scanning/authenticate",
		Body: signInRequest{c.cfg.Username, password},
	}
	var reply signInReply
	got, err := c.ask(ctx, call, &reply)
	if err == nil && (reply.Token == nil || *reply.Token == "") {
		err = wire.Nonsense(call.Op, got.Status, errors.New("a sign-in without a token"))
	}
	if err != nil {
		return "", s.rejected(err, password)
	}
	s.signedIn(got, &reply)
	return *reply.Token, nil
}

// rejected tells a refused sign-in from one that merely failed. Whatever the
// vendor refuses it for, another try may lock the account, so an id that the
// document does not name counts as well.
func (s *session) rejected(err error, password string) error {
	call := *scanner.CallErrorOf(err)
	call.MaybeSent = false
	var (
		bar     *barred
		refused *tokenRefused
		odd     *oddError
	)
	named := errors.As(err, &bar)
	_, ticket := asRefusal(err)
	token := errors.As(err, &refused) && !refused.call.MaybeSent
	// An unknown path (404) needs a person as well. A bare 400 does not: that is
	// what a front end says of a request that the network cut off.
	malformed := call.Trouble == scanner.Malformed && call.Status != http.StatusBadRequest
	if !named && !ticket && !token && !malformed && !errors.As(err, &odd) {
		return &call
	}
	if !named {
		call.Err = errors.New("AudienceView refuses the sign-in (" + call.Err.Error() + "): check vendor.base_url, vendor.username and the password; it is tried again in 5 minutes, or at once by `usher tickets refresh`")
	}
	call.Trouble = scanner.Denied
	s.close(call.Err.Error(), password)
	return &call
}

// signedIn takes a fresh token in.
func (s *session) signedIn(got wire.Answer, reply *signInReply) {
	c := s.client
	auth := c.authorization(*reply.Token).Get("Authorization")
	now := c.clock.Now()
	s.mu.Lock()
	s.value, s.auth, s.problem, s.once = *reply.Token, auth, "", true
	s.slide(now, got, reply.Expires)
	s.passwordEnd = time.Time{}
	if reply.PasswordExpires != nil {
		s.passwordEnd = time.UnixMilli(*reply.PasswordExpires).UTC()
	}
	s.mu.Unlock()
	s.unlock()
	c.log.Info("signed in to AudienceView")
	if d := reply.DaysLeft; d != nil && *d <= warnDays {
		c.log.Warn("the password for AudienceView expires soon: set a new one by logging in from a desktop, and give usher that", "days", *d)
	}
}

// slide notes until when the token lives; the mutex is held. The vendor's own
// Date is what its expiry is compared with: this device's clock may be wrong.
func (s *session) slide(now scanner.Stamp, got wire.Answer, expires *int64) {
	life := tokenLife
	if expires != nil {
		s.expires = time.UnixMilli(*expires).UTC()
		if left := s.expires.Sub(got.Date); !got.Date.IsZero() && left > 0 && left <= longestLife {
			life = left
		}
	}
	now.Up += life
	s.until = now
}

// heard takes the sliding expiry out of an answer, and a logout.
func (s *session) heard(auth string, got wire.Answer, e *envelope) {
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.auth != auth {
		return
	}
	if e.Details != nil && e.Details.ForceLogout {
		s.value, s.auth = "", ""
		return
	}
	if e.Expires != nil {
		s.slide(now, got, e.Expires)
	}
}

// drop forgets a token that was refused, unless another took its place.
func (s *session) drop(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == token {
		s.value, s.auth = "", ""
	}
}

// wasInVain notes that a fresh sign-in did not help the call.
func (s *session) wasInVain(op string) {
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vain == nil {
		s.vain = map[string]scanner.Stamp{}
	}
	s.vain[op] = now
}

// inVain tells whether that is so recent that another sign-in is not worth it.
// Where it is the token after all, another call, such as the next probe, finds it
// out.
func (s *session) inVain(op string) bool {
	now := s.client.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.vain[op]
	if !ok {
		return false
	}
	passed, known := now.Since(at)
	return known && passed < vainTime
}

// end forgets the token, and gives it for the farewell. A sign-in under way is
// given up.
func (s *session) end() string {
	s.mu.Lock()
	f := s.flying
	s.mu.Unlock()
	if f != nil {
		f.stop()
		<-f.landed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.value
	s.value, s.auth, s.once = "", "", false
	return token
}

// trouble keeps what a person must know.
func (s *session) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != text {
		s.client.log.Error("AudienceView cannot be asked: " + text)
	}
	s.problem, s.once = text, false
}

func (s *session) status() scanner.SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := scanner.SessionStatus{Ready: s.once, PasswordExpiresAt: s.passwordEnd, Problem: s.problem}
	if s.value != "" {
		status.SessionExpiresAt = s.expires
	}
	return status
}
