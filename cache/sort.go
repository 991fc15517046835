package cache

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"usher/cache/seal"
)

// The sort of a list that does not fit into memory: rows are gathered up to
// runBytes, sorted, and appended to one temporary file as a run; then all runs
// are merged. The file holds indexes, sealed records and the rows' places, and
// is deleted as soon as it is opened: no crash leaves it behind.
const (
	runBytes = 8 << 20
	// fanIn is how many runs are merged at once; more are merged in passes.
	fanIn = 64
	// mergeBuffer is what is read ahead of each run.
	mergeBuffer = 32 << 10
	headerSize  = seal.IndexSize + 4 + 4
	// maxPlace bounds the text that says where a row came from.
	maxPlace = 256
)

// entry is one row on its way through the sort. Its slices are valid until the
// next entry of the same source is read.
type entry struct {
	index, place, sealed []byte
}

var errSort = errors.New("the temporary file of the sort came back changed; the storage is failing")

type ref struct {
	prefix uint64
	at     uint32
}

type span struct{ from, to int64 }

type sorter struct {
	file  *os.File
	room  func(need int64) error
	size  int64
	runs  []span
	arena []byte
	refs  []ref
	// limit and fan are runBytes and fanIn; tests make them small.
	limit, fan int
}

// newSorter makes the temporary file. Before each run, room is asked whether the
// disk has space for that many bytes more.
func newSorter(path string, room func(need int64) error) (*sorter, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &sorter{file: file, room: room, limit: runBytes, fan: fanIn}, nil
}

func (s *sorter) close() error { return s.file.Close() }

// add takes one row; it keeps nothing of its arguments.
func (s *sorter) add(index []byte, place string, sealed []byte) error {
	if len(s.arena)+headerSize+len(place)+len(sealed) > s.limit && len(s.refs) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.refs = append(s.refs, ref{binary.BigEndian.Uint64(index), uint32(len(s.arena))})
	s.arena = append(s.arena, index...)
	s.arena = binary.BigEndian.AppendUint32(s.arena, uint32(len(place)))
	s.arena = binary.BigEndian.AppendUint32(s.arena, uint32(len(sealed)))
	s.arena = append(append(s.arena, place...), sealed...)
	return nil
}

// spill sorts what is gathered and appends it as a run. Rows of equal index
// stay in the order in which they came.
func (s *sorter) spill() error {
	// What is sorted is written once more, as the next generation.
	if err := s.room(s.size + 2*int64(len(s.arena))); err != nil {
		return err
	}
	slices.SortFunc(s.refs, func(a, b ref) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		if c := bytes.Compare(s.arena[a.at:][:seal.IndexSize], s.arena[b.at:][:seal.IndexSize]); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	w := s.newRun()
	for _, r := range s.refs {
		row := s.arena[r.at:]
		size := headerSize + int(binary.BigEndian.Uint32(row[seal.IndexSize:])) + int(binary.BigEndian.Uint32(row[seal.IndexSize+4:]))
		if _, err := w.Write(row[:size]); err != nil {
			return err
		}
	}
	s.refs, s.arena = s.refs[:0], s.arena[:0]
	return s.endRun(w)
}

func (s *sorter) newRun() *runWriter {
	paced := &pacedWriter{file: s.file, at: s.size, synced: s.size}
	return &runWriter{Writer: bufio.NewWriterSize(paced, 64<<10), paced: paced}
}

func (s *sorter) endRun(w *runWriter) error {
	if err := w.Flush(); err != nil {
		return err
	}
	s.runs = append(s.runs, span{s.size, w.paced.at})
	s.size = w.paced.at
	return nil
}

// merge gives every row, in the order of the indexes. Rows of equal index come
// in the order in which they were added.
func (s *sorter) merge(each func(entry) error) error {
	if len(s.refs) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.arena, s.refs = nil, nil
	for len(s.runs) > s.fan {
		// The first runs become one; it stays in front of the others, so that
		// equal rows keep their order.
		first := s.runs[:s.fan]
		rest := slices.Clone(s.runs[s.fan:])
		w := s.newRun()
		err := s.mergeRuns(first, w.entry)
		if err == nil {
			s.runs = nil
			err = s.endRun(w)
		}
		if err != nil {
			return err
		}
		s.runs = append(s.runs, rest...)
	}
	return s.mergeRuns(s.runs, each)
}

type runWriter struct {
	*bufio.Writer
	paced *pacedWriter
}

func (w *runWriter) entry(e entry) error {
	var sizes [8]byte
	binary.BigEndian.PutUint32(sizes[:], uint32(len(e.place)))
	binary.BigEndian.PutUint32(sizes[4:], uint32(len(e.sealed)))
	for _, part := range [][]byte{e.index, sizes[:], e.place, e.sealed} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (s *sorter) mergeRuns(runs []span, each func(entry) error) error {
	var h runHeap
	for i, run := range runs {
		r := &runReader{order: i, in: bufio.NewReaderSize(io.NewSectionReader(s.file, run.from, run.to-run.from), mergeBuffer)}
		if err := r.next(); err != nil {
			return err // a run is never empty
		}
		h = append(h, r)
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := each(h[0].entry); err != nil {
			return err
		}
		switch err := h[0].next(); {
		case err == io.EOF:
			heap.Pop(&h)
		case err != nil:
			return err
		default:
			heap.Fix(&h, 0)
		}
	}
	return nil
}

// runReader reads one run.
type runReader struct {
	entry
	order int
	in    *bufio.Reader
	head  [headerSize]byte
	buf   []byte
}

// next reads the next row; io.EOF after the last.
func (r *runReader) next() error {
	head := r.head[:]
	if _, err := io.ReadFull(r.in, head); err != nil {
		return err
	}
	place := int(binary.BigEndian.Uint32(head[seal.IndexSize:]))
	sealed := int(binary.BigEndian.Uint32(head[seal.IndexSize+4:]))
	if place > maxPlace || sealed > 2*maxRecord {
		return errSort
	}
	r.buf = append(r.buf[:0], head[:seal.IndexSize]...)
	r.buf = slices.Grow(r.buf, place+sealed)[:seal.IndexSize+place+sealed]
	if _, err := io.ReadFull(r.in, r.buf[seal.IndexSize:]); err != nil {
		return fmt.Errorf("temporary file of the sort: %w", err)
	}
	r.index, r.place, r.sealed = r.buf[:seal.IndexSize], r.buf[seal.IndexSize:][:place], r.buf[seal.IndexSize+place:]
	return nil
}

type runHeap []*runReader

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	if c := bytes.Compare(h[i].index, h[j].index); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is part of heap.Interface; runs are only taken away.
func (h *runHeap) Push(r any) { *h = append(*h, r.(*runReader)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
