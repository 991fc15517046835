package cache

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"usher/scanner"
)

// A value on disk is the link to the record before it, then the sealed record:
//
//	8 bytes  the beginning of the predecessor's index (zero at the first)
//	4 bytes  CRC-32C of this index and the 8 bytes above
//	rest     the record, sealed
const (
	linkPrev = 8
	linkSize = linkPrev + 4
)

var errDamaged = errors.New("damaged record")

func appendLink(dst, prev, index []byte) []byte {
	dst = append(dst, prev[:linkPrev]...)
	return binary.BigEndian.AppendUint32(dst, linkSum(index, prev[:linkPrev]))
}

func linkSum(index, prev []byte) uint32 {
	return crc32.Update(crc32.Checksum(index, castagnoli), castagnoli, prev)
}

// reader reads one generation for one goroutine at a time.
type reader struct {
	tx      *bbolt.Tx
	pages   *pages
	cursor  *bbolt.Cursor
	records cipher.AEAD
}

// find looks one index up. Nothing that a damaged file can do leaves it as
// anything but scanner.Damaged.
func (r *reader) find(index []byte) (ticket scanner.Ticket, found scanner.Found) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			ticket, found = scanner.Ticket{}, scanner.Damaged
		}
	}()
	if r.pages.seeks(uint64(r.cursor.Bucket().Root()), index) != nil {
		return scanner.Ticket{}, scanner.Damaged
	}
	key, value := r.cursor.Seek(index)
	if !bytes.Equal(key, index) {
		if absent(index, key, value) {
			return scanner.Ticket{}, scanner.Missing
		}
		return scanner.Ticket{}, scanner.Damaged
	}
	ticket, err := r.open(key, value)
	if err != nil {
		return scanner.Ticket{}, scanner.Damaged
	}
	return ticket, scanner.Listed
}

// unreadable counts the records that look-ups would call damaged; one where not
// even that can be told.
func (r *reader) unreadable() (bad int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			bad++
		}
	}()
	if r.pages.sound(uint64(r.cursor.Bucket().Root())) != nil {
		return 1
	}
	for key, value := r.cursor.First(); key != nil && !bytes.Equal(key, endKey); key, value = r.cursor.Next() {
		if _, err := r.open(key, value); err != nil {
			bad++
		}
	}
	return bad
}

// absent tells whether the record after the index proves that the index is not
// in the list: its predecessor lies before it. A predecessor that begins as the
// index does is the record itself, whose own key was damaged.
func absent(index, next, value []byte) bool {
	if len(next) != len(index) || len(value) < linkSize || bytes.Compare(next, index) < 0 {
		return false
	}
	prev := value[:linkPrev]
	return linkSum(next, prev) == binary.BigEndian.Uint32(value[linkPrev:]) && bytes.Compare(prev, index[:linkPrev]) < 0
}

// open unseals one record. The index is associated data: another ticket's
// record under this index cannot be opened.
func (r *reader) open(index, value []byte) (scanner.Ticket, error) {
	if len(value) < linkSize || len(value) > linkSize+maxRecord+r.records.Overhead() {
		return scanner.Ticket{}, errDamaged
	}
	plain, err := r.records.Open(nil, nil, value[linkSize:], index)
	if err != nil {
		return scanner.Ticket{}, errDamaged
	}
	return decodeTicket(string(plain))
}
