package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"usher/scanner"
)

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
