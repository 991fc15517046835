package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// bbolt proves its two meta pages and nothing else. It follows a branch that leads
// back to itself until the stack is gone, which nothing recovers from; it gives
// pages away that are in use where its list of free ones says so; and where the
// newer meta page is damaged it goes on with the older one, as if the last commit,
// a green light, had never been. So a file is looked at here before bbolt is.
//
// A page begins with its number (8 bytes), its kind (2), how many elements it has
// (2) and how many pages follow as part of it (4). A branch's element is the place
// of its key, counted from the element (4), the key's size (4) and the page it
// leads to (8); a leaf's is flags (4), place (4), sizes of key and value (4 each).
// The value of a bucket is its root page (8) and its sequence (8). All numbers are
// in the machine's own order.
const (
	pageHead    = 16
	pageElement = 16
	branchPage  = 1
	leafPage    = 2
	freePage    = 16
	isBucket    = 1
	// noFreelist stands for the page of a list that was not written.
	noFreelist = ^uint64(0)
	// maxDepth is more than a tree of any journal has.
	maxDepth = 16
	// maxPages bounds what a page may say of its length: more than any record.
	maxPages = 2*maxPayload/4096 + 1
)

// layout is a file's own account of where everything is.
type layout struct {
	file io.ReaderAt
	size int64
	page int64
	// high is the first page that was never used.
	high, root, freelist uint64
	// half: one of the two meta pages is damaged, and with it perhaps the last
	// commit.
	half bool
	// used are the pages met so far.
	used map[uint64]struct{}
	// lenient walks go on behind what is damaged, and note the first of it.
	lenient bool
	fault   error
}

// bucketAt is where a bucket is and how many keys it says it has. A small one has
// no root page and lies inline, as a page in its parent's.
type bucketAt struct {
	root, keys uint64
	inline     []byte
}

// visit is given every element of a leaf.
type visit func(flags uint32, key, value []byte) error

// inspect proves that bbolt can be let loose on the file. Errors: ErrDamaged, or
// that the file cannot be read.
func inspect(file *os.File) error {
	l, err := layoutOf(file)
	if err != nil {
		return err
	}
	if l.half {
		return damaged("one of the two meta pages is damaged: the last commit may be known to it alone")
	}
	if l.size < int64(l.high)*l.page {
		return damaged("the file is cut off: %d bytes of %d", l.size, int64(l.high)*l.page)
	}
	// Everything is read once, from the front: only a hint.
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_WILLNEED)
	all, err := l.buckets()
	if err != nil {
		return err
	}
	for name, b := range all {
		if err := l.tree(b, nil); err != nil {
			return fmt.Errorf("%w (bucket %s)", err, name)
		}
	}
	return l.free()
}

// layoutOf reads the newest whole meta page.
func layoutOf(file *os.File) (*layout, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	l := &layout{file: file, size: info.Size(), used: make(map[uint64]struct{})}
	newest, whole := uint64(0), 0
	// The second page is where the size of the first one's says, or may be.
	sizes := []int64{int64(os.Getpagesize()), 4 << 10, 16 << 10, 64 << 10}
	if meta := l.meta(0); meta != nil {
		sizes = []int64{int64(binary.NativeEndian.Uint32(meta[8:]))}
	}
	for _, at := range append([]int64{0}, sizes...) {
		meta := l.meta(at)
		if meta == nil {
			continue
		}
		num := binary.NativeEndian
		whole++
		if tx := num.Uint64(meta[48:]); whole == 1 || tx > newest {
			newest = tx
			l.page, l.root, l.freelist, l.high = int64(num.Uint32(meta[8:])), num.Uint64(meta[16:]), num.Uint64(meta[32:]), num.Uint64(meta[40:])
		}
		if whole == 2 || at > 0 {
			break
		}
	}
	if whole == 0 {
		return nil, damaged("both meta pages are damaged")
	}
	if l.page < 512 || l.page > 1<<20 {
		return nil, damaged("pages of %d bytes were never written", l.page)
	}
	l.half = whole == 1
	return l, nil
}

