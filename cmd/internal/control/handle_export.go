package control

import (
	"fmt"
	"net/http"
	"time"
)

// export streams the history. A stream that cannot be finished is broken off, so
// that nobody takes a part for the whole.
func (a *api) export(w http.ResponseWriter, r *http.Request) {
	format, err := ParseFormat(r.URL.Query().Get("format"))
	if err != nil {
		a.fail(w, r, BadRequest("%v", err))
		return
	}
	control := http.NewResponseController(w)
	out, err := NewExporter(&patientWriter{w: w, control: control}, format)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", format.ContentType())
	err = a.house.Export(r.Context(), func(row ExportRow) error {
		if a.isStopping() {
			return errStopping
		}
		return out.Write(row)
	})
	if err == nil {
		err = out.Flush()
	}
	switch {
	case err == nil:
	case w.(*tracked).begun:
		a.broken(r, err)
	default:
		a.fail(w, r, err)
	}
}

var errStopping = fmt.Errorf("the daemon stops: %w", ErrUnavailable)

// patientWriter gives each piece of a long answer its own time.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
