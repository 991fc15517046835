package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"usher/scanner"
)

// A journal that cannot be opened, or made anew of a damaged one, for what the disk
// refuses is no reason not to start: the vendor can still be asked. Nothing is
// stored meanwhile, marks are answered from what was found in the file, and Run
// tries again until the disk gives in. The numbers given to notes go on behind
// those that were found; a death before the disk gives in may give them again.

// unreadNumbers are left to records that may be in a file of which it cannot be read
// how far its numbers go.
const unreadNumbers = 1 << 32

// isHindrance tells what the disk refuses from what a person must put right before
// usher starts.
func isHindrance(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) || isUnreadable(err)
}

// remedy says what to do about what the disk refused.
func remedy(err error, dir string) string {
	const export = "export with usher export --state-dir "
	switch {
	case errors.Is(err, unix.EROFS):
		return "the file system is read-only, the card may be dying: " + export + dir + " and replace it"
	case isUnreadable(err):
		return "the storage is failing: " + export + dir + " and replace it"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "free space in " + dir
	}
	return "free space or replace the storage"
}

// postpone lets Open go on without a store. Errors: the given one, where not even
// what is in the file can be told.
func (j *Journal) postpone(err error) error {
	if j.interim == nil {
		found, failed := j.salvage()
		if failed != nil {
			return errors.Join(err, failed)
		}
		j.answerFrom(found)
	}
	if _, failed := os.Lstat(j.path); !errors.Is(failed, fs.ErrNotExist) && !j.interim.whole[string(bucketMeta)] {
		// What cannot be read now may be read later: no note takes a record's place.
		j.next += unreadNumbers
	}
	j.log.Error("journal: cannot be opened yet", "error", err)
	j.opening, j.failure = true, damaged("the journal is not open yet")
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unwritable = err
	return nil
}

// answerFrom has marks answered from what was found, until there is a store.
func (j *Journal) answerFrom(found *salvaged) {
	j.interim = found
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = max(j.next, found.next())
	j.doubtful = found.unproven
	j.unproven = j.unproven || found.unproven
}

// interimMark gives a mark while there is no store; false: there is one.
func (j *Journal) interimMark(key []byte) (scanner.Mark, bool) {
	j.dbmu.RLock()
	defer j.dbmu.RUnlock()
	if j.db != nil || j.interim == nil {
		return scanner.Mark{}, false
	}
	if m := j.interim.marks[string(key)]; m != nil {
		return m.Mark, true
	}
	return scanner.Mark{}, true
}

// relieved ends what was kept while the disk refused; dbmu is held.
func (j *Journal) relieved() {
	j.opening, j.interim = false, nil
	j.mu.Lock()
	defer j.mu.Unlock()
	j.doubtful = false
}

// rescue makes the store usable again, from the damaged file or, where Open could
// not, by opening it. Only the leader calls it.
func (j *Journal) rescue(cause error) error {
	if !j.opening {
		return j.rescueNow(cause)
	}
	j.failure = nil
	if err := j.openOrCreate(); err != nil {
		j.failure = cause
		return err
	}
	j.dbmu.Lock()
	j.relieved()
	j.dbmu.Unlock()
	j.log.Info("journal: open")
	// What an earlier life left may not be taken back yet.
	return errors.Join(j.failure, j.findDamaged())
}

// install puts the store in place where readers may be waiting for one.
func (j *Journal) install(s *store) error {
	j.dbmu.Lock()
	defer j.dbmu.Unlock()
	return j.use(s)
}

// growProblem is roomProblem, where not the room is what is wrong. The caller holds mu.
func (j *Journal) growProblem() string {
	if j.full == nil || !errors.Is(j.full, unix.EROFS) && !isUnreadable(j.full) {
		return j.roomProblem()
	}
	return fmt.Sprintf("the journal cannot grow: %v; %s, scans without network cannot be stored once its room is used up", j.full, remedy(j.full, j.opts.Dir))
}
