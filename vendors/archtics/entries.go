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

// stamped is an entry: Unix seconds, and the number of the gate's name. Vague: the
// seconds are when usher heard of it.
type stamped struct {
	seconds uint32
	gate    uint32
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
}

// add takes an entry in, and tells whether it is new or earlier than the one that
// was known.
func (e *entries) add(l line) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := placed{e.id(l.seat.event), e.id(l.seat.section), e.id(l.seat.row), e.id(l.seat.number)}
	st := stamped{l.seconds, e.id(l.gate)}
	if l.vague {
		st.gate |= vague
	}
	if before, have := e.seats[p]; have && (l.vague || before.seconds <= st.seconds && before.gate&vague == 0) {
		return false
	}
	e.seats[p] = st
	return true
}

// lines gives all entries since the moment, in the order of their seats' numbers.
func (e *entries) lines(since time.Time) []line {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]line, 0, len(e.seats))
	order := slices.SortedFunc(maps.Keys(e.seats), func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.section, b.section), cmp.Compare(a.row, b.row), cmp.Compare(a.number, b.number))
	})
	for _, p := range order {
		st := e.seats[p]
		if int64(st.seconds) < since.Unix() {
			continue
		}
		all = append(all, line{
			seat:    seat{e.names[p.event], e.names[p.section], e.names[p.row], e.names[p.number]},
			seconds: st.seconds, vague: st.gate&vague != 0, gate: e.names[st.gate&^vague],
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

// count is the number of seats, oldest the time of the oldest entry.
func (e *entries) count() (n int, oldest time.Time) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	least := uint32(0)
	for _, st := range e.seats {
		if least == 0 || st.seconds < least {
			least = st.seconds
		}
	}
	return len(e.seats), time.Unix(int64(least), 0)
}