// meta gives what a whole meta page says, from its magic on; nil: it is damaged.
func (l *layout) meta(at int64) []byte {
	raw := make([]byte, metaEnd-metaAt)
	if _, err := l.file.ReadAt(raw, at+metaAt); err != nil {
		return nil
	}
	num, sum := binary.NativeEndian, fnv.New64a()
	sum.Write(raw[:metaSum-metaAt])
	if num.Uint32(raw) != metaMagic || num.Uint32(raw[4:]) != metaVer || num.Uint64(raw[metaSum-metaAt:]) != sum.Sum64() {
		return nil
	}
	return raw
}

// read gives a page with all that is part of it, and marks it as used: no page
// belongs to two places.
func (l *layout) read(id uint64) (raw []byte, kind, count int, err error) {
	if id < 2 || id >= l.high {
		return nil, 0, 0, damaged("page %d does not exist", id)
	}
	raw = make([]byte, l.page)
	if _, err := l.file.ReadAt(raw, int64(id)*l.page); err != nil {
		return nil, 0, 0, cutOff(err, id)
	}
	num := binary.NativeEndian
	kind, count = int(num.Uint16(raw[8:])), int(num.Uint16(raw[10:]))
	more := uint64(num.Uint32(raw[12:]))
	if num.Uint64(raw) != id || more > maxPages || id+more >= l.high {
		return nil, 0, 0, damaged("page %d is no page", id)
	}
	for i := id; i <= id+more; i++ {
		if _, twice := l.used[i]; twice {
			return nil, 0, 0, damaged("page %d is used twice", i)
		}
		l.used[i] = struct{}{}
	}
	if more > 0 {
		raw = append(raw, make([]byte, int64(more)*l.page)...)
		if _, err := l.file.ReadAt(raw[l.page:], int64(id+1)*l.page); err != nil {
			return nil, 0, 0, cutOff(err, id)
		}
	}
	return raw, kind, count, nil
}

func cutOff(err error, id uint64) error {
	switch {
	case errors.Is(err, io.EOF):
		return damaged("page %d is cut off", id)
	case isUnreadable(err):
		return damaged("page %d cannot be read", id)
	}
	return err
}

// isUnreadable tells that the storage does not give a sector back any more, or that
// the file system knows what it gives to be wrong. The rest of the file may be whole.
func isUnreadable(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EBADMSG) || errors.Is(err, unix.EUCLEAN)
}

// buckets gives every bucket, and proves the tree that holds them.
func (l *layout) buckets() (map[string]bucketAt, error) {
	found := make(map[string]bucketAt)
	err := l.walk(l.root, nil, nil, 0, func(flags uint32, key, value []byte) error {
		if flags&isBucket == 0 || len(value) < 16 {
			return damaged("no bucket under %q", key)
		}
		found[string(key)] = bucketAt{binary.NativeEndian.Uint64(value), binary.NativeEndian.Uint64(value[8:]), value[16:]}
		return nil
	})
	return found, err
}

// tree proves that one bucket can be walked, and walks it.
func (l *layout) tree(b bucketAt, each visit) error {
	if b.root != 0 {
		return l.walk(b.root, nil, nil, 0, each)
	}
	if len(b.inline) < pageHead {
		return l.bad(damaged("a bucket has no page"))
	}
	num := binary.NativeEndian
	if num.Uint16(b.inline[8:]) != leafPage {
		return l.bad(damaged("an inline page is no leaf"))
	}
	_, err := l.elements(b.inline, leafPage, int(num.Uint16(b.inline[10:])), nil, nil, each)
	return err
}

// bad is what becomes of damage: a lenient walk goes on.
func (l *layout) bad(err error) error {
	if !l.lenient || !errors.Is(err, ErrDamaged) {
		return err
	}
	if l.fault == nil {
		l.fault = err
	}
	return nil
}

