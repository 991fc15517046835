package ticketing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"usher/scanner"
	"usher/vendors/wire"
)

// refusal is how the vendor says no: message or error, whatever the document of
// the call says.
type refusal struct {
	Message json.RawMessage `json:"message"`
	Error   json.RawMessage `json:"error"`
}

// said gives the vendor's own words in an answer that is no 2xx; false: the answer
// is not the vendor's.
func said(got wire.Answer) (string, bool) {
	var r refusal
	if len(got.Body) == 0 || wire.Decode(got.Body, &r) != nil {
		return "", false
	}
	for _, raw := range []json.RawMessage{r.Error, r.Message} {
		var words string
		if json.Unmarshal(raw, &words) == nil && words != "" {
			return words, true
		}
	}
	return "", false
}

// The words that are understood, in lower case.
const (
	noneAdmitted   = "none of the provided ticket serials"
	nowhere        = "the requested endpoint"
	missingAccount = "the requested account"
)

// begins compares the vendor's words with some that are known.
func begins(words, known string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(words)), known)
}

// shown are the vendor's words as a person may read them; empty where they repeat
// something that must not be shown.
func shown(words string, hidden ...string) string {
	plain := wire.Plain(words)
	for _, h := range hidden {
		if h != "" && (strings.Contains(plain, h) || strings.Contains(words, h)) {
			return ""
		}
	}
	return strings.TrimRight(plain, ". ")
}

// keyRefused tells that a call was refused for its key: nothing was done.
func keyRefused(err error) bool {
	call := scanner.CallErrorOf(err)
	return err != nil && call.Trouble == scanner.Denied && (call.Status == http.StatusUnauthorized || call.Status == http.StatusForbidden)
}

// resourceMissing tells a 404 that is the vendor's word on what was asked for, and
// not on the address itself.
func resourceMissing(got wire.Answer) bool {
	words, ok := said(got)
	return got.Status == http.StatusNotFound && ok && !begins(words, nowhere)
}

// outdated is what 412 means.
func outdated(call *scanner.CallError) *scanner.CallError {
	out := *call
	out.Err = fmt.Errorf("TickeTing takes no client of version %s any more (%w): usher must be upgraded; until then scans are decided offline", clientVersion, call.Err)
	return &out
}

// fault is a call error of our own, nothing having been sent.
func fault(op string, trouble scanner.Trouble, text string) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: trouble, Err: errors.New(text)}
}

// denied is a refusal that a person must see to.
func denied(op string, status int, format string, args ...any) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: scanner.Denied, Status: status, Err: fmt.Errorf(format, args...)}
}
