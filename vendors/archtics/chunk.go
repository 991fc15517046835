package archtics

import (
	"encoding/binary"
	"errors"
)

// chunkMagic begins every chunk and names its format.
const chunkMagic = "AE2"

var errChunk = errors.New("a part of the attendance cannot be read")

// encodeChunk writes entries and the high-water mark (Unix seconds; 0: none) in few
// bytes: each name once, then for each entry four of their numbers, gate and time, and when it
// was heard of as the difference from the entry before.
func encodeChunk(lines []line, mark int64) []byte {
	ids := map[string]uint64{}
	var names []string
	id := func(name string) uint64 {
		n, have := ids[name]
		if !have {
			n = uint64(len(names))
			ids[name] = n
			names = append(names, name)
		}
		return n
	}
	var body []byte
	heard := uint32(0)
	for _, l := range lines {
		for _, name := range []string{l.seat.event, l.seat.section, l.seat.row, l.seat.number, l.gate} {
			body = binary.AppendUvarint(body, id(name))
		}
		when := uint64(l.seconds) << 1
		if l.vague {
			when |= 1
		}
		body = binary.AppendUvarint(body, when)
		body = binary.AppendVarint(body, int64(l.heard)-int64(heard))
		heard = l.heard
	}
	raw := append([]byte{}, chunkMagic...)
	raw = binary.AppendVarint(raw, mark)
	raw = binary.AppendUvarint(raw, uint64(len(names)))
	for _, name := range names {
		raw = binary.AppendUvarint(raw, uint64(len(name)))
		raw = append(raw, name...)
	}
	raw = binary.AppendUvarint(raw, uint64(len(lines)))
	return append(raw, body...)
}

// decodeChunk reads what encodeChunk wrote; anything else is an error.
func decodeChunk(raw []byte) (lines []line, mark int64, err error) {
	if len(raw) < len(chunkMagic) || string(raw[:len(chunkMagic)]) != chunkMagic {
		return nil, 0, errChunk
	}
	r := &chunkReader{rest: raw[len(chunkMagic):]}
	mark = r.varint()
	var names []string
	for range r.count() {
		names = append(names, r.name())
	}
	name := func() string {
		n := r.uvarint()
		if n >= uint64(len(names)) {
			r.bad = true
			return ""
		}
		return names[n]
	}
	heard := int64(0)
	for range r.count() {
		l := line{seat: seat{name(), name(), name(), name()}, gate: name()}
		when := r.uvarint()
		heard += r.varint()
		l.seconds, l.vague, l.heard = uint32(when>>1), when&1 != 0, uint32(heard)
		if r.bad || when>>33 != 0 || heard>>32 != 0 {
			return nil, 0, errChunk
		}
		lines = append(lines, l)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, 0, errChunk
	}
	return lines, mark, nil
}

// chunkReader reads on until something is wrong, and then nothing more.
type chunkReader struct {
	rest []byte
	bad  bool
}

func (r *chunkReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *chunkReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count is a number of things, each of which takes a byte at least.
func (r *chunkReader) count() int {
	v := r.uvarint()
	if v > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(v)
}

func (r *chunkReader) name() string {
	n := r.count()
	if r.bad {
		return ""
	}
	name := string(r.rest[:n])
	r.rest = r.rest[n:]
	return name
}
