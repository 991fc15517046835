package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"usher/scanner"
)

const (
	damagedPrefix = fileName + ".damaged-"
	// rescuePrefix begins the meta keys that tell of a rescue.
	rescuePrefix = "rescue-"
	// fillChunk is how many records one transaction of a new file takes.
	fillChunk = 2000
)

// damagedFile is a journal that lies aside, and what is known of it.
type damagedFile struct {
	dir, name string
	note      *rescued
}

// unproven: marks may be lost. A file that nothing is known of proves nothing.
func (d damagedFile) unproven() bool { return d.note == nil || d.note.Unproven }

func (d damagedFile) String() string {
	what, since := "it was damaged, and what was carried over is not known", ""
	if d.note != nil {
		what, since = d.note.String(), " since "+d.note.At.UTC().Format("2 Jan 2006 15:04:05 MST")
	}
	if d.unproven() {
		what += "; entries may be missing, so tickets without one are for a supervisor where the vendor does not answer, until the file is moved away"
	}
	return fmt.Sprintf("damaged journal %s lies aside%s (%s); look at it (usher export --state-dir %s), then move it out of the state directory",
		d.name, since, what, filepath.Join(d.dir, d.name))
}

// findDamaged looks for damaged journals in the directory. They are a problem
// for as long as they lie there.
func (j *Journal) findDamaged() error {
	j.retryDoubt()
	names, err := filepath.Glob(filepath.Join(globSafe(j.opts.Dir), damagedPrefix+"*"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.damagedFiles, j.unproven = nil, j.doubtful
	for _, path := range names {
		d := damagedFile{dir: j.opts.Dir, name: filepath.Base(path)}
		if i := slices.IndexFunc(j.rescues, func(r rescued) bool { return r.File == d.name }); i >= 0 {
			d.note = &j.rescues[i]
		}
		j.damagedFiles = append(j.damagedFiles, d)
		j.unproven = j.unproven || d.unproven()
	}
	return nil
}

// globSafe quotes what a directory's name may hold of pattern characters.
func globSafe(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// goneError says that the open journal's file lost its name, and what is at its
// place now. The file itself is whole: it is written anew.
type goneError struct{ what string }

func (e *goneError) Error() string   { return "the open file " + e.what }
func (e *goneError) Is(t error) bool { return t == ErrDamaged }

// present proves that the store still has its name: what is committed to a file
// that somebody deleted or replaced is gone with the process. Errors: *goneError.
func (s *store) present() error {
	own, err := s.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &goneError{"was deleted or moved away while usher ran"}
	case err != nil:
		return err
	case !os.SameFile(own, named):
		return &goneError{"was replaced by another while usher ran"}
	}
	return nil
}

// rescueNow moves the damaged file aside, makes a new one of what can be read of
// it, and goes on with that. Only the leader calls it, or Open.
func (j *Journal) rescueNow(cause error) error {
	j.log.Error("journal: damaged, rescuing", "error", cause, "stack", stackOf(cause))
	// Should this fail, the next commit tries it again.
	j.failure = cause
	j.dbmu.Lock()
	defer j.dbmu.Unlock()
	if err := j.keepOpen(cause); err != nil {
		return fmt.Errorf("rescue of %s: %w", j.path, err)
	}
	if j.db != nil {
		if err := j.db.close(); err != nil {
			j.log.Warn("journal: close the damaged file", "error", err)
		}
		j.db = nil
	}
	found, err := j.salvage()
	if err != nil {
		return fmt.Errorf("rescue of %s: %w", j.path, err)
	}
	s, note, err := j.rebuild(cause, found)
	if err != nil {
		j.answerFrom(found)
		return fmt.Errorf("rescue of %s: %w", j.path, err)
	}
	if err := j.use(s); err != nil {
		j.db = nil
		return errors.Join(fmt.Errorf("rescue of %s: %w", j.path, err), s.close())
	}
	j.unconfirmed.Store(nil)
	j.failure, j.stale = nil, false
	j.relieved()
	j.clearDoubt()
	if j.orphan != nil {
		_ = j.orphan.Close()
		j.orphan = nil
	}
	j.log.Warn("journal: rescued", "file", note.File, "cause", note.Cause, "carried", note.Carried, "lost", note.Lost)
	if note.File == "" {
		j.mu.Lock()
		j.rewritten = append(j.rewritten, note)
		j.mu.Unlock()
	}
	return j.findDamaged()
}

// keepOpen keeps a file that has no name any more until what it holds has one.
func (j *Journal) keepOpen(cause error) error {
	var gone *goneError
	if !errors.As(cause, &gone) || j.orphan != nil || j.db == nil {
		return nil
	}
	fd, err := unix.FcntlInt(j.db.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		j.orphan = os.NewFile(uintptr(fd), j.path)
	}
	return err
}

// salvage reads the damaged file under its name, or, where that is gone, the open
// one, and takes back what a failed commit of this or an earlier life left in it.
func (j *Journal) salvage() (found *salvaged, err error) {
	if j.orphan != nil {
		found, err = salvage(j.orphan)
	} else {
		found, err = salvagePath(j.path)
	}
	if err != nil {
		return nil, err
	}
	if j.unconfirmed.Load() == nil {
		j.created = found.created
		if err := j.recallDoubt(found.scrubbed); err != nil {
			return nil, err
		}
	}
	found.withdraw(j.unconfirmed.Load())
	found.remakeMarks()
	return found, nil
}

func stackOf(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return string(p.stack)
	}
	return ""
}

// rebuild makes the new file whole and durable before it takes the name. Where that
// fails it leaves nothing behind: the disk may be full.
func (j *Journal) rebuild(cause error, found *salvaged) (_ *store, _ *rescued, err error) {
	defer func() {
		if err != nil {
			_ = os.Remove(filepath.Join(j.opts.Dir, newName))
		}
	}()
	s, err := j.newStore()
	if err != nil {
		return nil, nil, err
	}
	aside, err := j.asideName()
	if err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	note := &rescued{
		File: aside, At: j.now(), Cause: causeText(cause), Carried: found.carried(), Lost: found.lost, Unproven: found.unproven,
	}
	if err := j.fill(s, found, note); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	if err := j.setAside(aside); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	if err := adopt(j.opts.Dir); err != nil {
		return nil, nil, errors.Join(err, j.putBack(aside), s.close())
	}
	return s, note, nil
}

// causeText is the first line of what happened.
func causeText(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(text, ErrDamaged.Error()+": ")
}

// asideName is a name for the damaged file that nothing has. It is empty where no
// file is there.
func (j *Journal) asideName() (string, error) {
	if _, err := os.Lstat(j.path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	for stamp := time.Now().UTC(); ; stamp = stamp.Add(time.Millisecond) {
		name := damagedPrefix + stamp.Format("20060102T150405.000Z")
		if _, err := os.Lstat(filepath.Join(j.opts.Dir, name)); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}

// setAside gives the damaged file a second name; its first one is replaced next.
// What is no file is renamed, and so is a file where the file system has no second
// names (vfat): a death before the next step is made good by finishRescue.
func (j *Journal) setAside(name string) error {
	if name == "" {
		return nil
	}
	aside := filepath.Join(j.opts.Dir, name)
	info, err := os.Lstat(j.path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		err = j.link(j.path, aside)
	}
	if !info.Mode().IsRegular() || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = os.Rename(j.path, aside)
	}
	if err != nil {
		return err
	}
	return syncDir(j.opts.Dir)
}

// putBack undoes setAside, so that each try does not leave one more name.
func (j *Journal) putBack(name string) error {
	if name == "" {
		return nil
	}
	aside := filepath.Join(j.opts.Dir, name)
	moved, err := os.Lstat(aside)
	if err != nil {
		return err
	}
	named, err := os.Lstat(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.Rename(aside, j.path)
	case err == nil && os.SameFile(moved, named):
		return os.Remove(aside)
	}
	return err
}

// finishRescue adopts the new file of a rescue that ended in death after the damaged
// one was moved aside; false: there is none.
func (j *Journal) finishRescue() (adopted bool, err error) {
	path := filepath.Join(j.opts.Dir, newName)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false, nil
	}
	s, err := openStore(path, storeOptions{readOnly: true})
	if err != nil {
		return false, nil
	}
	_, loaded, err := load(s, j.opts.Sealer)
	if err := errors.Join(err, s.close()); err != nil || len(loaded.rescues) == 0 {
		return false, nil
	}
	last := slices.MaxFunc(loaded.rescues, func(a, b rescued) int { return strings.Compare(a.File, b.File) })
	if _, err := os.Lstat(filepath.Join(j.opts.Dir, last.File)); err != nil {
		return false, nil
	}
	if err := adopt(j.opts.Dir); err != nil {
		return false, err
	}
	return true, j.openExisting()
}

// fill writes what was found into the new file, unsynced until the end.
func (j *Journal) fill(s *store, found *salvaged, note *rescued) error {
	s.db.NoSync = true
	defer func() { s.db.NoSync = false }()
	var puts []change
	add := func(bucket []byte, k kind, h hint, key []byte, v any) error {
		raw, err := encode(k, h, key, v)
		puts = append(puts, change{bucket: bucket, key: key, new: raw})
		return err
	}
	var errs []error
	if note.File != "" {
		errs = append(errs, add(bucketMeta, kindRescue, hintNone, []byte(rescuePrefix+note.File), note))
	}
	for _, r := range found.rescues {
		errs = append(errs, add(bucketMeta, kindRescue, hintNone, []byte(rescuePrefix+r.File), r))
	}
	errs = append(errs, add(bucketMeta, kindSeq, hintNone, keySeqs, seqs{Reserved: found.next()}))
	errs = append(errs, add(bucketMeta, kindSnapshot, hintNone, keySnapshot, found.recount()))
	for _, seq := range found.seqs() {
		rec := found.log[seq]
		first := fateEntry{Fate: rec.Fate}
		errs = append(errs, add(bucketLog, kindLog, first.hint(), seqKey(seq), rec))
	}
	for seq, f := range found.fates {
		errs = append(errs, add(bucketFate, kindFate, f.hint(), seqKey(seq), f))
	}
	for key, m := range found.marks {
		errs = append(errs, add(bucketState, kindMark, hintNone, []byte(key), m))
	}
	for id, a := range found.attempts {
		errs = append(errs, add(bucketAttempts, kindAttempt, hintNone, seqKey(id), a))
	}
	for key, e := range found.memory {
		errs = append(errs, add(bucketMemory, kindMemory, hintNone, []byte(key), e))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for part := range slices.Chunk(puts, fillChunk) {
		err := s.update(func(tx *bbolt.Tx) error {
			b := &batch{j: j, tx: tx}
			for _, p := range part {
				if err := b.putQuiet(p.bucket, p.key, p.new); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.db.Sync()
}

// withdraw takes back what a failed transaction wrote: nothing green stood on
// it.
func (f *salvaged) withdraw(failed *overlay) {
	if failed == nil {
		return
	}
	for _, c := range failed.changes {
		switch string(c.bucket) {
		case string(bucketLog):
			if c.old == nil {
				delete(f.log, keySeq(c.key))
				f.fates[keySeq(c.key)] = &fateEntry{Seq: keySeq(c.key), Void: true}
			}
		case string(bucketFate):
			if had := f.fates[keySeq(c.key)]; had == nil || !had.Void {
				delete(f.fates, keySeq(c.key))
			}
		case string(bucketState):
			delete(f.marks, string(c.key))
		case string(bucketAttempts):
			delete(f.attempts, keySeq(c.key))
		case string(bucketMemory):
			delete(f.memory, string(c.key))
		case string(bucketMeta):
			if string(c.key) == string(keySnapshot) {
				f.snap = snapshot{}
			}
		}
		if c.old != nil {
			// It was read from the file when it was whole.
			_ = f.take(c.old, c.key)
		}
	}
}

// next is a number that was never given out, as far as can be told.
func (f *salvaged) next() uint64 {
	next := f.reserved
	for seq := range f.log {
		next = max(next, seq+1)
	}
	for seq := range f.fates {
		next = max(next, seq+1)
	}
	return max(next, 1)
}

// recount makes the snapshot anew: the old tallies where they were found, and
// every record they do not hold.
func (f *salvaged) recount() snapshot {
	ix := newIndex()
	for _, t := range f.snap.Tallies {
		ix.tallies[t.Event] = &t
	}
	snap := snapshot{Upto: max(f.snap.Upto, f.next()-1), Marked: f.next() - 1, Watermark: f.next()}
	undone := func(seq uint64) (scanner.Direction, bool) {
		if rec, ok := f.log[seq]; ok {
			return rec.Direction, true
		}
		return "", false
	}
	for _, seq := range f.seqs() {
		rec := f.log[seq]
		if seq > f.snap.Upto {
			ix.add(countOf(&rec.Record, undone))
		}
		if f.fate(seq) == scanner.FatePending {
			snap.Watermark = min(snap.Watermark, seq)
		}
	}
	for seq := range f.log {
		if seq < snap.Watermark {
			snap.Below++
		}
	}
	snap.Tallies = ix.counts()
	return snap
}
