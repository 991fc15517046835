package journal

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// change is one key that a transaction wrote: what was there before, and what
// is there if it succeeds; nil: absent.
type change struct {
	bucket, key, old, new []byte
}

// overlay is what a transaction changes. While it is being committed its pages
// may be seen before they are synced, and after a failed commit they may be
// there or not: readers look here first and see what is known to be on the disk.
type overlay struct {
	changes []change
	at      map[string]int
}

func newOverlay() *overlay { return &overlay{at: make(map[string]int)} }

func overlayKey(bucket, key []byte) string { return string(bucket) + "\x00" + string(key) }

// add remembers a write; of several to one key, the first old value counts.
func (o *overlay) add(bucket, key, old, val []byte) {
	id := overlayKey(bucket, key)
	if i, ok := o.at[id]; ok {
		o.changes[i].new = val
		return
	}
	o.at[id] = len(o.changes)
	o.changes = append(o.changes, change{bucket: bucket, key: bytes.Clone(key), old: bytes.Clone(old), new: val})
}

// old gives what was under the key before the transaction.
func (o *overlay) old(bucket, key []byte) (val []byte, ok bool) {
	if o == nil {
		return nil, false
	}
	i, ok := o.at[overlayKey(bucket, key)]
	if !ok {
		return nil, false
	}
	return o.changes[i].old, true
}

// reader sees the confirmed state in one read transaction.
type reader struct {
	tx   *bbolt.Tx
	over *overlay
}

func (r reader) get(bucket, key []byte) []byte {
	if val, ok := r.over.old(bucket, key); ok {
		return val
	}
	return r.tx.Bucket(bucket).Get(key)
}
