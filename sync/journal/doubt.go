package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A commit that failed may be seen by the next life all the same, while what
// undoes it waits in memory for a disk that works. So it is noted beside the
// journal before its caller hears of the failure: whoever opens the journal after
// a death in between takes it back first. The note's file has its blocks from the
// beginning. What a death of the process leaves is in the system's cache, also
// where the disk takes nothing; only a power cut on a broken disk loses it.
const (
	doubtName = "journal.doubt"
	doubtRoom = 256 << 10
	// kindDoubt is the only frame of that file.
	kindDoubt kind = 'd'
)

var keyDoubt = []byte("doubt")

// doubt is a transaction that failed.
type doubt struct {
	// ID is in the journal once the transaction is taken back.
	ID uint64 `json:"id"`
	// Created is the identity of the journal's file.
	Created time.Time     `json:"created"`
	Changes []doubtChange `json:"changes"`
}

type doubtChange struct {
	Bucket []byte `json:"bucket"`
	Key    []byte `json:"key"`
	Old    []byte `json:"old"`
	New    []byte `json:"new"`
}

// prepareDoubt makes the file, with its blocks. Where the disk refuses that is told
// in Status, and tried again now and then.
func (j *Journal) prepareDoubt() {
	j.doubting.Lock()
	defer j.doubting.Unlock()
	err := j.makeDoubt()
	j.mu.Lock()
	first := j.noDoubt == nil
	j.noDoubt = err
	j.mu.Unlock()
	if err != nil && first {
		j.log.Error("journal: no room to note a commit that fails", "error", err)
	}
}

// retryDoubt makes the file where the disk refused it before. A journal that is only
// read makes none.
func (j *Journal) retryDoubt() {
	j.mu.Lock()
	missing := j.noDoubt != nil
	j.mu.Unlock()
	if missing {
		j.prepareDoubt()
	}
}

func (j *Journal) makeDoubt() error {
	path := filepath.Join(j.opts.Dir, doubtName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	if err := allocate(f, 0, doubtRoom); err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(j.opts.Dir))
}

// noteDoubt writes down what the failed transaction changed.
func (j *Journal) noteDoubt(over *overlay) {
	d := doubt{ID: rand.Uint64(), Created: j.created}
	for _, c := range over.changes {
		d.Changes = append(d.Changes, doubtChange{c.bucket, c.key, c.old, c.new})
	}
	j.doubtID = d.ID
	raw, err := encode(kindDoubt, hintNone, keyDoubt, d)
	if err == nil {
		err = j.writeDoubt(raw, true)
	}
	if err != nil {
		j.log.Error("journal: a failed commit could not be noted; if usher dies before the disk works again, its scans may count as stored", "error", err)
	}
}

// clearDoubt forgets what was taken back. It need not last: the journal knows.
func (j *Journal) clearDoubt() {
	if j.doubtID == 0 {
		return
	}
	j.scrubbed, j.doubtID = j.doubtID, 0
	if err := j.writeDoubt(make([]byte, headerLen), false); err != nil {
		j.log.Warn("journal: clear the note of a failed commit", "error", err)
	}
}

func (j *Journal) writeDoubt(raw []byte, sync bool) error {
	j.doubting.Lock()
	defer j.doubting.Unlock()
	f, err := os.OpenFile(filepath.Join(j.opts.Dir, doubtName), os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(raw, 0)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readDoubt gives what an earlier life noted, nil where that is nothing. A note
// that is not whole was not finished, and nobody heard of its failure.
func (j *Journal) readDoubt() (*doubt, error) {
	f, err := os.Open(filepath.Join(j.opts.Dir, doubtName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, headerLen)
	if _, err := io.ReadFull(f, raw); err != nil || string(raw[:4]) != magic {
		return nil, nil
	}
	raw = append(raw, make([]byte, min(binary.BigEndian.Uint32(raw[8:]), maxPayload))...)
	if _, err := io.ReadFull(f, raw[headerLen:]); err != nil {
		return nil, nil
	}
	var d doubt
	if err := decode(kindDoubt, keyDoubt, raw, &d); err != nil {
		j.log.Warn("journal: the note of a failed commit is not whole", "error", err)
		return nil, nil
	}
	return &d, nil
}

// recallDoubt makes an earlier life's failed commit this one's, unless the file
// says that it was taken back.
func (j *Journal) recallDoubt(scrubbed uint64) error {
	d, err := j.readDoubt()
	if err != nil || d == nil || d.ID == scrubbed || !d.Created.Equal(j.created) {
		return err
	}
	over := newOverlay()
	for _, c := range d.Changes {
		over.add(c.Bucket, c.Key, c.Old, c.New)
	}
	j.doubtID = d.ID
	j.unconfirmed.Store(over)
	return nil
}

// takeBack undoes what an earlier life left in doubt. Where the disk refuses, the
// next commit tries again; until then the index holds what shows.
func (j *Journal) takeBack() error {
	over := j.unconfirmed.Load()
	if over == nil {
		return nil
	}
	j.log.Warn("journal: an earlier life ended after a commit that failed; taking it back")
	err := j.scrub()
	if err == nil {
		return j.use(j.db)
	}
	if errors.Is(err, ErrDamaged) {
		return err
	}
	j.log.Error("journal: cannot be taken back yet", "error", err)
	j.failure, j.stale = err, true
	return nil
}
