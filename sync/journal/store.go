package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	// bbolt: one file, one transaction, two fdatasyncs; no server, no log to
	// replay.
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	fileName = "journal.db"
	// newName is a journal that is not whole yet; it takes the real name only
	// when it is.
	newName  = fileName + ".new"
	fileMode = 0o600
	// lockWait is how long another process may hold the file.
	lockWait = time.Second
)

// store is one open bbolt file.
type store struct {
	db   *bbolt.DB
	path string
	// commit ends a write transaction; tests put a failing disk here.
	commit func(*bbolt.Tx) error
	// file is bbolt's own descriptor, to look at the file before bbolt does.
	file     *os.File
	pageSize int64
	// stuck: bbolt panicked with a lock of its own held. The store is given up
	// and never closed: that would wait for the lock for ever.
	stuck atomic.Bool
	// beginning is held where bbolt holds its own lock, so that nobody waits for
	// one that is stuck. Only cached pages are read under it.
	beginning sync.Mutex
	// limit is how many bytes of the file, from its beginning, have their blocks
	// on the disk; zero: not known (room.go).
	limit atomic.Int64
}

type storeOptions struct {
	readOnly bool
	create   bool
}

// mmapSize keeps the file from being mapped anew while it grows, which waits
// for every reader. It costs address space only, of which 32-bit systems have
// little.
func mmapSize() int {
	if bits.UintSize == 64 {
		return 1 << 30
	}
	return 32 << 20
}

// openStore opens an existing file. Errors: ErrDamaged, or why it cannot be
// opened at all.
//
// The freelist is synced with every commit, one page more: without it bbolt
// walks the whole file at every open, in a goroutine of its own, where a
// damaged page ends the process and nothing can be rescued.
func openStore(path string, opts storeOptions) (*store, error) {
	s := &store{path: path, commit: (*bbolt.Tx).Commit}
	err := guard(func() (err error) {
		s.db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			Timeout:         lockWait,
			InitialMmapSize: mmapSize(),
			ReadOnly:        opts.readOnly,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				if !opts.create {
					// A journal that vanished is no new one.
					flag &^= os.O_CREATE
				}
				s.file, err = os.OpenFile(name, flag, mode)
				if err != nil || opts.create {
					return s.file, err
				}
				// Only what nobody writes to is looked at: a live one would seem damaged.
				if err := lock(s.file, opts.readOnly); err != nil {
					return s.file, err
				}
				return s.file, inspect(s.file)
			},
		})
		return err
	})
	if err != nil && s.file != nil {
		abandon(s.file)
	}
	switch {
	case err == nil:
		// Not in steps of 16 MiB that are holes: room.go grows the file.
		s.db.AllocSize = 0
		s.pageSize = int64(s.db.Info().PageSize)
		return s, nil
	case errors.Is(err, ErrDamaged):
		return nil, err
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: held by another process; is usher running already? stop it first", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, damaged("%v", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; give the file to the user usher runs as", err)
	case isSystem(err):
		return nil, err
	}
	return nil, damaged("%v", err)
}

// abandon gives up a file whose opening failed. Where bbolt panicked it closed
// nothing, and its mapping keeps the lock beyond the descriptor: unlocked by
// name, or our own next opening would wait for it.
func abandon(file *os.File) {
	_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
	_ = file.Close()
}

// isSystem tells errors of the system from bbolt's own complaints about the
// file's content.
func isSystem(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno)
}

// createStore makes a new file under path, with its buckets and whatever fill
// adds. Nothing of it is durable before sync.
func createStore(path string, opts storeOptions, fill func(*bbolt.Tx) error) (*store, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	opts.create = true
	s, err := openStore(path, opts)
	if err != nil {
		return nil, err
	}
	err = s.update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return fill(tx)
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// view runs fn in a read transaction. Damage of any kind comes back as
// ErrDamaged. fn must not do I/O of its own.
func (s *store) view(fn func(*bbolt.Tx) error) error {
	tx, err := s.begin(false)
	if err != nil {
		return err
	}
	return errors.Join(guard(func() error { return fn(tx) }), s.rollback(tx))
}

// update runs fn in a write transaction of its own.
func (s *store) update(fn func(*bbolt.Tx) error) error {
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	if err := guard(func() error { return fn(tx) }); err != nil {
		return errors.Join(err, s.rollback(tx))
	}
	if err := guard(func() error { return s.commit(tx) }); err != nil {
		return errors.Join(err, s.rollback(tx))
	}
	return nil
}

// begin begins a transaction. bbolt looks at its meta pages with its locks held
// and leaves them so where the pages are gone: every later call would wait for
// ever. So they are looked at here first, and one at a time. Errors: ErrDamaged.
func (s *store) begin(writable bool) (tx *bbolt.Tx, err error) {
	s.beginning.Lock()
	defer s.beginning.Unlock()
	if s.stuck.Load() {
		return nil, damaged("the file cannot be used any more")
	}
	if err := s.look(writable); err != nil {
		return nil, err
	}
	err = guard(func() (err error) {
		tx, err = s.db.Begin(writable)
		return err
	})
	switch {
	case errors.Is(err, ErrDamaged):
		s.stuck.Store(true)
	case errors.Is(err, bolterrors.ErrInvalidMapping):
		err = damaged("%v", err)
	}
	return tx, err
}

// rollback gives up a transaction in memory only: the plain Update of bbolt
// would read the disk again, and on a damaged one panic with its locks held.
func (s *store) rollback(tx *bbolt.Tx) error {
	err := guard(tx.Rollback)
	if errors.Is(err, bolterrors.ErrTxClosed) {
		return nil
	}
	if err != nil {
		s.stuck.Store(true)
	}
	return err
}

func (s *store) close() error {
	if s.stuck.Load() {
		abandon(s.file)
		return nil
	}
	return guard(s.db.Close)
}

// guard turns what a damaged file does to bbolt, panics and page faults beyond
// the end of the file, into ErrDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return fn()
}

// panicError is a recovered panic; the stack is for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string   { return fmt.Sprintf("%v: %v", ErrDamaged, e.value) }
func (e *panicError) Is(t error) bool { return t == ErrDamaged }

// forgetCache drops the file's cached pages. After a failed sync the kernel may
// hold pages that it calls clean and that never reached the disk.
func forgetCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// syncDir makes names in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// adopt gives a finished new file the journal's name.
func adopt(dir string) error {
	if err := os.Rename(filepath.Join(dir, newName), filepath.Join(dir, fileName)); err != nil {
		return err
	}
	return syncDir(dir)
}
