package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// schema is the version of everything written to the file: the frames and the
// JSON inside them.
const schema = 1

// A value on the disk is one frame: it can be found and proved by itself,
// without the page structure around it.
//
//	0  magic "USHR"
//	4  schema version
//	5  kind
//	6  hint
//	7  zero
//	8  payload length, big endian
//	12 CRC-32C over bytes 0 to 11, payload and bucket key, big endian
//	16 payload, JSON
const (
	magic      = "USHR"
	headerLen  = 16
	maxPayload = 8 << 20
)

// kind tells what a frame holds, and with it its bucket.
type kind byte

const (
	kindIdentity kind = 'i'
	kindSeq      kind = 'q'
	kindSnapshot kind = 'n'
	kindRescue   kind = 'r'
	kindLog      kind = 'l'
	kindMark     kind = 's'
	kindFate     kind = 'f'
	kindAttempt  kind = 'a'
	kindMemory   kind = 'm'
)

// hint is what opening the journal must know of a frame without decoding it.
type hint byte

const (
	hintNone     hint = 0
	hintPending  hint = 'p'
	hintParked   hint = 'k'
	hintConflict hint = 'c'
	hintVoid     hint = 'v'
)

// ErrDamaged says that what the disk gave back is not what was written.
var ErrDamaged = errors.New("journal damaged")

// ErrNewer says that the file was written by a newer usher.
var ErrNewer = errors.New("written by a newer usher")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// encode frames v for the key it will be stored under.
func encode(k kind, h hint, key []byte, v any) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %c record: %w", k, err)
	}
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("encode %c record: %d bytes are more than %d", k, len(payload), maxPayload)
	}
	raw := make([]byte, headerLen, headerLen+len(payload))
	copy(raw, magic)
	raw[4], raw[5], raw[6] = schema, byte(k), byte(h)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(payload)))
	raw = append(raw, payload...)
	sign(raw, key)
	return raw, nil
}

func sign(raw, key []byte) { binary.BigEndian.PutUint32(raw[12:], checksum(raw, key)) }

// checksum covers everything of the frame but the checksum itself, and the key.
func checksum(raw, key []byte) uint32 {
	sum := crc32.Update(0, castagnoli, raw[:12])
	sum = crc32.Update(sum, castagnoli, raw[headerLen:])
	return crc32.Update(sum, castagnoli, key)
}

// verify proves that raw is a whole frame of the kind, written for the key.
// Errors: ErrDamaged, ErrNewer.
func verify(k kind, key, raw []byte) (hint, error) {
	if len(raw) < headerLen || string(raw[:4]) != magic {
		return 0, damaged("%c record %x is no record", k, key)
	}
	if checksum(raw, key) != binary.BigEndian.Uint32(raw[12:]) {
		return 0, damaged("%c record %x has a wrong checksum", k, key)
	}
	if raw[4] > schema {
		return 0, fmt.Errorf("%w: %c record %x has schema %d, this usher knows %d", ErrNewer, k, key, raw[4], schema)
	}
	if kind(raw[5]) != k || int(binary.BigEndian.Uint32(raw[8:])) != len(raw)-headerLen {
		return 0, damaged("%c record %x is another record", k, key)
	}
	return hint(raw[6]), nil
}

// decode verifies the frame and reads its payload into v.
func decode(k kind, key, raw []byte, v any) error {
	if _, err := verify(k, key, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw[headerLen:], v); err != nil {
		return damaged("%c record %x: %v", k, key, err)
	}
	return nil
}

// seqKey is a number as a key that sorts by it.
func seqKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func keySeq(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}
