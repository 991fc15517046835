package control

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"usher/scanner"
)

const (
	usualScans = 50
	mostScans  = 1000
	// replayPage is how many events one read of the journal gives to a replay.
	replayPage = 256
	// replayMemory is how many replayed events are remembered, to know them again
	// when the feed gives them too. The feed can hold followerBuffer at most.
	replayMemory = 4 * followerBuffer

	// maxTyped is the longest code taken, so that it can be judged unreadable.
	maxTyped = 64 << 10
	// maxScanBody leaves room for each byte written as \u00XX.
	maxScanBody = 6*maxTyped + maxBody
)

// scans lists, or follows.
func (a *api) scans(w http.ResponseWriter, r *http.Request) {
	if text := r.URL.Query().Get("follow"); text != "" {
		follow, err := strconv.ParseBool(text)
		if err != nil {
			a.fail(w, r, BadRequest("follow=%q: want true or false", text))
			return
		}
		if follow {
			a.follow(w, r)
			return
		}
	}
	a.answer(a.newest).ServeHTTP(w, r)
}

func (a *api) newest(_ http.ResponseWriter, r *http.Request) (any, error) {
	limit, err := limitOf(r, usualScans, mostScans)
	if err != nil {
		return nil, err
	}
	after, _, err := afterOf(r)
	if err != nil {
		return nil, err
	}
	events, err := a.house.Newest(r.Context(), limit, after)
	return list(events), err
}

func (a *api) scan(w http.ResponseWriter, r *http.Request) (any, error) {
	var body ScanRequest
	if err := Decode(w, r, maxScanBody, &body); err != nil {
		return nil, err
	}
	if len(body.Code) > maxTyped {
		return nil, tooLarge("the code is longer than 64 KiB")
	}
	if body.Direction != "" && !body.Direction.Valid() {
		return nil, BadRequest("direction %q: want entry or exit", body.Direction)
	}
	code := scanner.Clean(body.Code)
	if code == "" {
		return nil, BadRequest(`"code" is required`)
	}
	return a.house.Scan(r.Context(), code, body.Direction)
}

// tooLarge reads as itself and answers 413.
type tooLarge string

func (e tooLarge) Error() string        { return string(e) }
func (e tooLarge) Is(target error) bool { return target == errTooLarge }

func (a *api) admit(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	return a.house.Admit(r.Context(), seq, by)
}

func (a *api) undo(w http.ResponseWriter, r *http.Request) (any, error) {
	seq, by, err := SeqAndPerson(w, r)
	if err != nil {
		return nil, err
	}
	return a.house.Undo(r.Context(), seq, by)
}

// SeqAndPerson reads which record a person acts on, and who that is.
func SeqAndPerson(w http.ResponseWriter, r *http.Request) (seq uint64, by string, err error) {
	if seq, err = SeqOf(r); err != nil {
		return 0, "", err
	}
	by, err = Person(w, r)
	return seq, by, err
}

// follow streams events as they happen, after the missed ones where the client
// names the last it has.
func (a *api) follow(w http.ResponseWriter, r *http.Request) {
	after, replay, err := afterOf(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	// Following comes before reading the journal: what happens in between is in
	// both, and written once.
	follower, crowded := a.feed.Follow()
	if crowded {
		a.log.Warn("too many follow the scans: whoever has followed longest is dropped for each newer one; find the program that leaks connections",
			"most", maxFollowers)
	}
	defer follower.Close()
	out := newLines(w)
	if out.begin() != nil {
		return
	}
	var replayed recent
	if replay {
		if replayed, err = a.replay(r, out, after); err != nil {
			// It tries again and again: once is enough.
			if r.Context().Err() == nil && a.unreplayed.CompareAndSwap(false, true) {
				a.log.Warn("events that were missed cannot be told", "error", err)
			}
			panic(http.ErrAbortHandler)
		}
		a.unreplayed.Store(false)
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-a.stopping:
			return
		case e, ok := <-follower.Events():
			if !ok {
				// Too slow, or one too many. A broken connection says that events are missing.
				panic(http.ErrAbortHandler)
			}
			if !e.Repeat && replayed.take(e.Seq) {
				continue
			}
			if out.write(e) != nil || len(follower.Events()) == 0 && out.flush() != nil {
				return
			}
		}
	}
}

// replay writes the events above after, oldest first, and gives the last of them.
func (a *api) replay(r *http.Request, out *lines, after uint64) (recent, error) {
	var replayed recent
	for {
		events, err := a.house.Since(r.Context(), replayPage, after)
		if err != nil {
			return replayed, err
		}
		for _, e := range events {
			if err := out.write(e); err != nil {
				return replayed, err
			}
			replayed.add(e.Seq)
			after = max(after, e.Seq)
		}
		if err := out.flush(); err != nil {
			return replayed, err
		}
		if len(events) == 0 || a.isStopping() {
			return replayed, nil
		}
	}
}

// broken ends a stream that has begun: the client sees that it is not whole.
func (a *api) broken(r *http.Request, err error) {
	if r.Context().Err() == nil {
		a.log.Warn("a stream on the socket failed", "route", r.Pattern, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// recent remembers the last replayMemory numbers.
type recent struct {
	known map[uint64]struct{}
	ring  []uint64
	next  int
}

func (m *recent) add(seq uint64) {
	if m.known == nil {
		m.known = make(map[uint64]struct{}, replayMemory)
	}
	if len(m.ring) < replayMemory {
		m.ring = append(m.ring, seq)
	} else {
		delete(m.known, m.ring[m.next])
		m.ring[m.next] = seq
		m.next = (m.next + 1) % replayMemory
	}
	m.known[seq] = struct{}{}
}

// take tells whether the number is remembered, and forgets it: the feed may tell
// of the same record again, when it changed.
func (m *recent) take(seq uint64) bool {
	_, ok := m.known[seq]
	delete(m.known, seq)
	return ok
}

// lines writes JSON Lines, each piece under its own deadline.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	enc     *json.Encoder
}

func newLines(w http.ResponseWriter) *lines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &lines{w: w, control: http.NewResponseController(w), enc: enc}
}

// begin sends the headers at once, so that the client knows it is connected.
func (l *lines) begin() error {
	l.w.Header().Set("Content-Type", contentLines)
	l.w.WriteHeader(http.StatusOK)
	return l.flush()
}

func (l *lines) write(e Event) error {
	if err := l.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return l.enc.Encode(e)
}

func (l *lines) flush() error {
	if err := l.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return l.control.Flush()
}
