package ticketing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

const (
	// exchangeTime bounds one exchange, a session's start included. It is longer than
	// a scan waits: the next scan profits.
	exchangeTime = 10 * time.Second
	// memoryKey is where Memory keeps what the token was last confirmed for.
	memoryKey = "token"
)

// grant is what an admission token was exchanged for (Token Authentication).
type grant struct {
	// key is the token's own API key: in memory alone.
	key string
	standing
}

// standing is what Memory keeps of a grant.
type standing struct {
	// URL and Tag are the server and the token that it is for.
	URL string `json:"url"`
	Tag string `json:"tag"`
	// Event and Sections are ids.
	Event    string    `json:"event"`
	Sections []string  `json:"sections"`
	At       time.Time `json:"at"`
}

func (s standing) same(other standing) bool {
	return s.URL == other.URL && s.Tag == other.Tag && s.Event == other.Event && slices.Equal(s.Sections, other.Sections)
}

// session is the one exchanged token that all calls share.
type session struct {
	client *Client
	token  wire.Secret
	memory scanner.Memory
	lock   lock
	vain   vain
	load   sync.Once

	mu sync.Mutex // guards what follows; never held across I/O
	// now is the grant in use; nil: none in this run, or it was refused.
	now *grant
	// kept is what the token was last confirmed for, in this run or before it.
	kept   standing
	flying *flight
	// once says that the token was confirmed since usher started; problem is what a
	// person must do.
	once    bool
	problem string
}

// flight is one exchange under way, for everybody who waits for it.
type flight struct {
	landed chan struct{}
	stop   context.CancelFunc
	grant  *grant
	err    error
}

type exchangeReply struct {
	Key      *string `json:"key"`
	Event    uri     `json:"event"`
	Sections *[]uri  `json:"sections"`
}

// code is the admission token.
func (s *session) code() (string, error) {
	if token := s.client.cfg.Token; token != "" {
		return token, nil
	}
	token, err := s.token.Read()
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; one is made by `usher tokens issue`", err)
	case !tokenShaped(token):
		return "", errors.New("the admission token is not 8 characters of A to Z and 0 to 9, such as those that `usher tokens issue` prints")
	}
	return token, nil
}

// current gives a grant that is good as far as is known, exchanging the token where
// there is none. Waiting ends with ctx; the exchange goes on for the next caller.
func (s *session) current(ctx context.Context) (*grant, error) {
	s.mu.Lock()
	if g := s.now; g != nil {
		s.mu.Unlock()
		return g, nil
	}
	f := s.join(false)
	s.mu.Unlock()
	return f.wait(ctx)
}

// again exchanges the token although there is a grant; forced: whatever was
// refused before.
func (s *session) again(ctx context.Context, forced bool) (*grant, error) {
	for {
		s.mu.Lock()
		before := s.flying
		f := s.join(forced)
		s.mu.Unlock()
		g, err := f.wait(ctx)
		if before == nil || ctx.Err() != nil || !forced {
			return g, err
		}
	}
}

// renewed exchanges the token; where the vendor refuses that, and not the token, the
// grant that there is for it goes on: old.
func (s *session) renewed(ctx context.Context) (g *grant, old bool, err error) {
	g, err = s.again(ctx, false)
	if err == nil || scanner.CallErrorOf(err).Trouble != scanner.Denied {
		return g, false, err
	}
	code, unread := s.code()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || unread != nil || s.now.Tag != s.client.cfg.tag(code) {
		return nil, false, err
	}
	return s.now, true, nil
}

// join gives the exchange to wait for; the mutex is held.
func (s *session) join(forced bool) *flight {
	if s.flying != nil {
		return s.flying
	}
	ctx, stop := context.WithTimeout(context.Background(), exchangeTime)
	f := &flight{landed: make(chan struct{}), stop: stop}
	s.flying = f
	go func() {
		defer stop()
		f.grant, f.err = s.exchange(ctx, forced)
		s.mu.Lock()
		s.flying = nil
		s.mu.Unlock()
		close(f.landed)
	}()
	return f
}

func (f *flight) wait(ctx context.Context) (*grant, error) {
	select {
	case <-f.landed:
		return f.grant, f.err
	case <-ctx.Done():
		return nil, &scanner.CallError{Op: opExchange, Trouble: scanner.Silent, Err: fmt.Errorf("no key for the admission token in time: %w", ctx.Err())}
	}
}

