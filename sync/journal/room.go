package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"usher/scanner"
)

// # Room
//
// A commit writes only where the file already has blocks. bbolt grows its file by
// truncating it longer: a hole, which the file system fills when a page is
// written, or refuses to in the middle of a commit. Here the file is grown by
// fallocate instead, by Run, ahead of what admissions need, and bbolt's MaxSize is
// set to what has blocks. So a full disk shows while there is still room in the
// file, no commit fails of it half-way, and no admission waits for the file to
// grow: neither for a truncate nor for its sync.
//
// The last part of the room is the reserve. Admissions and notes leave it alone;
// what ends things may use it: sending, settling, parking, requeueing and
// acknowledging what is stored, closing attempts, moving marks, vendors' values,
// taking back a failed commit, pruning. It grows with the outbox, so that however
// long the queue, all of it can be acknowledged on a disk that has been full since.
//
// A reserve inside the file needs no second file to be deleted in time, and no
// free block of the disk between the deletion and the commit, which another
// process would take. fallocate's blocks count as used on ext4, xfs, f2fs and
// tmpfs. They are then written once, in zeros: the first write to a block that was
// only given away changes the file's own description, and on ext4 the fdatasync of
// an admission would wait a fifth longer for that. Where a file system has no
// fallocate, the zeros take the blocks. On one that copies on write (btrfs, zfs) a
// block that is there is no promise: what then fails is a commit like any other.
//
// Where the disk gives nothing more, history gives way (giveway.go).
const (
	// ahead is the room for admissions that Run keeps in the file, over the
	// reserve: a thousand of them.
	ahead = 1 << 20
	// tight is the room over the reserve below which no admission is taken: more
	// than the largest commit with its notes writes.
	tight = 256 << 10
	// reserveBase is for what is not counted: vendors' values, marks, pruning.
	reserveBase = 2 << 20
	// reserveEach is what the end of one pending entry writes at most, its fate
	// and its mark, with what bbolt leaves empty of their pages.
	reserveEach = 1 << 10
	// noteRoom is what a note takes, with few exceptions.
	noteRoom = 2 << 10
	// stepLeast is what growing asks for at last on a disk that is nearly full.
	stepLeast = 64 << 10
	// largestStep is the most that one transaction is given at once.
	largestStep = 64 << 20
)

// errFull is what an admission meets when the disk, or MaxSize, has no more room
// for it. Nothing was written.
var errFull = errors.New("no room")

// room are the sizes of one journal, in bytes: a small MaxSize makes them smaller.
type room struct {
	ahead, tight, base, each int64
	// newest is how many of the newest records never give way.
	newest uint64
	// looked bounds how many records one look for old history passes.
	looked int
}

func roomOf(maxSize int64) room {
	r := room{ahead: ahead, tight: tight, base: reserveBase, each: reserveEach, newest: newestKept, looked: lookedAt}
	if part := maxSize / 8; maxSize > 0 && part < ahead {
		r.ahead, r.tight, r.base = part, part/2, part*2
	}
	return r
}

// reserve is the room that admissions leave alone.
func (j *Journal) reserve() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.room.base + j.room.each*int64(len(j.index.pending))
}

// free is the room that a write transaction finds: pages bbolt may use again and
// blocks behind the last one. It is read after the transaction began, which is
// when pages become free.
func (s *store) free(tx *bbolt.Tx) int64 {
	stats := s.db.Stats()
	return s.limit.Load() - tx.Size() + int64(stats.FreePageN+stats.PendingPageN)*s.pageSize
}

// provide makes sure that a write transaction has room, says whether it has so
// little that only what may use the reserve is to be written, and how many of the
// notes fit.
func (j *Journal) provide(s *store, tx *bbolt.Tx, notes int) (lean bool, fit int) {
	reserve := j.reserve()
	free := s.free(tx)
	if free < reserve+j.room.tight || notes > ridingNotes && free < reserve+j.room.tight+int64(notes)*noteRoom {
		_ = j.grow(s, reserve+j.room.ahead+int64(notes)*noteRoom-free)
		free = s.free(tx)
	}
	s.db.MaxSize = int(min(s.limit.Load(), int64(^uint(0)>>1)))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spare = free - reserve
	j.lean = j.spare < j.room.tight
	return j.lean, min(notes, ridingNotes+int(max(0, j.spare-j.room.tight)/noteRoom))
}

