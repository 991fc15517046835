package control

import "net/http"

const (
	usualQueue = 1000
	mostQueue  = 10000
)

func (a *api) outbox(_ http.ResponseWriter, r *http.Request) (any, error) {
	limit, err := limitOf(r, usualQueue, mostQueue)
	if err != nil {
		return nil, err
	}
	entries, err := a.house.Outbox(r.Context(), limit)
	return list(entries), err
}

func (a *api) parked(_ http.ResponseWriter, r *http.Request) (any, error) {
	limit, err := limitOf(r, usualQueue, mostQueue)
	if err != nil {
		return nil, err
	}
	entries, err := a.house.Parked(r.Context(), limit)
	return list(entries), err
}

func (a *api) requeue(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	return Moved{Moved: 1}, a.house.Requeue(r.Context(), seq, by)
}

func (a *api) acknowledge(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	return Moved{Moved: 1}, a.house.Acknowledge(r.Context(), seq, by)
}

func (a *api) requeueAll(w http.ResponseWriter, r *http.Request) (any, error) {
	by, err := Person(w, r)
	if err != nil {
		return nil, err
	}
	n, err := a.house.RequeueAll(r.Context(), by)
	return Moved{Moved: n}, err
}