// exchange makes one exchange, on its own goroutine. Nothing of a ticket is sent.
func (s *session) exchange(ctx context.Context, forced bool) (*grant, error) {
	c := s.client
	s.remember()
	code, err := s.code()
	var secret string
	if err == nil {
		secret, err = c.base.secret()
	}
	if err != nil {
		s.trouble(err.Error())
		return nil, fault(opExchange, scanner.Denied, err.Error())
	}
	secret += "\x00" + code
	if forced {
		s.lock.open()
		s.vain.forget()
		c.base.lock.open()
		c.base.vain.forget()
		c.base.look(ctx)
	} else if why := s.lock.barred(secret); why != nil {
		return nil, why
	}
	var (
		got   wire.Answer
		reply exchangeReply
	)
	err = c.base.with(ctx, opExchange, func(key string) error {
		var err error
		reply = exchangeReply{}
		got, err = c.call(ctx, key, wire.Call{Op: opExchange, Method: http.MethodGet, Path: "/tokens/" + code}, &reply)
		return err
	})
	var g *grant
	bad := tokenRefused(got, err)
	if err != nil {
		err = s.refused(got, scanner.CallErrorOf(err))
	} else {
		g, err = c.granted(got, reply, code)
		bad = err != nil
	}
	if err != nil {
		call := *scanner.CallErrorOf(err)
		call.MaybeSent = false
		s.failed(&call, secret, bad)
		return nil, &call
	}
	got.Vouch()
	s.confirm(g)
	return g, nil
}

// granted reads the answer to an exchange.
func (c *Client) granted(got wire.Answer, reply exchangeReply, code string) (*grant, error) {
	nonsense := func(text string) error { return wire.Nonsense(opExchange, got.Status, errors.New(text)) }
	g := &grant{standing: standing{URL: c.cfg.base.String(), Tag: c.cfg.tag(code), Event: reply.Event.id(), Sections: []string{}}}
	switch {
	case reply.Key == nil || *reply.Key == "":
		return nil, nonsense("an answer without a key")
	case g.Event == "":
		return nil, nonsense("an answer that names no event")
	case reply.Sections == nil:
		return nil, nonsense("an answer without sections")
	}
	for _, section := range *reply.Sections {
		if section.id() == "" {
			return nil, nonsense("an answer with a section that has no id")
		}
		g.Sections = append(g.Sections, section.id())
	}
	slices.Sort(g.Sections)
	g.Sections = slices.Compact(g.Sections)
	switch {
	case c.cfg.Event != "" && c.cfg.Event != g.Event:
		return nil, denied(opExchange, got.Status, "the admission token is for event %s, and vendor.event says %s: correct one of the two", g.Event, c.cfg.Event)
	case len(g.Sections) == 0:
		return nil, denied(opExchange, got.Status, "the admission token admits to no section: issue another by `usher tokens issue --section NAME`, and give usher that")
	}
	g.key = *reply.Key
	return g, nil
}

// tokenRefused tells that the vendor refuses the token itself, and not the base key.
func tokenRefused(got wire.Answer, err error) bool {
	if call := scanner.CallErrorOf(err); err == nil || call.Op != opExchange {
		return false
	}
	words, ok := said(got)
	return ok && (got.Status == http.StatusBadRequest || got.Status == http.StatusNotFound && !begins(words, nowhere))
}

// refused says what to do about a token that was not exchanged.
func (s *session) refused(got wire.Answer, call *scanner.CallError) error {
	const again = "; it is tried again in a minute, or at once by `usher tickets refresh`"
	words, ok := said(got)
	switch {
	case call.Op != opExchange, call.Status == http.StatusPreconditionFailed:
		return call // said already
	case call.Trouble == scanner.Denied && call.Status != 0:
		what := "the integration key (vendor.api_key_file)"
		if s.client.base.sessions() {
			what = "the rights of the user of vendor.username"
		}
		return denied(opExchange, call.Status, "TickeTing refuses to exchange the admission token (%w): correct %s, and see that it is for %s and that no firewall blocks this"+again,
			call.Err, what, s.client.cfg.base.Host)
	case call.Status == http.StatusNotFound && ok && begins(words, nowhere):
		return denied(opExchange, call.Status, "TickeTing has no tokens at this address (%w): correct vendor.base_url"+again, call.Err)
	case call.Status == http.StatusNotFound && ok, call.Status == http.StatusBadRequest && ok:
		return denied(opExchange, call.Status, "TickeTing knows no such admission token (%w): it may have been taken back; issue another by `usher tokens issue`, and give usher that"+again, call.Err)
	}
	return call
}

// confirm takes a grant in and keeps what it is for.
func (s *session) confirm(g *grant) {
	c := s.client
	now := c.clock.Now()
	g.At = c.clock.True(now).At.UTC().Truncate(time.Second)
	s.lock.open()
	s.mu.Lock()
	first, before := !s.once, s.kept
	s.now, s.kept, s.once, s.problem = g, g.standing, true, ""
	s.mu.Unlock()
	if first || !before.same(g.standing) {
		c.log.Info("admission token confirmed at TickeTing", "event", g.Event, "sections", len(g.Sections))
	}
	if s.memory == nil || before.same(g.standing) {
		return
	}
	raw, err := json.Marshal(g.standing)
	if err == nil {
		err = s.memory.Save(memoryKey, raw)
	}
	if err != nil {
		c.log.Warn("what the admission token is for cannot be kept: after a restart without a network this device does not know its sections", "err", err)
	}
}

