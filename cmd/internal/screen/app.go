package screen

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"usher/cmd/internal/control"
)

// app holds what the handlers share.
type app struct {
	house   House
	feed    *control.Feed
	log     *slog.Logger
	speaker Speaker
	hold    time.Duration
	hosts   []string
	page    page
	handles *handles
	pages   pages
}

func (s *Server) newApp() (*app, error) {
	words, err := WordsIn(s.Language)
	if err != nil {
		return nil, fmt.Errorf("screen: %w", err)
	}
	zone := s.Zone
	if zone == nil {
		zone = time.Local
	}
	speaker := Speaker{Words: words, Zone: zone}
	page, err := newPage(speaker)
	if err != nil {
		return nil, fmt.Errorf("screen: %w", err)
	}
	return &app{
		house: s.House, feed: s.Feed, log: s.Log, speaker: speaker, hold: s.Hold,
		hosts: hostsOf(s.Addr), page: page, handles: &handles{},
	}, nil
}

// handler answers requests. Stopping ends whoever follows.
func (a *app) handler(stopping <-chan struct{}, handlers *sync.WaitGroup) http.Handler {
	mux := http.NewServeMux()
	for path, f := range a.page.files {
		mux.Handle("GET "+path, f)
	}
	mux.Handle("GET /favicon.ico", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	mux.Handle("GET /events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.events(w, r, stopping) }))
	mux.Handle("GET /scans", a.answer(a.scans))
	mux.Handle("POST /scan", a.answer(a.scan))
	mux.Handle("POST /scans/{seq}/admit", a.answer(a.admit))
	mux.Handle("POST /scans/{seq}/undo", a.answer(a.undo))
	mux.Handle("POST /find", a.answer(a.find))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		a.guarded(w, r, mux)
	})
}

// answer serves what h returns as JSON.
func (a *app) answer(h func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := h(w, r)
		if err == nil {
			control.WriteJSON(w, http.StatusOK, result)
			return
		}
		status := statusOf(err)
		if status >= http.StatusInternalServerError && r.Context().Err() == nil {
			a.log.Warn("a request of the gate screen failed", "route", r.Pattern, "status", status, "error", err)
		}
		control.WriteJSON(w, status, control.ErrorBody{Error: err.Error()})
	})
}
