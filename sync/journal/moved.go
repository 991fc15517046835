package journal

import (
	"maps"
	"slices"

	"usher/scanner"
)

// movedMark is the mark that a note brings along: of a movement that the vendor
// confirmed and the disk refused. It is the ticket's as soon as it is noted, and
// is stored with its note. A ticket's marks stay together until the last of them
// is stored; where notes had to be dropped, until the mark has had its time.
type movedMark struct {
	seq  uint64
	mark scanner.Mark
}

// NoteMoved is Note for a movement that the vendor confirmed and the disk refused:
// the mark is the ticket's at once, and is stored with the record, unless another
// change came between. Without it the ticket would count as new after a restart.
func (j *Journal) NoteMoved(rec scanner.Record, mark scanner.Mark) uint64 {
	rec = storable(rec)
	j.mu.Lock()
	defer j.mu.Unlock()
	seq := j.takeIn(rec)
	mark.Last = seq
	key := string(markKey(rec.Scope, rec.Code))
	j.moved[key] = append(j.moved[key], movedMark{seq, mark})
	return seq
}

// movedOf gives the marks of the ticket's notes, oldest first.
func (j *Journal) movedOf(key []byte) []movedMark {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.moved[string(key)])
}

// over gives the mark that the newest of the marks makes of the present one: its
// own, unless another change came after the present one's movement. Several may
// have been decided on the same stored mark, each on the one before it.
func over(present scanner.Mark, moved []movedMark) (scanner.Mark, bool) {
	if len(moved) == 0 {
		return present, false
	}
	earlier, newest := moved[:len(moved)-1], moved[len(moved)-1].mark
	follows := slices.ContainsFunc(earlier, func(m movedMark) bool { return m.seq == present.Last })
	if present.Rev != newest.Rev && !follows {
		return present, false
	}
	newest.Rev = present.Rev
	return newest, true
}

// movedBy gives the mark that a note makes of the present one.
func (b *batch) movedBy(rec *scanner.Record, key []byte) (after *scanner.Mark, err error) {
	list := b.j.movedOf(key)
	at := slices.IndexFunc(list, func(m movedMark) bool { return m.seq == rec.Seq })
	if at < 0 {
		return nil, nil
	}
	b.effect(func(*index) {
		if at == len(b.j.moved[string(key)])-1 {
			delete(b.j.moved, string(key))
		}
	})
	present, err := b.mark(rec.Scope, rec.Code, key)
	if err != nil {
		return nil, err
	}
	m, moved := over(present.Mark, list[:at+1])
	if !moved {
		return nil, nil
	}
	m.Rev++
	return &m, nil
}

// forgetMoved ends the marks whose notes were dropped, once they have had their
// time.
func (j *Journal) forgetMoved(a ages) {
	j.mu.Lock()
	moved := maps.Clone(j.moved)
	first := j.next
	if len(j.notes) > 0 {
		first = j.notes[0].Seq
	}
	j.mu.Unlock()
	maps.DeleteFunc(moved, func(_ string, list []movedMark) bool {
		newest := list[len(list)-1]
		age, known := a.since(newest.mark.LastAt)
		return newest.seq >= first || !known || age < a.forget
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, list := range moved {
		if len(j.moved[key]) == len(list) {
			delete(j.moved, key)
		}
	}
}
