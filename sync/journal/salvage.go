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
	// newer: a whole record of a later schema was met.
	newer bool
}

func (f *salvaged) String() string {
	return fmt.Sprintf("%d records, %d fates, %d marks, %d attempts, %d vendor values",
		len(f.log), len(f.fates), len(f.marks), len(f.attempts), len(f.memory))
}

func newSalvaged() *salvaged {
	return &salvaged{
		log:      make(map[uint64]*logEntry),
		fates:    make(map[uint64]*fateEntry),
		marks:    make(map[string]*markEntry),
		attempts: make(map[uint64]*Attempt),
		memory:   make(map[string]*memoryEntry),
		rescues:  make(map[string]*rescued),
	}
}

// salvage reads what a damaged file still gives. Trees that can be walked whole
// are taken as they are. For those that cannot, every record is looked for in
// the file's bytes, stale pages included; of several versions the newest
// counts, and marks that are lost are made again from the log. What a failed
// transaction left is taken back.
func salvage(path string, failed *overlay) (*salvaged, error) {
	found := newSalvaged()
	whole, err := walk(path, found)
	if err != nil {
		return nil, err
	}
	if len(whole) < len(buckets()) {
		stale := newSalvaged()
		if err := scan(path, stale); err != nil {
			return nil, err
		}
		found.complete(stale, whole)
	}
	if found.newer {
		return nil, fmt.Errorf("%s: %w; install that version or a later one, nothing was changed", path, ErrNewer)
	}
	found.withdraw(failed)
	if !whole[string(bucketState)] {
		found.marksFromLog(0, true)
	}
	// What the state tree does not hold yet, only the log tells.
	found.marksFromLog(found.snap.Marked, false)
	return found, nil
}

// walk reads the trees and tells which of them it could read to the end with
// every record in place.
func walk(path string, found *salvaged) (whole map[string]bool, err error) {
	whole = make(map[string]bool)
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return whole, err
	}
	s, err := openStore(path, storeOptions{readOnly: true})
	if errors.Is(err, ErrDamaged) {
		return whole, nil
	} else if err != nil {
		return whole, err
	}
	for _, name := range buckets() {
		err := s.view(func(tx *bbolt.Tx) error {
			in := tx.Bucket(name)
			if in == nil {
				return damaged("bucket %s is missing", name)
			}
			var n uint64
			bad := 0
			err := in.ForEach(func(key, raw []byte) error {
				n++
				if err := found.take(raw, key); err != nil {
					bad++
				}
				return nil
			})
			if err == nil && (bad > 0 || n != in.Sequence()) {
				err = damaged("%s: %d records cannot be read", name, bad)
			}
			return err
		})
		if err == nil {
			whole[string(name)] = true
		}
	}
	return whole, s.close()
}

// scan looks for records in the file's bytes.
func scan(path string, found *salvaged) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
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
func peek(in *bufio.Reader, f *os.File, n int) []byte {
	if n <= in.Size() {
		raw, err := in.Peek(n)
		if err != nil {
			return nil
		}
		return raw
	}
	pos, err := f.Seek(0, io.SeekCurrent)
	if err != nil || n > headerLen+maxPayload {
		return nil
	}
	raw := make([]byte, n)
	if _, err := f.ReadAt(raw, pos-int64(in.Buffered())); err != nil {
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
		return e, func() []byte { return seqKey(e.Seq) }, func() { f.log[e.Seq] = e }
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
		return e, func() []byte { return keySeqs }, func() { f.reserved = max(f.reserved, e.Reserved) }
	case kindRescue:
		e := &rescued{}
		return e, func() []byte { return []byte(rescuePrefix + e.File) }, func() { f.rescues[e.File] = e }
	case kindIdentity:
		return &identity{}, func() []byte { return keyIdentity }, func() {}
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
func (f *salvaged) complete(stale *salvaged, whole map[string]bool) {
	if !whole[string(bucketFate)] {
		for _, e := range stale.fates {
			f.keepFate(e)
		}
	}
	if !whole[string(bucketLog)] {
		for seq, e := range stale.log {
			if f.log[seq] == nil && (f.fates[seq] == nil || !f.fates[seq].Void) {
				f.log[seq] = e
			}
		}
	}
	if !whole[string(bucketState)] {
		for _, e := range stale.marks {
			f.keepMark(e)
		}
	}
	if !whole[string(bucketMemory)] {
		for key, e := range stale.memory {
			if had := f.memory[key]; had == nil || had.Ver < e.Ver {
				f.memory[key] = e
			}
		}
	}
	if !whole[string(bucketMeta)] {
		if stale.snap.Upto > f.snap.Upto {
			f.snap = stale.snap
		}
		f.reserved = max(f.reserved, stale.reserved)
		maps.Copy(f.rescues, stale.rescues)
	}
	f.newer = f.newer || stale.newer
	maps.DeleteFunc(f.fates, func(seq uint64, e *fateEntry) bool { return !e.Void && f.log[seq] == nil })
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
			m.Mark.Conflict = true
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
