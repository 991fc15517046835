package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

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
	// reserveEach is what the end of one pending or parked entry writes at most, its fate
	// and its mark, with what bbolt leaves empty of their pages.
	reserveEach = 1 << 10
	// noteRoom is what a note takes, with few exceptions.
	noteRoom = 2 << 10
	// stepLeast is what growing asks for at last on a disk that is nearly full.
	stepLeast = 64 << 10
	// aheadSlice is what Run gives the file at once, largestAhead all that it gives
	// it in one go; leaderSlice is for a commit that waits for it.
	aheadSlice   = 256 << 10
	largestAhead = 4 << 20
	leaderSlice  = 1 << 20
	// givingWait is how long an admission lets history give way.
	givingWait = 150 * time.Millisecond
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
	// wait is how long an admission lets history give way.
	wait time.Duration
}

func roomOf(maxSize int64) room {
	r := room{ahead: ahead, tight: tight, base: reserveBase, each: reserveEach, newest: newestKept, looked: lookedAt, wait: givingWait}
	if part := maxSize / 8; maxSize > 0 && part < ahead {
		r.ahead, r.tight, r.base = part, part/2, part*2
	}
	return r
}

// reserve is the room that admissions leave alone.
func (j *Journal) reserve() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.room.base + j.room.each*int64(len(j.index.pending)+len(j.index.parked))
}

// scarce tells that the last part of the reserve is reached, which is for ending
// what is stored: marks and counts move when there is room again.
func (j *Journal) scarce() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.spare < -j.room.base/2
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
	}
	s.bound()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spare = s.free(tx) - reserve
	j.lean = j.spare < j.room.tight
	return j.lean, min(notes, ridingNotes+int(max(0, j.spare-j.room.tight)/noteRoom))
}

// grow gives the file blocks for a commit: so many bytes as are needed, or what the
// disk still has of them. What it gave is there when grow returns.
func (j *Journal) grow(s *store, need int64) error {
	return j.grown(j.extend(s, need, need, leaderSlice, func(time.Duration) bool { return true }))
}

// growAhead gives the file blocks before a commit needs them, and more where the
// file is large, in small pieces: the zeros are flushed by whichever fdatasync of
// the file comes next, and that may be an admission's. Where the disk has not the
// whole step it is full, and only what is needed is taken.
func (j *Journal) growAhead(ctx context.Context, s *store, need int64) error {
	step := max(need, j.room.ahead, min(s.limit.Load()/4, largestAhead))
	return j.grown(j.extend(s, need, step, aheadSlice, func(took time.Duration) bool {
		// As long for the scans as for the file.
		wait(ctx, min(took, time.Second))
		return ctx.Err() == nil
	}))
}

// grown notes how growing ended.
func (j *Journal) grown(err error) error {
	if errors.Is(err, errReplaced) {
		// That says nothing of the disk: the next commit finds out.
		return err
	}
	j.mu.Lock()
	was := j.full
	j.full = err
	j.mu.Unlock()
	switch {
	case err == nil && was != nil:
		j.log.Info("journal: the disk has room again")
	case err != nil && was == nil:
		j.log.Error("journal: the file cannot grow", "error", err)
	}
	return err
}

// extend gives the file blocks behind those it has, slice by slice, and rests
// between them. What is needed is taken as far as it goes, the rest of the step
// only where the disk has all of it: other programs write there too.
func (j *Journal) extend(s *store, need, step, slice int64, rest func(took time.Duration) bool) error {
	// A descriptor of its own: Run may be here while the leader replaces the store.
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", errReplaced, err)
	}
	defer f.Close()
	if step, err = j.allowed(s, step); err != nil {
		return err
	}
	var full error
	if left, known := diskLeft(f); known && left < step {
		full = fmt.Errorf("%d KiB are left: %w", left>>10, unix.ENOSPC)
		step = min(step, need)
	}
	for got := int64(0); got < step; {
		start := time.Now()
		gave, err := j.extendBy(s, f, min(slice, step-got), got < need)
		if err != nil {
			return err
		}
		if got += gave; got < step && !rest(time.Since(start)) {
			return nil
		}
	}
	return full
}

// allowed is how much of a step MaxSize allows.
func (j *Journal) allowed(s *store, step int64) (int64, error) {
	j.growing.Lock()
	defer j.growing.Unlock()
	if j.opts.MaxSize == 0 {
		return step, nil
	}
	left := j.opts.MaxSize - s.limit.Load()
	if left <= 0 {
		return 0, fmt.Errorf("the file has reached its %d bytes", s.limit.Load())
	}
	return min(step, left), nil
}

