// Package journal is the precious store of a device: gate state, the outbox,
// the history of every verdict, attempts and what vendors must remember, in one
// bbolt file, journal.db.
//
// # What a commit means
//
// [Journal.Commit] returns nil only after the fdatasync of its write returned.
// Commits in flight together share one transaction (see writer.go); a lone one
// never waits for others. After any commit error the file is closed, opened
// again and everything the failed transaction may have left is put back, in a
// transaction of its own, before the next commit is taken; until then reads
// answer from the state that was known to be good. What failed is noted beside the
// journal first (doubt.go), so that a death before the repair does not make it
// count.
//
// # A full disk
//
// The file is given its blocks ahead of its commits, and a part of them is kept for
// what ends things: on a full disk nothing new is stored, and all that was stored
// can be sent, settled and acknowledged (room.go). Before it comes to that, the
// oldest settled history gives way, never what is owed, parked or kept, nor a mark
// (giveway.go). With room again, work goes on by itself.
//
// # Promises and their tests
//
//	answers as its model does, whatever fails       TestModel
//	every green is there once after SIGKILL         TestKill
//	a failed commit counts for nothing, also after
//	a death before its repair                       TestFaultAtEveryCall, TestKilledInDoubt, TestAnOldNoteOfDoubt
//	what was stored can be ended on a full disk     TestReserve
//	history gives way before a scan does            TestHistoryGivesWay, TestNothingToGive, TestGivenWithItsMark
//	room returns and work goes on                   TestRoomReturns
//	a file cut off under it never blocks a caller   TestCutOffUnderARunningJournal
//	a bad sector costs what is in it                TestScanReadsOnBehindABadSector, TestABadSectorIsDamage
//	a disk that refuses does not keep usher away    TestDamagedAndNoRoom, TestReadOnlyFileSystem, TestNoRoomForTheNote
//
// # The file
//
//	meta      what the file is, reserved numbers, counts not to be made again
//	log       seq -> record; append-only, never modified: outbox and history
//	state     sha256(scope, code) -> mark, as of a recent record
//	fate      seq -> what became of the record since
//	attempts  id -> a vendor's call that has no answer yet
//	memory    name -> what a vendor must remember
//
// An admission appends to the log and writes nothing else: its record carries
// the mark that it leaves. Those marks are kept in memory and moved to the state
// tree by Run; opening reads the log's tail for the rest.
//
// Every value is a frame with a magic, a version and a checksum that covers its
// key (frame.go), and every bucket counts its keys in its own header, so that a
// flipped bit is an error and never an absent mark. Which records are pending,
// parked or in conflict is kept in memory and rebuilt at [Open].
//
// # Damage
//
// The pages are looked at before bbolt meets them (pages.go): it would follow a
// branch that leads back until the process dies, write over pages that are in use,
// and go on with the older meta page as if the last commit had never been. One
// wrong byte, wherever it is, costs nothing (TestAnyFlipCostsNothing): a record of
// which one byte is wrong is mended by its checksum (mend.go).
//
// A file that cannot be read is moved aside as journal.db.damaged-TIME and
// never deleted. A new one is made of what its trees, and failing those a scan
// of its bytes, still give (rescue.go); [Status], and [Damage] for a device that
// is not running, say what was carried over and which numbers are missing for as
// long as the damaged file lies in the directory. As long, where it cannot be
// proven that every mark was carried over, a ticket without one is Unproven: for a
// supervisor, where the vendor does not answer. A person who moves the file away
// ends that.
//
// What the disk refuses to a rescue, or to opening at all, keeps nobody from starting
// (hindered.go).
//
// A file that is deleted or replaced while it is open is written anew under its
// name before the next commit, from the descriptor that still has it.
//
// # Whole codes
//
// The records hold codes in the clear: support must find them at the vendor,
// and marks must outlive the device key. Names and seats are sealed.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

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

// Open opens the journal in opts.Dir, or makes a new one where there is none. A
// damaged file is moved aside and what can be read of it is carried over;
// Status says what. What the disk refuses, being full, read-only or broken, is no
// error: nothing is stored meanwhile, and Run tries again. Errors say what to do: the
// directory is not writable, another process holds the file, or it was written by a
// newer usher ([ErrNewer]), which changes nothing.
func Open(opts Options) (*Journal, error) {
	j := newJournal(opts)
	if err := prepareDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	err := j.openOrCreate()
	if isHindrance(err) {
		err = j.postpone(err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), j.closeStore())
	}
	j.prepareDoubt()
	if err := j.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), j.closeStore())
	}
	return j, nil
}

func newJournal(opts Options) *Journal {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Journal{
		opts:  opts,
		path:  filepath.Join(opts.Dir, fileName),
		log:   log,
		noted: make(chan struct{}, 1),
		moved: map[string][]movedMark{},
		next:  1,
		index: newIndex(),
		room:  roomOf(opts.MaxSize),
		link:  os.Link,
	}
}

// prepareDir makes sure that files can be made in the directory.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); errors.Is(err, unix.EROFS) {
		return fmt.Errorf("state directory: %w; the file system is read-only: make it writable or replace the card", err)
	} else if err != nil {
		return fmt.Errorf("state directory: %w; create it and give it to the user usher runs as", err)
	}
	// What a read-only file system holds can be read at least.
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("state directory %s is not writable: %w; give it to the user usher runs as", dir, err)
	}
	return nil
}

