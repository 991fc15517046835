package journal

import (
	"context"
	"errors"

	"usher/scanner"
)

// maxMemoryKey keeps keys far below what bbolt takes.
const maxMemoryKey = 1024

// memory is one vendor's part of the memory bucket.
type memory struct {
	j      *Journal
	prefix string
}

var _ scanner.Memory = memory{}

// Memory gives a store of small values, apart from those of other prefixes.
// Save returns once the value is on the disk.
func (j *Journal) Memory(prefix string) scanner.Memory { return memory{j, prefix} }

// Load gives nil where nothing was saved under the key.
func (m memory) Load(key string) ([]byte, error) {
	full := []byte(m.prefix + "\x00" + key)
	var value []byte
	err := m.j.read(func(r reader) error {
		value = nil
		raw := r.get(bucketMemory, full)
		if raw == nil {
			return nil
		}
		var e memoryEntry
		err := decode(kindMemory, full, raw, &e)
		value = e.Value
		return err
	})
	return value, err
}

// Save replaces the value; nil removes it.
func (m memory) Save(key string, value []byte) error {
	full := m.prefix + "\x00" + key
	if len(full) > maxMemoryKey {
		return errors.New("journal: memory key is too long")
	}
	return m.j.submit(context.Background(), &request{ends: true, apply: func(b *batch) error {
		if value == nil {
			return b.remove(bucketMemory, []byte(full))
		}
		e := memoryEntry{Key: full, Ver: b.ver(), Value: value}
		return b.encode(bucketMemory, kindMemory, hintNone, []byte(full), e)
	}})
}