// grow gives the file blocks: so many bytes as are needed, or what the disk still
// has of them, and more where the file is large. A disk that does not give a whole
// step is full until it does. What it gave is there when grow returns.
func (j *Journal) grow(s *store, need int64) error {
	step := max(need, j.room.ahead, min(s.limit.Load()/4, 16<<20))
	got, err := j.extend(s, step, need > 0)
	j.mu.Lock()
	was := j.full
	j.full = err
	j.spare += got
	j.mu.Unlock()
	switch {
	case err == nil && was != nil:
		j.log.Info("journal: the disk has room again")
	case err != nil && was == nil:
		j.log.Error("journal: the file cannot grow", "error", err)
	}
	return err
}

// extend gives the file blocks behind those it has. Greedy takes what there is
// where the whole step cannot be had. bbolt does not write there before limit says
// so.
func (j *Journal) extend(s *store, step int64, greedy bool) (got int64, err error) {
	j.growing.Lock()
	defer j.growing.Unlock()
	from := s.limit.Load()
	if limit := j.opts.MaxSize; limit > 0 && from+step > limit {
		if step = limit - from; step <= 0 {
			return 0, fmt.Errorf("the file has reached its %d bytes", limit)
		}
	}
	// A descriptor of its own: Run may be here while the leader replaces the store.
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := same(f, s.file); err != nil {
		return 0, err
	}
	for size := step; got < step && size >= min(stepLeast, step); {
		size = min(size, step-got)
		failed := allocate(f, from+got, from+got+size)
		if failed == nil {
			got += size
			continue
		}
		if err = failed; !greedy {
			break
		}
		size /= 2
	}
	if got == 0 {
		return 0, err
	}
	if failed := f.Sync(); failed != nil {
		return 0, failed
	}
	s.limit.Store(from + got)
	return got, err
}

// same tells that two descriptors are of one file.
func same(a, b *os.File) error {
	one, err := a.Stat()
	if err != nil {
		return err
	}
	two, err := b.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(one, two) {
		return fmt.Errorf("%s was replaced: %w", a.Name(), fs.ErrInvalid)
	}
	return nil
}

// allocate gives the file blocks between two places, written once, and makes it so
// long.
func allocate(f *os.File, from, to int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, from, to-from)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return writeZeros(f, from, to)
}

func writeZeros(f *os.File, from, to int64) error {
	zeros := make([]byte, 64<<10)
	for at := from; at < to; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// furnish gives a store that was just opened its room, where an earlier life did
// not leave it: a file without a hole has its blocks.
func (j *Journal) furnish(s *store) error {
	var used, free int64
	err := s.view(func(tx *bbolt.Tx) error {
		used = tx.Size()
		s.limit.Store(used)
		free = s.free(tx)
		return nil
	})
	if err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	const block = 512 // what a Stat_t counts in, whatever the file system's own
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Size() > used && stat.Blocks*block >= info.Size() {
		s.limit.Store(info.Size())
		free += info.Size() - used
	}
	spare := free - j.reserve()
	j.mu.Lock()
	j.spare = spare
	j.mu.Unlock()
	if spare < j.room.ahead {
		// A file that cannot grow is told in Status.
		_ = j.grow(s, j.room.ahead-spare)
	}
	return nil
}

// refused is what a request gets that may not use the reserve.
func (j *Journal) refused() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full != nil {
		return fmt.Errorf("%w: %w: %w", scanner.ErrNotStored, errFull, j.full)
	}
	return fmt.Errorf("%w: %w", scanner.ErrNotStored, errFull)
}