// extendBy gives the file one slice. Greedy takes a part of it where the whole
// cannot be had. bbolt does not write there before limit says so.
func (j *Journal) extendBy(s *store, f *os.File, size int64, greedy bool) (int64, error) {
	j.growing.Lock()
	defer j.growing.Unlock()
	if err := same(f, s.file); err != nil {
		return 0, err
	}
	from := s.limit.Load()
	if limit := j.opts.MaxSize; limit > 0 {
		if size = min(size, limit-from); size <= 0 {
			return 0, fmt.Errorf("the file has reached its %d bytes", limit)
		}
	}
	err := allocate(f, from, from+size)
	for err != nil {
		// A fallocate that fails may keep what it got, of which nobody had any use.
		if failed := f.Truncate(from); failed != nil {
			return 0, errors.Join(err, failed)
		}
		if size /= 2; !greedy || size < stepLeast {
			return 0, err
		}
		err = allocate(f, from, from+size)
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.limit.Store(from + size)
	j.spare += size
	return size, nil
}

// errReplaced: the file to grow is not the store's any more.
var errReplaced = errors.New("the file was replaced")

// same tells that two descriptors are of one file.
func same(a, b *os.File) error {
	one, err := a.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", errReplaced, err)
	}
	two, err := b.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", errReplaced, err)
	}
	if !os.SameFile(one, two) {
		return fmt.Errorf("%s: %w", a.Name(), errReplaced)
	}
	return nil
}

// diskLeft is what the file's disk has for us; unknown where it does not tell.
func diskLeft(f *os.File) (left int64, known bool) {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &disk); err != nil || disk.Blocks == 0 {
		return 0, false
	}
	return int64(disk.Bavail) * int64(disk.Bsize), true
}

// copies tells file systems that write every block anew, or compress it: what
// stat counts says nothing there, and zeros take no room.
func copies(f *os.File) bool {
	const zfs, bcachefs = 0x2fc12fc1, 0xca451a4e
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &disk); err != nil {
		return false
	}
	switch int64(disk.Type) & 0xffffffff {
	case unix.BTRFS_SUPER_MAGIC, zfs, bcachefs:
		return true
	}
	return false
}

// allocate gives the file blocks between two places, written once, and makes it so
// long.
func allocate(f *os.File, from, to int64) error {
	err := fallocate(f, from, to)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	return writeZeros(f, from, to)
}

// fallocate leaves what is there as it is.
func fallocate(f *os.File, from, to int64) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), 0, from, to-from); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
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
// not leave it.
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
	held, err := j.held(s, used)
	if err != nil {
		return err
	}
	s.limit.Store(held)
	reserve := j.reserve()
	j.mu.Lock()
	j.spare = free + held - used - reserve
	spare := j.spare
	j.mu.Unlock()
	if spare < j.room.ahead {
		// A file that cannot grow is told in Status.
		_ = j.grow(s, j.room.ahead-spare)
	}
	s.bound()
	return nil
}

// held is how long the file is as far as it has its blocks. The holes of a copy, or
// of an earlier version, get theirs where the disk has them.
func (j *Journal) held(s *store, used int64) (int64, error) {
	// Run may be in the middle of a slice, for the store that this one replaces.
	j.growing.Lock()
	defer j.growing.Unlock()
	info, err := s.file.Stat()
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Size() <= used {
		return used, nil
	}
	const block = 512 // what a Stat_t counts in, whatever the file system's own
	holes := info.Size() - stat.Blocks*block
	if holes <= 0 || copies(s.file) {
		return info.Size(), nil
	}
	if left, known := diskLeft(s.file); known && left > holes && fallocate(s.file, 0, info.Size()) == nil {
		return info.Size(), s.file.Sync()
	}
	return used, nil
}

// bound keeps bbolt within the blocks that the file has.
func (s *store) bound() { s.db.MaxSize = int(min(s.limit.Load(), int64(^uint(0)>>1))) }

// refused is what a request gets that may not use the reserve.
func (j *Journal) refused() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full != nil {
		return fmt.Errorf("%w: %w: %w", scanner.ErrNotStored, errFull, j.full)
	}
	return fmt.Errorf("%w: %w", scanner.ErrNotStored, errFull)
}
