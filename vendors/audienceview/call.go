package audienceview

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"usher/scanner"
	"usher/vendors/wire"
)

// authorization is the header that carries the token in the password's place.
func (c *Client) authorization(token string) http.Header {
	basic := base64.StdEncoding.EncodeToString([]byte(c.cfg.Username + ":" + token))
	return http.Header{"Authorization": {"Basic " + basic}}
}

// signedIn runs a call with a token. Where the vendor refuses the token it signs
// in again and runs it once more.
func (c *Client) signedIn(ctx context.Context, op string, once func(context.Context, http.Header) error) error {
	token, err := c.session.token(ctx)
	if err != nil {
		return err
	}
	err = once(ctx, c.authorization(token))
	var refused *tokenRefused
	if errors.As(err, &refused) {
		err = c.onceMore(ctx, op, token, refused.call, once)
	}
	var bar *barred
	if errors.As(err, &bar) {
		c.session.bar(bar.call)
		return bar.call
	}
	return err
}

// onceMore is the second try of a call whose first was refused with its token.
func (c *Client) onceMore(ctx context.Context, op, token string, first *scanner.CallError, once func(context.Context, http.Header) error) error {
	if bare(first) && c.session.inVain(op) {
		return forbidden(first)
	}
	c.session.drop(token)
	token, err := c.session.token(ctx)
	if err != nil {
		return alsoSent(first, err)
	}
	err = once(ctx, c.authorization(token))
	var refused *tokenRefused
	if errors.As(err, &refused) {
		err = refused.call
		if bare(refused.call) {
			c.session.wasInVain(op)
			err = forbidden(refused.call)
		}
	}
	return alsoSent(first, err)
}

// bare tells a 401 or 403 without the vendor's own words.
func bare(call *scanner.CallError) bool { return call.Trouble == scanner.Denied }

// forbidden is the error of a call that gets a bare 401 or 403 though the sign-in
// works. That may be a firewall's word on one odd code, or a right that the user
// lacks: it says nothing of any other call.
func forbidden(call *scanner.CallError) error {
	out := *call
	out.Err = fmt.Errorf("AudienceView takes the sign-in and refuses this call (%w): see that the user of vendor.username has the right to it, and that no firewall on the way blocks it", call.Err)
	return &out
}

// alsoSent is the error of the second try: what the first may have done stays in
// doubt.
func alsoSent(first *scanner.CallError, err error) error {
	if err == nil || !first.MaybeSent {
		return err
	}
	call := *scanner.CallErrorOf(err)
	call.MaybeSent = true
	var bar *barred
	if errors.As(err, &bar) {
		return &barred{&call}
	}
	return &call
}

// ask makes one call and reads its whole answer into reply. The error is a
// *refusal, *tokenRefused, *barred or *scanner.CallError.
func (c *Client) ask(ctx context.Context, call wire.Call, reply answer) (wire.Answer, error) {
	got, err := c.http.Do(ctx, call)
	return got, c.read(call, got, err, reply)
}

// read judges an answer. The vendor's own error fields come before the HTTP
// status, which the document does not define for scanning.
func (c *Client) read(call wire.Call, got wire.Answer, err error, reply answer) error {
	if err != nil {
		var e envelope
		if got.Body != nil && wire.Decode(got.Body, &e) == nil && e.genuine() {
			if e.Details != nil || *e.Failed {
				return c.heard(call, got, &e)
			}
			// No error by its own words: whatever became of the status, it was done.
			done := *scanner.CallErrorOf(err)
			done.MaybeSent = true
			err = &done
		}
		if got.Status == http.StatusUnauthorized || got.Status == http.StatusForbidden {
			return &tokenRefused{scanner.CallErrorOf(err)}
		}
		return err
	}
	if err := got.Decode(reply); err != nil {
		return err
	}
	if !reply.genuine() {
		return wire.Nonsense(call.Op, got.Status, errNoErrorField)
	}
	return c.heard(call, got, reply.outer())
}

var errNoErrorField = errors.New("an answer without the field error")

// heard takes note of an answer that is truly the vendor's.
func (c *Client) heard(call wire.Call, got wire.Answer, e *envelope) error {
	got.Vouch()
	if auth := call.Header.Get("Authorization"); auth != "" {
		c.session.heard(auth, got, e)
	}
	return c.failure(call.Op, got.Status, e)
}
