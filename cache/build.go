package cache

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"usher/cache/seal"
	"usher/scanner"
)

// Meta describes a list to be built.
type Meta struct {
	// Scope is what the list was fetched for; look-ups of another scope do not
	// see it.
	Scope scanner.Scope
	// Complete says that the list will hold every ticket of its scope.
	Complete bool
	// GeneratedAt is when the source made the list, as well as is known.
	GeneratedAt time.Time
	// Checked is when the source was read. It stays with the list, so that
	// freshness outlives a restart within the same boot.
	Checked scanner.Stamp
	// Source is a fingerprint in the caller's own words, by which it sees that
	// the source still says the same; Cursor is where a delta goes on.
	Source string
	Cursor []byte
	// Repeats says what a code listed twice is. Where it is false, the list is
	// refused, with both places: its maker can repair it. Where it is true, the same
	// ticket twice is one ticket, and two different ones are one of status
	// scanner.StatusTwice.
	Repeats bool
	// KeepSame asks for nothing to be written where the list there has the same
	// source and says the same, in whatever order. Kept tells that it was so: the list
	// there stays, with its cursor.
	KeepSame bool
	Kept     bool
}

// Feed hands the tickets of a list to add, in any order, each with the place it
// came from ("tickets.csv:17") for messages. It returns add's error at once, if
// any. It runs on a thread of low priority and may take as long as a download.
type Feed func(add func(t scanner.Ticket, place string) error) error

// Build makes the next list of what feed gives, and swaps it in. Until then,
// and for ever where anything fails (feed, the context, the disk, a code listed
// twice), look-ups read the list before. Memory does not grow with the list.
// Progress (nil: none) is told the number of tickets taken in, now and then,
// on the build's thread.
//
// What a source tells only at its end, feed may fill into meta; its Scope stays.
//
// Two builds never run at once: the second waits.
func (s *Store) Build(ctx context.Context, meta *Meta, feed func(add func(t scanner.Ticket, place string) error) error, progress func(n int)) error {
	return s.alone(ctx, func() error { return s.build(ctx, meta, feed, progress) })
}

// alone does the work of a build: one at a time, on a thread of low priority.
func (s *Store) alone(ctx context.Context, work func() error) error {
	select {
	case s.building <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.building }()
	if !s.begin() {
		return ErrClosed
	}
	defer s.end()

	done := make(chan error, 1)
	go func() {
		err := errors.New("the build was left in the middle")
		defer func() { done <- err }()
		// The thread is never unlocked: it ends with this goroutine and takes its
		// low priority along.
		runtime.LockOSThread()
		lowerPriority()
		err = work()
	}()
	err := <-done
	if err != nil {
		return fmt.Errorf("ticket list not replaced: %w", err)
	}
	return nil
}

func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows.Store(0)
	s.active = !s.closed
	return s.active
}

func (s *Store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = false
}

func (s *Store) build(ctx context.Context, meta *Meta, feed Feed, progress func(int)) error {
	s.sweep()
	started := time.Now()
	id := identity{Schema: schema, Check: s.key.Check(), Salt: make([]byte, 16), Scope: meta.Scope}
	rand.Read(id.Salt)
	records, err := s.key.Records(id.Salt)
	if err != nil {
		return err
	}
	in, err := s.takeIn(ctx, meta.Scope, records, feed, progress)
	if err != nil {
		return err
	}
	defer in.sorter.close()
	id.describe(meta)
	id.Sum = in.sum[:]
	if g := s.current.Load(); meta.KeepSame && g != nil && g.says(&id) {
		meta.Kept = true
		return nil
	}
	var twice repeats
	source := distinctRows(in.sorter, records, meta.Repeats, &twice)
	err = writeGeneration(ctx, s.path(nextName), &id, source, func() error {
		id.Distinct = twice == repeats{}
		return nil
	})
	if err != nil {
		return errors.Join(s.explain(err), remove(s.path(nextName)))
	}
	if err := s.publish(); err != nil {
		return errors.Join(s.explain(err), remove(s.path(nextName)))
	}
	log := s.log.With("tickets", id.Count, "took", time.Since(started).Round(time.Millisecond))
	if twice != (repeats{}) {
		log.Warn("ticket list replaced; the vendor lists tickets twice", "same", twice.same, "differing", twice.differing)
	} else {
		log.Info("ticket list replaced")
	}
	return nil
}

