package archtics

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/vendors/wire"
)

// later stands for an event that the rows do not name: an object around them may do
// so behind them. It is longer than any event_name.
const later = "(NAMED LATER)"

// shy is how long before the moment asked for a scan may be without anybody
// wondering; longer where its date is an event's, since an evening ends after
// midnight.
const shy, shyOfDate = 2 * time.Hour, 26 * time.Hour

// rowReader reads one answer of attendance row by row: a page may have a whole
// stadium, and a handheld has little memory.
type rowReader struct {
	client *Client
	// since is the moment asked for; zero: there was none.
	since time.Time
	got   AttendancePage
	hash  hash.Hash
	// rest is the answer without the rows.
	rest bytes.Buffer
}

// page is what was read of the newest answer.
func (r *rowReader) page() AttendancePage {
	r.hash.Sum(r.got.sum[:0])
	return r.got
}

// fetch makes one request. The answer's body is what is left without the rows, of
// which only a whole answer is read as any other.
func (r *rowReader) fetch(ctx context.Context, call wire.Call) (wire.Answer, error) {
	call.Limit = rowsLimit
	s, a, err := r.client.wire.Open(ctx, call)
	if err != nil || s == nil || a.Status == http.StatusAccepted {
		if s != nil {
			s.Close()
		}
		return a, err
	}
	defer s.Close()
	r.got, r.hash = AttendancePage{seats: newEntries()}, sha256.New()
	r.rest.Reset()
	r.rest.WriteByte('{')
	err = s.Object(func(name string) error {
		r.name(name)
		first, err := s.Peek()
		if err != nil || first != '{' || name != "command1" {
			return r.keep(s, err)
		}
		_, err = r.object(s, 0, nil)
		return err
	})
	if err == nil {
		err = s.End()
	}
	r.rest.WriteByte('}')
	a.Body = r.rest.Bytes()
	return a, err
}

// name begins a field of the rest.
func (r *rowReader) name(name string) {
	if last := r.rest.Bytes()[r.rest.Len()-1]; last != '{' {
		r.rest.WriteByte(',')
	}
	raw, _ := json.Marshal(name) // a text is never refused
	r.rest.Write(raw)
	r.rest.WriteByte(':')
}

// keep takes a value over into the rest.
func (r *rowReader) keep(s *wire.Stream, err error) error {
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := s.Value(&raw); err != nil {
		return err
	}
	return r.write(s, raw)
}

func (r *rowReader) write(s *wire.Stream, raw []byte) error {
	if r.rest.Write(raw); r.rest.Len() > answerLimit {
		return wire.Nonsense(s.Op, s.Status, errors.New("the answer has too much beside its rows"))
	}
	return nil
}

// object reads an object that may hold rows, at whatever depth, and gives its plain
// fields where it holds none. They and those of the objects around it are the rows'
// too.
func (r *rowReader) object(s *wire.Stream, depth int, around map[string]string) (map[string]string, error) {
	before, top := r.got.Rows, depth == 0
	own, names, all := object{}, map[string]bool{}, maps.Clone(around)
	if all == nil {
		all = map[string]string{}
	}
	if top {
		r.rest.WriteByte('{')
	}
	err := s.Object(func(name string) error {
		if top {
			r.name(name)
		}
		field := strings.ToLower(name)
		if names[field] {
			return wire.Nonsense(s.Op, s.Status, errors.New("a name stands twice in the answer"))
		}
		names[field] = true
		first, err := s.Peek()
		switch {
		case err != nil:
			return err
		case first == '[':
			if top {
				r.rest.WriteString("[]")
			}
			return wire.Each(s, func(_ int, raw json.RawMessage) error {
				for _, o := range objectsIn(raw) {
					r.element(o, all)
				}
				return nil
			})
		case first == '{' && depth >= deepest:
			return s.Skip()
		case first == '{':
			if top {
				r.rest.WriteString("{}")
			}
			inner, err := r.object(s, depth+1, all)
			for name, value := range inner {
				if _, have := all[name]; !have && shared(name) {
					all[name] = value
				}
			}
			return err
		}
		var raw json.RawMessage
		if err := s.Value(&raw); err != nil {
			return err
		}
		if top {
			if err := r.write(s, raw); err != nil {
				return err
			}
		}
		own[name] = raw
		if value, plain := plainValue(raw); plain && value != "" && shared(field) {
			all[field] = value
		}
		return nil
	})
	if top {
		r.rest.WriteByte('}')
	}
	if err != nil {
		return nil, err
	}
	if r.got.Rows == before && namesSeat(own, depth) {
		r.element(own, all)
	}
	if r.got.Rows == before {
		return all, nil
	}
	if event := all[eventNames[0]]; event != "" {
		r.got.seats.rename(later, canonical(wire.Plain(event)))
	}
	return nil, nil
}

// shared tells the fields that an object around rows may have for all of them.
func shared(field string) bool {
	return slices.ContainsFunc([][]string{eventNames, sectionNames, rowNames, numberNames, scanDates, scanGates}, func(names []string) bool {
		return slices.Contains(names, field)
	})
}

// element takes in what an object says that is one row, or a block of some.
func (r *rowReader) element(o object, around map[string]string) {
	fields := maps.Clone(around)
	if fields[eventNames[0]] == "" {
		fields[eventNames[0]] = later
	}
	var all []sighting
	collect(o, sighting{fields: fields}, 1, &all)
	if len(all) == 0 {
		r.got.Others++
	}
	known := timed(o, 0)
	for _, one := range all {
		r.row(one, known)
	}
}

// row takes one scan in. known: it has a field for its time.
func (r *rowReader) row(s sighting, known bool) {
	place := s.seat()
	key := place.key()
	if s.fields[eventNames[0]] == later {
		key.event = later
	}
	when, gate := s.first(scanTimes), s.first(scanGates)
	fmt.Fprintf(r.hash, "%q %q %q %q %q\n", key, s.first(scanDates), when, gate, s.first(scanResult))
	r.got.Rows++
	// All rows of the incremental call are scans by the document, those of the other
	// only where they say when.
	if when == "" && (known || r.since.IsZero()) {
		return
	}
	e, dated, entered := s.entry(r.client.zone)
	if !entered {
		return
	}
	if when == "" {
		r.got.timeless++
	}
	l := line{seat: key, gate: e.gate, vague: e.at.IsZero()}
	if !l.vague {
		l.seconds = seconds(e.at)
		if e.at.After(r.got.newest) {
			r.got.newest = e.at
		}
		slack := shyOfDate
		if dated {
			slack = shy
		}
		if !r.since.IsZero() && e.at.Before(r.since.Add(-slack)) {
			r.got.early++
		}
	}
	r.got.seats.add(l)
}
