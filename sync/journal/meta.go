package journal

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// A bbolt file begins with two meta pages of the system's page size. The one
// with the higher transaction that is whole says where everything is.
//
//	16 magic
//	20 format version
//	24 page size, flags, root, freelist, pages, transaction
//	72 FNV-1a of bytes 16 to 71
//
// All numbers in the byte order of the machine.
const (
	metaAt    = 16
	metaSum   = 72
	metaEnd   = 80
	metaMagic = 0xED0CDAED
	metaVer   = 2
)

// look proves that both meta pages can be read and one is whole, and for a writer
// that nobody has cut the file off while it is open: what bbolt would write then
// lies behind a hole.
func (s *store) look(writable bool) error {
	first, err := s.wholeMeta(0)
	second, failed := s.wholeMeta(s.pageSize)
	if err := errors.Join(err, failed); err != nil {
		return damaged("the meta pages cannot be read: %v", err)
	}
	if !first && !second {
		return damaged("both meta pages are gone")
	}
	if writable {
		if err := s.present(); err != nil {
			return err
		}
	}
	if limit := s.limit.Load(); writable && limit > 0 {
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		if info.Size() < limit {
			return damaged("the file was cut off while it was open: %d bytes of %d", info.Size(), limit)
		}
	}
	return nil
}

// wholeMeta reads the meta page through the descriptor: what the mapping shows is
// the same, and reading cannot fault.
func (s *store) wholeMeta(page int64) (bool, error) {
	var raw [metaEnd]byte
	if _, err := s.file.ReadAt(raw[metaAt:], page+metaAt); err != nil {
		return false, err
	}
	return isMeta(raw[metaAt:]), nil
}

// isMeta tells whether a meta page is whole, of what it says from its magic on.
func isMeta(raw []byte) bool {
	num := binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(raw[:metaSum-metaAt])
	return num.Uint32(raw) == metaMagic && num.Uint32(raw[4:]) == metaVer && num.Uint64(raw[metaSum-metaAt:]) == sum.Sum64()
}
