package control

import (
	"net/http"
	"strings"
)

func (a *api) status(http.ResponseWriter, *http.Request) (any, error) {
	return a.house.Status().filled(), nil
}

// health is 200 while scans can be decided and 503 otherwise.
func (a *api) health(w http.ResponseWriter, _ *http.Request) {
	status := a.house.Status()
	health := Health{State: status.State}
	code := http.StatusOK
	if status.State == NotReady {
		code = http.StatusServiceUnavailable
		health.Error = "no scan can be decided: " + strings.Join(status.Problems, "; ")
	}
	WriteJSON(w, code, health)
}

func (a *api) sync(w http.ResponseWriter, r *http.Request) (any, error) {
	var what SyncRequest
	if err := optional(w, r, &what); err != nil {
		return nil, err
	}
	result, err := a.house.Sync(r.Context(), what)
	if result.Problems == nil {
		result.Problems = []string{}
	}
	return result, err
}

func (a *api) reload(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := empty(w, r); err != nil {
		return nil, err
	}
	result, err := a.house.Reload(r.Context())
	if err != nil && StatusOf(err) < http.StatusInternalServerError {
		// What the daemon itself failed at is logged for every request.
		a.log.Error("configuration not reloaded", "err", err)
	}
	if result.Notes == nil {
		result.Notes = []string{}
	}
	return result, err
}

// empty reads the body of a request that says nothing: none, or {}.
func empty(w http.ResponseWriter, r *http.Request) error {
	return optional(w, r, &struct{}{})
}

// optional reads the body of a request that may have none.
func optional(w http.ResponseWriter, r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return Decode(w, r, maxBody, into)
}

// list makes an empty list of none, so that the wire never holds null for one.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