// walk proves a page and what hangs below it: its keys are in order and lie
// between two others, nil: no bound.
func (l *layout) walk(id uint64, from, to []byte, depth int, each visit) error {
	if depth == maxDepth {
		return l.bad(damaged("page %d lies too deep", id))
	}
	raw, kind, count, err := l.read(id)
	if err != nil {
		return l.bad(err)
	}
	if kind != branchPage && kind != leafPage || kind == branchPage && count == 0 {
		return l.bad(damaged("page %d is neither branch nor leaf", id))
	}
	children, err := l.elements(raw, kind, count, from, to, each)
	if err != nil {
		return err
	}
	for i, child := range children {
		next := to
		if i+1 < len(children) {
			next = children[i+1].key
		}
		if err := l.walk(child.page, child.key, next, depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

// child is a branch's element.
type child struct {
	key  []byte
	page uint64
}

// elements proves a page's elements. It visits those of a leaf and gives those of
// a branch.
func (l *layout) elements(raw []byte, kind, count int, from, to []byte, each visit) ([]child, error) {
	var children []child
	before := from
	for i := range count {
		if pageHead+(i+1)*pageElement > len(raw) {
			return children, l.bad(damaged("a page holds fewer elements than it says"))
		}
		e := raw[pageHead+i*pageElement:]
		key, value, ok := element(e, kind)
		switch order := bytes.Compare(before, key); {
		case !ok, order > 0, order == 0 && i > 0, to != nil && bytes.Compare(key, to) >= 0:
			if err := l.bad(damaged("element %d of a page is out of place", i)); err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		default:
			before = key
		}
		if kind == branchPage {
			children = append(children, child{key, binary.NativeEndian.Uint64(e[8:])})
		} else if each != nil {
			if err := each(binary.NativeEndian.Uint32(e), key, value); err != nil {
				if err := l.bad(err); err != nil {
					return nil, err
				}
			}
		}
	}
	return children, nil
}

// element gives an element's key and, of a leaf's, its value; e begins with the
// element and ends with its page.
func element(e []byte, kind int) (key, value []byte, ok bool) {
	num := binary.NativeEndian
	at, size, more := uint64(num.Uint32(e)), uint64(num.Uint32(e[4:])), uint64(0)
	if kind == leafPage {
		at, size, more = uint64(num.Uint32(e[4:])), uint64(num.Uint32(e[8:])), uint64(num.Uint32(e[12:]))
	}
	if at < pageElement || at+size+more > uint64(len(e)) {
		return nil, nil, false
	}
	return e[at : at+size], e[at+size : at+size+more], true
}

// free proves that no page called free is in use: bbolt would write over it.
func (l *layout) free() error {
	if l.freelist == noFreelist {
		return nil
	}
	raw, kind, count, err := l.read(l.freelist)
	if err != nil {
		return err
	}
	if kind != freePage {
		return damaged("invalid freelist page %d", l.freelist)
	}
	ids := raw[pageHead:]
	if count == 0xffff {
		count = int(min(binary.NativeEndian.Uint64(ids), uint64(len(ids)/8)))
		ids = ids[8:]
	}
	if count*8 > len(ids) {
		return damaged("the freelist has %d pages, more than it holds", count)
	}
	for id := range slices.Chunk(ids[:count*8], 8) {
		id := binary.NativeEndian.Uint64(id)
		if _, taken := l.used[id]; taken || id < 2 || id >= l.high {
			return damaged("page %d is called free and is not", id)
		}
		l.used[id] = struct{}{}
	}
	return nil
}

// lock takes the file's lock as bbolt is about to, so that nobody writes to what
// is being looked at.
func lock(file *os.File, readOnly bool) error {
	how := unix.LOCK_EX
	if readOnly {
		how = unix.LOCK_SH
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return bolterrors.ErrTimeout
		}
	}
}
