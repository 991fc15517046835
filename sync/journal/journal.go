package journal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"usher/scanner"
)

// Options are what a journal needs.
type Options struct {
	// Dir is the state directory. It is created, 0700, where it is missing.
	Dir string
	// Clock dates fates and ends marks and history.
	Clock scanner.Clock
	// Sealer seals what a record shows of its ticket; without one that part is
	// not stored.
	Sealer scanner.Sealer
	// KeyCheck is a check value of the device key, nil where there is none.
	KeyCheck []byte
	// Keep is how long settled history is kept.
	Keep time.Duration
	// ForgetAfter ends a mark so long after its last movement, where the end of
	// its event is not known.
	ForgetAfter time.Duration
	// Used tells whether the vendor's list shows the ticket as used, so that its
	// mark is not needed any more; nil: no list tells.
	Used func(scanner.Scope, scanner.Code) bool
	// MaxSize bounds the file, in bytes; zero: the disk does.
	MaxSize int64
	// Log may be nil.
	Log *slog.Logger
}

// Journal is an open journal. It is safe for concurrent use.
//
// Locks: qmu, dbmu and mu are never held across I/O, with one exception: the
// leader holds dbmu for writing while it replaces the store. Where two are
// held, dbmu comes before mu and doubting, and giving and growing before all.
type Journal struct {
	opts     Options
	path     string
	log      *slog.Logger
	readOnly bool
	// damage is why a journal opened read-only gives rest, what was found in its
	// bytes, instead of its trees; nil: it does not.
	damage error
	rest   *salvaged

	// dbmu is held for reading while a reader uses db, for writing while the
	// leader replaces it.
	dbmu sync.RWMutex
	db   *store
	// unconfirmed holds the changes of the transaction that is being committed, or
	// whose commit failed: readers see what was there before.
	unconfirmed atomic.Pointer[overlay]

	// qmu guards the queue of requests.
	qmu     sync.Mutex
	queue   []*request
	leading bool
	closed  bool

	// failure is why the last commit failed, doubtID names its note, scrubbed the
	// last that was taken back; stale: the index holds what is to be taken back.
	// created is the identity of the file. Only the leader touches them, and Open.
	failure  error
	stale    bool
	doubtID  uint64
	scrubbed uint64
	created  time.Time
	repair   repair

	// growing is held while the file is given blocks, giving while history gives
	// way. Nobody waits for either who has not met the end of the room.
	growing sync.Mutex
	giving  sync.Mutex
	room    room
	// orphan is an open file that lost its name, until what it holds has one again.
	// Only the leader touches it.
	orphan *os.File
	// opening: Open could not, and the leader is to. interim is what marks are
	// answered from while there is no store; dbmu guards that.
	opening bool
	interim *salvaged
	// link is os.Link; tests put a file system without second names here.
	link func(from, to string) error
	// doubting is held while the note's file is made or written.
	doubting sync.Mutex

	// noted wakes Run: there are notes to write, or writing failed.
	noted chan struct{}

	// mu guards what is known without the disk.
	mu    sync.Mutex
	index *index
	notes []scanner.Record
	// moved are the marks that some of the notes bring along, by their tickets.
	moved   map[string][]movedMark
	dropped int
	next    uint64
	// flying is the first number given to a commit that has not ended; zero:
	// there is none.
	flying   uint64
	reserved uint64
	upto     uint64
	newest   scanner.Stamp
	attempt  uint64
	// state of the store in words, for Status.
	unwritable error
	// full is why the file cannot grow; lean: there is room only for what ends
	// things; spare is the room over the reserve, in bytes.
	full  error
	lean  bool
	spare int64
	// given tells what of the history gave way since the file could not grow.
	given        given
	rescues      []rescued
	damagedFiles []damagedFile
	// unproven: marks may be lost with what a damaged file held. rewritten are files
	// that lost their names and were written anew.
	unproven bool
	// doubtful is unproven of what memory answers from; noDoubt is why a commit that
	// fails cannot be noted.
	doubtful   bool
	noDoubt    error
	rewritten  []*rescued
	keyDiffers bool
	// commits counts transactions.
	commits uint64
}

var _ scanner.Journal = (*Journal)(nil)

// Close writes what is noted and closes the file. It is idempotent.
func (j *Journal) Close() error {
	if j.readOnly {
		return j.closeStore()
	}
	ctx := context.Background()
	// What this cannot move, the next opening reads from the log.
	_ = j.moveMarks(ctx, marksAtLast)
	err := j.submit(ctx, &request{ends: true, last: true, snapshot: true, marks: marksAtLast})
	if errors.Is(err, errClosed) {
		return nil
	}
	return errors.Join(err, j.closeStore())
}

func (j *Journal) closeStore() error {
	j.dbmu.Lock()
	defer j.dbmu.Unlock()
	if j.db == nil {
		return nil
	}
	s := j.db
	j.db = nil
	return s.close()
}

// now is the best knowledge of the present time, for people to read.
func (j *Journal) now() time.Time {
	if j.opts.Clock == nil {
		return time.Time{}
	}
	return j.opts.Clock.True(j.opts.Clock.Now()).At
}

var _ io.Closer = (*Journal)(nil)
