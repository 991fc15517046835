package archtics

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"usher/scanner"
	"usher/vendors/wire"
)

// The results of the public tables. Others exist.
const (
	resultOK           = 0
	resultMissing      = 5011
	resultInvalid      = 5014
	resultLocked       = 5020
	resultMissing2     = 5021
	resultNotFound     = 5024
	resultMissing3     = 5061
	resultNoSeats      = 5069
	resultInput        = 5211
	resultNoEvents     = 5212
	resultNoDetails    = 5231
	resultBadParameter = 9999
	resultNoClasses    = 10535
	resultTooMuch      = 11075

	// noRows is the sql_code of an empty answer.
	noRows = 100
)

// reply is the outside of every answer.
type reply struct {
	Command json.RawMessage `json:"command1"`
	Header  *struct {
		Result *number `json:"result"`
	} `json:"header"`
}

// outcome is what command1 of every answer has.
type outcome struct {
	Cmd         *text   `json:"cmd"`
	Ref         *text   `json:"ref"`
	Result      *number `json:"result"`
	SQLCode     *number `json:"sql_code"`
	ErrorDetail *text   `json:"error_detail"`
	ErrorDesc   *text   `json:"error_desc"`
}

// answer is a whole answer that is truly the vendor's.
type answer struct {
	op string
	// result is command1's, or the header's where that alone tells of a fault.
	result, sqlCode int64
	// words are the vendor's own, one plain line without secrets.
	words string
	// command is command1 as it came: valid JSON, no name twice.
	command json.RawMessage
	http    int
}

// read takes an answer that came with 200.
func (q question) read(got wire.Answer) (answer, error) {
	var r reply
	if err := got.Decode(&r); err != nil {
		return answer{}, err
	}
	nonsense := func(why string) (answer, error) {
		return answer{}, wire.Nonsense(q.Cmd, got.Status, errors.New(why))
	}
	if len(r.Command) == 0 || r.Command[0] != '{' {
		return nonsense("an answer without command1")
	}
	var o outcome
	if err := wire.Decode(r.Command, &o); err != nil {
		return answer{}, wire.Nonsense(q.Cmd, got.Status, err)
	}
	switch {
	case o.Result == nil:
		return nonsense("an answer without command1.result")
	case o.Cmd != nil && !strings.EqualFold(string(*o.Cmd), q.Cmd), o.Ref != nil && *o.Ref != "" && string(*o.Ref) != q.Ref:
		return nonsense("the answer to another call")
	}
	a := answer{op: q.Cmd, result: int64(*o.Result), command: r.Command, http: got.Status}
	if o.SQLCode != nil {
		a.sqlCode = int64(*o.SQLCode)
	}
	if a.result == resultOK && r.Header != nil && r.Header.Result != nil {
		a.result = int64(*r.Header.Result)
	}
	for _, said := range []*text{o.ErrorDetail, o.ErrorDesc} {
		if said != nil && a.words == "" {
			a.words = q.discreet(string(*said))
		}
	}
	got.Vouch()
	return a, nil
}

// longestWords is how much of the vendor's words a person is shown.
const longestWords = 120

// discreet gives the vendor's words in one plain line; none where they repeat a
// secret.
func (q question) discreet(said string) string {
	plain := wire.Plain(said)
	for _, secret := range append(q.secrets, q.Ref) {
		if repeats(plain, secret) || repeats(said, secret) {
			return ""
		}
	}
	// It names the SID, which is the session's secret.
	if lostToken(plain) {
		return "No data for token"
	}
	if runes := []rune(plain); len(runes) > longestWords {
		return strings.TrimSpace(string(runes[:longestWords-1])) + "…"
	}
	return plain
}

// repeats tells whether a text holds a secret, in whatever case and however it is
// spaced, with or without zeros before it.
func repeats(said, secret string) bool {
	if secret == "" {
		return false
	}
	bare := letters(secret)
	if short := strings.TrimLeft(bare, "0"); short != "" {
		bare = short
	}
	return strings.Contains(said, secret) || bare != "" && strings.Contains(letters(said), bare)
}

// letters leaves the letters and digits of a text.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

func lostToken(words string) bool {
	return strings.Contains(strings.ToLower(words), "no data for token")
}

// empty tells the results that say: there is nothing of the kind.
func (a answer) empty() bool {
	switch a.result {
	case resultNotFound, resultNoSeats, resultNoEvents, resultNoDetails, resultNoClasses:
		return true
	}
	return a.sqlCode == noRows && a.failure() == nil
}

// unknown tells that Archtics does not know what was asked for. That it has no blocks
// or events says nothing of a barcode.
func (a answer) unknown() bool {
	return a.result == resultNotFound || a.sqlCode == noRows && a.failure() == nil
}

// failure is the error that a result stands for where its meaning is known; nil: it
// is 0, or tells of the thing asked for, or is unknown.
func (a answer) failure() *scanner.CallError {
	lower := strings.ToLower(a.words)
	trouble, text := scanner.Trouble(""), ""
	switch {
	case a.result == resultOK:
		return nil
	case lostToken(lower):
		trouble, text = scanner.Failing, "Archtics has lost the call that it was at work on"
	case a.result == resultLocked:
		trouble, text = scanner.Denied, "the account is locked: Ticketmaster must open it"
	case strings.Contains(lower, "dsn"):
		trouble, text = scanner.Denied, "check vendor.dsn"
	case mentions(lower, "uid"), strings.Contains(lower, "not authorized"), strings.Contains(lower, "not authorised"), strings.Contains(lower, "permission"):
		trouble, text = scanner.Denied, "check vendor.uid, and whether Ticketmaster has allowed it this call"
	default:
		switch a.result {
		case resultMissing, resultMissing2, resultMissing3, resultInvalid, resultInput, resultBadParameter, resultTooMuch:
			trouble, text = scanner.Malformed, "wrong by Archtics' word"
		default:
			return nil
		}
	}
	return &scanner.CallError{Op: a.op, Trouble: trouble, Status: a.http, Err: errors.New(a.told(text))}
}

// mentions finds a word that stands alone.
func mentions(text, word string) bool {
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if field == word {
			return true
		}
	}
	return false
}

// told is a text with the result and the vendor's words behind it.
func (a answer) told(text string) string {
	said := fmt.Sprintf("result %d", a.result)
	if a.words != "" {
		said += ": " + a.words
	}
	return text + " (" + said + ")"
}

// must gives the error of any result that is neither 0 nor empty.
func (a answer) must() error {
	call := a.failure()
	switch {
	case call != nil:
	case a.result == resultOK, a.empty():
		return nil
	default:
		call = &scanner.CallError{Op: a.op, Trouble: scanner.Failing, Status: a.http, Err: errors.New(a.told("a fault by Archtics' word"))}
	}
	return call
}

// table decodes command1 into the fields of a public table.
func (a answer) table(into any) error {
	if err := json.Unmarshal(a.command, into); err != nil {
		return fault(a.op, scanner.Nonsense, "fields of other types than the public table's")
	}
	return nil
}
