package ticketing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// clientVersion is the version of the API that is spoken here (Client Version).
const clientVersion = "3.0.0"

// The calls, for errors.
const (
	opStart      = "start session"
	opLook       = "look at session"
	opEnd        = "end session"
	opExchange   = "exchange token"
	opAdmit      = "admit"
	opAdmissions = "list admissions"
	opTickets    = "list tickets"
	opEvent      = "event"
	opIssue      = "issue token"
	opTokens     = "list tokens"
	opToken      = "token"
)

// header is what every call carries; an empty key is left out.
func header(key string) http.Header {
	h := http.Header{"X-Client-Version": {clientVersion}, "Content-Type": {"application/json"}}
	if key != "" {
		h["X-Api-Key"] = []string{key}
	}
	return h
}

// call makes one call with a key and reads a good answer into reply; nil: there is
// nothing to read. The answer comes with its error. The error is a
// *scanner.CallError.
func (c *Client) call(ctx context.Context, key string, call wire.Call, reply any) (wire.Answer, error) {
	call.Header = header(key)
	got, err := c.http.Do(ctx, call)
	if err != nil {
		failed := scanner.CallErrorOf(err)
		if _, ok := said(got); ok {
			got.Vouch()
		}
		if failed.Status == http.StatusPreconditionFailed {
			return got, outdated(failed)
		}
		return got, failed
	}
	if reply == nil {
		return got, nil
	}
	if err := got.Decode(reply); err != nil {
		return got, err
	}
	return got, nil
}

// number is a count: 25 or "25".
type number int

// UnmarshalJSON takes both.
func (n *number) UnmarshalJSON(raw []byte) error {
	v, err := strconv.Atoi(unquoted(raw))
	if err != nil || v < 0 {
		return errors.New("a count that is no number")
	}
	*n = number(v)
	return nil
}

// uri names something of the vendor's; its last part is the id. What else a
// number may be written as, it is: 17, "17", "/sections/17".
type uri string

// UnmarshalJSON takes text and numbers.
func (u *uri) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] != '"' {
		if _, err := strconv.ParseUint(string(raw), 10, 64); err != nil && string(raw) != "null" {
			return errors.New("an address that is neither text nor a number")
		}
	}
	*u = uri(unquoted(raw))
	return nil
}

func unquoted(raw []byte) string {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// id is the last part of the address; empty: it has none that could be one.
func (u uri) id() string {
	text := strings.TrimRight(strings.TrimSpace(string(u)), "/")
	text = text[strings.LastIndexByte(text, '/')+1:]
	if len(text) > 40 || strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-'
	}) {
		return ""
	}
	return text
}

// moment reads a time with its offset; false: it is none.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// person is all that is taken of somebody: addresses end in the decoder.
type person struct {
	First *string `json:"firstName"`
	Last  *string `json:"lastName"`
}

func (p *person) name() string {
	if p == nil {
		return ""
	}
	return strings.TrimSpace(plain(p.First) + " " + plain(p.Last))
}

// sectionRef is a section as tickets and admissions name it.
type sectionRef struct {
	Self uri     `json:"self"`
	Name *string `json:"name"`
}

func (s *sectionRef) names() (id, name string) {
	if s == nil {
		return "", ""
	}
	return s.Self.id(), plain(s.Name)
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return wire.Plain(*s)
}
