package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// salvaged is what could be read of a damaged file.
type salvaged struct {
	log      map[uint64]*logEntry
	fates    map[uint64]*fateEntry
	marks    map[string]*markEntry
	attempts map[uint64]*Attempt
	memory   map[string]*memoryEntry
	rescues  map[string]*rescued
	snap     snapshot
	reserved uint64
	// created and scrubbed tell whether a failed commit that was noted beside the
	// file is still to be taken back.
	created  time.Time
	scrubbed uint64
	// newer: a whole record of a later schema was met.
	newer bool
	// lost says in words what is missing, unproven that marks may be.
	lost     string
	unproven bool
	// mended records had one wrong byte, which could be told.
	mended int
	// had is how many keys each bucket held by its own account, where that could be
	// read.
	had map[string]uint64
	// oldest is the first record that the log's own tree gave; zero: none.
	oldest uint64
	// whole are the buckets of which every record was found in its place.
	whole map[string]bool
}

func newSalvaged() *salvaged {
	return &salvaged{
		log:      make(map[uint64]*logEntry),
		fates:    make(map[uint64]*fateEntry),
		marks:    make(map[string]*markEntry),
		attempts: make(map[uint64]*Attempt),
		memory:   make(map[string]*memoryEntry),
		rescues:  make(map[string]*rescued),
		had:      make(map[string]uint64),
		whole:    make(map[string]bool),
	}
}

// salvage reads what a damaged file still gives. Trees that can be walked whole
// are taken as they are, records of which one byte is wrong mended on the way. For
// those that cannot, every record is looked for in the file's bytes, stale pages
// included, and of several versions the newest counts. What a failed transaction
// left is to be taken back (withdraw), and then the marks are made whole
// (remakeMarks).
func salvage(file *os.File) (*salvaged, error) {
	found := newSalvaged()
	if err := found.walk(file); err != nil {
		return nil, err
	}
	if !found.allWhole() {
		stale := newSalvaged()
		if err := scan(file, stale); err != nil {
			return nil, err
		}
		found.complete(stale)
	}
	if found.newer {
		return nil, fmt.Errorf("%s: %w; install that version or a later one, nothing was changed", file.Name(), ErrNewer)
	}
	found.account()
	return found, nil
}

// salvagePath is salvage of what lies under a name. What is no file gives nothing:
// opening a FIFO would wait for ever.
func salvagePath(path string) (*salvaged, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		found := newSalvaged()
		found.account()
		return found, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return salvage(file)
}

// remakeMarks makes from the log the marks that the state tree lost, and those
// that it does not hold yet.
func (f *salvaged) remakeMarks() {
	if !f.whole[string(bucketState)] {
		f.marksFromLog(0, true)
	}
	f.marksFromLog(f.snap.Marked, false)
}

// walk reads the trees, page by page without bbolt, goes on behind what is
// damaged, and notes which of them it could read to the end with every record in
// place.
func (f *salvaged) walk(file *os.File) error {
	if err := lock(file, true); err != nil {
		return err
	}
	l, err := layoutOf(file)
	if errors.Is(err, ErrDamaged) {
		return nil
	} else if err != nil {
		return err
	}
	l.lenient = true
	places, err := l.buckets()
	if err != nil {
		return err
	}
	for _, name := range buckets() {
		at, known := places[string(name)]
		if !known {
			continue
		}
		f.had[string(name)] = at.keys
		if f.whole[string(name)], err = f.bucket(l, at); err != nil {
			return err
		}
	}
	if l.half {
		// An attempt that the lost commit may have spent would admit a second person.
		clear(f.attempts)
	}
	return nil
}

// bucket takes what one tree holds, and tells whether that is all of it.
func (f *salvaged) bucket(l *layout, at bucketAt) (whole bool, err error) {
	l.fault = nil
	var n uint64
	err = l.tree(at, func(_ uint32, key, raw []byte) error {
		n++
		if f.take(raw, key) == nil {
			return nil
		}
		fixed := mend(raw, key)
		if fixed == nil || !asWritten(fixed) || f.take(fixed, key) != nil {
			return damaged("a record cannot be read")
		}
		f.mended++
		return nil
	})
	return l.fault == nil && n == at.keys && !l.half, err
}

func (f *salvaged) allWhole() bool {
	return !slices.ContainsFunc(buckets(), func(name []byte) bool { return !f.whole[string(name)] })
}

