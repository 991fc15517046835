package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// reply is what every answer is: a status, and what belongs to the call.
type reply struct {
	Result *struct {
		Status  *string         `json:"status"`
		Message json.RawMessage `json:"message"`
	} `json:"result"`
	Message json.RawMessage `json:"message"`
}

// said is an answer that is truly the vendor's.
type said struct {
	status status
	// words are the vendor's own, one plain line.
	words   string
	message json.RawMessage
	http    int
}

// ask makes one call with the key, which the document wants in the query of every
// call. The error is a *scanner.CallError.
func (c *Client) ask(ctx context.Context, service *wire.Client, key string, call wire.Call) (said, error) {
	query := url.Values{"apikey": {key}}
	for name, values := range call.Query {
		query[name] = values
	}
	call.Query = query
	got, err := service.Do(ctx, call)
	if err != nil {
		return c.despite(call.Op, key, got, err)
	}
	var r reply
	if err := got.Decode(&r); err != nil {
		return said{}, err
	}
	s, ok := r.said(got.Status, key)
	if !ok {
		return said{}, wire.Nonsense(call.Op, got.Status, errors.New("an answer without result.status"))
	}
	if s.status.known() {
		got.Vouch()
	}
	return s, nil
}

// despite reads what the vendor says beside an HTTP status that is not 2xx.
func (c *Client) despite(op, key string, got wire.Answer, err error) (said, error) {
	var r reply
	if got.Body == nil || wire.Decode(got.Body, &r) != nil {
		return said{}, err
	}
	s, ok := r.said(got.Status, key)
	switch {
	case !ok, got.Status == http.StatusUnauthorized:
		// 401 speaks of the key alone: BAD_TOKEN beside it is no word on a ticket.
		return said{}, err
	case s.status.known() && !s.status.passes() && refusing(got.Status):
		got.Vouch()
		return s, nil
	}
	// The vendor's own words, beside a status that says otherwise: whatever became of
	// the call, it got there.
	call := *scanner.CallErrorOf(err)
	call.MaybeSent = true
	if !s.status.known() {
		s.status = hidden // it may hold the code
	}
	call.Err = fmt.Errorf("%w, with the status %s", call.Err, s.status.plain())
	return said{}, &call
}

// refusing tells an HTTP status that may stand beside a refusal of the tables.
func refusing(status int) bool {
	switch status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// said reads the answer. Words that repeat the key are not taken over.
func (r reply) said(http int, key string) (said, bool) {
	if r.Result == nil || r.Result.Status == nil || *r.Result.Status == "" {
		return said{}, false
	}
	s := said{status: status(*r.Result.Status), message: r.Message, http: http}
	if !s.status.known() && strings.Contains(string(s.status), key) {
		s.status = hidden
	}
	var words string
	if json.Unmarshal(r.Result.Message, &words) == nil && !strings.Contains(words, key) {
		s.words = wire.Plain(words)
	}
	return s, true
}

// failure tells the statuses that answer no question; nil: it is another.
func (s said) failure(op string) *scanner.CallError {
	switch s.status {
	case generalError:
		return &scanner.CallError{Op: op, Trouble: scanner.Failing, MaybeSent: true, Status: s.http, Err: errors.New("a fault of Presence's own (GENERAL_ERROR)")}
	case badRequest:
		return &scanner.CallError{Op: op, Trouble: scanner.Malformed, Status: s.http, Err: errors.New("wrong by Presence's word (BAD_REQUEST)")}
	}
	return nil
}

// odd is the error of a call that was answered by a status it does not have.
func (s said) odd(op string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: scanner.Failing, MaybeSent: true, Status: s.http, Err: fmt.Errorf("the answer is %s", s.status.plain())}
}

// fault is a call error of our own, nothing having been sent.
func fault(op string, trouble scanner.Trouble, text string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: trouble, Err: errors.New(text)}
}

// number is an id: the tables say int, the samples show text as well.
type number int64

// UnmarshalJSON takes 1 and "1".
func (n *number) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if len(raw) > 1 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 {
		return errors.New("an id that is no number")
	}
	*n = number(v)
	return nil
}
