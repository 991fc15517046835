// Package cache keeps the vendor's tickets on the device: tickets.db, the list
// that decides when the vendor does not answer.
//
// A list as last downloaded or imported is a generation: one bbolt file that is
// written once, swapped in by a rename, and from then on only read. A refresh
// builds the next generation beside it; look-ups read the old one meanwhile,
// never a half, and wait for nothing. A few changes of a list make the next
// generation too: a copy of the present one with the changes in their places.
// tickets.db can be thrown away: whatever is wrong with it (damaged, empty, another
// key, a newer schema), the list counts as absent, the fault is shown, and the next
// refresh puts a good one in its place.
//
// On disk, a ticket is found under HMAC-SHA256(device key, scope and code); its
// record is sealed with AES-256-GCM under a key of the generation's own, with
// the index as associated data, so that a record read is the record of that
// code or none. Each record also names its predecessor, so that "not in the
// list" is as certain as "in the list": where the file is damaged on the way to
// a record, the look-up says Damaged (a supervisor decides) and never Missing (a
// refusal). A record met that cannot be read has the list loaded again.
//
// Beside the list, events.cache keeps the names of the vendor's events (Events):
// public, small, a file with a schema version and a checksum of its own, and as
// easily thrown away.
//
// # Promises and their tests
//
//	a list that was built is found whole, after a
//	restart too                                     TestAListComesBackWhole
//	look-ups never see half a list, nor wait        TestLookupsGoOnWhileListsChange
//	a refused, failed or killed build changes
//	nothing                                         TestAFailedBuildChangesNothing, TestAFullDisk, TestKilledBuilds
//	any lists and changes make the list that they
//	should, whatever fails between                  TestAnyListsAndChanges, TestAFailedAmendmentChangesNothing, TestKilledAmendments
//	changes never vouch for what is damaged         TestAmendingADamagedList
//	one wrong byte never makes a wrong verdict      TestEveryFlipIsNoticed, TestEveryFlipAtTheStart, TestAbsenceIsProved
//	a file cut off, emptied, foreign or newer
//	counts as no list                               TestCutOffAtAnyLength, TestUnusableFilesCountAsAbsent, TestForeignIdentities
//	damage has the list loaded again                TestADamagedRecordIsTold; sync/refresh: TestADamagedListIsLoadedAgain
//	no code, name or seat is in the clear           TestNothingIsInTheClear
//	memory is bounded however long the list         TestMemoryIsBounded, TestSortWithManyRunsAndPasses
//	events come back whole or not at all            TestEventsComeBackWhole, TestUnusableEventsCountAsNone
package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"usher/cache/seal"
	"usher/scanner"
)

const (
	fileName = "tickets.db"
	nextName = fileName + ".next"
	sortName = fileName + ".sort"
)

// ErrClosed is returned by a Store that was closed.
var ErrClosed = errors.New("ticket store is closed")

// Options configure a Store. All fields but OnDamage are required.
type Options struct {
	// Dir is the state directory; it must exist.
	Dir string
	Key *seal.Key
	Log *slog.Logger
	// OnDamage, where it is not nil, is called once for each list in which a record
	// cannot be read, from the look-up that met it: it must not block.
	OnDamage func()
}

// Store is the ticket list on disk. It is safe for concurrent use.
type Store struct {
	dir string
	key *seal.Key
	log *slog.Logger
	// onDamage is never nil.
	onDamage func()
	// reserve is the free space in bytes that a build leaves to the journal.
	reserve int64

	current atomic.Pointer[generation]
	// building holds one token: two builds never run at once.
	building chan struct{}
	rows     atomic.Int64

	mu      sync.Mutex // guards what is below; never held across I/O
	active  bool
	closed  bool
	problem string
}

var _ scanner.Tickets = (*Store)(nil)

// Open opens the list in the directory, where there is one. Faults of the list
// itself are no error but a problem in Status; an error means that the directory
// cannot be used.
func Open(o Options) (*Store, error) {
	info, err := os.Stat(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("ticket store: %w; create the state directory and make the service its owner", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("ticket store: %s is not a directory; name a directory as state_dir", o.Dir)
	}
	s := &Store{dir: o.Dir, key: o.Key, log: o.Log, onDamage: o.OnDamage, reserve: 64 << 20, building: make(chan struct{}, 1)}
	if s.onDamage == nil {
		s.onDamage = func() {}
	}
	s.sweep()
	g, err := openGeneration(s.path(fileName), s.key)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		s.problem = fmt.Sprintf("ticket list: %v; it counts as absent until the next refresh or import replaces it", err)
		s.log.Warn("ticket list not usable", "error", err)
	default:
		s.current.Store(g)
		s.log.Info("ticket list opened", "tickets", g.id.Count, "generation", g.id.GeneratedAt)
	}
	return s, nil
}

