package cache

import (
	"bytes"
	"encoding/binary"
	"io"
	"sort"
)

// pages looks at a file of bbolt's without trusting it. bbolt follows a branch
// that leads back to itself until the stack or the memory is gone, which nothing
// recovers from: whatever it is about to walk is looked at here first. It sees
// the bytes that bbolt sees, through reads instead of the mapping.
//
// A page begins with its number (8 bytes), its kind (2), how many elements it
// has (2) and how many pages follow as part of it (4). An element of a branch is
// the place of its key, counted from the element (4), the key's size (4) and the
// page it leads to (8). All numbers are in the machine's own order.
type pages struct {
	file io.ReaderAt
	// limit is how many pages the file has.
	limit uint64
	page  [pageSize]byte
}

const (
	pageHead    = 16
	pageElement = 16
	branchPage  = 1
	leafPage    = 2
	// maxDepth is more than a tree of any list has: four levels hold ten million
	// tickets.
	maxDepth = 12
)

// branch reads a page; false: it is a leaf, of which nothing more is known.
func (p *pages) branch(id uint64) (bool, error) {
	if id >= p.limit {
		return false, errDamaged
	}
	if _, err := p.file.ReadAt(p.page[:], int64(id)*pageSize); err != nil {
		return false, err
	}
	kind := binary.NativeEndian.Uint16(p.page[8:])
	if binary.NativeEndian.Uint64(p.page[:]) != id || kind != branchPage && kind != leafPage {
		return false, errDamaged
	}
	if n := p.count(); kind == branchPage && (n == 0 || pageHead+n*pageElement > pageSize) {
		return false, errDamaged
	}
	return kind == branchPage, nil
}

func (p *pages) count() int { return int(binary.NativeEndian.Uint16(p.page[10:])) }

func (p *pages) element(i int) []byte { return p.page[pageHead+i*pageElement:] }

func (p *pages) child(i int) uint64 { return binary.NativeEndian.Uint64(p.element(i)[8:]) }

// key is an element's key, as far as it lies inside the page.
func (p *pages) key(i int) []byte {
	e := p.element(i)
	pos, size := uint64(binary.NativeEndian.Uint32(e)), uint64(binary.NativeEndian.Uint32(e[4:]))
	return e[min(pos, uint64(len(e))):min(pos+size, uint64(len(e)))]
}

// seeks proves that bbolt's Seek for a key ends, from a bucket's root, and so does
// its step to the leaf after the one it comes to. An inline bucket has no root.
func (p *pages) seeks(root uint64, key []byte) error {
	if root == 0 {
		return nil
	}
	after := uint64(0)
	for id, depth := root, 0; depth < maxDepth; depth++ {
		branch, err := p.branch(id)
		if err != nil {
			return err
		}
		if !branch {
			return p.leftmost(after)
		}
		// Exactly as bbolt does it, or the keys of a damaged page lead elsewhere.
		exact := false
		at := sort.Search(p.count(), func(i int) bool {
			order := bytes.Compare(p.key(i), key)
			exact = exact || order == 0
			return order != -1
		})
		if !exact && at > 0 {
			at--
		}
		if at+1 < p.count() {
			after = p.child(at + 1)
		}
		id = p.child(at)
	}
	return errDamaged
}

// leftmost proves that the way down to a page's first leaf ends; zero: no page.
func (p *pages) leftmost(id uint64) error {
	for depth := 0; id != 0 && depth < maxDepth; depth++ {
		branch, err := p.branch(id)
		if err != nil || !branch {
			return err
		}
		id = p.child(0)
	}
	if id != 0 {
		return errDamaged
	}
	return nil
}

// sound proves that a walk through the whole tree ends.
func (p *pages) sound(root uint64) error {
	if root == 0 {
		return nil
	}
	seen := make(map[uint64]struct{})
	level := []uint64{root}
	for depth := 0; len(level) > 0; depth++ {
		var next []uint64
		for _, id := range level {
			if _, twice := seen[id]; twice || depth == maxDepth {
				return errDamaged
			}
			seen[id] = struct{}{}
			branch, err := p.branch(id)
			if err != nil {
				return err
			}
			for i := 0; branch && i < p.count(); i++ {
				next = append(next, p.child(i))
			}
		}
		level = next
	}
	return nil
}
