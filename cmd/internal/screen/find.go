package screen

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"usher/cmd/internal/control"
	"usher/scanner"
)

const (
	// maxFound is how many tickets a search lists.
	maxFound = 20
	// maxQuery is the longest text searched for, in bytes.
	maxQuery = 200
)

// found is what a search shows of a ticket. Its code stays here.
type found struct {
	Handle  string `json:"handle"`
	Name    string `json:"name"`
	Section string `json:"section"`
	Seat    string `json:"seat"`
	Order   string `json:"order"`
	// Status is the list's, in words.
	Status string `json:"status"`
}

// findings is the answer to a search.
type findings struct {
	Found []found `json:"found"`
	// More says in words that there are others; empty: there are none.
	More string `json:"more"`
}

func (a *app) find(w http.ResponseWriter, r *http.Request) (any, error) {
	var body struct {
		Q string `json:"q"`
	}
	if err := control.Decode(w, r, maxBody, &body); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(body.Q)
	switch {
	case text == "":
		return nil, control.BadRequest("the search is empty")
	case len(text) > maxQuery:
		return nil, control.BadRequest("the search is longer than %d bytes", maxQuery)
	}
	tickets, err := a.house.Find(r.Context(), text, maxFound+1)
	if err != nil {
		return nil, err
	}
	answer := findings{Found: []found{}}
	if len(tickets) > maxFound {
		tickets = tickets[:maxFound]
		answer.More = a.speaker.tooMany(maxFound)
	}
	for _, t := range tickets {
		answer.Found = append(answer.Found, found{
			Handle: a.handles.add(scanner.Code(t.Code)),
			Name:   t.Name, Section: t.Section, Seat: t.Seat, Order: t.Order, Status: a.speaker.status(t.Status),
		})
	}
	return answer, nil
}

const (
	// handleTime is how long a found ticket can be checked.
	handleTime = 5 * time.Minute
	// maxHandles bounds what searches leave in memory.
	maxHandles = 10 * maxFound
)

// handles stand for codes on a page, which must not hold them. The zero value is
// ready.
type handles struct {
	mu    sync.Mutex // guards what follows
	codes []handle   // oldest first
}

type handle struct {
	name    string
	code    scanner.Code
	expires time.Time
}

// add gives the code a name that nobody can guess.
func (h *handles) add(code scanner.Code) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget()
	name := rand.Text()
	if len(h.codes) == maxHandles {
		h.codes = h.codes[1:]
	}
	h.codes = append(h.codes, handle{name: name, code: code, expires: time.Now().Add(handleTime)})
	return name
}

// code is what the name stands for.
func (h *handles) code(name string) (scanner.Code, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget()
	for _, x := range h.codes {
		if x.name == name {
			return x.code, true
		}
	}
	return "", false
}

// forget drops what has expired.
func (h *handles) forget() {
	now, n := time.Now(), 0
	for n < len(h.codes) && !now.Before(h.codes[n].expires) {
		n++
	}
	h.codes = h.codes[n:]
}
