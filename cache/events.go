package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/scanner"
)

const (
	eventsName = "events.cache"
	// eventsSchema is the version of that file. A newer one counts as no events.
	eventsSchema = 1
	// maxEvents and maxEventsFile bound the file and what is in memory of it.
	maxEvents     = 5000
	maxEventsFile = 32 << 20
	// eventsKept is how long an event is remembered after it was last told, or was
	// over: history names it yet.
	eventsKept = 14 * 24 * time.Hour
	// firstYear and lastYear are of the times that are kept: a vendor's slip of units
	// is none, and beyond the year 9999 the file cannot hold it.
	firstYear, lastYear = 1970, 9998
)

// Events keeps what the vendor told of its events, so that a device without a
// network can name them. They are public and therefore not sealed. Like the list,
// the file can be thrown away: whatever is wrong with it, nothing is known until
// the vendor tells again. It is safe for concurrent use; look-ups are from memory.
type Events struct {
	path string
	log  *slog.Logger

	current atomic.Pointer[eventsFile]
	writing sync.Mutex // one merge and write at a time
}

// EventList is what is known of an account's events.
type EventList struct {
	// At is when the vendor told last; zero: never.
	At time.Time
	// All are the events, soonest first, some of them past.
	All   []scanner.Event
	index map[string]int
}

// Find gives the event with that [scanner.Event.ID], which is what tickets and
// records name theirs by. The ids of other kinds, such as a series', are numbered
// apart, and one of them may be another event's own.
func (l *EventList) Find(id string) (scanner.Event, bool) {
	i, ok := l.index[id]
	if !ok {
		return scanner.Event{}, false
	}
	return l.All[i], true
}

// Told is one answer of the vendor to what is between two moments.
type Told struct {
	From, To time.Time
	Events   []scanner.Event
	// At is the true time of the answer.
	At time.Time
	// Partial: something of it could not be had.
	Partial bool
}

// eventsFile is what is on the disk, behind its checksum.
type eventsFile struct {
	Schema int           `json:"schema"`
	Scope  scanner.Scope `json:"scope"`
	At     time.Time     `json:"at"`
	Events []knownEvent  `json:"events"`

	list EventList
}

type knownEvent struct {
	scanner.Event
	// Seen is when the vendor told it last.
	Seen time.Time `json:"seen"`
}

// OpenEvents reads the events in the directory, where there are any. What cannot
// be read counts as none.
func OpenEvents(dir string, log *slog.Logger) *Events {
	s := &Events{path: filepath.Join(dir, eventsName), log: log}
	f, err := readEvents(s.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		log.Warn("the events of the last run are not known; the vendor is asked again", "error", err)
	default:
		f.arrange()
		s.current.Store(f)
	}
	return s
}

func readEvents(path string) (*eventsFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEventsFile {
		return nil, fmt.Errorf("%s is no file of usher's", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxEventsFile))
	if err != nil {
		return nil, err
	}
	if len(raw) < 4 || crc32.Checksum(raw[4:], castagnoli) != binary.BigEndian.Uint32(raw) {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	var version struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(raw[4:], &version); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	if version.Schema > eventsSchema {
		return nil, fmt.Errorf("%s was written by a newer usher (schema %d, this one knows %d)", path, version.Schema, eventsSchema)
	}
	var f eventsFile
	if err := json.Unmarshal(raw[4:], &f); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return &f, nil
}

// List is what is known of the account's events, from memory: the same until the
// vendor tells again. It is never nil, and must not be changed.
func (s *Events) List(scope scanner.Scope) *EventList {
	scope.Event = ""
	if f := s.current.Load(); f != nil && f.Scope == scope {
		return &f.list
	}
	return &EventList{}
}

// Told takes an answer in: look-ups see it at once. The error says that it was not
// stored, and will not outlive the daemon.
func (s *Events) Told(scope scanner.Scope, told Told) error {
	scope.Event = ""
	s.writing.Lock()
	defer s.writing.Unlock()
	next := &eventsFile{Schema: eventsSchema, Scope: scope, At: told.At}
	var before []knownEvent
	if f := s.current.Load(); f != nil && f.Scope == scope {
		before = f.Events
		if told.Partial {
			next.At = f.At
		}
	}
	next.Events = merged(before, told)
	next.arrange()
	s.current.Store(next)
	return s.write(next)
}

// merged is what is known after an answer: what it holds, what it was not asked
// for, and what is past, which vendors do not tell.
func merged(before []knownEvent, told Told) []knownEvent {
	var all []knownEvent
	fresh := map[string]bool{}
	for _, e := range told.Events {
		fresh[e.ID] = true
		all = append(all, knownEvent{sane(e), told.At})
	}
	for _, k := range before {
		gone := !told.Partial && k.During(told.From, told.To) && !k.begun(told.At)
		if !fresh[k.ID] && !gone && told.At.Sub(k.lastly()) < eventsKept {
			all = append(all, k)
		}
	}
	if over := len(all) - maxEvents; over > 0 {
		// The furthest from now are needed least.
		slices.SortFunc(all, func(a, b knownEvent) int {
			return int(a.lastly().Sub(told.At).Abs()/time.Second) - int(b.lastly().Sub(told.At).Abs()/time.Second)
		})
		all = all[:maxEvents]
	}
	return all
}

// sane is the event without the times that cannot be: its name is as good without
// them.
func sane(e scanner.Event) scanner.Event {
	for _, t := range []*time.Time{&e.StartsAt, &e.EndsAt, &e.DoorsAt, &e.OpensAt, &e.ClosesAt} {
		if *t = t.UTC(); mad(*t) {
			*t = time.Time{}
		}
	}
	var entries []time.Time
	for _, t := range e.EntryTimes {
		if t = t.UTC(); !mad(t) {
			entries = append(entries, t)
		}
	}
	e.EntryTimes = entries
	return e
}

// mad tells a time that no event has.
func mad(t time.Time) bool { return t.Year() < firstYear || t.Year() > lastYear }

// begun tells whether the event has started.
func (k knownEvent) begun(now time.Time) bool {
	return !k.StartsAt.IsZero() && !k.StartsAt.After(now)
}

// lastly is the latest that is known of the event.
func (k knownEvent) lastly() time.Time {
	last := k.Seen
	for _, t := range []time.Time{k.StartsAt, k.EndsAt, k.ClosesAt} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// arrange makes what look-ups read.
func (f *eventsFile) arrange() {
	f.list = EventList{At: f.At, index: map[string]int{}}
	for _, k := range f.Events {
		f.list.All = append(f.list.All, k.Event)
	}
	scanner.SortEvents(f.list.All)
	for i, e := range f.list.All {
		if e.ID != "" {
			f.list.index[e.ID] = i
		}
	}
}

// write puts the file in the place of the one before, whole or not at all.
func (s *Events) write(f *eventsFile) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	raw := append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(text, castagnoli)), text...)
	next := s.path + ".next"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("events not stored: %w", err)
	}
	_, err = file.Write(raw)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(next, s.path)
	}
	if err != nil {
		return fmt.Errorf("events not stored: %w", errors.Join(err, os.Remove(next)))
	}
	return nil
}
