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
	name string
	note *rescued
}

func (d damagedFile) String() string {
	what := "it was damaged"
	if d.note != nil {
		what = fmt.Sprintf("%s; carried over: %s", d.note.Cause, d.note.Carried)
	}
	return fmt.Sprintf("damaged journal %s lies aside (%s); look at it, then move it out of the state directory", d.name, what)
}

// findDamaged looks for damaged journals in the directory. They are a problem
// for as long as they lie there.
func (j *Journal) findDamaged() error {
	names, err := filepath.Glob(filepath.Join(globSafe(j.opts.Dir), damagedPrefix+"*"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.damagedFiles = nil
	for _, path := range names {
		d := damagedFile{name: filepath.Base(path)}
		if i := slices.IndexFunc(j.rescues, func(r rescued) bool { return r.File == d.name }); i >= 0 {
			d.note = &j.rescues[i]
		}
		j.damagedFiles = append(j.damagedFiles, d)
	}
	return nil
}

// globSafe quotes what a directory's name may hold of pattern characters.
func globSafe(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// rescue moves the damaged file aside, makes a new one of what can be read of
// it, and goes on with that. Only the leader calls it, or Open.
func (j *Journal) rescue(cause error) error {
	j.log.Error("journal: damaged, rescuing", "error", cause, "stack", stackOf(cause))
	j.dbmu.Lock()
	defer j.dbmu.Unlock()
	if j.db != nil {
		if err := j.db.close(); err != nil {
			j.log.Warn("journal: close the damaged file", "error", err)
		}
		j.db = nil
	}
	s, note, err := j.rebuild(cause)
	if err != nil {
		return fmt.Errorf("rescue of %s: %w", j.path, err)
	}
	if err := j.use(s); err != nil {
		return errors.Join(fmt.Errorf("rescue of %s: %w", j.path, err), s.close())
	}
	j.unconfirmed.Store(nil)
	j.failure = nil
	j.log.Warn("journal: rescued", "file", note.File, "carried", note.Carried)
	return j.findDamaged()
}

func stackOf(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return string(p.stack)
	}
	return ""
}

// rebuild makes the new file whole and durable before it takes the name.
func (j *Journal) rebuild(cause error) (*store, rescued, error) {
	found, err := salvage(j.path, j.unconfirmed.Load())
	if err != nil {
		return nil, rescued{}, err
	}
	s, err := j.newStore()
	if err != nil {
		return nil, rescued{}, err
	}
	aside, err := j.setAside()
	if err != nil {
		return nil, rescued{}, errors.Join(err, s.close())
	}
	note := rescued{File: aside, At: j.now(), Cause: causeText(cause), Carried: found.String()}
	if err := j.fill(s, found, note); err != nil {
		return nil, note, errors.Join(err, s.close())
	}
	if err := adopt(j.opts.Dir); err != nil {
		return nil, note, errors.Join(err, s.close())
	}
	return s, note, nil
}

// causeText is the first line of what happened.
func causeText(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(text, ErrDamaged.Error()+": ")
}

// setAside gives the damaged file a second name that nothing overwrites; its
// first one is replaced once the new file is whole.
func (j *Journal) setAside() (string, error) {
	stamp := time.Now().UTC()
	for {
		name := damagedPrefix + stamp.Format("20060102T150405.000Z")
		err := os.Link(j.path, filepath.Join(j.opts.Dir, name))
		if err == nil {
			return name, syncDir(j.opts.Dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		stamp = stamp.Add(time.Millisecond)
	}
}

// fill writes what was found into the new file, unsynced until the end.
func (j *Journal) fill(s *store, found *salvaged, note rescued) error {
	s.db.NoSync = true
	defer func() { s.db.NoSync = false }()
	var puts []change
	add := func(bucket []byte, k kind, h hint, key []byte, v any) error {
		raw, err := encode(k, h, key, v)
		puts = append(puts, change{bucket: bucket, key: key, new: raw})
		return err
	}
	errs := []error{add(bucketMeta, kindRescue, hintNone, []byte(rescuePrefix+note.File), note)}
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
