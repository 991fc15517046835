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
		first := refused.call
		c.session.drop(token)
		if token, err = c.session.token(ctx); err != nil {
			call := *scanner.CallErrorOf(err)
			call.MaybeSent = call.MaybeSent || first.MaybeSent
			return &call
		}
		err = once(ctx, c.authorization(token))
		if errors.As(err, &refused) {
			call := *refused.call
			call.MaybeSent = call.MaybeSent || first.MaybeSent
			if call.Trouble != scanner.Denied {
				return &call
			}
			call.Err = fmt.Errorf("AudienceView refuses a fresh sign-in (%w): see that the user of vendor.username may scan for this client; it is tried again in 5 minutes, or at once by `usher tickets refresh`", call.Err)
			err = &barred{&call}
		}
	}
	var bar *barred
	if errors.As(err, &bar) {
		c.session.bar(bar.call)
		return bar.call
	}
	return err
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
