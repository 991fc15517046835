package cache

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"

	"usher/cache/seal"
)

// walk goes through all records of a generation in order, and trusts none: each
// must name the one before it. A record whose own bytes are damaged is carried over
// as it is, to be met as damaged. Errors are errDamaged.
type walk struct {
	r *reader
	// index and sealed are the record's own, copied from the mapping; the index
	// behind the last is endKey.
	index, sealed []byte
	// prev is the beginning of the index before.
	prev [linkPrev]byte
}

// newWalk begins at the first record.
func newWalk(r *reader) (*walk, error) {
	if r.pages.sound(uint64(r.cursor.Bucket().Root())) != nil {
		return nil, errDamaged
	}
	w := &walk{r: r, index: make([]byte, 0, seal.IndexSize)}
	return w, w.step(r.cursor.First)
}

// upTo gives the records before an index, and passes over the index's own.
func (w *walk) upTo(index []byte, each func(index, sealed []byte) error) error {
	for {
		order := bytes.Compare(w.index, index)
		if order > 0 || bytes.Equal(w.index, endKey) {
			return nil
		}
		if order < 0 {
			if err := each(w.index, w.sealed); err != nil {
				return err
			}
		}
		if err := w.step(w.r.cursor.Next); err != nil {
			return err
		}
	}
}

func (w *walk) step(to func() (key, value []byte)) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errDamaged
		}
	}()
	key, value := to()
	if len(key) != seal.IndexSize || len(value) < linkSize || len(value) > linkSize+maxRecord+w.r.records.Overhead() {
		return errDamaged
	}
	if !bytes.Equal(value[:linkPrev], w.prev[:]) || linkSum(key, w.prev[:]) != binary.BigEndian.Uint32(value[linkPrev:]) || bytes.Compare(key, w.index) <= 0 {
		return errDamaged
	}
	copy(w.prev[:], key)
	w.index = append(w.index[:0], key...)
	w.sealed = append(w.sealed[:0], value[linkSize:]...)
	return nil
}