// Check tells how many tickets the list in a directory holds, and writes nothing:
// for a device that is not running. Errors: fs.ErrNotExist, or what is wrong with
// it.
func Check(dir string, key *seal.Key) (tickets int, err error) {
	g, err := openGeneration(filepath.Join(dir, fileName), key)
	if err != nil {
		return 0, err
	}
	r := <-g.readers
	bad := r.unreadable()
	g.put(r)
	if err := g.close(); err != nil {
		return 0, err
	}
	if bad > 0 {
		return g.id.Count, fmt.Errorf("%s: %d records cannot be read", filepath.Join(dir, fileName), bad)
	}
	return g.id.Count, nil
}

// sweep removes what a killed build left behind.
func (s *Store) sweep() {
	for _, name := range []string{nextName, sortName} {
		if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Warn("left-over of a ticket build not removed", "error", err)
		}
	}
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Close ends a store; look-ups find nothing from then on. It waits for a
// running build, whose context the caller has ended.
func (s *Store) Close() error {
	s.building <- struct{}{}
	defer func() { <-s.building }()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if g := s.current.Swap(nil); g != nil {
		return g.close()
	}
	return nil
}

// Lookup implements scanner.Tickets: the code as read first, then without what
// a scanner put in front of it. A list of another scope counts as absent. A
// damaged record ends the look-up: a later form could be another ticket.
func (s *Store) Lookup(scope scanner.Scope, code scanner.Code) (scanner.Ticket, scanner.Found) {
	for _, form := range code.Forms() {
		index := s.key.Index(scope, form)
		ticket, found := s.find(scope, index[:])
		if found != scanner.Missing {
			return ticket, found
		}
	}
	return scanner.Ticket{}, scanner.Missing
}

func (s *Store) find(scope scanner.Scope, index []byte) (scanner.Ticket, scanner.Found) {
	for {
		g := s.current.Load()
		if g == nil || g.id.Scope != scope {
			return scanner.Ticket{}, scanner.Missing
		}
		r, ok := g.take()
		if !ok { // a new generation took its place just now
			continue
		}
		ticket, found := r.find(index)
		g.put(r)
		if found == scanner.Damaged && g.hurt.CompareAndSwap(false, true) {
			s.log.Error("ticket list: a record cannot be read; the list is loaded again")
			s.onDamage()
		}
		return ticket, found
	}
}

// Damaged tells whether a look-up met a record of the scope's list that cannot be
// read. The list is still the best there is, and should be built anew though its
// source says the same.
func (s *Store) Damaged(scope scanner.Scope) bool {
	g := s.current.Load()
	return g != nil && g.id.Scope == scope && g.hurt.Load()
}

// List implements scanner.Tickets, from memory.
func (s *Store) List(scope scanner.Scope) scanner.ListInfo {
	g := s.current.Load()
	if g == nil || g.id.Scope != scope {
		return scanner.ListInfo{}
	}
	return scanner.ListInfo{
		Loaded: true, Complete: g.id.Complete, Count: g.id.Count,
		GeneratedAt: g.id.GeneratedAt, Checked: *g.checked.Load(),
	}
}

// Source is what the caller of Build said of the list's source, and the cursor
// kept with it. It is false where there is no list for the scope.
func (s *Store) Source(scope scanner.Scope) (source string, cursor []byte, ok bool) {
	g := s.current.Load()
	if g == nil || g.id.Scope != scope {
		return "", nil, false
	}
	return g.id.Source, g.id.Cursor, true
}

// Checked notes that the list's source was found to say the same. It writes
// nothing to the disk.
func (s *Store) Checked(scope scanner.Scope, at scanner.Stamp) {
	if g := s.current.Load(); g != nil && g.id.Scope == scope {
		g.checked.Store(&at)
	}
}

// Status is the store's state in words and numbers.
type Status struct {
	// Count and GeneratedAt describe the list being read; zero where none is.
	Count       int
	GeneratedAt time.Time
	// Problems are for people, with what to do.
	Problems []string
	// Building says that a generation is being built, and Progress how many
	// tickets it has taken in.
	Building bool
	Progress int
}

// Status tells the state, from memory.
func (s *Store) Status() Status {
	var st Status
	if g := s.current.Load(); g != nil {
		st.Count, st.GeneratedAt = g.id.Count, g.id.GeneratedAt
		if g.hurt.Load() {
			st.Problems = append(st.Problems, fmt.Sprintf("ticket list: %s is damaged: tickets whose record cannot be read are amber until it is loaded again, "+
				"which happens by itself; a list that was imported must be imported again", s.path(fileName)))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != "" {
		st.Problems = append(st.Problems, s.problem)
	}
	if s.active {
		st.Building, st.Progress = true, int(s.rows.Load())
	}
	return st
}