// failed notes what needs a person. A grant is good until the token itself is bad.
func (s *session) failed(call *scanner.CallError, secret string, bad bool) {
	if call.Trouble != scanner.Denied {
		return
	}
	s.lock.close(secret, call)
	if bad {
		s.mu.Lock()
		s.now = nil
		s.mu.Unlock()
	}
	s.trouble(call.Err.Error())
}

func (s *session) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != text {
		s.client.log.Error("TickeTing cannot be asked: " + text)
	}
	s.problem = text
}

// with makes a call with the token's key. Where that is refused nothing was done:
// the token is exchanged anew, and the call made once more.
func (s *session) with(ctx context.Context, op string, once func(g *grant) error) error {
	g, err := s.current(ctx)
	if err != nil {
		return err
	}
	if err = once(g); !keyRefused(err) || s.vain.lately(op) {
		return forbidden(err)
	}
	s.drop(g)
	if g, err = s.current(ctx); err != nil {
		return err
	}
	if err = once(g); keyRefused(err) {
		s.vain.note(op)
	}
	return forbidden(err)
}

// forbidden is the error of a call that is refused though the token was exchanged.
// That may be a firewall's word on one odd code, or a right that is missing: it
// says nothing of any other call.
func forbidden(err error) error {
	if !keyRefused(err) {
		return err
	}
	out := *scanner.CallErrorOf(err)
	out.Err = fmt.Errorf("TickeTing takes the admission token and refuses this call (%w): see that the token still admits to the event, and that no firewall on the way blocks it", out.Err)
	return &out
}

// drop forgets a grant that was refused, unless another took its place.
func (s *session) drop(g *grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == g {
		s.now = nil
	}
}

// remember reads what the token was last confirmed for, once.
func (s *session) remember() {
	s.load.Do(func() {
		c := s.client
		code, err := s.code()
		if err != nil || s.memory == nil {
			return
		}
		raw, err := s.memory.Load(memoryKey)
		if err != nil {
			c.log.Warn("what the admission token is for cannot be read: this device counts as never confirmed", "err", err)
		}
		var kept standing
		if err != nil || len(raw) == 0 || json.Unmarshal(raw, &kept) != nil {
			return
		}
		if kept.URL != c.cfg.base.String() || kept.Tag != c.cfg.tag(code) || kept.Event == "" || len(kept.Sections) == 0 ||
			c.cfg.Event != "" && c.cfg.Event != kept.Event {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.kept.Event == "" {
			s.kept = kept
		}
	})
}

// last gives what the token was last confirmed for; false: it never was.
func (s *session) last() (standing, bool) {
	s.remember()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept, s.kept.Event != ""
}

// sections are the ids of those that the token admits to, as last confirmed; nil: it
// never was.
func (s *session) sections() []string {
	kept, _ := s.last()
	return slices.Clone(kept.Sections)
}

// Probe exchanges the token: the one call that tells whether it is still good, and
// for which sections. Where that is refused, the token's own key is tried.
func (c *Client) Probe(ctx context.Context) error {
	g, old, err := c.session.renewed(ctx)
	if err != nil || !old {
		return err
	}
	p := c.newList(g, nil).mine()
	p.records = 1
	_, _, err = p.fetch(ctx, 1)
	return err
}

// SignIn exchanges the token, whatever was refused before.
func (c *Client) SignIn(ctx context.Context) error {
	_, err := c.session.again(ctx, true)
	return err
}

// SignOut ends the session, where there is one, and forgets the token's key. An
// exchange under way is given up.
func (c *Client) SignOut(ctx context.Context) error {
	s := c.session
	s.mu.Lock()
	f := s.flying
	s.mu.Unlock()
	if f != nil {
		f.stop()
		<-f.landed
	}
	s.mu.Lock()
	s.now = nil
	s.mu.Unlock()
	return c.base.end(ctx)
}

// Status is how the device stands with TickeTing. It is ready with a token that was
// confirmed, be it before usher started; a problem with the base key alone is told.
func (c *Client) Status() scanner.SessionStatus {
	s := c.session
	kept, confirmed := s.last()
	denied := s.lock.closed()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := scanner.SessionStatus{Ready: confirmed && (s.now != nil || !denied && s.problem == ""), Problem: s.problem}
	switch {
	case st.Problem != "" || s.once:
	case confirmed:
		st.Problem = fmt.Sprintf("the admission token of %s is not confirmed yet since usher started: until then scans are decided offline, for the same sections",
			kept.At.Format("2 Jan 2006 15:04 MST"))
	default:
		st.Problem = "the admission token was never confirmed at TickeTing: this device must reach it once"
	}
	return st
}
