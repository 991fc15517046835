package archtics

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// entryAt is an entry somewhere at the venue; at is zero where Archtics' time of it
// cannot be read.
type entryAt struct {
	at   time.Time
	gate string
}

// entries are the seats that have been entered, in little memory: names are kept
// once, times in seconds. It is safe for concurrent use.
type entries struct {
	mu    sync.RWMutex // guards what follows
	ids   map[string]uint32
	names []string
	seats map[placed]stamped
}

// placed is a seat by the numbers of its names.
type placed struct{ event, section, row, number uint32 }

// stamped is an entry: Unix seconds (vague: without a meaning), the number of the
// gate's name, and when usher heard of it first, since an entry's own time may be that
// of the first day of many. heard is 0 while nobody knew the time.
type stamped struct {
	seconds uint32
	gate    uint32
	heard   uint32
}

// vague is the bit of stamped.gate that says so.
const vague = 1 << 31

func newEntries() *entries {
	return &entries{ids: map[string]uint32{}, seats: map[placed]stamped{}}
}

// id gives a name its number; the mutex is held.
func (e *entries) id(name string) uint32 {
	id, have := e.ids[name]
	if !have {
		id = uint32(len(e.names))
		e.ids[name] = id
		e.names = append(e.names, name)
	}
	return id
}

// placed gives a canonical seat by numbers, where all its names are known; the mutex
// is held.
func (e *entries) known(s seat) (placed, bool) {
	var ids [4]uint32
	for i, name := range []string{s.event, s.section, s.row, s.number} {
		id, have := e.ids[name]
		if !have {
			return placed{}, false
		}
		ids[i] = id
	}
	return placed{ids[0], ids[1], ids[2], ids[3]}, true
}

// find gives the entry of a canonical seat.
func (e *entries) find(s seat) (entryAt, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	p, known := e.known(s)
	if !known {
		return entryAt{}, false
	}
	st, have := e.seats[p]
	if !have {
		return entryAt{}, false
	}
	return e.told(st), true
}

// told is an entry in words; the mutex is held.
func (e *entries) told(st stamped) entryAt {
	one := entryAt{gate: e.names[st.gate&^vague]}
	if st.gate&vague == 0 {
		one.at = time.Unix(int64(st.seconds), 0).UTC()
	}
	return one
}

// line is one entry by its names, as it is written.
type line struct {
	seat    seat
	seconds uint32
	vague   bool
	gate    string
	heard   uint32
}

// add takes an entry in, and tells whether it is new or earlier than the one that
// was known.
func (e *entries) add(l line) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := placed{e.id(l.seat.event), e.id(l.seat.section), e.id(l.seat.row), e.id(l.seat.number)}
	st := stamped{l.seconds, e.id(l.gate), l.heard}
	if l.vague {
		st.gate |= vague
	}
	if before, have := e.seats[p]; have {
		if l.vague || before.seconds <= st.seconds && before.gate&vague == 0 {
			return false
		}
		st.heard = before.heard
	}
	e.seats[p] = st
	return true
}

// lines gives all entries heard of since the moment, in the order of their seats'
// numbers.
func (e *entries) lines(since time.Time) []line {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]line, 0, len(e.seats))
	order := slices.SortedFunc(maps.Keys(e.seats), func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.section, b.section), cmp.Compare(a.row, b.row), cmp.Compare(a.number, b.number))
	})
	for _, p := range order {
		st := e.seats[p]
		if st.heard != 0 && int64(st.heard) < since.Unix() {
			continue
		}
		all = append(all, line{
			seat:    seat{e.names[p.event], e.names[p.section], e.names[p.row], e.names[p.number]},
			seconds: st.seconds, vague: st.gate&vague != 0, gate: e.names[st.gate&^vague], heard: st.heard,
		})
	}
	return all
}

// replace makes these the only entries.
func (e *entries) replace(all []line) {
	fresh := newEntries()
	for _, l := range all {
		fresh.add(l)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids, e.names, e.seats = fresh.ids, fresh.names, fresh.seats
}

// date says when those were heard of of which nobody knew it, and gives when the
// oldest was; zero: there is none.
func (e *entries) date(now time.Time) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	least := uint32(0)
	for p, st := range e.seats {
		if st.heard == 0 {
			st.heard = seconds(now)
			e.seats[p] = st
		}
		if least == 0 || st.heard < least {
			least = st.heard
		}
	}
	if least == 0 {
		return time.Time{}
	}
	return time.Unix(int64(least), 0)
}

// count is the number of seats.
func (e *entries) count() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.seats)
}

// rename gives a name another one: a page may tell at its end what all of its rows
// were about.
func (e *entries) rename(from, to string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n, have := e.ids[from]; have {
		delete(e.ids, from)
		e.names[n] = to
	}
}

func seconds(at time.Time) uint32 { return uint32(min(max(at.Unix(), 0), 1<<32-1)) }
