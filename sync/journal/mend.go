package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
)

// mendMost is the longest frame that is mended, in bytes.
const mendMost = 64 << 10

// mend gives the frame as it was where one byte of it is wrong, or the sum itself;
// nil: more is wrong, or it cannot be told. The sum tells which byte: a CRC is
// linear, so that a wrong byte leaves a trace that depends on its place and
// difference alone.
//
// A frame wrong in more than one byte looks like one wrong in one with a chance of
// its length in 2^24. So what comes of it must be as usher writes it (asWritten),
// under its own key.
func mend(raw, key []byte) []byte {
	n := len(raw) + len(key)
	if len(raw) < headerLen || n > mendMost {
		return nil
	}
	trace := checksum(raw, key) ^ binary.BigEndian.Uint32(raw[12:])
	fixed := bytes.Clone(raw)
	found := 0
	for shift := 0; shift < 32; shift += 8 {
		if trace&^(0xff<<shift) == 0 {
			// One byte of the sum: what it is the sum of is whole.
			sign(fixed, key)
			found = 1
		}
	}
	// What each difference in the last byte leaves, moved towards the front.
	var left [256]uint32
	for d := range left {
		left[d] = castagnoli[d]
	}
	for at := n - 5; at >= 0; at-- {
		for d := 1; d < 256; d++ {
			if left[d] == trace {
				if found++; found > 1 || at >= len(raw)-4 {
					return nil
				}
				place := at
				if place >= 12 {
					place += 4 // the sum is not part of what it sums up
				}
				fixed[place] ^= byte(d)
			}
			left[d] = castagnoli[byte(left[d])] ^ left[d]>>8
		}
	}
	if found != 1 {
		return nil
	}
	return fixed
}

// asWritten tells whether the frame holds what usher writes of its own value, byte
// for byte: a byte made up in a name, a number or a space seldom survives that.
func asWritten(raw []byte) bool {
	payload := raw[headerLen:]
	v, _, _ := newSalvaged().slot(kind(raw[5]))
	if v == nil || !utf8.Valid(payload) || json.Unmarshal(payload, v) != nil {
		return false
	}
	again, err := json.Marshal(v)
	return err == nil && bytes.Equal(again, payload)
}
