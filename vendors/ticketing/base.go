package ticketing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"usher/scanner"
	"usher/vendors/wire"
)

// base is the key that everything begins with: an integration key, or that of a
// session (Session Authentication).
type base struct {
	client           *Client
	apiKey, password wire.Secret
	// turn is held by the one start of a session that is under way.
	turn chan struct{}
	lock lock
	vain vain

	mu sync.Mutex // guards key; never held across I/O
	// key is the session's.
	key string
}

type startRequest struct {
	Identification string `json:"identification"`
	Password       string `json:"password"`
}

type startReply struct {
	Key *string `json:"key"`
}

// sessions tells whether a session stands in for an integration key.
func (b *base) sessions() bool { return b.client.cfg.Username != "" }

// secret is what the base key comes from.
func (b *base) secret() (string, error) {
	if b.sessions() {
		return b.password.Read()
	}
	return b.apiKey.Read()
}

// with makes a call with the base key. Where a session's is refused, another
// session is started, and the call made once more.
func (b *base) with(ctx context.Context, op string, once func(key string) error) error {
	key, err := b.get(ctx)
	if err != nil {
		return err
	}
	err = once(key)
	if !keyRefused(err) || !b.sessions() || b.vain.lately(op) {
		return err
	}
	b.drop(key)
	if key, err = b.get(ctx); err != nil {
		return err
	}
	if err = once(key); keyRefused(err) {
		b.vain.note(op)
	}
	return err
}

// get gives the base key, starting a session where there is none.
func (b *base) get(ctx context.Context) (string, error) {
	if !b.sessions() {
		key, err := b.apiKey.Read()
		if err != nil {
			return "", fault(opExchange, scanner.Denied, err.Error())
		}
		return key, nil
	}
	if key := b.current(); key != "" {
		return key, nil
	}
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return "", &scanner.CallError{Op: opStart, Trouble: scanner.Silent, Err: fmt.Errorf("another sign-in is under way: %w", ctx.Err())}
	}
	if key := b.current(); key != "" {
		return key, nil
	}
	return b.start(ctx)
}

// start starts a session; the turn is held.
func (b *base) start(ctx context.Context) (string, error) {
	c := b.client
	password, err := b.password.Read()
	if err != nil {
		return "", fault(opStart, scanner.Denied, err.Error())
	}
	if why := b.lock.barred(password); why != nil {
		return "", why
	}
	own := ""
	if c.cfg.APIKeyFile != "" {
		if own, err = b.apiKey.Read(); err != nil {
			return "", fault(opStart, scanner.Denied, err.Error())
		}
	}
	var reply startReply
	got, err := c.call(ctx, own, wire.Call{
		Op: opStart, Method: http.MethodPost, Path: "/sessions", Body: startRequest{c.cfg.Username, password},
	}, &reply)
	if err == nil && (reply.Key == nil || *reply.Key == "") {
		err = wire.Nonsense(opStart, got.Status, errors.New("a session without a key"))
	}
	if err != nil {
		call := b.refused(got, scanner.CallErrorOf(err), password, own)
		if call.Trouble == scanner.Denied {
			b.lock.close(password, call)
		}
		return "", call
	}
	got.Vouch()
	b.lock.open()
	b.mu.Lock()
	b.key = *reply.Key
	b.mu.Unlock()
	c.log.Info("session started at TickeTing")
	return *reply.Key, nil
}

// refused says what to do about a session that could not be started. Nothing of a
// ticket was sent.
func (b *base) refused(got wire.Answer, call *scanner.CallError, hidden ...string) *scanner.CallError {
	out := *call
	out.MaybeSent = false
	words, ok := said(got)
	why := call.Err
	if text := shown(words, append(hidden, b.hidden()...)...); text != "" {
		why = fmt.Errorf("%w: %s", call.Err, text)
	}
	const again = "; it is tried again in 5 minutes, or at once by `usher tickets refresh`"
	switch {
	case call.Status == http.StatusPreconditionFailed:
		return &out
	case call.Trouble == scanner.Denied:
		out.Err = fmt.Errorf("TickeTing refuses the user and password (%w): correct vendor.username or the password (vendor.password_file)"+again, why)
	case call.Status == http.StatusNotFound && ok && begins(words, nowhere):
		out.Trouble, out.Err = scanner.Denied, fmt.Errorf("TickeTing has no sessions at this address (%w): correct vendor.base_url"+again, call.Err)
	case call.Status == http.StatusNotFound && ok:
		out.Trouble, out.Err = scanner.Denied, fmt.Errorf("TickeTing knows no such user (%w): correct vendor.username"+again, why)
	}
	return &out
}

// hidden is what no text may repeat.
func (b *base) hidden() []string {
	secret, _ := b.secret()
	token, _ := b.client.session.code()
	return []string{b.client.cfg.Username, token, b.current(), secret}
}

// look asks whether the session still lives (GET /sessions/active); one that does
// not is forgotten.
func (b *base) look(ctx context.Context) {
	key := b.current()
	if key == "" {
		return
	}
	if got, err := b.client.call(ctx, key, wire.Call{Op: opLook, Method: http.MethodGet, Path: "/sessions/active"}, nil); err == nil {
		got.Vouch()
	} else if keyRefused(err) {
		b.drop(key)
	}
}

// end ends the session (DELETE /sessions/active). One that has ended is no error.
func (b *base) end(ctx context.Context) error {
	key := b.current()
	if key == "" {
		return nil
	}
	b.drop(key)
	_, err := b.client.call(ctx, key, wire.Call{Op: opEnd, Method: http.MethodDelete, Path: "/sessions/active"}, nil)
	if err == nil || keyRefused(err) {
		return nil
	}
	return err
}

func (b *base) current() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.key
}

// drop forgets a session's key that was refused, unless another took its place.
func (b *base) drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.key == key {
		b.key = ""
	}
}
