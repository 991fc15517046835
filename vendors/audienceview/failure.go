package audienceview

import (
	"errors"
	"fmt"

	"usher/scanner"
	"usher/vendors/wire"
)

// The error ids of the Scanning API.
const (
	headerInvalid    = 1
	signInFailed     = 2
	notAuthorized    = 3
	passwordExpired  = 4
	tokenExpired     = 5
	tokenNotValid    = 6
	userWrongClient  = 7
	wrongClient      = 8
	wrongSeries      = 9
	wrongPerformance = 10
	ticketNotValid   = 11
	alreadyScanned   = 12
	ticketVoided     = 13
	ticketRefunded   = 14
	missingField     = 15
	unanticipated    = 16
	unanticipatedEnd = 17
)

// refusal is the vendor's definite no to one ticket.
type refusal struct {
	reason scanner.Reason
	call   *scanner.CallError
}

func (r *refusal) Error() string { return r.call.Error() }
func (r *refusal) Unwrap() error { return r.call }

func asRefusal(err error) (*refusal, bool) {
	var r *refusal
	ok := errors.As(err, &r)
	return r, ok
}

// whole turns a refusal into a plain call error: there is no ticket to refuse in
// such a call, so the vendor means the call.
func whole(op string, err error) error {
	if r, ok := asRefusal(err); ok {
		return r.call
	}
	return err
}

// tokenRefused says that the token is dead: sign in again, ask once more.
type tokenRefused struct{ call *scanner.CallError }

func (t *tokenRefused) Error() string { return t.call.Error() }
func (t *tokenRefused) Unwrap() error { return t.call }

// barred says that the user may not do this until a person changes something.
type barred struct{ call *scanner.CallError }

func (b *barred) Error() string { return b.call.Error() }
func (b *barred) Unwrap() error { return b.call }

// errOurOwn is "already scanned" after a failed call that may have admitted.
var errOurOwn = errors.New("the ticket is scanned already, perhaps by the call that failed a moment ago")

// failure tells what the error in an answer means; nil: there is none. The id
// decides, whatever the rest says.
func (c *Client) failure(op string, status int, e *envelope) error {
	if e.Details == nil && (e.Failed == nil || !*e.Failed) {
		return nil
	}
	call := &scanner.CallError{Op: op, Trouble: scanner.Failing, Status: status}
	if e.Details == nil || e.Details.ID == nil {
		call.MaybeSent, call.Err = true, &oddError{"AudienceView reports an error without a number" + said(e)}
		if e.Details != nil && e.Details.ForceLogout {
			return &tokenRefused{call}
		}
		return call
	}
	id := *e.Details.ID
	call.Err = fmt.Errorf("AudienceView error %d%s", id, said(e))
	if reason, ok := reasonOf(id); ok {
		call.Trouble = scanner.Malformed
		return &refusal{reason, call}
	}
	switch id {
	case headerInvalid, tokenExpired, tokenNotValid:
		return &tokenRefused{call}
	case unanticipatedEnd:
		call.MaybeSent = true
		return &tokenRefused{call}
	case signInFailed, notAuthorized, passwordExpired, userWrongClient:
		call.Trouble = scanner.Denied
		call.Err = errors.New(c.whatToDo(id))
		return &barred{call}
	case missingField:
		return call
	case unanticipated:
		call.MaybeSent = true
		return call
	}
	call.MaybeSent, call.Err = true, &oddError{call.Err.Error()}
	if e.Details.ForceLogout {
		return &tokenRefused{call}
	}
	return call
}

// oddError is an error of the vendor that its document does not name.
type oddError struct{ text string }

func (o *oddError) Error() string { return o.text }

// reasonOf gives the reason behind an id that refuses a ticket.
func reasonOf(id int64) (scanner.Reason, bool) {
	switch id {
	case wrongClient:
		return scanner.WrongClient, true
	case wrongSeries:
		return scanner.WrongSeries, true
	case wrongPerformance:
		return scanner.WrongEvent, true
	case ticketNotValid:
		return scanner.NotFound, true
	case alreadyScanned:
		return scanner.AlreadyEntered, true
	case ticketVoided:
		return scanner.Voided, true
	case ticketRefunded:
		return scanner.Refunded, true
	}
	return "", false
}

// whatToDo is what a person must do about credentials that are refused.
func (c *Client) whatToDo(id int64) string {
	const again = "; it is tried again in 5 minutes, or at once by `usher tickets refresh`"
	switch id {
	case notAuthorized:
		return "AudienceView says that this user may not scan: give the user of vendor.username the scanning permission there" + again
	case passwordExpired:
		return "the password has expired: log in to AudienceView Professional from a desktop, set a new one, and give usher that (vendor.password_file)"
	case userWrongClient:
		return fmt.Sprintf("AudienceView says that this user may not scan for client %d: correct vendor.client_id, or give the user access%s", c.cfg.ClientID, again)
	}
	return "AudienceView refuses the user name and password: correct vendor.username or the password (vendor.password_file)" + again
}

// said is the vendor's short name of the error. Its longer words (errorMessageHTML)
// may name a ticket or a person, and errors end in logs.
func said(e *envelope) string {
	if e.Details == nil || wire.Plain(e.Details.Name) == "" {
		return ""
	}
	return ": " + wire.Plain(e.Details.Name)
}

// fault is a call error of our own, nothing having been sent.
func fault(op string, trouble scanner.Trouble, text string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: trouble, Err: errors.New(text)}
}
