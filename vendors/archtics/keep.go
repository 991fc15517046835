package archtics

import (
	"strconv"
	"time"

	"usher/scanner"
)

const (
	// chunkLines is the most entries of one chunk, some 100 KB.
	chunkLines = 8000
	// mostChunks is how many chunks may lie on the disk before they are written anew
	// as few.
	mostChunks = 64
	// keepEntries is how long an entry is kept.
	keepEntries = 48 * time.Hour
	headKey     = "attendance"
)

// keep is the attendance on the disk: chunks that are only ever appended, each with
// the entries that one fetch brought and the high-water mark behind them, so that
// both are there or neither. When there are many, or entries have grown old, all is
// written anew under the next generation, which counts once the head names it.
type keep struct {
	memory     scanner.Memory
	generation int
	chunks     int
}

func (k *keep) key(generation, n int) string {
	return headKey + "/" + strconv.Itoa(generation) + "/" + strconv.Itoa(n)
}

// load gives what was kept. What an interrupted rewriting left behind is removed.
func (k *keep) load() (lines []line, mark int64, err error) {
	head, err := k.memory.Load(headKey)
	if err != nil {
		return nil, 0, err
	}
	if len(head) > 0 {
		if k.generation, err = strconv.Atoi(string(head)); err != nil {
			return nil, 0, errChunk
		}
	}
	for {
		raw, err := k.memory.Load(k.key(k.generation, k.chunks))
		if err != nil {
			return nil, 0, err
		}
		if len(raw) == 0 {
			break
		}
		some, upTo, err := decodeChunk(raw)
		if err != nil {
			return nil, 0, err
		}
		k.chunks++
		lines, mark = append(lines, some...), max(mark, upTo)
	}
	// What cannot be removed does no harm, and the next start tries it again.
	_ = k.remove(k.generation + 1)
	_ = k.remove(k.generation - 1)
	return lines, mark, nil
}

// append writes what is new.
func (k *keep) append(lines []line, mark int64) error {
	for {
		n := min(len(lines), chunkLines)
		upTo := mark
		if n < len(lines) {
			upTo = 0 // the rest must be there as well
		}
		if err := k.memory.Save(k.key(k.generation, k.chunks), encodeChunk(lines[:n], upTo)); err != nil {
			return err
		}
		k.chunks++
		if lines = lines[n:]; len(lines) == 0 {
			return nil
		}
	}
}

// rewrite puts these in the place of all chunks.
func (k *keep) rewrite(lines []line, mark int64) error {
	next := keep{memory: k.memory, generation: k.generation + 1}
	if err := next.append(lines, mark); err != nil {
		return err
	}
	if err := k.memory.Save(headKey, []byte(strconv.Itoa(next.generation))); err != nil {
		return err
	}
	old := k.generation
	*k = next
	return k.remove(old)
}

// remove takes a generation away, the last chunk first, so that what is left after
// an interruption is found from the first.
func (k *keep) remove(generation int) error {
	n := 0
	for {
		raw, err := k.memory.Load(k.key(generation, n))
		if err != nil {
			return err
		}
		if len(raw) == 0 {
			break
		}
		n++
	}
	for n--; n >= 0; n-- {
		if err := k.memory.Save(k.key(generation, n), nil); err != nil {
			return err
		}
	}
	return nil
}