// openOrCreate leaves j with a store and an index.
func (j *Journal) openOrCreate() error {
	info, err := os.Stat(j.path)
	if _, link := os.Readlink(j.path); err != nil && link == nil {
		return j.rescueNow(damaged("%s is a link that leads nowhere", fileName))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if adopted, err := j.finishRescue(); adopted || err != nil {
			return err
		}
		return j.create()
	case err != nil:
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		err = damaged("%s is no file but %s", fileName, info.Mode())
	case info.Size() == 0:
		err = damaged("the file is empty")
	default:
		err = j.openExisting()
	}
	if errors.Is(err, ErrDamaged) {
		return j.rescueNow(err)
	}
	return err
}

// create makes the first journal of a device. It gets its name only once it is
// whole, so that a file without an identity is always a fault.
func (j *Journal) create() error {
	s, err := j.newStore()
	if err != nil {
		return err
	}
	if err := adopt(j.opts.Dir); err != nil {
		return errors.Join(err, s.close())
	}
	return j.install(s)
}

// newStore makes an empty journal beside the real one.
func (j *Journal) newStore() (*store, error) {
	j.created = j.now()
	return createStore(filepath.Join(j.opts.Dir, newName), storeOptions{}, func(tx *bbolt.Tx) error {
		raw, err := encode(kindIdentity, hintNone, keyIdentity, identity{
			Schema: schema, Created: j.created, KeyCheck: j.opts.KeyCheck,
		})
		if err != nil {
			return err
		}
		return (&batch{j: j, tx: tx}).putQuiet(bucketMeta, keyIdentity, raw)
	})
}

func (j *Journal) openExisting() error {
	s, err := openStore(j.path, storeOptions{})
	if err != nil {
		return err
	}
	if err := j.checkIdentity(s); err != nil {
		return errors.Join(err, s.close())
	}
	if err := j.install(s); err != nil {
		return errors.Join(err, s.close())
	}
	if err := errors.Join(j.recallDoubt(j.scrubbed), j.takeBack()); err != nil {
		return errors.Join(err, j.closeStore())
	}
	return nil
}

// use loads the store's index, makes it the journal's store and gives it room.
func (j *Journal) use(s *store) error {
	s.path = j.path
	ix, loaded, err := load(s, j.opts.Sealer)
	if err != nil {
		return err
	}
	j.take(s, ix, loaded)
	if j.readOnly {
		return nil
	}
	return j.furnish(s)
}

func (j *Journal) take(s *store, ix *index, loaded loaded) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.db, j.index = s, ix
	j.scrubbed = loaded.scrubbed
	j.next = max(j.next, loaded.next)
	j.reserved = loaded.next
	j.upto = loaded.upto
	j.attempt = max(j.attempt, loaded.attempt)
	j.rescues = loaded.rescues
	if loaded.newest.Boot != "" && j.newest.Boot == "" {
		j.newest = loaded.newest
	}
}

// checkIdentity proves that the file is a journal this usher can read.
func (j *Journal) checkIdentity(s *store) error {
	info, err := os.Stat(j.path)
	if err != nil {
		return err
	}
	return s.view(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return damaged("the file is cut off: %d bytes of %d", info.Size(), tx.Size())
		}
		for _, name := range buckets() {
			if tx.Bucket(name) == nil {
				return damaged("bucket %s is missing", name)
			}
		}
		raw := tx.Bucket(bucketMeta).Get(keyIdentity)
		if raw == nil {
			return damaged("the identity record is missing")
		}
		var id identity
		err := decode(kindIdentity, keyIdentity, raw, &id)
		if errors.Is(err, ErrNewer) || err == nil && id.Schema > schema {
			return fmt.Errorf("%s: %w; install that version or a later one, nothing was changed", j.path, ErrNewer)
		}
		if err != nil {
			return err
		}
		j.created = id.Created
		j.keyDiffers = string(id.KeyCheck) != string(j.opts.KeyCheck)
		switch id.Schema {
		case schema:
			return nil
		}
		return damaged("schema %d was never written", id.Schema)
	})
}

// begin reserves numbers, so that a note shown before the first commit keeps
// its own, and records the device key.
func (j *Journal) begin() error {
	if err := j.findDamaged(); err != nil {
		return err
	}
	if j.opening {
		return nil
	}
	err := j.submit(context.Background(), &request{ends: true, apply: func(b *batch) error {
		if !j.keyDiffers {
			return nil
		}
		raw := b.get(bucketMeta, keyIdentity)
		var id identity
		if err := decode(kindIdentity, keyIdentity, raw, &id); err != nil {
			return err
		}
		id.KeyCheck = j.opts.KeyCheck
		return b.encode(bucketMeta, kindIdentity, hintNone, keyIdentity, id)
	}})
	if errors.Is(err, scanner.ErrNotStored) {
		// A full disk is no reason not to start: the vendor still answers, and
		// Status says what is wrong.
		return nil
	}
	return err
}

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
