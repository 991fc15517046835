package journal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"usher/scanner"
)

// TestSalvageTakesTheNewest of the versions that stale pages hold, in whatever
// order they lie.
func TestSalvageTakesTheNewest(t *testing.T) {
	frame := func(k kind, key []byte, v any) []byte {
		raw, err := encode(k, hintNone, key, v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	m := func(ver, rev uint64) markEntry {
		return markEntry{Scope: scope, Code: code(1), Ver: ver, Mark: scanner.Mark{Rev: rev}}
	}
	fate := func(e fateEntry) []byte { return frame(kindFate, seqKey(e.Seq), e) }
	key := markKey(scope, code(1))
	frames := [][]byte{
		// A mark that ended and began anew has a lower revision.
		frame(kindMark, key, m(10, 7)), frame(kindMark, key, m(20, 1)), frame(kindMark, key, m(20, 2)),
		fate(fateEntry{Seq: 5, Rev: 1, Fate: scanner.FateParked}), fate(fateEntry{Seq: 5, Rev: 2, Fate: scanner.FateTaken}),
		fate(fateEntry{Seq: 6, Rev: 1, Fate: scanner.FateParked}), fate(fateEntry{Seq: 6, Void: true}),
		frame(kindLog, seqKey(5), logEntry{Record: scanner.Record{Seq: 5}}),
		frame(kindLog, seqKey(6), logEntry{Record: scanner.Record{Seq: 6}}),
	}
	for range 50 {
		rand.Shuffle(len(frames), func(a, b int) { frames[a], frames[b] = frames[b], frames[a] })
		path := filepath.Join(t.TempDir(), fileName)
		if err := os.WriteFile(path, bytes.Join(frames, []byte("USH USHR\x01")), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := salvagePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.marks[string(key)]; got == nil || got.Ver != 20 || got.Mark.Rev != 2 {
			t.Fatalf("mark: %+v", got)
		}
		if found.fates[5].Fate != scanner.FateTaken || !found.fates[6].Void {
			t.Fatalf("fates: %+v, %+v", found.fates[5], found.fates[6])
		}
		if found.log[5] == nil || found.log[6] != nil {
			t.Fatalf("log: %v", found.seqs())
		}
	}
}

// TestAsideKeepsBothNames: a crash between the two steps of a rescue leaves the
// damaged journal in its place, not none.
func TestAsideKeepsBothNames(t *testing.T) {
	opts := options(stateDir(t))
	j := open(t, opts)
	for range 3 {
		name, err := j.asideName()
		if err != nil {
			t.Fatal(err)
		}
		if err := j.setAside(name); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{j.path, filepath.Join(opts.Dir, name)} {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	}
	if n := len(damagedAside(t, opts.Dir)); n != 3 {
		t.Errorf("%d names, want 3: one was overwritten", n)
	}
}