// takeIn gathers what feed gives; the sorter is the caller's to close, unless there
// is an error.
func (s *Store) takeIn(ctx context.Context, scope scanner.Scope, records cipher.AEAD, feed Feed, progress func(int)) (*intake, error) {
	sorted, err := newSorter(s.path(sortName), s.room)
	if err != nil {
		return nil, s.explain(err)
	}
	in := &intake{ended: ctx.Err, store: s, sorter: sorted, indexer: s.key.Indexer(scope), records: records, progress: progress}
	err = feed(in.add)
	if err == nil {
		err = in.err // feed swallowed it
	}
	if err != nil {
		return nil, errors.Join(s.explain(err), sorted.close())
	}
	if progress != nil {
		progress(in.count)
	}
	return in, nil
}

// publish makes the next file the list, and closes the generation that it
// replaces.
func (s *Store) publish() error {
	next, err := openGeneration(s.path(nextName), s.key)
	if err != nil {
		return fmt.Errorf("the list just written cannot be read back (is the storage failing?): %w", err)
	}
	if err := s.rename(); err != nil {
		return errors.Join(err, next.close())
	}
	old := s.current.Swap(next)
	s.mu.Lock()
	s.problem = ""
	s.mu.Unlock()
	// The list is in use. Should a power cut undo the rename, the list before is
	// there again, and the next refresh loads this one anew.
	if err := syncDir(s.dir); err != nil {
		s.log.Warn("state directory not synced", "error", err)
	}
	if old != nil {
		if err := old.close(); err != nil {
			s.log.Warn("old ticket list not closed", "error", err)
		}
	}
	return nil
}

// rename gives the next file the list's name. A directory that somebody put there
// is no list, and is in the way: it is moved aside.
func (s *Store) rename() error {
	err := os.Rename(s.path(nextName), s.path(fileName))
	if info, statErr := os.Lstat(s.path(fileName)); err == nil || statErr != nil || !info.IsDir() {
		return err
	}
	aside := s.path(fileName) + ".aside-" + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(s.path(fileName), aside); err != nil {
		return err
	}
	s.log.Warn("a directory was in the place of the ticket list", "moved to", aside)
	return os.Rename(s.path(nextName), s.path(fileName))
}

// intake turns the rows of a feed into entries of the sort.
type intake struct {
	// ended tells whether the build was called off.
	ended    func() error
	store    *Store
	sorter   *sorter
	indexer  *seal.Indexer
	records  cipher.AEAD
	progress func(int)
	count    int
	sum      sum
	plain    []byte
	sealed   []byte
	err      error
}

// yieldEvery is how many rows are worked on before others may run: on a device
// with one processor a scan waits no longer for it.
const yieldEvery = 64

// progressEvery is how many rows lie between two reports of progress.
const progressEvery = 10_000

func (in *intake) add(t scanner.Ticket, place string) error {
	if in.err == nil {
		in.err = in.take(t, place)
	}
	return in.err
}

func (in *intake) take(t scanner.Ticket, place string) error {
	if in.count%yieldEvery == 0 {
		if err := in.ended(); err != nil {
			return err
		}
		in.store.rows.Store(int64(in.count))
		runtime.Gosched()
	}
	if in.progress != nil && in.count%progressEvery == 0 {
		in.progress(in.count)
	}
	if len(place) > maxPlace {
		place = place[len(place)-maxPlace:]
	}
	if t.Code == "" {
		return fmt.Errorf("%s: a ticket without a code; ask the list's maker to repair it", place)
	}
	if err := t.Code.Check(); err != nil {
		return fmt.Errorf("%s: %w; ask the list's maker to repair it", place, err)
	}
	index := in.indexer.Index(t.Code)
	in.plain = appendTicket(in.plain[:0], &t)
	if len(in.plain) > maxRecord {
		return fmt.Errorf("%s: ticket %s has %d bytes, more than %d; shorten its texts", place, t.Code.Mask(), len(in.plain), maxRecord)
	}
	in.sum.add(in.plain)
	in.sealed = in.records.Seal(in.sealed[:0], nil, in.plain, index[:])
	in.count++
	return in.sorter.add(index[:], place, in.sealed)
}

// room fails when writing need more bytes would leave too little for the
// journal: a full disk turns every offline admission amber.
func (s *Store) room(need int64) error {
	free, err := freeSpace(s.dir)
	if err != nil {
		return err
	}
	if free < need+s.reserve {
		return fmt.Errorf("%s has %d MiB free, and the list needs %d MiB besides the %d MiB kept for scans; free some space",
			s.dir, free>>20, need>>20+1, s.reserve>>20)
	}
	return nil
}

func (s *Store) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s is full: %w; free some space", s.dir, err)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
