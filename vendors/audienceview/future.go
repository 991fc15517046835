package audienceview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"usher/scanner"
	"usher/vendors/wire"
)

// maxFuture is the longest answer of the Future Events API, in bytes; memory does
// not depend on it. Each performance repeats the description of its series.
const maxFuture = 256 << 20

// Part is which of the client's events an answer is for: those of one production,
// else those of one department, else all.
type Part struct{ Production, Department int64 }

// path is the document's, parentheses included.
func (p Part) path(list string, client int64) string {
	path := fmt.Sprintf("/%s/client(%d)", list, client)
	switch {
	case p.Production != 0:
		path += fmt.Sprintf("/production(%d)", p.Production)
	case p.Department != 0:
		path += fmt.Sprintf("/department(%d)", p.Department)
	}
	return path
}

// Month names the month of a calendar.
type Month struct{ query url.Values }

// MonthAndYear names it by its number, January being 1.
func MonthAndYear(year int, month time.Month) Month {
	return Month{url.Values{"month": {strconv.Itoa(int(month))}, "year": {strconv.Itoa(year)}}}
}

// MonthFrom names it by the moment at which it begins: midnight before its first
// day.
func MonthFrom(midnight time.Time) Month {
	return Month{url.Values{"time": {strconv.FormatInt(midnight.UnixMilli(), 10)}}}
}

// Calendar gives the performances of a month in whole weeks, from Sunday to
// Saturday, as they come: days in no order. each gets the day as YYYY-MM-DD.
func (c *Client) Calendar(ctx context.Context, part Part, month Month, each func(day string, p Performance) error) (FutureHead, error) {
	f := future{client: c, op: "calendar", list: "performancesByDateDisplay", query: month.query}
	return f.fetch(ctx, part, func(s *wire.Stream) error {
		return s.Object(func(day string) error {
			return entries(&f, s, func(p Performance) error { return each(day, p) })
		})
	})
}

// Series gives the series with performances yet to come.
func (c *Client) Series(ctx context.Context, part Part, each func(Series) error) (FutureHead, error) {
	f := future{client: c, op: "series", list: "seriesInformation"}
	return f.fetch(ctx, part, func(s *wire.Stream) error { return entries(&f, s, each) })
}

// Performances gives all performances yet to come.
func (c *Client) Performances(ctx context.Context, part Part, each func(Performance) error) (FutureHead, error) {
	f := future{client: c, op: "events", list: "performances"}
	return f.fetch(ctx, part, func(s *wire.Stream) error { return entries(&f, s, each) })
}

// future is one call of the Future Events API.
type future struct {
	client *Client
	op     string
	// list is the name of what is asked for in the answer.
	list  string
	query url.Values

	// given and odd count the entries that could and could not be read.
	given, odd int
}

// ownError is that of the caller's own function: it goes back as it is.
type ownError struct{ err error }

func (o *ownError) Error() string { return o.err.Error() }

// fetch makes the call and has read take the list. It wants no sign-in.
func (f *future) fetch(ctx context.Context, part Part, read func(*wire.Stream) error) (FutureHead, error) {
	c := f.client
	var head FutureHead
	stream, _, err := c.http.Open(ctx, wire.Call{
		Op: f.op, Method: http.MethodGet, Path: part.path(f.op, c.cfg.ClientID), Literal: true, Query: f.query,
		Header: http.Header{"clientId": {strconv.FormatInt(c.cfg.ClientID, 10)}}, Limit: maxFuture,
	})
	if err != nil {
		return head, err
	}
	defer stream.Close()
	listed, err := f.readAll(stream, &head, read)
	var own *ownError
	if errors.As(err, &own) {
		return head, own.err
	}
	if err != nil {
		return head, err
	}
	return head, f.check(stream, head, listed)
}

// readAll reads the answer in whatever order its fields come; listed tells whether
// the list was among them.
func (f *future) readAll(stream *wire.Stream, head *FutureHead, read func(*wire.Stream) error) (listed bool, err error) {
	targets := map[string]any{
		"serviceMessages": &head.Messages,
		"departmentId":    &head.Department,
		"clientId":        &head.Client,
		"clientName":      &head.ClientName,
		"clientActive":    &head.Active,
		"errors":          &head.Errors,
		"warnings":        &head.Warnings,
	}
	err = stream.Object(func(name string) error {
		if target, known := targets[name]; known {
			return stream.Value(target)
		}
		if name != f.list {
			return stream.Skip()
		}
		if null, err := stream.Null(); null || err != nil {
			return err
		}
		listed = true
		return read(stream)
	})
	if err != nil {
		return listed, err
	}
	return listed, stream.End()
}

// check judges what stood beside the list: the document has errors come with 200.
func (f *future) check(stream *wire.Stream, head FutureHead, listed bool) error {
	nonsense := func(text string) error { return wire.Nonsense(f.op, stream.Status, errors.New(text)) }
	if faults := head.faults(); len(faults) > 0 {
		text := "AudienceView reports an error without words"
		for _, fault := range faults {
			if words := fault.plain(); words != "" {
				text = "AudienceView says: " + words
				break
			}
		}
		return &scanner.CallError{Op: f.op, Trouble: scanner.Failing, Status: stream.Status, Err: errors.New(text)}
	}
	switch {
	case !listed:
		return nonsense("an answer without a list of events")
	case int64(head.Client) != f.client.cfg.ClientID:
		return nonsense(fmt.Sprintf("the events of another client than %d", f.client.cfg.ClientID))
	case f.odd > 0 && f.given == 0:
		return nonsense("a list of events none of which can be understood")
	case f.odd > 0:
		f.client.log.Warn("events that cannot be understood were left out", "call", f.op, "events", f.odd)
	}
	for _, warning := range head.Warnings {
		f.client.log.Debug("AudienceView warns", "call", f.op, "text", warning.plain())
	}
	return nil
}

// entries reads a list of T, leaving out what is none.
func entries[T any](f *future, s *wire.Stream, each func(T) error) error {
	if null, err := s.Null(); null || err != nil {
		return err
	}
	return wire.Each(s, func(_ int, raw json.RawMessage) error {
		var one T
		if json.Unmarshal(raw, &one) != nil {
			f.odd++
			return nil
		}
		f.given++
		if err := each(one); err != nil {
			return &ownError{err}
		}
		return nil
	})
}