// scan looks for records in the file's bytes.
func scan(file io.ReaderAt, found *salvaged) error {
	f := &patient{file: file}
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		window, err := in.Peek(headerLen)
		if len(window) < headerLen {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		skip := 1
		if string(window[:4]) == magic {
			size := headerLen + int(min(binary.BigEndian.Uint32(window[8:]), maxPayload+1))
			if raw := peek(in, f, size); raw != nil && found.take(raw, nil) == nil {
				skip = size
			}
		} else if buffered, _ := in.Peek(in.Buffered()); len(buffered) > headerLen {
			// On to the next place where a record may begin.
			if skip = bytes.Index(buffered[1:], []byte(magic)) + 1; skip == 0 {
				skip = len(buffered) - len(magic)
			}
		}
		if _, err := in.Discard(skip); err != nil {
			return err
		}
	}
}

// peek gives the next n bytes without moving on; nil where there are fewer. Few
// records are larger than the buffer, and they are read from the file.
func peek(in *bufio.Reader, f *patient, n int) []byte {
	if n <= in.Size() {
		raw, err := in.Peek(n)
		if err != nil {
			return nil
		}
		return raw
	}
	if n > headerLen+maxPayload {
		return nil
	}
	raw := make([]byte, n)
	if _, err := f.ReadAt(raw, f.at-int64(in.Buffered())); err != nil {
		return nil
	}
	return raw
}

// take adds a frame. Without a key, the key is made from what the frame says of
// itself; with one, they must agree. Of two versions the newer stays.
func (f *salvaged) take(raw, key []byte) error {
	if len(raw) < headerLen || string(raw[:4]) != magic || len(raw)-headerLen != int(binary.BigEndian.Uint32(raw[8:])) {
		return damaged("no record")
	}
	k := kind(raw[5])
	v, own, keep := f.slot(k)
	if v == nil {
		return damaged("kind %x is not known", byte(k))
	}
	if err := json.Unmarshal(raw[headerLen:], v); err != nil {
		return damaged("%v", err)
	}
	if _, err := verify(k, own(), raw); err != nil {
		f.newer = f.newer || errors.Is(err, ErrNewer)
		return err
	}
	if n := len(own()); n == 0 || n > bbolt.MaxKeySize {
		return damaged("record of a key that no tree holds")
	}
	if key != nil && !bytes.Equal(key, own()) {
		return damaged("record lies under another key")
	}
	keep()
	return nil
}

// slot says where a frame of a kind is decoded to, what its own key is then, and
// how it is kept.
func (f *salvaged) slot(k kind) (v any, own func() []byte, keep func()) {
	switch k {
	case kindLog:
		e := &logEntry{}
		return e, func() []byte { return seqKey(e.Seq) }, func() {
			f.log[e.Seq] = e
			if f.oldest == 0 {
				f.oldest = e.Seq
			}
		}
	case kindFate:
		e := &fateEntry{}
		return e, func() []byte { return seqKey(e.Seq) }, func() {
			f.keepFate(e)
		}
	case kindMark:
		e := &markEntry{}
		return e, e.key, func() { f.keepMark(e) }
	case kindAttempt:
		e := &Attempt{}
		return e, func() []byte { return seqKey(e.ID) }, func() { f.attempts[e.ID] = e }
	case kindMemory:
		e := &memoryEntry{}
		return e, func() []byte { return []byte(e.Key) }, func() {
			if had := f.memory[e.Key]; had == nil || had.Ver <= e.Ver {
				f.memory[e.Key] = e
			}
		}
	case kindSnapshot:
		e := &snapshot{}
		return e, func() []byte { return keySnapshot }, func() {
			if e.Upto >= f.snap.Upto {
				f.snap = *e
			}
		}
	case kindSeq:
		e := &seqs{}
		return e, func() []byte { return keySeqs }, func() {
			if e.Reserved >= f.reserved {
				f.reserved, f.scrubbed = e.Reserved, e.Scrubbed
			}
		}
	case kindRescue:
		e := &rescued{}
		return e, func() []byte { return []byte(rescuePrefix + e.File) }, func() { f.rescues[e.File] = e }
	case kindIdentity:
		e := &identity{}
		return e, func() []byte { return keyIdentity }, func() { f.created = e.Created }
	}
	return nil, nil, nil
}

// keepFate keeps the newer of two versions; a void record stays void.
func (f *salvaged) keepFate(e *fateEntry) {
	if had := f.fates[e.Seq]; had == nil || e.Void || !had.Void && had.Rev <= e.Rev {
		f.fates[e.Seq] = e
	}
}

