package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/scanner"
)

const (
	contentJSON  = "application/json"
	contentLines = "application/jsonl"

	// maxBody bounds every body but a code's and a manifest's.
	maxBody = 4 << 10
	// maxBy bounds a person's name, in characters.
	maxBy = 100
)

// ErrorBody is the answer to whatever did not work. Faults is there when there
// may be several.
type ErrorBody struct {
	Error  string   `json:"error"`
	Faults []string `json:"faults,omitempty"`
}

// answer serves what h returns as JSON.
func (a *api) answer(h func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := h(w, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		WriteJSON(w, http.StatusOK, result)
	})
}

// fail answers with the status that the error stands for.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	if status >= http.StatusInternalServerError {
		// The pattern, not the path: a path may hold a whole code.
		a.log.Warn("a request to the socket failed", "route", r.Pattern, "status", status, "error", err)
	}
	body := ErrorBody{Error: err.Error()}
	var faults Faults
	if errors.As(err, &faults) {
		body.Faults = faults
	}
	WriteJSON(w, status, body)
}

// StatusOf is the status that the error stands for, see [House].
func StatusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var faults Faults
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBadRequest):
		return http.StatusBadRequest
	case errors.As(err, &faults):
		return http.StatusUnprocessableEntity
	case errors.Is(err, scanner.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, scanner.ErrNotPossible), errors.Is(err, scanner.ErrChanged):
		return http.StatusConflict
	case errors.Is(err, ErrUnavailable), errors.Is(err, scanner.ErrNotStored),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

var errTooLarge = errors.New("too large")

func BadRequest(format string, args ...any) error {
	return requestError(fmt.Sprintf(format, args...))
}

// requestError reads as itself, without the sentinel's words.
type requestError string

func (e requestError) Error() string        { return string(e) }
func (e requestError) Is(target error) bool { return target == ErrBadRequest }

// WriteJSON answers, under a deadline of its own.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	// A client that went away is no matter for the daemon.
	_ = enc.Encode(body)
}

func writeError(w http.ResponseWriter, status int, text string) {
	WriteJSON(w, status, ErrorBody{Error: text})
}

// Decode reads a small JSON body strictly: a flat object of known keys, each once.
// Limit is in bytes.
func Decode(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fmt.Errorf("the request is larger than %d bytes: %w", limit, err)
		}
		return BadRequest("the request was cut off: %v", err)
	}
	// Left standing, the deadline would end the request while it is answered.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if !utf8.Valid(body) {
		return BadRequest("the request is not UTF-8")
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return BadRequest("the request is not the JSON expected: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return BadRequest("the request holds more than one JSON value")
	}
	return exactKeys(body, into)
}

// exactKeys refuses what the decoder takes silently: a key written in another
// case, and one given twice, of which another reader would take the other. Into
// is a pointer to a flat struct.
func exactKeys(body []byte, into any) error {
	known := make(map[string]bool)
	kind := reflect.TypeOf(into).Elem()
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		known[name] = true
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return BadRequest("the request is not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err := errors.Join(err, dec.Decode(&value)); err != nil {
			return BadRequest("the request is not the JSON expected: %v", err)
		}
		unused, ok := known[name]
		switch {
		case !ok:
			return BadRequest("the request is not the JSON expected: unknown field %q", name)
		case !unused:
			return BadRequest("the request gives %q twice", name)
		}
		known[name] = false
	}
	return nil
}

// Person reads the body of a request that only a named person may make.
func Person(w http.ResponseWriter, r *http.Request) (string, error) {
	var body ByRequest
	if err := Decode(w, r, maxBody, &body); err != nil {
		return "", err
	}
	by := strings.TrimSpace(body.By)
	switch {
	case by == "":
		return "", BadRequest(`"by" is required: the name of the person who decides`)
	case utf8.RuneCountInString(by) > maxBy:
		return "", BadRequest(`"by" is longer than %d characters`, maxBy)
	case strings.ContainsFunc(by, unseen):
		return "", BadRequest(`"by" holds control characters, or others that nobody sees`)
	}
	return by, nil
}

// unseen tells what would change how a line with the name reads: control
// characters, direction marks, zero widths but the two that spelling needs.
func unseen(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && r != nonJoiner && r != joiner
}

// SeqOf reads the record's number in the path.
func SeqOf(r *http.Request) (uint64, error) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return 0, BadRequest("%q is not a scan's number", r.PathValue("seq"))
	}
	return seq, nil
}

// limitOf reads ?limit=, which is cut to most.
func limitOf(r *http.Request, usual, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, BadRequest("limit=%q: want a number above 0", text)
	}
	return min(n, most), nil
}

// afterOf reads ?after=; given tells whether it is there.
func afterOf(r *http.Request) (after uint64, given bool, err error) {
	query := r.URL.Query()
	if !query.Has("after") {
		return 0, false, nil
	}
	after, err = strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil {
		return 0, false, BadRequest("after=%q: want a scan's number", query.Get("after"))
	}
	return after, true, nil
}
