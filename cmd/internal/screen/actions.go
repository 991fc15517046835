package screen

import (
	"errors"
	"net/http"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

const (
	// lastScans is how many a page lists.
	lastScans = 20
	// readBack is how many records are read for them: other lanes' and clerical ones
	// lie between.
	readBack = 20 * lastScans
	// maxBody bounds a request, in bytes: room for a code too long to be read, each
	// byte of it escaped.
	maxBody = 32 << 10
)

// shown is the answer to what a person did.
type shown struct {
	View
	// Streamed: the page's events bring it, too. A page of one scanner is not told
	// of what is typed.
	Streamed bool `json:"streamed"`
	// Sent is when it was, in ms since 1970: a browser that was stopped knows by it
	// what is old.
	Sent int64 `json:"sent"`
}

func (a *app) shown(r *http.Request, e control.Event) shown {
	return shown{View: a.speaker.Event(e), Streamed: Shown(e) && of(e, r.URL.Query().Get("scanner")), Sent: time.Now().UnixMilli()}
}

// scanRequest is a code typed by hand, or the handle of a ticket that was found.
type scanRequest struct {
	Code      string            `json:"code"`
	Handle    string            `json:"handle"`
	Direction scanner.Direction `json:"direction"`
}

func (a *app) scan(w http.ResponseWriter, r *http.Request) (any, error) {
	var body scanRequest
	if err := control.Decode(w, r, maxBody, &body); err != nil {
		return nil, err
	}
	code := scanner.Clean(body.Code)
	switch {
	case body.Direction != "" && !body.Direction.Valid():
		return nil, control.BadRequest("direction: want entry or exit")
	case body.Handle != "" && code != "":
		return nil, control.BadRequest("either code or handle, not both")
	case body.Handle != "":
		found, ok := a.handles.code(body.Handle)
		if !ok {
			return nil, errForgotten
		}
		code = found
	case code == "":
		return nil, control.BadRequest("the code is empty")
	}
	if body.Direction == "" {
		body.Direction = a.direction(r.URL.Query().Get("scanner"))
	}
	e, err := a.house.Scan(r.Context(), code, body.Direction)
	if err != nil {
		return nil, err
	}
	return a.shown(r, e), nil
}

// direction is which way the scanner's scans go, for what is typed on its page;
// empty: the gate's.
func (a *app) direction(name string) scanner.Direction {
	for _, sc := range a.house.Status().Scanners {
		if sc.Name == name {
			return scanner.Direction(sc.Direction)
		}
	}
	return ""
}

func (a *app) admit(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := control.SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	e, err := a.house.Admit(r.Context(), seq, by)
	if err != nil {
		return nil, err
	}
	return a.shown(r, e), nil
}

func (a *app) undo(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := control.SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	e, err := a.house.Undo(r.Context(), seq, by)
	if err != nil {
		return nil, err
	}
	return a.shown(r, e), nil
}

// scans lists the last scans, newest first, without names and seats: a list stays
// longer on the screen than a verdict.
func (a *app) scans(_ http.ResponseWriter, r *http.Request) (any, error) {
	events, err := a.house.Newest(r.Context(), readBack, 0)
	if err != nil {
		return nil, err
	}
	views := make([]View, 0, lastScans)
	// What a later record acts on was dealt with.
	done := map[uint64]bool{}
	name := r.URL.Query().Get("scanner")
	for _, e := range events {
		done[e.Of] = true
		if len(views) == lastScans || !Shown(e) || !of(e, name) {
			continue
		}
		e.Detail = "" // the vendor's own words may name somebody
		v := a.speaker.Event(e)
		v.Ticket = []Label{}
		if done[e.Seq] {
			v.MayAdmit, v.MayUndo = false, false
		}
		views = append(views, v)
	}
	return views, nil
}

// errForgotten is of a handle that nobody knows any more.
var errForgotten = errors.New("the search is too old: search again")

func statusOf(err error) int {
	if errors.Is(err, errForgotten) {
		return http.StatusGone
	}
	return control.StatusOf(err)
}
