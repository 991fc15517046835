package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"usher/scanner"
)

// The buckets of the file, and the keys of the first.
var (
	bucketMeta     = []byte("meta")
	bucketLog      = []byte("log")
	bucketState    = []byte("state")
	bucketFate     = []byte("fate")
	bucketAttempts = []byte("attempts")
	bucketMemory   = []byte("memory")

	keyIdentity = []byte("identity")
	keySeqs     = []byte("seq")
	keySnapshot = []byte("snapshot")
)

func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketLog, bucketState, bucketFate, bucketAttempts, bucketMemory}
}

// identity says what the file is. It is written with the file's first
// transaction, before the file gets its name.
type identity struct {
	Schema   int       `json:"schema"`
	Created  time.Time `json:"created"`
	KeyCheck []byte    `json:"key_check,omitempty"`
}

// seqs reserves numbers ahead, so that one that was shown is never given again.
type seqs struct {
	// Reserved is the first number that may not have been given out.
	Reserved uint64 `json:"reserved"`
	// Scrubbed is the last failed commit that was taken back.
	Scrubbed uint64 `json:"scrubbed,omitempty"`
}

// snapshot is what opening need not count again.
type snapshot struct {
	// Upto: every record up to this seq is in the tallies.
	Upto uint64 `json:"upto"`
	// Marked: the marks of every record up to this seq are in the state tree.
	Marked uint64 `json:"marked"`
	// Watermark: no record below it is pending without a fate record, missing in
	// the tallies, or ahead of the state tree.
	Watermark uint64 `json:"watermark"`
	// Below is how many log records have a seq below Watermark.
	Below   uint64  `json:"below"`
	Tallies []tally `json:"tallies,omitempty"`
}

// logEntry is one line of the log. After is the mark as this record left it, so
// that the state can be made again from the log.
type logEntry struct {
	scanner.Record
	Sealed []byte        `json:"sealed,omitempty"`
	After  *scanner.Mark `json:"after,omitempty"`
}

// markVer is the version of the mark that the record made.
func (e *logEntry) markVer() uint64 { return e.Seq + 1 }

// markEntry is a ticket's gate state. Ver orders the versions of one key over
// deletions, where Rev begins anew.
type markEntry struct {
	Scope scanner.Scope `json:"scope"`
	Code  scanner.Code  `json:"code"`
	Ver   uint64        `json:"ver"`
	Mark  scanner.Mark  `json:"mark"`
}

func (m *markEntry) key() []byte { return markKey(m.Scope, m.Code) }

// newer tells which of two versions of a key was written later.
func (m *markEntry) newer(other *markEntry) bool {
	if m.Ver != other.Ver {
		return m.Ver > other.Ver
	}
	return m.Mark.Rev > other.Mark.Rev
}

// fateEntry is what became of a record since it was written.
type fateEntry struct {
	Seq  uint64       `json:"seq"`
	Rev  uint64       `json:"rev"`
	Fate scanner.Fate `json:"fate"`
	Sent int          `json:"sent,omitempty"`
	// SentAs is the scan's time as the vendor was last told it; zero where no
	// sending counts.
	SentAs time.Time `json:"sent_as,omitzero"`
	// VendorAt is the movement's time by the vendor's own clock, once it has it.
	VendorAt time.Time `json:"vendor_at,omitzero"`
	Detail   string    `json:"detail,omitempty"`
	At       time.Time `json:"at,omitzero"`
	By       string    `json:"by,omitempty"`
	// Doubtless: no call for the record has reached the vendor, whatever the record
	// itself says.
	Doubtless bool `json:"doubtless,omitempty"`
	// Void: the record's commit failed and nothing green stood on it; a rescue
	// must not bring it back from a stale page.
	Void bool `json:"void,omitempty"`
}

func (f *fateEntry) hint() hint {
	switch {
	case f.Void:
		return hintVoid
	case f.Fate == scanner.FatePending:
		return hintPending
	case f.Fate == scanner.FateParked:
		return hintParked
	case f.Fate == scanner.FateConflict && f.By == "":
		return hintConflict
	}
	return hintNone
}

// memoryEntry is a value that a vendor keeps.
type memoryEntry struct {
	Key   string `json:"key"`
	Ver   uint64 `json:"ver"`
	Value []byte `json:"value"`
}

// markKey does not depend on the device key: marks outlive its change.
func markKey(s scanner.Scope, c scanner.Code) []byte {
	scope := s.Key()
	buf := make([]byte, 0, 4+len(scope)+len(c))
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(scope)))
	buf = append(buf, scope...)
	buf = append(buf, c...)
	sum := sha256.Sum256(buf)
	return sum[:]
}
