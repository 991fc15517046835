package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"usher/scanner"
)

const (
	usualTickets = 50
	mostTickets  = 500
	// maxManifest is far above any list: a million tickets are some 100 MiB.
	maxManifest = 4 << 30
)

func (a *api) ticket(_ http.ResponseWriter, r *http.Request) (any, error) {
	code := scanner.Clean(r.PathValue("code"))
	if code == "" {
		return nil, BadRequest("no code")
	}
	if err := code.Check(); err != nil {
		return nil, BadRequest("%v", err)
	}
	view, err := a.house.Ticket(r.Context(), code)
	view.Scans = list(view.Scans)
	return view, err
}

func (a *api) findTickets(_ http.ResponseWriter, r *http.Request) (any, error) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if text == "" {
		return nil, BadRequest("q is required: a name, an order or a seat")
	}
	limit, err := limitOf(r, usualTickets, mostTickets)
	if err != nil {
		return nil, err
	}
	tickets, err := a.house.Find(r.Context(), text, limit)
	return list(tickets), err
}

func (a *api) importTickets(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, BadRequest("name is required: the manifest's file name")
	}
	body := &patientBody{
		body:    http.MaxBytesReader(w, r.Body, maxManifest),
		control: http.NewResponseController(w),
	}
	result, err := a.house.Import(r.Context(), name, body)
	if body.failed != nil {
		// Whatever was made of the part that came: it is not what was sent.
		err = BadRequest("the manifest was cut off: %v", body.failed)
		var tooLarge *http.MaxBytesError
		if errors.As(body.failed, &tooLarge) {
			err = body.failed
		}
	}
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", name, err)
	}
	return result, nil
}

// patientBody is a long body that may take any time, but no piece of it longer
// than bodyTimeout. It remembers a failure to read.
type patientBody struct {
	body    io.Reader
	control *http.ResponseController
	failed  error
}

func (p *patientBody) Read(b []byte) (int, error) {
	if err := p.control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return 0, err
	}
	n, err := p.body.Read(b)
	if err != nil {
		// What follows (the swap, the answer) has its own time.
		_ = p.control.SetReadDeadline(time.Time{})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		p.failed = err
	}
	return n, err
}