func (f *salvaged) keepMark(e *markEntry) {
	key := string(e.key())
	if had := f.marks[key]; had == nil || e.newer(had) {
		f.marks[key] = e
	}
}

// complete adds from a scan what the trees that were not whole may have lost:
// all but attempts. A stale one may be spent, and would admit a second person.
func (f *salvaged) complete(stale *salvaged) {
	lost := func(name []byte) bool { return !f.whole[string(name)] }
	if lost(bucketFate) {
		for _, e := range stale.fates {
			f.keepFate(e)
		}
	}
	if lost(bucketLog) {
		f.completeLog(stale)
	}
	if lost(bucketState) {
		for _, e := range stale.marks {
			f.keepMark(e)
		}
	}
	if lost(bucketMemory) {
		for key, e := range stale.memory {
			if had := f.memory[key]; had == nil || had.Ver < e.Ver {
				f.memory[key] = e
			}
		}
	}
	if lost(bucketMeta) {
		if stale.snap.Upto > f.snap.Upto {
			f.snap = stale.snap
		}
		f.reserved = max(f.reserved, stale.reserved)
		maps.Copy(f.rescues, stale.rescues)
	}
	f.newer = f.newer || stale.newer
	maps.DeleteFunc(f.fates, func(seq uint64, e *fateEntry) bool { return !e.Void && f.log[seq] == nil })
	if lost(bucketFate) {
		f.doubtSent()
	}
}

// completeLog adds the records that a scan found and the log's own tree did not
// give. Old pages hold pruned records too: of those older than any in the tree,
// only as many are taken as the tree says it had, the newest first.
func (f *salvaged) completeLog(stale *salvaged) {
	had, known := f.had[string(bucketLog)]
	for _, seq := range slices.Backward(slices.Sorted(maps.Keys(stale.log))) {
		switch {
		case f.log[seq] != nil, f.fates[seq] != nil && f.fates[seq].Void:
			continue
		case known && seq < f.oldest && uint64(len(f.log)) >= had:
			continue
		case f.whole[string(bucketFate)] && f.whole[string(bucketMeta)] && seq < f.snap.Watermark &&
			stale.log[seq].Fate == scanner.FatePending && f.fates[seq] == nil:
			// Not pending any more and without a fate: it was pruned.
			continue
		}
		f.log[seq] = stale.log[seq]
	}
}

// doubtSent marks what seems never to have left for the vendor as sent: the record
// that it left may be lost, and a vendor who has it would be told of a conflict.
func (f *salvaged) doubtSent() {
	for seq, rec := range f.log {
		if rec.Fate == scanner.FatePending && f.fates[seq] == nil {
			f.fates[seq] = &fateEntry{Seq: seq, Fate: rec.Fate, Sent: 1}
		}
	}
}

// marksFromLog makes those marks again whose newest version is only told by the
// record that made it, of the records after a seq. Where the state tree lost
// what happened to their movements since, the movements' fates tell it.
func (f *salvaged) marksFromLog(after uint64, recount bool) {
	made := make(map[string]*markEntry)
	for _, seq := range f.seqs() {
		rec := f.log[seq]
		if rec.After == nil || seq <= after {
			continue
		}
		m := &markEntry{Scope: rec.Scope, Code: rec.Code, Ver: rec.markVer(), Mark: *rec.After}
		key := string(m.key())
		if had := f.marks[key]; had != nil && !m.newer(had) {
			continue
		}
		f.marks[key], made[key] = m, m
	}
	if !recount {
		return
	}
	for _, m := range made {
		m.Mark.Open = 0
	}
	for seq, rec := range f.log {
		m := made[string(markKey(rec.Scope, rec.Code))]
		if m == nil || !rec.Movement() {
			continue
		}
		switch f.fate(seq) {
		case scanner.FatePending, scanner.FateParked:
			m.Mark.Open++
		case scanner.FateConflict:
			m.Mark.Conflict = m.Mark.Conflict || rec.Direction != scanner.Exit
		}
	}
}

// fate is the record's present fate.
func (f *salvaged) fate(seq uint64) scanner.Fate {
	if e := f.fates[seq]; e != nil {
		return e.Fate
	}
	return f.log[seq].Fate
}

func (f *salvaged) seqs() []uint64 { return slices.Sorted(maps.Keys(f.log)) }
